"""How sure a component is of its entities, kept where spaCy moves it along with the text.

Scores of a group in `doc.spans` are lost when documents are joined, and a list of their own when spans are
filtered. So the score of each entity also stands in `doc.user_data`, under the characters of the entity, as
the value of a custom attribute of a span does.
"""

from typing import Any, Dict, Optional, Tuple

from spacy.tokens import Doc, Span

from .following import following_group, scored_spans

Key = Tuple[str, str, Optional[int], Optional[int]]
SUFFIX = "_confidence"


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
    for key in [key for key in _user_data(doc) if _is_confidence(key) and key[1] == attribute]:
        del doc.user_data[key]
    for span, score in scores.items():
        _user_data(doc)[_key(name, span)] = {span.label_: score}


def all_confidences(doc: Doc) -> Dict[Tuple[int, int, str], float]:
    """Find how sure any component is of the entities of a document.

    doc (Doc): The document.
    RETURNS (Dict[Tuple[int, int, str], float]): Probabilities by first character, one past the last, label.
    """
    groups = (each for key in doc.spans for each in scored_spans(doc, key))
    scores = {(span.start_char, span.end_char, span.label_): score for span, score in groups}
    for key, of_labels in _user_data(doc).items():
        if _is_confidence(key) and isinstance(of_labels, dict):
            scores.update({(key[2], key[3], label): score for label, score in of_labels.items()})
    return scores


def _restore(doc: Doc, name: str) -> None:
    """Take the scores from the group, where a document was read from a file without its user data."""
    group = following_group(doc, name)
    if group is not None and len(group) and _key(name, group[0]) not in doc.user_data:
        for span, score in scored_spans(doc, name):
            _user_data(doc)[_key(name, span)] = {span.label_: score}


def _user_data(doc: Doc) -> Dict[Any, Any]:
    return doc.user_data  # in spaCy's types its keys are strings


def _key(name: str, span: Span) -> Key:
    return "._.", _attribute(name), span.start_char, span.end_char


def _attribute(name: str) -> str:
    return f"{name}{SUFFIX}"


def _is_confidence(key: Any) -> bool:
    """Whether this is a key of `write_confidence`; users may have any others."""
    return isinstance(key, tuple) and len(key) == 4 and key[0] == "._." and str(key[1]).endswith(SUFFIX)
