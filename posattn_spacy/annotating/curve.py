"""How much better a head gets with more data: F1 against the size of the corpus."""

import random
from statistics import mean
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from spacy.tokens import Doc

from ..gold import count_labels
from .bench import Bench
from .power_law import Extrapolation, extrapolate

SHARES = (1 / 8, 1 / 4, 1 / 2, 1.0)
HELD_OUT = 5  # of so many parts one is evaluated on, where there is no dev
STARVED = 0.03  # what a label is expected to gain with twice the data, from which on it lacks data


class Point(NamedTuple):
    """A training on a part of a corpus.

    docs (int): Documents that it learned from.
    seed (int): Seed of the training, and of the choice of the documents.
    f (float): Span F1 on what it was evaluated on.
    labels (Dict[str, float]): The same for each label.
    """

    docs: int
    seed: int
    f: float
    labels: Dict[str, float]

    def of(self, label: Optional[str]) -> float:
        """RETURNS (float): F1 of a label, 0 if nothing is known of it; of None, that of all."""
        return self.f if label is None else self.labels.get(label, 0.0)


class LabelNeed(NamedTuple):
    """What a label gains with more data.

    label (str): The label.
    entities (int): Its entities in the whole corpus.
    judged (int): Its entities in what was evaluated on; without any, nothing is known of its F1.
    half (float): Its F1 with half of the corpus, the mean over seeds.
    whole (float): The same with all of it.
    twice (Extrapolation): What is expected with twice as much.
    """

    label: str
    entities: int
    judged: int
    half: float
    whole: float
    twice: Extrapolation

    @property
    def starved(self) -> bool:
        """RETURNS (bool): Whether it lacks data: it would gain by more, or is not found at all so far."""
        return self.judged > 0 and (self.whole == 0 or self.twice.expected - self.whole >= STARVED)


def hold_out(docs: Sequence[Doc]) -> Tuple[List[Doc], List[Doc]]:
    """Set the end of a corpus apart, to evaluate on.

    docs (Sequence[Doc]): The documents.
    RETURNS (Tuple[List[Doc], List[Doc]]): What to learn from, and what to evaluate on.
    """
    cut = len(docs) - max(1, len(docs) // HELD_OUT)
    return list(docs[:cut]), list(docs[cut:])


def learning_curve(
    bench: Bench,
    docs: Sequence[Doc],
    dev: Sequence[Doc],
    *,
    shares: Sequence[float] = SHARES,
    seeds: int = 3,
) -> Iterator[Point]:
    """Train on ever larger parts of a corpus, each of which holds the smaller ones of its seed.

    bench (Bench): What trains the heads.
    docs (Sequence[Doc]): The documents to learn from.
    dev (Sequence[Doc]): The documents to evaluate on.
    shares (Sequence[float]): Of the documents, above 0 and at most 1.
    seeds (int): How many trainings with each share.
    YIELDS (Point): What came of each training.
    RAISES (ValueError): If a share makes less than one document.
    """
    sizes = [round(share * len(docs)) for share in shares]
    if min(sizes) < 1:
        raise ValueError(f"{len(docs)} documents are too few to learn from {min(shares):.1%} of them.")
    bench.prepare(docs)
    for seed in range(seeds):
        shuffled = random.Random(seed).sample(list(docs), len(docs))
        for size in sizes:
            name = f"{size:,} documents, seed {seed}"
            scores = bench.train(shuffled[:size], dev, seed=seed, name=name).scores
            yield _point(size, seed, scores)


def _point(docs: int, seed: int, scores: Dict[str, Any]) -> Point:
    labels = {label: of["f"] for label, of in (scores.get("ents_per_type") or {}).items()}
    return Point(docs, seed, scores.get("ents_f") or 0.0, labels)


def expected_f(points: Sequence[Point], docs: int, label: Optional[str] = None) -> Extrapolation:
    """Say what F1 will be with more data.

    points (Sequence[Point]): A learning curve.
    docs (int): With so many documents.
    label (Optional[str]): F1 of this label; None for that of all.
    RETURNS (Extrapolation): F1.
    RAISES (ValueError): If the curve has fewer than three sizes.
    """
    return extrapolate([point.docs for point in points], [point.of(label) for point in points], docs)


def by_size(points: Sequence[Point], label: Optional[str] = None) -> Dict[int, List[float]]:
    """Put the scores of a learning curve together that were reached with as many documents.

    points (Sequence[Point]): The curve.
    label (Optional[str]): F1 of this label; None for that of all.
    RETURNS (Dict[int, List[float]]): F1 of each seed by the number of documents, the fewest first.
    """
    scores: Dict[int, List[float]] = {docs: [] for docs in sorted({point.docs for point in points})}
    for point in points:
        scores[point.docs].append(point.of(label))
    return scores


def label_needs(points: Sequence[Point], docs: Sequence[Doc], dev: Sequence[Doc]) -> List[LabelNeed]:
    """Find which labels lack data.

    points (Sequence[Point]): A learning curve.
    docs (Sequence[Doc]): The documents that were learned from.
    dev (Sequence[Doc]): The documents that were evaluated on.
    RETURNS (List[LabelNeed]): All labels, those with most to gain first.
    """
    twice = 2 * max(point.docs for point in points)
    needs, judged = [], count_labels(dev)
    for label, entities in count_labels(docs).items():
        *_, half, whole = map(mean, by_size(points, label).values())
        expected = expected_f(points, twice, label)
        needs.append(LabelNeed(label, entities, judged.get(label, 0), half, whole, expected))
    return sorted(needs, key=lambda need: need.whole - need.twice.expected)
