"""Fitting a config's training schedule to the size of a corpus."""

from math import ceil
from typing import Any, Dict, Iterable, NamedTuple, Optional

import spacy
from spacy.training import Example
from spacy.util import registry
from thinc.api import Config

BATCHER = "posattn-spacy.batch_by_padded.v1"
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


def measure_pass(config: Config, examples: Optional[Iterable[Example]] = None) -> PassSize:
    """Go over the training corpus once.

    config (Config): A training config, with the path of its corpus.
    examples (Optional[Iterable[Example]]): The corpus, if it is another.
    RETURNS (PassSize): What its batcher makes, in the order of the corpus.
    RAISES (ValueError): If the corpus is empty.
    """
    interpolated = config.interpolate()
    settings = {"batcher": interpolated["training"]["batcher"]}
    if examples is None:
        settings |= {"reader": interpolated["corpora"]["train"]}
    resolved = registry.resolve(settings)
    if examples is None:
        examples = resolved["reader"](spacy.blank(interpolated["nlp"]["lang"]))
    words = [sum(map(len, batch)) for batch in resolved["batcher"](examples)]  # never all of it in memory
    if not words:
        path = interpolated["corpora"]["train"].get("path")
        raise ValueError(f"The training corpus {path} is empty. Check paths.train.")
    return PassSize(len(words), sum(words))


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
    return schedule_of(config, max(passes * batches, least_steps(config)), passes)


def least_steps(config: Config) -> int:
    """RETURNS (int): Updates that training makes at least, however small the corpus."""
    batcher = config["training"]["batcher"]
    return ceil(LEAST_WORDS / batcher["size"]) if batcher.get("@batchers") == BATCHER else LEAST_STEPS


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
    if min(evaluations, training["max_steps"]) < 1 or not (
        isinstance(schedule, dict) and "warmup_steps" in schedule
    ):
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
