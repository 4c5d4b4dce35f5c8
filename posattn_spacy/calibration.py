"""How far an entity's probability can be trusted, and the temperature that makes it so (DESIGN.md 2.9)."""

import math
from typing import List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from spacy.language import Language
from torch import Tensor

from .component import PositionalNER
from .evaluation import ScoredBatch
from .lattice import Lattice
from .losses import MISSING
from .tagging import span_bounds

TEMPERATURES = (0.1, 10.0)  # between which the best one is looked for
TOLERANCE = 1e-3  # of its logarithm
# It was 1.28, 1.40, 1.51 and 1.68 on four corpora, and may vary more on others. A handful of entities, all of
# them right, would else be made surer still.
PRIOR, SPREAD = 1.45, 0.2  # the spread is that of its logarithm
ENOUGH = 200  # entities, from which on it is not drawn there


class DecodedBatch(NamedTuple):
    """A scored batch with its entities, which do not depend on the temperature.

    batch (ScoredBatch): The batch.
    tags (Tensor): (rows,) the best tags.
    known (np.ndarray): (spans,) bool, which spans of the tags touch no token without a gold tag.
    labels (np.ndarray): (entities,) int64 index of the label; entities are the known spans.
    texts (np.ndarray): (entities,) int64 the text that each is in.
    correct (np.ndarray): (entities,) bool, whether gold has the same tokens with the same label.
    gold (np.ndarray): (labels,) int64 number of gold entities.
    """

    batch: ScoredBatch
    tags: Tensor
    known: np.ndarray
    labels: np.ndarray
    texts: np.ndarray
    correct: np.ndarray
    gold: np.ndarray


class Judged(NamedTuple):
    """Predicted entities and whether they are right.

    labels (np.ndarray): (entities,) int64 index of the label.
    probabilities (np.ndarray): (entities,) float32.
    correct (np.ndarray): (entities,) bool, whether gold has the same tokens with the same label.
    gold (np.ndarray): (labels,) int64 number of gold entities.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    correct: np.ndarray
    gold: np.ndarray


def decode(batch: ScoredBatch) -> DecodedBatch:
    """Decode a scored batch and compare the entities with gold.

    batch (ScoredBatch): The batch.
    RETURNS (DecodedBatch): The batch with its entities.
    """
    tags = Lattice(batch.scores, batch.lengths).best()
    found = _numpy(span_bounds(tags))
    gold = _numpy(span_bounds(batch.tags.clamp(min=0)))
    unknown = np.append(0, (batch.tags == MISSING).cpu().numpy().cumsum())
    starts, stops, labels = found
    known = unknown[stops] == unknown[starts]
    correct = np.isin(_codes(*found), _codes(*gold))
    texts = np.searchsorted(batch.lengths.numpy().cumsum(), starts, side="right")
    n_gold = np.bincount(gold[2], minlength=(batch.scores.shape[1] - 1) // 2)
    return DecodedBatch(batch, tags, known, labels[known], texts[known], correct[known], n_gold)


def judge(decoded: Sequence[DecodedBatch], temperature: float) -> Judged:
    """Give the entities of decoded batches their probabilities.

    decoded (Sequence[DecodedBatch]): The batches, at least one.
    temperature (float): What the scores are divided by.
    RETURNS (Judged): The entities.
    """
    probabilities = [
        Lattice(batch.scores / temperature, batch.lengths).spans_of(tags).probabilities[known]
        for batch, tags, known, *_ in decoded
    ]
    return Judged(
        np.concatenate([each.labels for each in decoded]),
        np.concatenate(probabilities),
        np.concatenate([each.correct for each in decoded]),
        np.sum([each.gold for each in decoded], axis=0),
    )


def _numpy(fields: Sequence[Tensor]) -> List[np.ndarray]:
    return [field.cpu().numpy() for field in fields]


def _codes(starts: np.ndarray, stops: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(spans,) int64, equal for equal spans of fewer than 2²⁰ tokens."""
    return (starts << 32) + ((stops - starts) << 12) + labels


def fit_temperature(decoded: Sequence[DecodedBatch]) -> float:
    """Find the temperature at which the decoded entities' probabilities have the least log loss.

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
    low, high = (math.log(bound) for bound in TEMPERATURES)
    golden = (math.sqrt(5) - 1) / 2
    inner = [high - golden * (high - low), low + golden * (high - low)]
    losses = [_doubt(decoded, x) for x in inner]
    while high - low > TOLERANCE:  # golden-section search
        if losses[0] < losses[1]:
            high, inner[1], losses[1] = inner[1], inner[0], losses[0]
            inner[0] = high - golden * (high - low)
            losses[0] = _doubt(decoded, inner[0])
        else:
            low, inner[0], losses[0] = inner[0], inner[1], losses[1]
            inner[1] = low + golden * (high - low)
            losses[1] = _doubt(decoded, inner[1])
    return math.exp((low + high) / 2)


def _doubt(decoded: Sequence[DecodedBatch], log_temperature: float) -> float:
    """How little entities and prior speak for a temperature, in nats."""
    judged = judge(decoded, math.exp(log_temperature))
    n = len(judged.labels)
    apart = (log_temperature - math.log(PRIOR)) / SPREAD
    return log_loss(judged) * n + max(0.0, 1 - n / ENOUGH) * apart**2 / 2


def log_loss(judged: Judged) -> float:
    """RETURNS (float): Mean negative log-likelihood of right and wrong, in nats per entity."""
    p = np.clip(judged.probabilities.astype(np.float64), 1e-6, 1 - 1e-6)
    return float(-np.log(np.where(judged.correct, p, 1 - p)).mean())


def calibration_error(judged: Judged, bins: int = 15) -> float:
    """Expected calibration error, over bins with equally many entities.

    judged (Judged): The entities, at least one.
    bins (int): How many bins.
    RETURNS (float): Mean distance between the share that is right and the mean probability.
    """
    parts = equal_bins(judged, bins)
    gaps = [abs(judged.correct[part].mean() - judged.probabilities[part].mean()) for part in parts]
    return float(np.average(gaps, weights=[len(part) for part in parts]))


def equal_bins(judged: Judged, bins: int) -> List[np.ndarray]:
    """RETURNS (List[np.ndarray]): Entities by probability, in bins with equally many; empty ones left out."""
    order = np.argsort(judged.probabilities, kind="stable")
    return [part for part in np.array_split(order, bins) if len(part)]


def stale_thresholds(pipe: PositionalNER, at: Optional[float]) -> Optional[Tuple[str, str]]:
    """Find out whether a component has thresholds that were fitted to other probabilities than it gives.

    pipe (PositionalNER): The component.
    at (Optional[float]): The temperature at which they were fitted; None if they were not.
    RETURNS (Optional[Tuple[str, str]]): What is so, and what to do about it; None if they hold.
    """
    now = pipe.cfg["temperature"]
    if at is None or not pipe.thresholds.any() or math.isclose(at, now, rel_tol=2 * TOLERANCE):
        return None
    return (
        f"The thresholds of '{pipe.name}' were fitted at the temperature {at:.3f}, and it is {now:.3f} now: "
        "they leave out others than they were meant to.",
        "Fit them anew: python -m spacy posattn find-threshold MODEL CORPUS --write",
    )


def posattn_pipes(nlp: Language) -> List[Tuple[str, PositionalNER]]:
    """RETURNS (List[Tuple[str, PositionalNER]]): The components of this kind, with their names."""
    return [(name, pipe) for name, pipe in nlp.pipeline if isinstance(pipe, PositionalNER)]
