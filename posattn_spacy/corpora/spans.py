"""Annotation that stands in `doc.spans` instead of `doc.ents`, as Prodigy's spans.manual leaves it."""

from itertools import pairwise
from typing import Dict, List, Sequence

from spacy.tokens import Doc, Span
from spacy.util import filter_spans

from ..partial import GROUPS
from .repairs import OVERLAPS, Repairs
from .sentences import CorpusError


def count_spans(docs: Sequence[Doc]) -> Dict[str, int]:
    """RETURNS (Dict[str, int]): How many spans there are under each key of `doc.spans`, those with some."""
    counts: Dict[str, int] = {}
    for doc in docs:
        for key, group in doc.spans.items():
            if len(group) and key not in GROUPS:
                counts[key] = counts.get(key, 0) + len(group)
    return counts


def spans_to_ents(docs: Sequence[Doc], key: str, repairs: Repairs) -> List[str]:
    """Make the spans under a key the entities of their documents.

    docs (Sequence[Doc]): The documents, which are changed; all their tokens are then annotated.
    key (str): The key in `doc.spans`.
    repairs (Repairs): The account of the file; of spans that overlap, the longest are kept.
    RETURNS (List[str]): What the user should know, one sentence each.
    RAISES (CorpusError): If no document has the key, a span has no label, or spans overlap.
    """
    if not any(key in doc.spans for doc in docs):
        counts = count_spans(docs)
        there = f"The keys are: {', '.join(counts)}" if counts else "There are no spans at all"
        raise CorpusError(f'{repairs.path}: no document has doc.spans["{key}"]. {there}; see --spans-key.')
    for number, doc in enumerate(docs, start=1):
        spans = list(doc.spans[key]) if key in doc.spans else []
        nameless = next((span for span in spans if not span.label), None)
        if nameless is not None:
            raise repairs.error(number, f'the span "{nameless.text}" has no label', "Give it one")
        doc.set_ents(_without_overlaps(spans, number, repairs))
    notes = [f'The entities were read from doc.spans["{key}"].']
    bare = sum(key not in doc.spans for doc in docs)
    if bare:
        notes.append(f"Documents without this key, read as having no entities: {bare:,} of {len(docs):,}.")
    return notes


def _without_overlaps(spans: List[Span], number: int, repairs: Repairs) -> List[Span]:
    kept = filter_spans(spans)
    if len(kept) < len(spans):
        ordered = sorted(spans, key=lambda span: (span.start, span.end))
        first, second = next((one, other) for one, other in pairwise(ordered) if other.start < one.end)
        repairs.add(
            number,
            f'the spans "{first.text}" ({first.label_}) and "{second.text}" ({second.label_}) overlap',
            "Entities can't: keep one of the two",
            OVERLAPS,
            len(spans) - len(kept),
        )
    return kept
