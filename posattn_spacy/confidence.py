"""`span._.confidence`, for those who want an entity's probability at the entity."""

from typing import Optional

from spacy.tokens import Span


def add_confidence_extension(name: str = "posattn_ner") -> None:
    """Let `span._.confidence` give the probability that a component has found for a span.

    It is None for spans that are no entities of that component.

    name (str): Name of the component, under which it writes to `doc.spans`.
    """

    def confidence(span: Span) -> Optional[float]:
        group = span.doc.spans.get(name)
        if group is None:
            return None
        for found, score in zip(group, group.attrs["scores"], strict=True):
            if (found.start, found.end, found.label) == (span.start, span.end, span.label):
                return float(score)
        return None

    Span.set_extension("confidence", getter=confidence, force=True)
