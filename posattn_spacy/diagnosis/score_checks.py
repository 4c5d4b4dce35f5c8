"""Checks of how well entities are found."""

import math
from typing import Iterator, List, Sequence

import numpy as np

from ..calibration import DecodedBatch, Judged, judge, stale_thresholds
from ..component import PositionalNER
from ..temperature import ENOUGH as ENOUGH_TO_CALIBRATE
from ..thresholds import OperatingPoint, of_label, points
from .findings import Finding, judged

ENOUGH = 5  # gold entities of a label, below which its scores say nothing
FOUND = 0.5  # F1
OFF = 0.03  # of the share of entities that are right; less is as good as it gets
BALANCED = 0.8  # of precision and recall, the smaller one in relation to the other


def check_scores(
    pipe: PositionalNER, decoded: Sequence[DecodedBatch], gold: Sequence[int]
) -> Iterator[Finding]:
    """Check what a component finds of the gold entities, with its thresholds.

    pipe (PositionalNER): The component.
    decoded (Sequence[DecodedBatch]): What it makes of annotated documents.
    gold (Sequence[int]): How many entities of each of its labels are annotated in them.
    YIELDS (Finding): The findings.
    """
    if not decoded or not sum(gold):
        yield Finding(
            "unknown",
            "There are no entities of its labels to see how well they are found.",
            "Give a corpus that has them.",
        )
        return
    yield from check_judged(pipe, judge(decoded, pipe.cfg["temperature"])._replace(gold=np.array(gold)))


def check_judged(pipe: PositionalNER, found: Judged) -> Iterator[Finding]:
    """Check entities that a component finds, of which its thresholds leave some out.

    pipe (PositionalNER): The component.
    found (Judged): The entities.
    YIELDS (Finding): The findings.
    """
    kept = found.probabilities >= pipe.thresholds[found.labels]
    left = Judged(found.labels[kept], found.probabilities[kept], found.correct[kept], found.gold)
    yield labels_are_found(pipe, left)
    yield recall_is_like_precision(pipe, left)
    yield probabilities_are_right(pipe, found)
    yield thresholds_are_of_this_temperature(pipe)


def labels_are_found(pipe: PositionalNER, kept: Judged) -> Finding:
    """RETURNS (Finding): Whether entities of all labels that there are enough of are found."""
    scored = {
        label: score(of_label(kept, i)) for i, label in enumerate(pipe.labels) if kept.gold[i] >= ENOUGH
    }
    poor = {label: point for label, point in scored.items() if point.f < FOUND}
    shown = [
        f"{label} ({_shown(point)})" for label, point in sorted(poor.items(), key=lambda item: item[1].f)
    ]
    return judged(
        not poor,
        f"{len(poor)} of {len(scored)} labels with {ENOUGH} entities or more have an F1 below {FOUND:.2f}"
        f"{': ' * bool(poor)}{', '.join(shown)}.",
        "Annotate more entities of them, in all documents, or merge labels that are hard to tell apart. "
        f"A weight above 1 in components.{pipe.name}.label_weights finds more of a rare label. What is left "
        f"out by a threshold comes back with a lower one (components.{pipe.name}.label_thresholds).",
    )


def score(found: Judged) -> OperatingPoint:
    """RETURNS (OperatingPoint): The scores of all entities together."""
    return points(found, [-math.inf])[0]


def _shown(point: OperatingPoint) -> str:
    return f"{point.f:.2f}" if point.kept else "never predicted"


def recall_is_like_precision(pipe: PositionalNER, kept: Judged) -> Finding:
    """RETURNS (Finding): Whether about as many entities are found as there are."""
    point = score(kept)
    low, high = sorted((point.p, point.r))
    missing = point.r < point.p or not point.kept
    return judged(
        low >= BALANCED * high and point.kept > 0,
        f"Of the entities, {point.r:.0%} are found; of what is found, {point.p:.0%} is right.",
        _on_missing(pipe) if missing else _on_excess(pipe),
    )


def _on_missing(pipe: PositionalNER) -> str:
    thresholds = [
        f"{label} {value:.2f}" for label, value in zip(pipe.labels, pipe.thresholds, strict=True) if value
    ]
    lower = f" Lower the thresholds, which leave out what is less probable ({', '.join(thresholds)})."
    return (
        f"Entities are missed.{lower * bool(thresholds)} Make sure that all entities of the training "
        f"documents are annotated. Weights above 1 in components.{pipe.name}.label_weights find more."
    )


def _on_excess(pipe: PositionalNER) -> str:
    weights: List[str] = [label for label, weight in pipe.cfg["label_weights"].items() if weight > 1]
    lower = f" Lower components.{pipe.name}.label_weights ({', '.join(weights)})."
    return (
        f"Too much is taken for an entity.{lower * bool(weights)} Make sure that all entities of these "
        "documents are annotated; `spacy posattn find-threshold MODEL CORPUS --write` leaves out what is "
        "improbable."
    )


def probabilities_are_right(pipe: PositionalNER, found: Judged) -> Finding:
    """RETURNS (Finding): Whether as many entities are right as their probabilities say."""
    n, p = len(found.labels), found.probabilities.astype(np.float64)
    if n < ENOUGH_TO_CALIBRATE:
        return Finding(
            "unknown",
            f"{n} entities are too few to tell whether as many are right as their probabilities say.",
            f"Give a corpus that it was not trained on, in which it finds {ENOUGH_TO_CALIBRATE} or more. If "
            "you have none, rank by the probabilities, but do not take 0.9 for nine in ten.",
        )
    gap, chance = p.mean() - found.correct.mean(), math.sqrt((p * (1 - p)).sum()) / n
    return judged(
        abs(gap) <= max(OFF, 2 * chance),
        f"Of {n:,} entities {found.correct.mean():.0%} are right; by their probabilities {p.mean():.0%} "
        "should be.",
        "Fit the temperature to documents like these: python -m spacy posattn calibrate MODEL CORPUS",
    )


def thresholds_are_of_this_temperature(pipe: PositionalNER) -> Finding:
    """RETURNS (Finding): Whether thresholds were fitted to the probabilities as they are."""
    stale = stale_thresholds(pipe, pipe.cfg["thresholds_at"])
    if stale:
        return Finding("warn", *stale)
    return Finding("pass", "No threshold was fitted at another temperature.")
