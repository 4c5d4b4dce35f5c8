"""Writing what was predicted to a document, beside the entities that are already there."""

from typing import List, Optional, Sequence

import numpy as np
from spacy.tokens import Doc, Span, SpanGroup

from .tagging import Spans


def taken_tokens(doc: Doc, overwrite: bool) -> np.ndarray:
    """Find the tokens that no predicted entity may touch: those of entities, and blocked ones.

    doc (Doc): The document.
    overwrite (bool): Whether what is there gives way, so that no token is taken.
    RETURNS (np.ndarray): (tokens,) bool.
    """
    if overwrite or not doc.has_annotation("ENT_IOB"):
        return np.zeros(len(doc), dtype=bool)
    return np.array([token.ent_iob in (1, 3) for token in doc], dtype=bool)


def write_spans(doc: Doc, key: str, spans: Spans, labels: Sequence[str], taken: np.ndarray) -> List[Span]:
    """Put spans into `doc.spans`, with their probabilities as the group's `scores`, as spaCy's spancat does.

    They do not begin or end in white space.

    doc (Doc): The document.
    key (str): Name of the group.
    spans (Spans): The spans.
    labels (Sequence[str]): Names of the labels.
    taken (np.ndarray): (tokens,) bool; spans that touch such a token are left out.
    RETURNS (List[Span]): What the group holds.
    """
    found, scores = [], []
    for start, stop, label, probability in zip(*(field.tolist() for field in spans), strict=True):
        span = _trimmed(doc, start, stop, labels[label])
        if span is not None and not taken[span.start : span.end].any():
            found.append(span)
            scores.append(probability)
    attrs = {"scores": np.array(scores, dtype=np.float32)}
    doc.spans[key] = SpanGroup(doc, name=key, spans=found, attrs=attrs)
    return found


def write_entities(doc: Doc, entities: List[Span], taken: np.ndarray) -> None:
    """Make spans the document's entities, beside those that are there.

    doc (Doc): The document. Afterwards, none of its tokens is without annotation.
    entities (List[Span]): Spans that touch neither each other nor what is taken.
    taken (np.ndarray): (tokens,) bool, what stays as it is.
    """
    if not taken.any():
        doc.set_ents(entities, default="outside")
        return
    free = ~taken
    for entity in entities:
        free[entity.start : entity.end] = False
    outside = [doc[i : i + 1] for i in np.flatnonzero(free).tolist()]
    doc.set_ents(entities, outside=outside, default="unmodified")


def _trimmed(doc: Doc, start: int, stop: int, label: str) -> Optional[Span]:
    """Make a span without white space at its edges; nothing if it is all white space."""
    while start < stop and doc[start].is_space:
        start += 1
    while start < stop and doc[stop - 1].is_space:
        stop -= 1
    return Span(doc, start, stop, label=label) if start < stop else None
