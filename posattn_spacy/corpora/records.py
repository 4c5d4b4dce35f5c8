"""JSON of any shape as a list of records, each with the place where it stands."""

import json
from pathlib import Path
from typing import Any, Dict, List, NamedTuple

from .sentences import CorpusError

_TEXTS = ("text", "tokens", "words")  # one of which a record of a list within an object has


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
    return [_record(f"record {i}", value, path) for i, value in enumerate(_list_in(whole, path), start=1)]


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


def _list_in(value: Any, path: Path) -> List[Any]:
    """The records of a JSON file: a list, the first list of records in an object, or the object itself."""
    if isinstance(value, list):
        return [value] if _is_pair(value) else value
    if not isinstance(value, dict) or any(key in value for key in _TEXTS):
        return [value]
    lists = {
        key: each for key, each in value.items() if isinstance(each, list) and each and _is_text(each[0])
    }
    if not lists:
        return [value]
    first, *others = lists
    alike = [key for key in others if _kind(lists[key][0]) == _kind(lists[first][0])]
    if alike:
        raise CorpusError(
            f"{path} has several lists of records: {', '.join([first, *alike])}. Write each to a file of its "
            f"own, such as {first}.json, in one folder."
        )
    found: List[Any] = lists[first]
    return found


def _is_pair(value: Any) -> bool:
    """Whether this is a text with an object, as of spaCy 2."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], dict)
    )


def _is_text(value: Any) -> bool:
    return _is_pair(value) or (isinstance(value, dict) and any(key in value for key in _TEXTS))


def _kind(value: Any) -> Any:
    return value.keys() if isinstance(value, dict) else type(value)


def _record(place: str, value: Any, path: Path) -> Record:
    if _is_pair(value):
        value = {"text": value[0], **value[1]}
    if not isinstance(value, dict):
        raise CorpusError(f"{path}, {place}: this is {value!r:.60}, and no record. Export the file anew.")
    return Record(place, value)
