"""What a threshold does to precision and recall, and the best one for each label."""

from typing import List, NamedTuple, Sequence

import numpy as np

from .calibration import Judged


class OperatingPoint(NamedTuple):
    """The scores of the entities that are at least so probable, all from 0 to 1.

    threshold (float): The least probability.
    kept (int): Number of entities.
    p (float): Precision.
    r (float): Recall.
    f (float): F1.
    """

    threshold: float
    kept: int
    p: float
    r: float
    f: float


def of_label(judged: Judged, label: int) -> Judged:
    """RETURNS (Judged): The entities of one label."""
    own = judged.labels == label
    labels, probabilities, correct, gold = judged
    return Judged(labels[own], probabilities[own], correct[own], gold[label : label + 1])


def points(judged: Judged, thresholds: Sequence[float]) -> List[OperatingPoint]:
    """Score the entities at given thresholds.

    judged (Judged): The entities.
    thresholds (Sequence[float]): The thresholds.
    RETURNS (List[OperatingPoint]): The scores at each of them.
    """
    order = np.argsort(judged.probabilities, kind="stable")
    first = np.searchsorted(judged.probabilities[order], np.asarray(thresholds, dtype=np.float32))
    right = np.append(judged.correct[order][::-1].cumsum()[::-1], 0)
    gold = int(judged.gold.sum())
    return [
        _point(float(threshold), len(order) - int(i), int(right[i]), gold)
        for threshold, i in zip(thresholds, first, strict=True)
    ]


def _point(threshold: float, kept: int, right: int, gold: int) -> OperatingPoint:
    return OperatingPoint(
        threshold, kept, right / max(kept, 1), right / max(gold, 1), 2 * right / max(kept + gold, 1)
    )


def best_point(judged: Judged) -> OperatingPoint:
    """Find the threshold with the highest F1, the lowest of them if there are several.

    judged (Judged): The entities.
    RETURNS (OperatingPoint): Its scores; a threshold that leaves nothing out is 0. Others lie half-way
        between two probabilities that occur.
    """
    occurring = np.unique(judged.probabilities.astype(np.float64))
    between = (occurring[:-1] + occurring[1:]) / 2
    return max(points(judged, [0.0, *between.tolist()]), key=lambda point: point.f)
