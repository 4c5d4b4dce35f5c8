"""JSON of Label Studio: tasks with the results of annotators, or its shorter form JSON-MIN."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ..fields import kept_fields
from ..marks import MarkedText, MarkedTexts
from ..records import Record
from .annotators import of_annotator, settled
from .offsets import mark_of

if TYPE_CHECKING:
    from ..exported import Exported

_HTML = ("hypertextlabels", "paragraphlabels")

_OF_ANNOTATION = ("created_at", "updated_at", "lead_time")  # in JSON-MIN, beside what is said of the task


class _Annotation(NamedTuple):
    """What one person has said of a task.

    record (Record): Where it stands.
    task (str): What the task is called.
    person (str): Who has said it.
    marks (List[Dict[str, Any]]): What is marked, with at least one label each.
    unlabelled (int): How many marks have no label.
    others (int): How many results are no marks of text.
    """

    record: Record
    task: str
    person: str
    marks: List[Dict[str, Any]]
    unlabelled: int
    others: int

    def places(self) -> Tuple[str, ...]:
        """RETURNS (Tuple[str, ...]): What is marked, in whatever order it was."""
        return tuple(sorted(str((mark.get("start"), mark.get("end"), mark["labels"])) for mark in self.marks))


def is_label_studio(value: Dict[str, Any]) -> bool:
    """RETURNS (bool): Whether a record is one of Label Studio's."""
    if isinstance(value.get("data"), dict):
        return any(key in value for key in ("annotations", "completions", "predictions"))
    return {"annotator", "annotation_id"} <= value.keys() or bool(_short_marks(value))


def read_label_studio(records: Sequence[Record], path: Path, annotator: Optional[str] = None) -> MarkedTexts:
    """Read what Label Studio exports as JSON or JSON-MIN.

    records (Sequence[Record]): The tasks; in JSON-MIN the annotations.
    path (Path): Where they were read.
    annotator (Optional[str]): Whose annotation to take, where there are several: an id or an email address.
    RETURNS (MarkedTexts): The texts of the tasks that are annotated.
    RAISES (CorpusError): If a task lacks anything or marks HTML, or if annotators differ and none is chosen.
    """
    annotations = [each for record in records for each in _annotations(record, path)]
    tasks = set(map(_task, records))
    bare = tasks - {each.task for each in annotations}
    of, task = (lambda each: each.person), (lambda each: each.task)
    own, notes = of_annotator(annotations, path, annotator, of=of, task=task)
    chosen, more = settled(own, path, of=of, task=task, content=_Annotation.places)
    key = _text_key(chosen, path) if chosen else ""
    texts = [_marked(each, path, key) for each in chosen]
    notes += more
    if bare:
        notes.append(
            f"Tasks that nobody has annotated, which were left out: {len(bare):,} of {len(tasks):,}."
        )
    others, unlabelled = sum(each.others for each in chosen), sum(each.unlabelled for each in chosen)
    if others:
        notes.append(f"Results that are no entities (relations, choices …), which were left out: {others:,}.")
    if unlabelled:
        notes.append(f"Marks without a label, which were left out: {unlabelled:,}.")
    return MarkedTexts(texts, notes)


def _task(record: Record) -> str:
    """What a task is called; in JSON-MIN several records may be of one."""
    is_whole = isinstance(record.value.get("data"), dict) or "id" not in record.value
    return record.place if is_whole else f"task {record.value['id']}"


def _annotations(record: Record, path: Path) -> Iterator[_Annotation]:
    """The annotations of a task that were not cancelled."""
    value = record.value
    if not isinstance(value.get("data"), dict):
        results = [{"value": each, "type": "labels"} for each in _short_marks(value)]
        yield _annotation(record, path, value.get("annotator", ""), results)
        return
    annotations = value.get("annotations", value.get("completions")) or []
    if not all(isinstance(annotation, dict) for annotation in annotations):
        raise record.refuse(
            path, "its annotations are mere numbers", "Export the project as JSON, not the list of tasks"
        )
    for annotation in sorted(annotations, key=lambda each: str(each.get("updated_at") or "")):
        if not annotation.get("was_cancelled"):
            who = annotation.get("completed_by", "")
            yield _annotation(record, path, who, annotation.get("result") or [])


def _annotation(record: Record, path: Path, who: Any, results: Sequence[Dict[str, Any]]) -> _Annotation:
    person = str(who.get("email") or who.get("id")) if isinstance(who, dict) else str(who)
    marks: List[Dict[str, Any]] = []
    unlabelled = others = 0
    for one in results:
        value = one.get("value", {})
        if not isinstance(value, dict):
            raise record.refuse(path, f"the result {one!r:.60} has no value", "Export it anew")
        # In HTML places are paths to its elements, which are texts.
        if one.get("type") in _HTML or ("labels" in value and isinstance(value.get("start"), str)):
            kind = one["type"] if one.get("type") in _HTML else "HTML"
            raise record.refuse(
                path,
                f"it was annotated as {kind}, whose places are in HTML",
                "Use the tag <Text> with plain text in the labelling setup, or export as CoNLL",
            )
        if value.get("labels"):
            marks.append(value)
        elif "start" in value and "end" in value:
            unlabelled += 1
        else:
            others += 1
    return _Annotation(record, _task(record), person, marks, unlabelled, others)


def _short_marks(value: Dict[str, Any]) -> List[Dict[str, Any]]:
    """The marks of a record of JSON-MIN, whichever of its controls made them."""
    lists = (each for each in value.values() if isinstance(each, list))
    objects = (one for each in lists for one in each if isinstance(one, dict))
    return [one for one in objects if {"start", "end", "labels"} <= one.keys()]


def _data(record: Record) -> Dict[str, Any]:
    data = record.value["data"] if isinstance(record.value.get("data"), dict) else record.value
    return {key: text for key, text in data.items() if isinstance(text, str)}


def _text_key(annotations: Sequence[_Annotation], path: Path) -> str:
    """Which of the tasks' data is the text: the one in which most marks stand where they should."""
    data = [_data(each.record) for each in annotations]
    keys = list(dict.fromkeys(key for own in data for key in own))
    pairs = [(mark, own) for each, own in zip(annotations, data, strict=True) for mark in each.marks]
    fitting = {key: _fits([(mark, own.get(key, "")) for mark, own in pairs]) for key in keys}
    likely = [key for key in keys if fitting[key] == max(fitting.values())]
    if "text" in likely:
        return "text"
    if len(likely) != 1:
        there = ", ".join(keys) or "none"
        raise annotations[0].record.refuse(
            path, f"which of its data is the text is not clear ({there})", 'Call it "text"'
        )
    return likely[0]


def _fits(marks: Sequence[Tuple[Dict[str, Any], str]]) -> Tuple[int, int]:
    """How many marks stand in a text where they should, and how many anywhere."""
    said = [(mark, str(mark.get("text") or ""), text) for mark, text in marks]
    there = sum(
        text[mark["start"] : mark["end"]] == own != "" for mark, own, text in said if _has_place(mark)
    )
    return there, sum(own != "" and own in text for _, own, text in said)


def _has_place(mark: Dict[str, Any]) -> bool:
    return isinstance(mark.get("start"), int) and isinstance(mark.get("end"), int)


def _marked(annotation: _Annotation, path: Path, key: str) -> MarkedText:
    record = annotation.record
    data = _data(record)
    if key not in data:
        raise record.refuse(path, f'it has no "{key}"', f"Its data are {', '.join(data) or 'none'}")
    name = record.place if "id" not in record.value else f"{record.place} (task {record.value['id']})"
    marks = [
        mark_of({**mark, "labels": [label]}, record, path)
        for mark in annotation.marks
        for label in mark["labels"]
    ]
    return MarkedText(name, data[key], marks, fields=_other_fields(record, key))


def _other_fields(record: Record, key: str) -> Dict[str, Any]:
    """What else a task has: its id, and its data but for the text, of which `key` tells."""
    value = record.value
    if isinstance(value.get("data"), dict):
        id = {"id": value["id"]} if "id" in value else {}
        return kept_fields({**id, **value["data"]}, key)
    return kept_fields(value, key, *_OF_ANNOTATION)


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
        said: Dict[str, Any] = {}
        if text.predicted:
            scores = [each.score for each in text.entities if each.score is not None]
            least = {"score": min(scores)} if scores else {}
            said = {"predictions": [{"model_version": "posattn-spacy", **least, "result": result}]}
        elif not text.is_bare:
            said = {"annotations": [{"result": result}]}
        note = {"note": text.note} if text.note else {}
        yield {"data": {**text.fields, "text": text.text, **note}, **said}
