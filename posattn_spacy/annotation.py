"""Writing what was predicted to a document, beside the entities that are already there."""

from typing import List, Sequence, Tuple

import numpy as np
from spacy.attrs import ENT_IOB
from spacy.tokens import Doc, Span

from .following import FollowingSpans, scored_spans
from .tagging import Spans

TWICE = "_twice"  # ends the name of the group of texts that took a second look


def taken_tokens(doc: Doc, overwrite: bool) -> np.ndarray:
    """Find the tokens that no predicted entity may touch: those of entities, and blocked ones.

    doc (Doc): The document.
    overwrite (bool): Whether what is there gives way, so that no token is taken.
    RETURNS (np.ndarray): (tokens,) bool.
    """
    if overwrite or not doc.has_annotation("ENT_IOB"):
        return np.zeros(len(doc), dtype=bool)
    iob = doc.to_array(ENT_IOB)
    return (iob == 1) | (iob == 3)


def taken_words(taken: np.ndarray, places: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """Say what taken tokens mean for the words of a document.

    taken (np.ndarray): (tokens,) bool.
    places (np.ndarray): (words,) int64 token of each word.
    RETURNS (Tuple[np.ndarray, np.ndarray]): (words,) bool each: those that are taken, and those that continue
        no entity, since white space before them is taken.
    """
    before = np.append(0, taken.cumsum())  # (tokens + 1,) how many are taken before each
    ends = np.append(0, places[:-1] + 1)  # where the word before ends
    return taken[places], before[places] > before[ends]


def predicted_spans(
    doc: Doc, spans: Spans, labels: Sequence[str], taken: np.ndarray
) -> List[Tuple[Span, float]]:
    """Make spaCy's spans of predicted ones.

    doc (Doc): The document.
    spans (Spans): The spans.
    labels (Sequence[str]): Names of the labels.
    taken (np.ndarray): (tokens,) bool; spans that touch such a token are left out.
    RETURNS (List[Tuple[Span, float]]): Spans and probabilities.
    """
    each = zip(*(field.tolist() for field in spans), strict=True)
    is_free = not taken.any()
    return [
        (Span(doc, start, stop, label=labels[label]), probability)
        for start, stop, label, probability in each
        if is_free or not taken[start:stop].any()
    ]


def text_spans(doc: Doc, texts: Spans) -> List[Tuple[Span, float]]:
    """RETURNS (List[Tuple[Span, float]]): Texts of a document, as `write_group` takes them."""
    bounds = zip(texts.starts.tolist(), texts.stops.tolist(), strict=True)
    return [(Span(doc, start, stop, label="twice"), 1.0) for start, stop in bounds]


def kept_spans(doc: Doc, key: str, taken: np.ndarray) -> List[Tuple[Span, float]]:
    """Read what a component has found before of what is taken now, as when a document comes a second time.

    doc (Doc): The document.
    key (str): Name of the group.
    taken (np.ndarray): (tokens,) bool.
    RETURNS (List[Tuple[Span, float]]): Spans and probabilities.
    """
    if not taken.any():
        return []
    return [(span, score) for span, score in scored_spans(doc, key) if taken[span.start : span.end].any()]


def kept_entities(doc: Doc, key: str, taken: np.ndarray) -> List[Tuple[Span, float]]:
    """Read those of `kept_spans` that are entities still, whatever was linked to them meanwhile."""
    kept = kept_spans(doc, key, taken)
    there = {(ent.start, ent.end, ent.label) for ent in doc.ents} if kept else set()
    return [(span, score) for span, score in kept if (span.start, span.end, span.label) in there]


def write_group(doc: Doc, key: str, scored: Sequence[Tuple[Span, float]]) -> None:
    """Put spans into `doc.spans`, with their probabilities as the group's `scores`, as spaCy's spancat does.

    doc (Doc): The document.
    key (str): Name of the group.
    scored (Sequence[Tuple[Span, float]]): Spans and probabilities.
    """
    ordered = sorted(scored, key=lambda each: (each[0].start, each[0].end))
    # numpy's numbers of 64 bits are numbers to JSON as well.
    attrs = {"scores": np.array([score for _, score in ordered], dtype=np.float64)}
    doc.spans[key] = FollowingSpans(doc, name=key, attrs=attrs, spans=[span for span, _ in ordered])


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
