"""Fitting a config's batches and training schedule to the size of a corpus (docs/defaults.md)."""

from math import ceil
from typing import Any, Dict, NamedTuple, Optional

import spacy
from spacy.util import registry
from thinc.api import Config

BATCHER = "posattn-spacy.batch_by_padded.v1"
SIZE = "training.batcher.size"
LARGE = 400_000  # tokens in one pass, from which on batches and passes are those of the config
SMALL_BATCH, SMALL_PASSES = 1024, 4  # below; padded tokens in a batch
# Padded tokens that are learned from, however small the corpus: fewer teach the head nothing.
LEAST_WORDS = 491_520
LEAST_STEPS = 120  # with another batcher


class PassSize(NamedTuple):
    """What there is to learn from in one pass over the training corpus.

    batches (int): Updates of the weights.
    words (int): Tokens, of what an augmenter adds too.
    """

    batches: int
    words: int


def measure_pass(config: Config) -> PassSize:
    """Go over the training corpus once.

    config (Config): A training config, with the path of its corpus.
    RETURNS (PassSize): What its batcher makes, in the order of the corpus.
    RAISES (ValueError): If the corpus is empty.
    """
    interpolated = config.interpolate()
    settings = registry.resolve(
        {"batcher": interpolated["training"]["batcher"], "reader": interpolated["corpora"]["train"]}
    )
    examples = settings["reader"](spacy.blank(interpolated["nlp"]["lang"]))
    words = [sum(map(len, batch)) for batch in settings["batcher"](examples)]  # never all of it in memory
    if not words:
        path = interpolated["corpora"]["train"].get("path")
        raise ValueError(f"The training corpus {path} is empty. Check paths.train.")
    return PassSize(len(words), sum(words))


class Fit(NamedTuple):
    """What was fitted to a corpus.

    overrides (Dict[str, Any]): Settings, as for `spacy train`.
    size (PassSize): One pass with them.
    """

    overrides: Dict[str, Any]
    size: PassSize


def fitted_training(config: Config) -> Fit:
    """Fit batches and schedule to the training corpus.

    A corpus of fewer tokens than `LARGE` wants smaller batches, of which a pass makes more, and fewer passes.

    config (Config): A training config, with the path of its corpus.
    RETURNS (Fit): Overrides for `spacy train`. Batches stay if they are small already, or made by another
        batcher than `posattn-spacy.batch_by_padded.v1`.
    RAISES (ValueError): As of `measure_pass` and `scaled_schedule`.
    """
    size = measure_pass(config)
    batch = batch_size(config)
    if batch is None or batch <= SMALL_BATCH or size.words >= LARGE:
        return Fit(scaled_schedule(config, size.batches), size)
    smaller = config.copy()
    smaller["training"]["batcher"]["size"] = SMALL_BATCH
    size = measure_pass(smaller)
    steps = max(SMALL_PASSES * size.batches, _least_steps(SMALL_BATCH))
    return Fit({SIZE: SMALL_BATCH, **schedule_of(config, steps, own_passes(config))}, size)


def batch_size(config: Config) -> Optional[int]:
    """RETURNS (Optional[int]): Padded tokens in a batch; None with another batcher than ours."""
    batcher = config["training"]["batcher"]
    return batcher["size"] if batcher.get("@batchers") == BATCHER else None


def own_passes(config: Config) -> int:
    """RETURNS (int): How many passes over its training corpus a config makes; it evaluates once per pass."""
    return config["training"]["max_steps"] // config["training"]["eval_frequency"]


def scaled_schedule(config: Config, batches: int, passes: Optional[int] = None) -> Dict[str, Any]:
    """Make training take as many passes over a corpus as the config takes over the one it was written for.

    The config evaluates once per pass, so it makes `max_steps / eval_frequency` passes.

    config (Config): A training config with the schedule `warmup_linear.v1`.
    batches (int): Updates in one pass over the corpus.
    passes (Optional[int]): Passes to make, instead of as many as the config does.
    RETURNS (Dict[str, Any]): Overrides for `spacy train`.
    RAISES (ValueError): If the config has another schedule, or makes no whole pass.
    """
    if passes is None:
        passes = own_passes(config)
    return schedule_of(config, max(passes * batches, _least_steps(batch_size(config))), passes)


def schedule_of(config: Config, steps: int, evaluations: int) -> Dict[str, Any]:
    """Make training take about so many updates.

    config (Config): A training config with the schedule `warmup_linear.v1`.
    steps (int): Updates; there are a few more if evaluations do not go into them.
    evaluations (int): How often to evaluate.
    RETURNS (Dict[str, Any]): Overrides for `spacy train`; the share of warmup is the config's.
    RAISES (ValueError): If the config has another schedule, or makes no whole pass.
    """
    training = config["training"]
    schedule = training["optimizer"]["learn_rate"]
    if evaluations < 1 or not (isinstance(schedule, dict) and "warmup_steps" in schedule):
        raise ValueError(
            "The schedule can't be fitted to the corpus: that takes a training.max_steps of at least "
            "training.eval_frequency, and warmup_linear.v1 as training.optimizer.learn_rate. Use "
            "`spacy train` itself for another one."
        )
    eval_frequency = ceil(steps / evaluations)
    max_steps = evaluations * eval_frequency
    warmup = schedule["warmup_steps"] / training["max_steps"]
    return {
        "training.eval_frequency": eval_frequency,
        "training.max_steps": max_steps,
        "training.optimizer.learn_rate.warmup_steps": max(1, round(warmup * max_steps)),
        "training.optimizer.learn_rate.total_steps": max_steps + 1,
    }


def _least_steps(batch: Optional[int]) -> int:
    return LEAST_STEPS if batch is None else ceil(LEAST_WORDS / batch)
