"""Gold annotation of a batch of examples as arrays, one row per predicted token."""

from collections import Counter
from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence, Set

import numpy as np
from spacy.attrs import ENT_IOB, ENT_TYPE, ORTH
from spacy.tokens import Doc
from spacy.training import Example

from .blanks import is_blank
from .losses import MISSING
from .partial import GROUPS, excluded_labels, incorrect_spans
from .tagging import Spans
from .texts import Words, read_words

# The values of spaCy's Token.ent_iob.
UNKNOWN, INSIDE, OUTSIDE, BEGIN = 0, 1, 2, 3
_BILUO = {"B": BEGIN, "I": INSIDE, "L": INSIDE, "U": BEGIN, "O": OUTSIDE}


class Annotation(NamedTuple):
    """Entity annotation of consecutive tokens.

    iob (np.ndarray): (tokens,) UNKNOWN, INSIDE, OUTSIDE or BEGIN.
    types (np.ndarray): (tokens,) uint64 hash of the entity type; 0 outside entities.
    """

    iob: np.ndarray
    types: np.ndarray


def doc_annotation(doc: Doc) -> Annotation:
    """Read the entities of a document.

    doc (Doc): The document; its blocked tokens count as outside.
    RETURNS (Annotation): One row per token.
    """
    iob, types = doc.to_array([ENT_IOB, ENT_TYPE]).astype(np.uint64).reshape(-1, 2).T
    blocked = (iob == BEGIN) & (types == 0)
    return Annotation(np.where(blocked, OUTSIDE, iob).astype(np.int64), types)


def same_tokens(example: Example) -> bool:
    """RETURNS (bool): Whether predicted and reference document have the same tokens."""
    return same_words(example.predicted, example.reference)


def same_words(one: Doc, other: Doc) -> bool:
    """RETURNS (bool): Whether two documents have the same tokens, whatever the white space between them."""
    return len(one) == len(other) and bool((one.to_array(ORTH) == other.to_array(ORTH)).all())


def gold_annotation(example: Example, as_is: Optional[bool] = None) -> Annotation:
    """Read the gold entities of an example, projected onto its predicted tokens.

    example (Example): The example. Entities whose edges fall inside a predicted token have no place to
        go: their tokens are UNKNOWN.
    as_is (Optional[bool]): Whether its documents have the same tokens, if that is known.
    RETURNS (Annotation): One row per predicted token.
    """
    if (
        same_tokens(example) if as_is is None else as_is
    ):  # spaCy's alignment costs more than the rest of the update
        return doc_annotation(example.reference)
    strings = example.reference.vocab.strings
    tags = [tag if tag and tag != "-" else "" for tag in example.get_aligned_ner()]
    iob = np.array([_BILUO[tag[0]] if tag else UNKNOWN for tag in tags], dtype=np.int64)
    types = np.array([strings[tag[2:]] if tag[2:] else 0 for tag in tags], dtype=np.uint64)
    return Annotation(iob, types)


def of_words(annotation: Annotation, places: np.ndarray) -> Annotation:
    """Take the annotation of the words from that of the tokens.

    An entity that begins or ends in white space begins with its first word and ends with its last.

    annotation (Annotation): One row per token.
    places (np.ndarray): (words,) token of each word.
    RETURNS (Annotation): One row per word.
    """
    iob, types = annotation
    if len(places) == len(iob):
        return annotation
    entity = np.cumsum(iob == BEGIN)[places]  # the number of the entity that a word may be in
    iob, types = iob[places], types[places]
    inside = (iob == INSIDE) | (iob == BEGIN)
    follows = np.append(False, inside[:-1]) & (np.diff(entity, prepend=0) == 0)
    return Annotation(np.where(inside, np.where(follows, INSIDE, BEGIN), iob), types)


class GoldBatch(NamedTuple):
    """What a batch is trained on, the words of the examples one after another.

    tags (np.ndarray): (words,) int64 tags of a `TagScheme`, `MISSING` where there is no gold tag.
    positions (np.ndarray): (words, 3) float32, 1 where a word is inside an entity, starts one, ends one.
    unseen (np.ndarray): (n,) uint64 hashes of entity types that are not among the labels.
    excluded (Optional[np.ndarray]): (words, labels) bool, the labels that a word without a gold tag is known
        not to have; None if no document says anything of it.
    wrong (Optional[Spans]): The spans that are known to be no entities of their label, each once; None
        without any.
    """

    tags: np.ndarray
    positions: np.ndarray
    unseen: np.ndarray
    excluded: Optional[np.ndarray] = None
    wrong: Optional[Spans] = None


def gold_batch(
    examples: Sequence[Example], label_index: Dict[int, int], incorrect_key: Optional[str] = None
) -> GoldBatch:
    """Make the training targets of a batch.

    examples (Sequence[Example]): The examples, at least one of them with words.
    label_index (Dict[int, int]): Index of each label by the hash of its name, in order.
    incorrect_key (Optional[str]): Group in `doc.spans` of the spans that are known to be no entities.
    RETURNS (GoldBatch): The targets; words of unseen types are missing, not outside.
    """
    words = read_words([example.predicted for example in examples])
    same = list(map(same_tokens, examples))
    annotations = [
        of_words(gold_annotation(example, as_is), own.places)
        for example, as_is, own in zip(examples, same, words, strict=True)
    ]
    iob = np.concatenate([annotation.iob for annotation in annotations])
    types = np.concatenate([annotation.types for annotation in annotations])
    inside = (iob == INSIDE) | (iob == BEGIN)
    found, inverse = np.unique(types, return_inverse=True)
    index = np.array([label_index.get(int(key), MISSING) for key in found], dtype=np.int64)
    labels = index[inverse.ravel()]
    tags = np.where(inside, 2 * labels + 1 + (iob == INSIDE), 0)
    tags[(iob == UNKNOWN) | (inside & (labels == MISSING))] = MISSING
    unseen = np.unique(types[inside & (labels == MISSING)])
    excluded = _excluded(examples, same, words, list(label_index))
    if excluded is not None:
        excluded &= (tags == MISSING)[:, None]
        tags[excluded.all(1)] = 0
    wrong = _wrong(examples, same, words, label_index, incorrect_key)
    return GoldBatch(tags, _positions(annotations, iob, inside), unseen, excluded, wrong)


def _excluded(
    examples: Sequence[Example], same: Sequence[bool], words: Sequence[Words], labels: Sequence[int]
) -> Optional[np.ndarray]:
    """(words, labels) bool, the labels that words are known not to have; None if nothing is said of it."""
    parts = [excluded_labels(example, labels, as_is) for example, as_is in zip(examples, same, strict=True)]
    if all(part is None for part in parts):
        return None
    return np.concatenate(
        [
            np.zeros((len(own.places), len(labels)), dtype=bool) if part is None else part[own.places]
            for part, own in zip(parts, words, strict=True)
        ]
    )


def _wrong(
    examples: Sequence[Example],
    same: Sequence[bool],
    words: Sequence[Words],
    label_index: Dict[int, int],
    key: Optional[str],
) -> Optional[Spans]:
    """The spans of words that are known to be no entities of their label; None without any."""
    found, offset = set(), 0
    for example, as_is, own in zip(examples, same, words, strict=True):
        for span in incorrect_spans(example, key, as_is):
            start, stop = np.searchsorted(own.places, [span.start, span.end]).tolist()
            if start < stop and span.label in label_index:
                found.add((offset + start, offset + stop, label_index[span.label]))
        offset += len(own.places)
    if not found:
        return None
    starts, stops, labels = np.array(sorted(found), dtype=np.int64).T
    return Spans(starts, stops, labels, np.zeros(len(starts), dtype=np.float32))


def _positions(annotations: Sequence[Annotation], iob: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """(words, 3) inside, start and end; an entity ends where no INSIDE follows in the same text."""
    following = np.append(iob[1:], OUTSIDE)
    lengths = np.array([len(annotation.iob) for annotation in annotations])
    last = np.cumsum(lengths)[lengths > 0] - 1
    following[last] = OUTSIDE
    return np.stack([inside, iob == BEGIN, inside & (following != INSIDE)], axis=1).astype(np.float32)


def count_labels(docs: Iterable[Doc]) -> Counter[str]:
    """Count gold entities: all that are annotated, whether or not they can be learned or found.

    docs (Iterable[Doc]): Annotated documents, as they are stored.
    RETURNS (Counter[str]): Number of entities by label; white space alone is none.
    """
    return Counter(ent.label_ for doc in docs for ent in doc.ents if not is_blank(ent.text))


def span_keys(docs: Iterable[Doc]) -> List[str]:
    """RETURNS (List[str]): The groups of `doc.spans` that have spans, sorted; they are no entities."""
    return sorted({key for doc in docs for key, group in doc.spans.items() if len(group)} - GROUPS)


def describe_spans(keys: Sequence[str]) -> str:
    """RETURNS (str): Where annotation is instead of in `doc.ents`, and what to do; nothing without keys."""
    if not keys:
        return ""
    named = ", ".join(f'doc.spans["{key}"]' for key in keys)
    return (
        f" There are spans in {named}, which are not read as entities: make entities of them with "
        f"`python -m spacy posattn convert … --spans-key {keys[0]}`."
    )


class Survey(NamedTuple):
    """What a pass over the training examples finds.

    labels (List[str]): Entity types, sorted.
    sample (List[Doc]): The first predicted documents that have tokens.
    entities (int): Number of gold entities.
    misaligned (int): How many of them have an edge inside a predicted token.
    where (List[str]): Beginnings of the first documents that lose an entity so.
    spans (List[str]): The groups of `doc.spans` that have spans, sorted.
    """

    labels: List[str]
    sample: List[Doc]
    entities: int
    misaligned: int
    where: List[str]
    spans: List[str]

    def describe_misaligned(self, name: str) -> str:
        """RETURNS (str): What is lost and what to do, for a warning of the component `name`."""
        return (
            f"{self.misaligned} of {self.entities} gold entities do not fit the tokens that '{name}' is "
            f"trained on, and are left out; for instance in {self.where}. Set gold_preproc = true in the "
            "corpus reader to train on the annotated tokens."
        )


def survey_examples(examples: Iterable[Example], sample_size: int) -> Survey:
    """Go over the training examples once, for their labels and for entities that training would lose.

    examples (Iterable[Example]): The examples.
    sample_size (int): How many documents to keep.
    RETURNS (Survey): The findings.
    """
    labels: Counter[str] = Counter()
    keys: Set[str] = set()
    sample: List[Doc] = []
    where: List[str] = []
    misaligned = 0
    for example in examples:
        gold = example.reference.ents
        labels.update(count_labels([example.reference]))
        keys.update(span_keys([example.reference]))
        if len(sample) < sample_size and len(example.predicted):
            sample.append(example.predicted)
        if gold and not same_tokens(example):
            lost = len(gold) - int((gold_annotation(example).iob == BEGIN).sum())
            misaligned += lost
            if lost and len(where) < 3:
                where.append(example.reference.text[:60])
    return Survey(sorted(labels), sample, labels.total(), misaligned, where, sorted(keys))
