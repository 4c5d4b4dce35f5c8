"""What the report shows of a pipeline's predictions themselves."""

from collections import Counter
from typing import List, NamedTuple, Sequence, Tuple

import numpy as np
from spacy.language import Language
from spacy.training import Example

from posattn_spacy.calibration import Judged, decode, equal_bins, judge
from posattn_spacy.component import PositionalNER
from posattn_spacy.evaluation import scored_batches
from posattn_spacy.view.sentences import ShownSentence, examined_sentences

NONE = "none"
BINS = 15


class Predictions(NamedTuple):
    """What is shown of predictions.

    before (np.ndarray): (bins, 2) mean probability and share that is right, without temperature.
    after (np.ndarray): The same with it.
    labels (List[str]): The labels, and "none".
    confusion (np.ndarray): (gold, predicted) numbers of entities with the same edges.
    sentences (List[ShownSentence]): Some sentences.
    """

    before: np.ndarray
    after: np.ndarray
    labels: List[str]
    confusion: np.ndarray
    sentences: List[ShownSentence]


def look_at(
    nlp: Language, pipe: PositionalNER, examples: Sequence[Example], shown: int, bins: int = BINS
) -> Predictions:
    """Predict, and collect what is shown of it.

    nlp (Language): The pipeline.
    pipe (PositionalNER): Its component.
    examples (Sequence[Example]): Annotated documents, which are not changed.
    shown (int): How many sentences to show; half of them have errors, if there are as many.
    bins (int): How many bins the probabilities are put into.
    RETURNS (Predictions): The collection.
    """
    decoded = [decode(batch) for batch in scored_batches(nlp, pipe, examples)]
    before, after = (
        reliability_bins(judge(decoded, temperature), bins) for temperature in (1.0, pipe.cfg["temperature"])
    )
    predicted = list(nlp.pipe(example.predicted.copy() for example in examples))
    pairs = [Example(doc, example.reference) for doc, example in zip(predicted, examples, strict=True)]
    others = {ent.label_ for pair in pairs for ent in (*pair.reference.ents, *pair.predicted.ents)}
    labels = [*pipe.labels, *sorted(others - set(pipe.labels)), NONE]
    chosen = choose(pairs, shown)
    return Predictions(
        before,
        after,
        labels,
        confusion_counts(pairs, labels),
        examined_sentences(nlp, pipe, [examples[i] for i in chosen]),
    )


def reliability_bins(judged: Judged, bins: int) -> np.ndarray:
    """Put entities into bins with equally many, by probability.

    judged (Judged): The entities.
    bins (int): How many bins.
    RETURNS (np.ndarray): (bins, 2) mean probability, and share that is right; empty bins are left out.
    """
    rows = [
        [judged.probabilities[part].mean(), judged.correct[part].mean()] for part in equal_bins(judged, bins)
    ]
    return np.array(rows).reshape(-1, 2)


def confusion_counts(examples: Sequence[Example], labels: Sequence[str]) -> np.ndarray:
    """Count which label is taken for which, where the edges are right.

    examples (Sequence[Example]): The predictions.
    labels (Sequence[str]): The labels, the last one for no entity.
    RETURNS (np.ndarray): (gold, predicted) int64.
    """
    index = {label: i for i, label in enumerate(labels)}
    counts: Counter[Tuple[int, int]] = Counter()
    for example in examples:
        gold = {(ent.start, ent.end): ent.label_ for ent in example.reference.ents}
        found = {(ent.start, ent.end): ent.label_ for ent in example.predicted.ents}
        for edges in gold.keys() | found.keys():
            counts[index[gold.get(edges, labels[-1])], index[found.get(edges, labels[-1])]] += 1
    matrix = np.zeros((len(labels), len(labels)), dtype=np.int64)
    for (row, column), count in counts.items():
        matrix[row, column] = count
    return matrix


def choose(examples: Sequence[Example], n: int) -> List[int]:
    """Choose documents to show, in their order: those with entities, half of them with errors.

    examples (Sequence[Example]): The predictions.
    n (int): How many, at most.
    RETURNS (List[int]): Their places.
    """
    wrong = [i for i, example in enumerate(examples) if _spans(example, False) != _spans(example, True)]
    right = [i for i in range(len(examples)) if _spans(examples[i], True)]
    right = sorted(set(right) - set(wrong))
    n_wrong = min(len(wrong), max(n // 2, n - len(right)))
    return sorted([*wrong[:n_wrong], *right[: n - n_wrong]])


def _spans(example: Example, gold: bool) -> List[Tuple[int, int, str]]:
    doc = example.reference if gold else example.predicted
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]
