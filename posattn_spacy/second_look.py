"""Which texts need the encoder: the threshold of the second look, fitted on dev (DESIGN.md 2.10)."""

import math
from typing import Any, Dict, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from .calibration import DecodedBatch, at_least
from .lattice import Lattice

LEAST_ENTITIES = 200  # of dev, with fewer of which nothing is promised
DIGITS = 1e9  # of a threshold, so that it is the same when it is read from a file


class TextCounts(NamedTuple):
    """What one or the other look makes of each text.

    sureness (np.ndarray): (texts,) float64, of the first look (see `Lattice.sureness`).
    words (np.ndarray): (texts,) int64.
    found (np.ndarray): (2, texts) int64 entities found by the first and by the second look.
    right (np.ndarray): (2, texts) int64 those of them that are right.
    gold (int): Gold entities of all texts.
    """

    sureness: np.ndarray
    words: np.ndarray
    found: np.ndarray
    right: np.ndarray
    gold: int


class Promise(NamedTuple):
    """What dev says of the second look.

    threshold (Optional[float]): Sureness from which on a text gets none; None if all texts need one.
    words (float): Share of the words that get one.
    f (float): Span F1 then.
    f_all (float): Span F1 with a second look at all texts.
    """

    threshold: Optional[float]
    words: float
    f: float
    f_all: float

    @classmethod
    def read(cls, cfg: Dict[str, Any]) -> Optional["Promise"]:
        """RETURNS (Optional[Promise]): What a component's cfg has kept; None if nothing was fitted."""
        kept = cfg["fitted_look"]  # by a later version perhaps, which says more
        return None if kept is None else cls(*(kept[field] for field in cls._fields))

    def __str__(self) -> str:
        if self.threshold is None:
            return f"all texts get a second look (span F1 on dev {self.f_all:.4f})"
        return (
            f"{self.words:.0%} of the words get a second look (span F1 on dev {self.f:.4f}; of all texts "
            f"{self.f_all:.4f})"
        )


def count_texts(
    first: Sequence[DecodedBatch],
    second: Sequence[DecodedBatch],
    temperatures: Tuple[float, float],
    thresholds: np.ndarray,
) -> TextCounts:
    """Count what both looks find in the texts of dev.

    first (Sequence[DecodedBatch]): What the first look says of batches of texts.
    second (Sequence[DecodedBatch]): What the second look says of the same.
    temperatures (Tuple[float, float]): By which the scores of the first and of the second are divided.
    thresholds (np.ndarray): (labels,) the least probability of an entity of each label.
    RETURNS (TextCounts): The counts.
    """
    sureness, words, found, right = [], [], [], []
    for one, other in zip(first, second, strict=True):
        lattice = Lattice(one.batch.scores / temperatures[0], one.batch.lengths)
        sureness.append(lattice.sureness(one.tags).numpy())
        n_texts = len(one.batch.lengths)
        words.append(one.batch.lengths.numpy())
        kept = at_least(one, temperatures[0], thresholds), at_least(other, temperatures[1], thresholds)
        found.append([np.bincount(each.texts, minlength=n_texts) for each in kept])
        right.append([np.bincount(each.texts[each.correct], minlength=n_texts) for each in kept])
    return TextCounts(
        np.concatenate(sureness),
        np.concatenate(words),
        np.concatenate(found, axis=1),
        np.concatenate(right, axis=1),
        int(sum(each.gold.sum() for each in second)),
    )


def at_threshold(counts: TextCounts, threshold: Optional[float]) -> Promise:
    """Say what a threshold gives.

    counts (TextCounts): What both looks find in texts.
    threshold (Optional[float]): The threshold; None for a second look at all texts.
    RETURNS (Promise): Share of the words that get a second look, and span F1.
    """
    sure = counts.sureness >= (math.inf if threshold is None else threshold)

    def f(first: np.ndarray) -> float:
        right, found = (int(np.where(first, each[0], each[1]).sum()) for each in (counts.right, counts.found))
        return 2 * right / max(found + counts.gold, 1)

    words = float(counts.words[~sure].sum() / counts.words.sum())
    return Promise(threshold, words, f(sure), f(np.zeros_like(sure)))


def fit_second_look(counts: TextCounts, tolerance: float) -> Promise:
    """Find the fewest words with a second look at which span F1 is nearly that of a second look at all texts.

    From a second look at all texts on, the surest text of all is left to the first look, then the second
    surest, and so on until F1 is too low for the first time.

    counts (TextCounts): What both looks find in the texts of dev.
    tolerance (float): What it may cost of F1.
    RETURNS (Promise): Without a threshold where dev has too few entities to tell.
    """
    counts = counts._replace(sureness=np.floor(counts.sureness * DIGITS) / DIGITS)
    order = np.argsort(-counts.sureness, kind="stable")
    sure = counts.sureness[order]
    right, found = (
        np.append(0, (each[0] - each[1])[order].cumsum()) + each[1].sum()
        for each in (counts.right, counts.found)
    )
    f = 2 * right / np.maximum(found + counts.gold, 1)  # (texts + 1,) with so many left to the first look
    apart = np.append(True, np.append(sure[1:] < sure[:-1], True))  # texts that are as sure go together
    fits = (f >= f[0] - tolerance - 1e-12) | ~apart
    upto = len(sure) if fits.all() else int(np.argmin(fits)) - 1
    while not apart[upto]:
        upto -= 1
    if not upto or counts.gold < LEAST_ENTITIES:
        return at_threshold(counts, None)
    # Midway to the next text: how sure a look is depends, in its last digits, on what is read together.
    middle = float(sure[upto - 1 : upto + 1].mean())
    return at_threshold(counts, math.ceil(middle * DIGITS) / DIGITS)
