"""The temperature at which a component's probabilities hold (DESIGN.md 2.9)."""

import math
from typing import Callable, Iterator, List, NamedTuple, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor

from .calibration import TOLERANCE, DecodedBatch, log_loss
from .lattice import Lattice

TEMPERATURES = (0.1, 10.0)  # between which the best one is looked for
# It was 1.28, 1.40, 1.51 and 1.68 on four corpora, and may vary more on others. A handful of entities, all of
# them right, would else be made surer still.
PRIOR, SPREAD = 1.45, 0.2  # the spread is that of its logarithm
ENOUGH = 200  # entities, from which on it is not drawn there
MOST = 4000  # entities that are looked at, which tell it to a hundredth
ROWS = 1 << 15  # words of a lattice: with many texts, a step of it costs hardly more than with few
GOLDEN = (3 - math.sqrt(5)) / 2


class Found(NamedTuple):
    """Entities of dev, in the texts that have any.

    scores (Tensor): (rows, tags) tag scores of the texts' words.
    lengths (Tensor): (texts,) words of each.
    tags (Tensor): (rows,) the best tags.
    known (np.ndarray): (spans,) bool, as of a `DecodedBatch`.
    correct (np.ndarray): (entities,) bool, likewise.
    """

    scores: Tensor
    lengths: Tensor
    tags: Tensor
    known: np.ndarray
    correct: np.ndarray

    @classmethod
    def of(cls, decoded: DecodedBatch) -> "Found":
        """RETURNS (Found): The entities of a batch."""
        scores, lengths, *_ = decoded.batch
        text = torch.repeat_interleave(lengths)
        bears = torch.zeros(len(lengths), dtype=torch.bool)
        bears[text[decoded.tags > 0]] = True
        rows = bears[text]
        return cls(scores[rows], lengths[bears], decoded.tags[rows], decoded.known, decoded.correct)

    @classmethod
    def joined(cls, parts: Sequence["Found"]) -> "Found":
        """RETURNS (Found): The entities of all parts."""
        scores, lengths, tags, known, correct = zip(*parts, strict=True)
        return cls(
            torch.cat(scores),
            torch.cat(lengths),
            torch.cat(tags),
            np.concatenate(known),
            np.concatenate(correct),
        )


def fit_temperature(decoded: Sequence[DecodedBatch]) -> float:
    """Find the temperature at which the first `MOST` decoded entities' probabilities have the least log loss.

    It is drawn towards `PRIOR` where there are few entities: the fewer, the more; from `ENOUGH` on it is not.

    decoded (Sequence[DecodedBatch]): The batches.
    RETURNS (float): The temperature, within `TEMPERATURES`.
    RAISES (ValueError): If no entity is decoded in them, or none is annotated.
    """
    if not any(len(each.labels) for each in decoded):
        raise ValueError("no entity is predicted in the documents to calibrate on")
    if not any(each.gold.any() for each in decoded):
        raise ValueError(
            "no entity of a label of the component is annotated in the documents to calibrate on"
        )
    found = list(_at_once(decoded))
    low, high = (math.log(bound) for bound in TEMPERATURES)
    return math.exp(lowest(lambda log_temperature: _doubt(found, log_temperature), low, high))


def _at_once(decoded: Sequence[DecodedBatch]) -> Iterator[Found]:
    """The first `MOST` entities, as many together as one lattice takes."""
    parts: List[Found] = []
    rows = entities = 0
    for each in decoded:
        if entities >= MOST:
            break
        part = Found.of(each)
        if parts and rows + len(part.tags) > ROWS:
            yield Found.joined(parts)
            parts, rows = [], 0
        parts.append(part)
        rows += len(part.tags)
        entities += len(part.correct)
    yield Found.joined(parts)


def _doubt(found: Sequence[Found], log_temperature: float) -> float:
    """How little entities and prior speak for a temperature, in nats."""
    probabilities = [
        Lattice(each.scores / math.exp(log_temperature), each.lengths)
        .spans_of(each.tags)
        .probabilities[each.known]
        for each in found
        if len(each.tags)
    ]
    n = sum(map(len, probabilities))
    apart = (log_temperature - math.log(PRIOR)) / SPREAD
    loss = log_loss(np.concatenate(probabilities), np.concatenate([each.correct for each in found]))
    return loss * n + max(0.0, 1 - n / ENOUGH) * apart**2 / 2


def lowest(of: Callable[[float], float], low: float, high: float) -> float:
    """Find where a function of one valley is lowest, by Brent's method (1973, chapter 5).

    Each step goes to the bottom of the parabola through the three best points, or, where that leads nowhere,
    divides the larger side by the golden section.

    of (Callable[[float], float]): The function.
    low (float): From where it is looked for.
    high (float): Up to where.
    RETURNS (float): The place, to `TOLERANCE`.
    """
    best = low + GOLDEN * (high - low)
    points: List[Tuple[float, float]] = [(of(best), best)] * 3  # the best, the second and the third
    step = before = 0.0
    while max(high - best, best - low) > TOLERANCE:
        bottom = _bottom(points)
        if low < best + bottom < high and abs(bottom) < abs(before) / 2:
            before, step = step, bottom
        else:
            before = (high if best < (low + high) / 2 else low) - best
            step = GOLDEN * before
        at = best + (step if abs(step) >= TOLERANCE / 3 else math.copysign(TOLERANCE / 3, step))
        point = (of(at), at)
        if point <= points[0]:
            low, high = (best, high) if at > best else (low, best)
            best = at
        else:
            low, high = (low, at) if at > best else (at, high)
        points = sorted([*points, point])[:3]
    return best


def _bottom(points: Sequence[Tuple[float, float]]) -> float:
    """How far from the first point the parabola through three has its bottom; infinite if it has none."""
    (f0, x0), (f1, x1), (f2, x2) = points
    one, other = (x0 - x1) * (f0 - f2), (x0 - x2) * (f0 - f1)
    bend = 2 * (one - other)
    return math.inf if not bend else -((x0 - x1) * one - (x0 - x2) * other) / bend
