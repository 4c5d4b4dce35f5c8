"""What a tool or a file has of a text beside its entities, such as its id."""

import json
from math import isfinite
from typing import TYPE_CHECKING, Any, Dict, Mapping

if TYPE_CHECKING:
    from spacy.tokens import Doc

FIELDS = "posattn_fields"  # in `Doc.user_data`: as JSON
_META, _NOTE = "meta", "note"
# By which formats are told from each other, or which say what we say ourselves.
_RESERVED = frozenset(
    ["text", "data", "content", "sentence", "label", "labels", "answer", "annotator", "annotation_id", _NOTE]
)
_LARGEST = 1 << 63


def kept_fields(record: Mapping[str, Any], *used: str) -> Dict[str, Any]:
    """Take the plain values of a record that say nothing of its text or annotation.

    record (Mapping[str, Any]): The record.
    used (str): Keys that do.
    RETURNS (Dict[str, Any]): Texts, numbers, truth values and nulls, and those of an object called "meta";
        without what tools keep for themselves, which begins with "_". Dates and the like are made texts.
    """
    kept = _plain(record, {*_RESERVED, *used})
    if isinstance(record.get(_META), Mapping) and (meta := _plain(record[_META], {_NOTE})):
        kept[_META] = meta
    return kept


def _plain(record: Mapping[str, Any], reserved: set[str]) -> Dict[str, Any]:
    own = {key: value for key, value in record.items() if isinstance(key, str) and not key.startswith("_")}
    return {
        key: _writable(value)
        for key, value in own.items()
        if key not in reserved and not isinstance(value, (list, tuple, set, Mapping, bytes))
    }


def _writable(value: Any) -> Any:
    """The value as all that write JSON can write it."""
    if value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) < _LARGEST):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else None
    return str(value).encode("utf-8", "replace").decode()


def set_fields(doc: "Doc", fields: Mapping[str, Any]) -> None:
    """Let a document keep fields, if there are any.

    doc (Doc): The document, which is changed.
    fields (Mapping[str, Any]): The fields.
    """
    if fields:
        doc.user_data[FIELDS] = packed(fields)


def other_fields(doc: "Doc") -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): What the tool or file of a document has of it beside its entities."""
    return unpacked(doc.user_data.get(FIELDS))


def packed(fields: Mapping[str, Any]) -> str:
    """RETURNS (str): Fields as `Doc.user_data` has them."""
    return json.dumps(fields)


def unpacked(value: Any) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The fields in what `Doc.user_data` has; none if others have put it there."""
    try:
        fields = json.loads(value) if isinstance(value, str) else None
    except (ValueError, RecursionError):
        fields = None
    return kept_fields(fields) if isinstance(fields, dict) else {}
