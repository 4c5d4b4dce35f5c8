"""JSON of Label Studio: tasks with the results of annotators, or its shorter form JSON-MIN."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence

from ..marks import Mark, MarkedText, MarkedTexts
from ..records import Record
from .annotators import choose_annotator
from .offsets import mark_of

if TYPE_CHECKING:
    from ..exported import Exported

_HTML = ("hypertextlabels", "paragraphlabels")


class _Annotation(NamedTuple):
    """What one person has said of a task."""

    record: Record
    person: str
    results: List[Any]


def is_label_studio(value: Dict[str, Any]) -> bool:
    """RETURNS (bool): Whether a record is one of Label Studio's."""
    if isinstance(value.get("data"), dict):
        return any(key in value for key in ("annotations", "completions", "predictions"))
    return _min_key(value) is not None


def read_label_studio(records: Sequence[Record], path: Path, annotator: Optional[str] = None) -> MarkedTexts:
    """Read what Label Studio exports as JSON or JSON-MIN.

    records (Sequence[Record]): The tasks.
    path (Path): Where they were read.
    annotator (Optional[str]): Whose annotation to take, where there are several: an id or an email address.
    RETURNS (MarkedTexts): The texts of the tasks that are annotated.
    RAISES (CorpusError): If a task lacks anything or marks HTML, or if annotators differ and none is chosen.
    """
    annotations = [each for record in records for each in _annotations(record, path)]
    chosen = choose_annotator(
        annotations,
        path,
        annotator,
        of=lambda each: each.person,
        task=lambda each: each.record.place,
        content=lambda each: str([(one.get("type"), one.get("value")) for one in each.results]),
    )
    texts, others = [], 0
    for record, _, results in chosen:
        labelled = [one for one in results if "labels" in one["value"]]
        others += len(results) - len(labelled)
        texts.append(_marked(record, path, [one["value"] for one in labelled]))
    notes = []
    bare = len(records) - len({each.record.place for each in annotations})
    if bare:
        notes.append(f"Tasks that nobody has annotated, which were left out: {bare:,} of {len(records):,}.")
    if others:
        notes.append(f"Results that are no entities (relations, choices …), which were left out: {others:,}.")
    return MarkedTexts(texts, notes)


def _annotations(record: Record, path: Path) -> Iterator[_Annotation]:
    """The annotations of a task that were not cancelled."""
    value = record.value
    short = _min_key(value)
    if short is not None and not isinstance(value.get("data"), dict):
        person = _person(value.get("annotator", ""))
        yield _Annotation(record, person, [{"value": each, "type": "labels"} for each in value[short]])
        return
    for annotation in value.get("annotations", value.get("completions")) or []:
        if isinstance(annotation, int):
            raise record.refuse(
                path, "its annotations are mere numbers", "Export the project as JSON, not the list of tasks"
            )
        if annotation.get("was_cancelled"):
            continue
        results = annotation.get("result") or []
        for one in results:
            if one.get("type") in _HTML:
                raise record.refuse(
                    path,
                    f"it was annotated as {one['type']}, whose places are in HTML",
                    "Use the tag <Text> with plain text in the labelling setup, or export as CoNLL",
                )
            if not isinstance(one.get("value", {}), dict):
                raise record.refuse(path, f"the result {one!r:.60} has no value", "Export it anew")
            one.setdefault("value", {})
        yield _Annotation(record, _person(annotation.get("completed_by", "")), results)


def _min_key(value: Dict[str, Any]) -> Optional[str]:
    """Where a record of JSON-MIN has its marks."""
    for key, each in value.items():
        marks = each if isinstance(each, list) and each and isinstance(each[0], dict) else [{}]
        if {"start", "end", "labels"} <= marks[0].keys():
            return key
    return None


def _person(who: Any) -> str:
    return str(who.get("email") or who.get("id")) if isinstance(who, dict) else str(who)


def _marked(record: Record, path: Path, values: Sequence[Dict[str, Any]]) -> MarkedText:
    data = record.value["data"] if isinstance(record.value.get("data"), dict) else record.value
    text = _text(record, path, data, values)
    name = record.place if "id" not in record.value else f"{record.place} (task {record.value['id']})"
    marks = [
        _in_characters(mark_of({**value, "labels": [label]}, record, path), text)
        for value in values
        for label in value["labels"]
    ]
    return MarkedText(name, text, marks)


def _text(record: Record, path: Path, data: Dict[str, Any], values: Sequence[Dict[str, Any]]) -> str:
    """The text of a task: what "text" says, or the one string in which the marks stand where they should."""
    strings = {key: value for key, value in data.items() if isinstance(value, str)}
    if "text" in strings:
        return strings["text"]
    fitting = [
        key for key, text in strings.items() if all(_fits(each, text) for each in values if "text" in each)
    ]
    if len(fitting) != 1:
        there = ", ".join(strings) or "none"
        raise record.refuse(path, f"which of its data is the text is not clear ({there})", 'Call it "text"')
    return strings[fitting[0]]


def _fits(value: Dict[str, Any], text: str) -> bool:
    start, end = value.get("start"), value.get("end")
    return isinstance(start, int) and isinstance(end, int) and text[start:end] == value["text"]


def _in_characters(mark: Mark, text: str) -> Mark:
    """Count characters as Python does, if the tool counts those beyond U+FFFF twice, as JavaScript does."""
    if mark.text is None or text[mark.start : mark.end] == mark.text or text.isascii():
        return mark
    units = text.encode("utf-16-le")
    start, end = (len(units[: 2 * place].decode("utf-16-le", "ignore")) for place in (mark.start, mark.end))
    return mark._replace(start=start, end=end) if text[start:end] == mark.text else mark


def write_label_studio(texts: Iterable["Exported"]) -> Iterator[Dict[str, Any]]:
    """Write texts as Label Studio imports them, for a setup with <Labels name="label" toName="text">.

    What was predicted becomes predictions, all else annotations.

    texts (Iterable[Exported]): The texts.
    YIELDS (Dict[str, Any]): A task for each.
    """
    for number, text in enumerate(texts, start=1):
        result = []
        for i, (start, end, label, score) in enumerate(text.entities):
            value = {"start": start, "end": end, "text": text.text[start:end], "labels": [label]}
            place = {"from_name": "label", "to_name": "text", "type": "labels"}
            scored = {} if score is None else {"score": score}
            result.append({"id": f"{number}-{i}", **place, "value": value, **scored})
        if text.is_scored:
            score = min(each.score for each in text.entities if each.score is not None)
            said = {"predictions": [{"model_version": "posattn-spacy", "score": score, "result": result}]}
        else:
            said = {"annotations": [{"result": result}]}
        note = {"note": text.note} if text.note else {}
        yield {"data": {"text": text.text, **note}, **said}
