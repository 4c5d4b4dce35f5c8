"""JSON with texts and the characters at which entities begin and end: of doccano, spaCy, and our own."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from ..fields import kept_fields
from ..marks import Mark, MarkedText, MarkedTexts, without_entities
from ..records import Record

if TYPE_CHECKING:
    from ..exported import Exported, Stretch

KEYS = ("label", "labels", "entities", "annotations", "annotation", "spans", "ents")
_STARTS = ("start", "start_offset", "begin", "start_char")
_ENDS = ("end", "end_offset", "stop", "end_char")
_LABELS = ("label", "labels", "type", "entity_group", "entity", "label_")
# What our own lines say of partial annotation; two keys are called as the groups in `doc.spans` are.
MISSING, ANNOTATED_FOR, INCORRECT = "missing", "annotated_for", "incorrect_spans"
_SHAPE = 'Write an entity as [start, end, "label"] or {"start": …, "end": …, "label": …}, in characters'


def read_offsets(records: Sequence[Record], path: Path) -> MarkedTexts:
    """Read records with a text and its entities.

    records (Sequence[Record]): The records.
    path (Path): Where they were read.
    RETURNS (MarkedTexts): The texts.
    RAISES (CorpusError): If a record has no text, or an entity no place or label.
    """
    texts, notes = [], []
    bare = [record.place for record in records if entity_key(record.value) is None]
    for record in records:
        key = entity_key(record.value)
        if key is not None:
            text = text_of(record, path)
            marks = [mark_of(each, record, path) for each in record.value[key]]
            fields = kept_fields(record.value)
            texts.append(MarkedText(name_of(record), text, marks, fields=fields, **_partial(record, path)))
    if bare:
        notes.append(
            f"Records without entities ({', '.join(KEYS)}), which were left out: {len(bare):,} of "
            f"{len(records):,}, the first: {bare[0]}. One that has been looked at and has none needs an "
            "empty list."
        )
    notes += without_entities(texts, "doccano exports approved documents alone if asked")
    return MarkedTexts(texts, [*notes, *relations(records)])


def relations(records: Sequence[Record]) -> List[str]:
    """RETURNS (List[str]): What is to be said of relations between entities, if records have any."""
    n = sum(len(each) for record in records if isinstance(each := record.value.get("relations"), list))
    return [f"Relations between entities, which were left out: {n:,}."] if n else []


def _partial(record: Record, path: Path) -> Dict[str, Any]:
    """What a record says of partial annotation, as `write_jsonl` writes it; or the mere labels."""
    value = record.value
    stretches, only = _listed(value, ANNOTATED_FOR), []
    if all(isinstance(each, str) for each in stretches):
        stretches, only = [], stretches
    open_words = [[*each, MISSING] if isinstance(each, list) else each for each in _listed(value, MISSING)]
    said = {"annotated_for": stretches, "missing": open_words, "wrong": _listed(value, INCORRECT)}
    return {
        "only": only,
        **{key: [mark_of(each, record, path) for each in marks] for key, marks in said.items()},
    }


def _listed(value: Dict[str, Any], key: str) -> List[Any]:
    return value[key] if isinstance(value.get(key), list) else []


def entity_key(value: Dict[str, Any]) -> Optional[str]:
    """RETURNS (Optional[str]): Under which key a record has its entities; None if it has none."""
    lists = [key for key in KEYS if isinstance(value.get(key), list)]
    filled = (key for key in lists if value[key] and isinstance(value[key][0], (dict, list)))
    return next(filled, next(iter(lists), None))


def text_of(record: Record, path: Path) -> str:
    """RETURNS (str): The text of a record, which it must have."""
    text = record.value.get("text", record.value.get("data"))
    if not isinstance(text, str):
        raise record.refuse(path, 'it has no "text"', f"Its keys are {', '.join(record.value) or 'none'}")
    return text


def name_of(record: Record) -> str:
    """RETURNS (str): What a record is called in messages: its place, and its id if it has one."""
    id = record.value.get("id")
    return record.place if id is None else f"{record.place} (id {id})"


def mark_of(entity: Any, record: Record, path: Path) -> Mark:
    """Read an entity, as a list or an object.

    entity (Any): What stands for it.
    record (Record): The record it stands in.
    path (Path): Where that was read.
    RETURNS (Mark): The mark.
    RAISES (CorpusError): If it lacks anything.
    """
    if isinstance(entity, dict):
        start, end, label = (_first(entity, names) for names in (_STARTS, _ENDS, _LABELS))
        if isinstance(label, list) and len(label) == 1:
            (label,) = label
    elif isinstance(entity, list) and len(entity) >= 3:
        start, end, label = entity[:3]
    else:
        raise record.refuse(path, f"{entity!r:.60} is no entity", _SHAPE)
    if not all(isinstance(each, int) and not isinstance(each, bool) for each in (start, end)):
        raise record.refuse(path, f"the entity {entity!r:.80} does not say where it stands", _SHAPE)
    if isinstance(label, int) and not isinstance(label, bool):
        raise record.refuse(
            path,
            f"the entity {entity!r:.80} has a number as label",
            "Export the corpus anew with the labels' names (doccano: as JSONL), or write them instead",
        )
    if not isinstance(label, str) or not label.strip():
        raise record.refuse(path, f"the entity {entity!r:.80} has no label", _SHAPE)
    text = entity.get("text") if isinstance(entity, dict) else None
    return Mark(start, end, label, text if isinstance(text, str) else None)


def _first(entity: Dict[str, Any], names: Tuple[str, ...]) -> Any:
    return next((entity[name] for name in names if name in entity), None)


def write_doccano(texts: Iterable["Exported"]) -> Iterator[Dict[str, Any]]:
    """Write texts as doccano imports them (JSONL, for sequence labelling).

    texts (Iterable[Exported]): The texts.
    YIELDS (Dict[str, Any]): A record for each line.
    """
    for text in texts:
        scores = {"scores": [each.score for each in text.entities]} if text.predicted else {}
        label = [[each.start, each.end, each.label] for each in text.entities]
        yield {**text.fields, "text": text.text, "label": label, **scores, **_note(text)}


def write_jsonl(texts: Iterable["Exported"]) -> Iterator[Dict[str, Any]]:
    """Write texts with their entities as objects, and all that is known of texts annotated in part.

    Arguments as of `write_doccano`.
    """
    for text in texts:
        entities: List[Dict[str, Any]] = []
        for start, end, label, score in text.entities:
            scored = {} if score is None else {"score": score}
            entities.append(
                {"start": start, "end": end, "label": label, "text": text.text[start:end], **scored}
            )
        said = {"text": text.text, "entities": entities, **_note(text), **_partial_record(text)}
        yield {**text.fields, **said}


def _partial_record(text: "Exported") -> Dict[str, Any]:
    """What is known of a text that was annotated in part."""
    said = {
        MISSING: [[start, end] for start, end, _ in text.missing],
        ANNOTATED_FOR: [_object(each) for each in text.annotated_for],
        INCORRECT: [_object(each) for each in text.incorrect],
    }
    return {key: stretches for key, stretches in said.items() if stretches}


def _object(stretch: "Stretch") -> Dict[str, Any]:
    return dict(zip(("start", "end", "label"), stretch, strict=True))


def _note(text: "Exported") -> Dict[str, str]:
    return {"note": text.note} if text.note else {}
