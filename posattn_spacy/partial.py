"""Partial annotation: what documents say of labels and spans beside their entities (docs/annotate.md).

Of a token without entity annotation (`Token.ent_iob == 0`, `-` in spaCy's formats) nothing is known, unless
the document says more: a group of `doc.spans` called "annotated_for" has a span for each label over the
stretch that was annotated for it, in which tokens without annotation are in no entity of that label. Spans
that are known to be no entities of their label are in another group, as for spaCy's `ner`.

Both survive `DocBin`, joining and copying. spaCy's own reader loses them where it cuts documents into
sentences; then the tokens are left without annotation, which is never wrong.
"""

from typing import Iterable, List, Optional, Sequence

import numpy as np
from spacy.attrs import ENT_IOB
from spacy.tokens import Doc, Span
from spacy.training import Example

from .settings import DEFAULTS

ANNOTATED_FOR = "annotated_for"
INCORRECT: str = DEFAULTS["incorrect_spans_key"]
GROUPS = frozenset([ANNOTATED_FOR, INCORRECT])  # whose spans are no entities


def annotate_for(doc: Doc, labels: Iterable[str]) -> None:
    """Say of a document that it was annotated for some labels alone.

    Its entities stay, whatever their labels. Of its other tokens nothing is known any more but that they are
    in no entity of these labels; where nothing was known before, that does not change.

    doc (Doc): The document, which is changed.
    labels (Iterable[str]): The labels.
    """
    iob = doc.to_array(ENT_IOB)
    stretches = runs(iob != 0)
    outside = [Span(doc, start, stop) for start, stop in runs(iob == 2)]
    doc.set_ents([], missing=outside, default="unmodified")
    group = list(doc.spans.get(ANNOTATED_FOR, []))
    group += [Span(doc, start, stop, label=label) for label in labels for start, stop in stretches]
    doc.spans[ANNOTATED_FOR] = group


def restrict(docs: Iterable[Doc], labels: Iterable[str]) -> None:
    """Let documents that do not say themselves what they were annotated for be so for some labels.

    docs (Iterable[Doc]): The documents, which are changed.
    labels (Iterable[str]): The labels.
    """
    labels = list(labels)
    for doc in docs:
        if ANNOTATED_FOR not in doc.spans:
            annotate_for(doc, labels)


def is_annotated(doc: Doc) -> bool:
    """RETURNS (bool): Whether there is anything to learn: entities, or spans that are known to be none."""
    return bool(doc.ents) or bool(doc.spans.get(INCORRECT))


def unknown_stretches(doc: Doc) -> List[tuple[int, int]]:
    """RETURNS (List[tuple[int, int]]): First token and one past the last of what has no entity annotation."""
    return runs(doc.to_array(ENT_IOB) == 0)


def runs(flags: np.ndarray) -> List[tuple[int, int]]:
    """RETURNS (List[tuple[int, int]]): First and one past the last of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def excluded_labels(example: Example, labels: Sequence[int], same_tokens: bool) -> Optional[np.ndarray]:
    """Find the labels that tokens without annotation are known not to have.

    example (Example): The example.
    labels (Sequence[int]): Hashes of the labels.
    same_tokens (bool): Whether predicted and reference document have the same tokens.
    RETURNS (Optional[np.ndarray]): (predicted tokens, labels) bool; None if the document says nothing of it.
    """
    reference = example.reference
    if ANNOTATED_FOR not in reference.spans:
        return None
    excluded = np.zeros((len(reference), len(labels)), dtype=bool)
    index = {label: i for i, label in enumerate(labels)}
    for span in reference.spans[ANNOTATED_FOR]:
        if span.label in index:
            excluded[span.start : span.end, index[span.label]] = True
    excluded &= (reference.to_array(ENT_IOB) == 0)[:, None]
    if same_tokens:
        return excluded
    aligned = example.alignment.x2y
    tokens = np.repeat(np.arange(len(aligned.lengths)), aligned.lengths)
    others = np.zeros((len(example.predicted), len(labels)), dtype=np.int64)
    np.add.at(others, tokens, ~excluded[aligned.data])
    return (others == 0) & (aligned.lengths > 0)[:, None]


def incorrect_spans(example: Example, key: Optional[str], same_tokens: bool) -> List[Span]:
    """Find the spans that are known to be no entities of their label.

    example (Example): The example.
    key (Optional[str]): Their group in `doc.spans`; None for none.
    same_tokens (bool): Whether predicted and reference document have the same tokens.
    RETURNS (List[Span]): The spans in the tokens of the predicted document; what does not fit them can be no
        entity there.
    """
    if key is None or key not in example.reference.spans:
        return []
    spans = list(example.reference.spans[key])
    return spans if same_tokens else example.get_aligned_spans_y2x(spans, allow_overlap=True)
