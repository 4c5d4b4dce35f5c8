"""JSON of any shape as a list of records, each with the place where it stands."""

import json
from pathlib import Path
from typing import Any, Dict, List, NamedTuple

from .sentences import CorpusError


class Record(NamedTuple):
    """An object of a JSON file.

    place (str): Where it stands, such as "line 3" or "record 3".
    value (Dict[str, Any]): What it says.
    """

    place: str
    value: Dict[str, Any]

    def refuse(self, path: Path, problem: str, remedy: str) -> CorpusError:
        """RETURNS (CorpusError): The error for a fault in it; neither sentence with a full stop."""
        return CorpusError(f"{path}, {self.place}: {problem}. {remedy}.")


def parse_records(text: str, path: Path) -> List[Record]:
    """Parse JSON: a list of records, an object with such a list in it, a record, or a record on each line.

    text (str): The text.
    path (Path): Where it was read, for messages.
    RETURNS (List[Record]): The records; a pair of a text and an object, as of spaCy 2, is one too.
    RAISES (CorpusError): If it is no JSON, or a record is no object.
    """
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        return _parse_lines(text, path)
    return [_record(f"record {i}", value, path) for i, value in enumerate(_list_in(whole), start=1)]


def _parse_lines(text: str, path: Path) -> List[Record]:
    records = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise CorpusError(
                f"{path}, line {number}: this is no JSON ({error}). Each line must be a record of its own; "
                "if the file breaks off, get it anew."
            ) from error
        records.append(_record(f"line {number}", value, path))
    return records


def _list_in(value: Any) -> List[Any]:
    """The records of a JSON file: a list, the first list of objects in an object, or the object itself."""
    if isinstance(value, list):
        is_pair = len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict)
        return [value] if is_pair else value
    if isinstance(value, dict) and "text" not in value:
        inner = (each for each in value.values() if isinstance(each, list) and each)
        return next((each for each in inner if isinstance(each[0], dict) and "text" in each[0]), [value])
    return [value]


def _record(place: str, value: Any, path: Path) -> Record:
    if isinstance(value, list) and len(value) == 2 and isinstance(value[1], dict):
        value = {"text": value[0], **value[1]}
    if not isinstance(value, dict):
        raise CorpusError(f"{path}, {place}: this is {value!r:.60}, and no record. Export the file anew.")
    return Record(place, value)
