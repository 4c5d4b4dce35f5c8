"""How sure a component is of its entities, kept where spaCy moves it along with the text.

Scores of a group in `doc.spans` are lost when documents are joined, and a list of their own when spans are
filtered. So the score of each entity also stands in `doc.user_data`, under the characters of the entity, as
the value of a custom attribute of a span does.
"""

from typing import Any, Dict, Iterator, Optional, Tuple

from spacy.tokens import Doc, Span

Key = Tuple[str, str, Optional[int], Optional[int]]


def add_confidence_extension(name: str = "posattn_ner") -> None:
    """Let `span._.confidence` give the probability that a component has found for an entity.

    It is None for spans that are no entities of that component.

    name (str): Name of the component.
    """
    Span.set_extension("confidence", getter=lambda span: confidence(span, name), force=True)


def confidence(span: Span, name: str) -> Optional[float]:
    """Find how sure a component is of an entity; the time does not depend on the other entities.

    span (Span): The entity.
    name (str): Name of the component.
    RETURNS (Optional[float]): The probability; None if the component has not found this entity.
    """
    doc = span.doc
    _restore(doc, name)
    return _user_data(doc).get(_key(name, span), {}).get(span.label_)


def write_confidence(doc: Doc, name: str, scores: Dict[Span, float]) -> None:
    """Write down how sure a component is of the entities of a document, in place of what it wrote before.

    doc (Doc): The document.
    name (str): Name of the component.
    scores (Dict[Span, float]): The probability of each entity.
    """
    attribute = _attribute(name)
    for key in [key for key in doc.user_data if key[:2] == ("._.", attribute)]:
        del doc.user_data[key]
    for span, score in scores.items():
        _user_data(doc)[_key(name, span)] = {span.label_: score}


def scored_spans(doc: Doc, key: str) -> Iterator[Tuple[Span, float]]:
    """Read the spans of a group in `doc.spans` with their scores.

    doc (Doc): The document.
    key (str): Name of the group.
    YIELDS (Tuple[Span, float]): Each span and its score; nothing if the group has no scores, or was left
        behind when tokens were merged.
    """
    group = doc.spans.get(key)
    scores = [] if group is None else group.attrs.get("scores", [])
    if group is None or len(scores) != len(group):
        return
    try:
        spans = list(group)
    except IndexError:  # spaCy's own groups do not follow when tokens are merged
        return
    yield from zip(spans, map(float, scores), strict=True)


def _restore(doc: Doc, name: str) -> None:
    """Take the scores from the group, where a document was read from a file without its user data."""
    group = doc.spans.get(name)
    if group is None or not len(group):
        return
    try:
        known = _key(name, group[0]) in doc.user_data
    except IndexError:
        return
    if not known:
        for span, score in scored_spans(doc, name):
            _user_data(doc)[_key(name, span)] = {span.label_: score}


def _user_data(doc: Doc) -> Dict[Any, Any]:
    return doc.user_data  # in spaCy's types its keys are strings


def _key(name: str, span: Span) -> Key:
    return "._.", _attribute(name), span.start_char, span.end_char


def _attribute(name: str) -> str:
    return f"{name}_confidence"
