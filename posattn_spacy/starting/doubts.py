"""What should be known of a corpus before it is trained on."""

from typing import Iterable, Iterator, List, NamedTuple, Sequence

from spacy.tokens import Doc
from spacy.training import Example

from .. import gold
from ..corpora.duplicates import annotated_in_two_ways, duplicate_mask
from ..diagnosis.corpus_checks import (
    check_edges,
    documents_are_annotated,
    judge_fit,
    named,
    spans_are_entities,
)
from ..diagnosis.findings import Finding, is_rare, judged

FEW = 50  # entities of a label, below which it is hardly learned
LONG = 100  # tokens, above which a sentence is mostly none


class LabelCount(NamedTuple):
    """How often a label is annotated.

    label (str): The label.
    train (int): Entities in the training documents.
    dev (int): Entities in the documents to evaluate on.
    """

    label: str
    train: int
    dev: int


def count_labels(train: Sequence[Example], dev: Sequence[Example]) -> List[LabelCount]:
    """RETURNS (List[LabelCount]): All labels, the most frequent one first."""
    n_train, n_dev = (gold.count_labels(_references(examples)) for examples in (train, dev))
    rows = [LabelCount(label, n_train[label], n_dev[label]) for label in n_train | n_dev]
    return sorted(rows, key=lambda row: (-row.train, row.label))


def find_doubts(train: Sequence[Example], dev: Sequence[Example]) -> Iterator[Finding]:
    """Look for what keeps a corpus from being learned, or from being measured.

    train (Sequence[Example]): Training documents, split by the tokenizer.
    dev (Sequence[Example]): Documents to evaluate on, likewise.
    YIELDS (Finding): The findings.
    """
    yield entities_fit_the_tokenizer([*train, *dev])
    yield from check_edges(_references([*train, *dev]))
    yield documents_are_annotated([*train, *dev])
    yield spans_are_entities(_references([*train, *dev]))
    yield labels_are_frequent(count_labels(train, dev))
    yield documents_are_sentences([*train, *dev])
    yield documents_agree(_references(train))
    yield dev_is_new(_references(train), _references(dev))


def entities_fit_the_tokenizer(examples: Sequence[Example]) -> Finding:
    """RETURNS (Finding): Whether entities begin and end where the tokenizer splits."""
    return judge_fit(
        examples,
        "begin or end within a token",
        "They are learned from the annotated tokens (gold_preproc = true), but can't be found in raw "
        "text. Give the language of the texts with --lang, or add rules to its tokenizer.",
    )


def labels_are_frequent(counts: Sequence[LabelCount]) -> Finding:
    """RETURNS (Finding): Whether there are enough entities of all labels."""
    for part in ("train", "dev"):
        if not any(getattr(count, part) for count in counts):
            remedy = "Annotate some: without, there is nothing to learn or to measure."
            return Finding("warn", f"There is no entity in {part}.", remedy)
    few = [
        f"{label} ({n_train:,} in train, {n_dev:,} in dev)"
        for label, n_train, n_dev in counts
        if n_train < FEW
    ]
    return judged(
        not few,
        f"{len(few)} of {len(counts)} labels have fewer than {FEW} entities in train{': ' * bool(few)}"
        f"{', '.join(few)}.",
        "Annotate more of them, or merge labels; components.posattn_ner.label_weights lets rare ones weigh "
        "more.",
    )


def documents_are_sentences(examples: Sequence[Example]) -> Finding:
    """RETURNS (Finding): Whether documents without marked sentences are short enough to be one."""
    docs = [example.reference for example in examples]
    long = [doc for doc in docs if len(doc) > LONG and not doc.has_annotation("SENT_START")]
    return judged(
        is_rare(len(long), len(docs)),
        f"{len(long):,} of {len(docs):,} documents have more than {LONG} tokens and no sentences"
        f"{named(long)}.",
        "They are read as one text in training, while the pipeline reads sentence by sentence: split them.",
    )


def documents_agree(docs: Sequence[Doc]) -> Finding:
    """RETURNS (Finding): Whether the same words are annotated in the same way wherever they stand."""
    found = annotated_in_two_ways(docs)
    first = f", the first: {docs[found[0].docs[0]].text[:60]!r}" if found else ""
    return judged(
        not found,
        f"Texts that stand in train more than once, annotated in different ways: {len(found):,}{first}.",
        "They contradict each other; `posattn audit` lists them. Take the older ones away, if others correct "
        "them; `posattn update --old` leaves them out by itself.",
    )


def dev_is_new(train: Iterable[Doc], dev: Sequence[Doc]) -> Finding:
    """RETURNS (Finding): Whether what is evaluated on is not learned by heart."""
    known = sum(duplicate_mask(train, dev))
    return judged(
        is_rare(known, len(dev)),
        f"{known:,} of {len(dev):,} documents of dev stand in train, too.",
        "They make the scores look better than they are: take them out of one of the two.",
    )


def _references(examples: Iterable[Example]) -> List[Doc]:
    return [example.reference for example in examples]
