"""How far an entity's probability can be trusted (DESIGN.md 2.9)."""

import math
from typing import List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from spacy.language import Language
from torch import Tensor

from .component import PositionalNER
from .lattice import Lattice
from .losses import MISSING
from .scored import ScoredBatch
from .tagging import span_bounds

TOLERANCE = 1e-3  # of the logarithm of a temperature


class DecodedBatch(NamedTuple):
    """A scored batch with its entities, which do not depend on the temperature.

    batch (ScoredBatch): The batch.
    tags (Tensor): (rows,) the best tags.
    known (np.ndarray): (spans,) bool, which spans of the tags are right or wrong: all their tokens have a
        gold tag, or are known not to have the label.
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
    starts, _, labels = found
    known = are_known(batch.tags, batch.excluded, *found)
    correct = np.isin(_codes(*found), _codes(*gold))
    texts = np.searchsorted(batch.lengths.numpy().cumsum(), starts, side="right")
    n_gold = np.bincount(gold[2], minlength=(batch.scores.shape[1] - 1) // 2)
    return DecodedBatch(batch, tags, known, labels[known], texts[known], correct[known], n_gold)


def are_known(
    tags: Tensor, excluded: Optional[Tensor], starts: np.ndarray, stops: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """Say whether all is known of spans that has to be known to judge them.

    tags (Tensor): (rows,) gold tags, `MISSING` where nothing is known.
    excluded (Optional[Tensor]): (rows, labels) bool, labels that a row without a tag is known not to have.
    starts (np.ndarray): (spans,) int64 first row of each span.
    stops (np.ndarray): (spans,) int64 one past its last row.
    labels (np.ndarray): (spans,) int64 its label.
    RETURNS (np.ndarray): (spans,) bool.
    """
    unknown = (tags == MISSING).numpy()
    if excluded is None:
        sums = np.append(0, unknown.cumsum())
        known: np.ndarray = sums[stops] == sums[starts]
        return known
    of_labels = np.pad((unknown[:, None] & ~excluded.numpy()).cumsum(0), ((1, 0), (0, 0)))
    judged: np.ndarray = of_labels[stops, labels] == of_labels[starts, labels]
    return judged


def judge(decoded: Sequence[DecodedBatch], temperature: float) -> Judged:
    """Give the entities of decoded batches their probabilities.

    decoded (Sequence[DecodedBatch]): The batches, at least one.
    temperature (float): What the scores are divided by.
    RETURNS (Judged): The entities.
    """
    return Judged(
        np.concatenate([each.labels for each in decoded]),
        np.concatenate([probabilities(each, temperature) for each in decoded]),
        np.concatenate([each.correct for each in decoded]),
        np.sum([each.gold for each in decoded], axis=0),
    )


def probabilities(decoded: DecodedBatch, temperature: float) -> np.ndarray:
    """RETURNS (np.ndarray): (entities,) float32; scores are divided by `temperature`."""
    batch, tags, known, *_ = decoded
    return Lattice(batch.scores / temperature, batch.lengths).spans_of(tags).probabilities[known]


def at_least(decoded: DecodedBatch, temperature: float, thresholds: np.ndarray) -> DecodedBatch:
    """Leave out entities that are not probable enough.

    decoded (DecodedBatch): The batch.
    temperature (float): What the scores are divided by.
    thresholds (np.ndarray): (labels,) the least probability of an entity of each label.
    RETURNS (DecodedBatch): The batch without them.
    """
    if not thresholds.any():
        return decoded
    kept = probabilities(decoded, temperature) >= thresholds[decoded.labels]
    labels, texts, correct = (each[kept] for each in (decoded.labels, decoded.texts, decoded.correct))
    return decoded._replace(labels=labels, texts=texts, correct=correct)


def _numpy(fields: Sequence[Tensor]) -> List[np.ndarray]:
    return [field.cpu().numpy() for field in fields]


def decode_first(decoded: Sequence[DecodedBatch]) -> List[DecodedBatch]:
    """RETURNS (List[DecodedBatch]): The batches as the first look sees them, which there is."""
    return [decode(each.batch.of_first()) for each in decoded]


def _codes(starts: np.ndarray, stops: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(spans,) int64, equal for equal spans of fewer than 2²⁰ tokens."""
    return (starts << 32) + ((stops - starts) << 12) + labels


def log_loss(probabilities: np.ndarray, correct: np.ndarray) -> float:
    """RETURNS (float): Mean negative log-likelihood of right and wrong, in nats per entity."""
    p = np.clip(probabilities.astype(np.float64), 1e-6, 1 - 1e-6)
    return float(-np.log(np.where(correct, p, 1 - p)).mean())


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


def only_pipe(nlp: Language) -> Tuple[str, PositionalNER]:
    """Take the component of this kind from a pipeline that has one.

    nlp (Language): The pipeline.
    RETURNS (Tuple[str, PositionalNER]): The component with its name.
    RAISES (ValueError): If it has none, or several.
    """
    pipes = posattn_pipes(nlp)
    if len(pipes) != 1:
        raise ValueError(f"The pipeline has {len(pipes)} components of posattn-spacy: it must have one.")
    return pipes[0]
