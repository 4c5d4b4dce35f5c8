"""Groups in `doc.spans` that keep their place in the text when tokens are merged or split."""

import struct
from typing import Iterator, List, Optional, Tuple, cast

import numpy as np
import srsly
from spacy.tokens import Doc, Span, SpanGroup


class FollowingSpans(SpanGroup):
    """A span group whose spans keep their place in the text when tokens are merged or split.

    spaCy's own keeps the numbers of the tokens, which then are those of others, or of none.
    """

    def __getitem__(self, i: int) -> Span:
        span = super().__getitem__(i)
        if not _is_in_place(span):
            self._follow()
            span = super().__getitem__(i)
        return span

    def to_bytes(self) -> bytes:
        """RETURNS (bytes): The group, as spaCy's own is written."""
        list(self)  # follows, if one has moved
        return super().to_bytes()

    def copy(self, doc: Optional[Doc] = None) -> "FollowingSpans":
        """RETURNS (FollowingSpans): A copy, for another document of the same text if one is given."""
        other = super().copy(doc)
        return FollowingSpans(other.doc, name=other.name, attrs=other.attrs, spans=list(other))

    def _follow(self) -> None:
        doc = self.doc
        spans = [span for span in spans_by_characters(doc, super().to_bytes()) if span is not None]
        self.from_bytes(SpanGroup(doc, name=self.name, attrs=self.attrs, spans=spans).to_bytes())


def _is_in_place(span: Span) -> bool:
    """Whether the tokens of a span, by their numbers, still are at its characters."""
    doc, start, end = span.doc, span.start, span.end
    if not start < end <= len(doc):
        return False
    last = doc[end - 1]
    return doc[start].idx == span.start_char and last.idx + len(last) == span.end_char


def following_group(doc: Doc, key: str) -> Optional[FollowingSpans]:
    """Read a group with scores; spaCy's own, as a document has that was read from bytes, is replaced.

    doc (Doc): The document.
    key (str): Name of the group.
    RETURNS (Optional[FollowingSpans]): The group; None if there is none with a score for each of its spans.
    """
    group = doc.spans.get(key)
    if not isinstance(group, FollowingSpans):
        scored = list(scored_spans(doc, key))
        if not scored:
            return None
        attrs = {**doc.spans[key].attrs, "scores": np.array([score for _, score in scored])}
        doc.spans[key] = FollowingSpans(doc, name=key, attrs=attrs, spans=[span for span, _ in scored])
    return cast(FollowingSpans, doc.spans[key])


def scored_spans(doc: Doc, key: str) -> Iterator[Tuple[Span, float]]:
    """Read the spans of a group in `doc.spans` with their scores, where their characters are now.

    doc (Doc): The document.
    key (str): Name of the group.
    YIELDS (Tuple[Span, float]): Each span and its score; nothing if the group has not a score for each.
    """
    group = doc.spans.get(key)
    scores = [] if group is None else group.attrs.get("scores", [])
    if group is not None and len(scores) == len(group):
        spans = group if isinstance(group, FollowingSpans) else spans_by_characters(doc, group.to_bytes())
        yield from (
            (span, float(score)) for span, score in zip(spans, scores, strict=True) if span is not None
        )


def spans_by_characters(doc: Doc, data: bytes) -> List[Optional[Span]]:
    """Find the spans of a group where their characters are now, whatever their tokens have become.

    doc (Doc): The document.
    data (bytes): The group, as spaCy writes it.
    RETURNS (List[Optional[Span]]): The spans; None for one whose characters are not there.
    """
    items = [struct.unpack(">QQQllll", item) for item in srsly.msgpack_loads(data)["spans"]]
    return [
        doc.char_span(start, end, label=label, kb_id=kb_id, span_id=span_id, alignment_mode="expand")
        for span_id, kb_id, label, _, _, start, end in items
    ]
