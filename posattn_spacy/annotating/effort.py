"""Trainings that are shorter than those from new weights to a pipeline that is used."""

from math import ceil
from typing import Any, Dict, NamedTuple, Optional, Sequence

from spacy.training import Example
from thinc.api import Config

from ..schedule import measure_pass, schedule_of
from ..starting.fitted import LARGE, SIZE, SMALL_BATCH, in_small_batches


class Effort(NamedTuple):
    """How long is learned, and how fast.

    words (int): Tokens that are learned from, if that takes neither fewer nor more passes.
    least (int): Passes at least.
    most (int): Passes at most.
    rate (Optional[float]): Learning rate at its highest; None for the config's.
    """

    words: int
    least: int
    most: int
    rate: Optional[float] = None


def short_training(config: Config, examples: Sequence[Example], effort: Effort) -> Dict[str, Any]:
    """Fit a training to an effort.

    config (Config): A training config.
    examples (Sequence[Example]): What is learned from.
    effort (Effort): The effort.
    RETURNS (Dict[str, Any]): Settings of batches, schedule and rate.
    RAISES (ValueError): If there are no examples, or the config has another schedule than `warmup_linear.v1`.
    """
    size = measure_pass(config, examples)
    batch = config["training"]["batcher"].get("size")
    if size.words < LARGE and isinstance(batch, int) and batch > SMALL_BATCH:
        config, size = in_small_batches(config, examples)
    passes = min(effort.most, max(effort.least, ceil(effort.words / size.words)))
    rate = {} if effort.rate is None else {"training.optimizer.learn_rate.initial_rate": effort.rate}
    own = {SIZE: config["training"]["batcher"]["size"]} if isinstance(batch, int) else {}
    return {**own, **schedule_of(config, passes * size.batches, 1), **rate}
