"""JSON in its many forms, told by the keys of its records: read, or named with the way to what is read."""

import json
from pathlib import Path
from typing import Any, Dict, NamedTuple, Optional, Sequence, Tuple, Union

from .foreign import EXPORT_CONLL, OFFSETS, SPACY_CONVERT, TOKENS, Foreign
from .formats.label_studio import is_label_studio, read_label_studio
from .formats.offsets import entity_key, read_offsets
from .formats.prodigy import is_prodigy, read_prodigy
from .formats.tokens import read_tokens, tag_key
from .marks import MarkedTexts
from .records import Record
from .repairs import Repairs
from .sentences import Corpus, CorpusError

_NAMING = "`posattn convert` reads it, if its name ends in .json or .jsonl"


class Kind(NamedTuple):
    """A kind of JSON: the keys of one record, several names for a key parted by "|", and how to go on."""

    keys: Tuple[str, ...]
    foreign: Foreign


_KINDS = (
    Kind(
        ("n_sents", "splits", "cut_off"),
        Foreign("the account of a conversion", "Pass what was converted, or the folder of a split"),
    ),
    Kind(("paragraphs",), Foreign("JSON from spaCy 2", SPACY_CONVERT.format("json"))),
    Kind(("content", "annotation|annotations|entities"), Foreign("JSON as from Dataturks", OFFSETS)),
    Kind(("tokenized_text", "ner"), Foreign("JSON as for GLiNER", TOKENS)),
    Kind(("rasa_nlu_data",), Foreign("JSON for Rasa", OFFSETS)),
    Kind(("passages",), Foreign("BioC JSON", OFFSETS)),
    Kind(("%TYPES",), Foreign("UIMA CAS JSON, as from INCEpTION", EXPORT_CONLL)),
    Kind(
        ("sentences", "ner|entities"),
        Foreign("JSON with sentences and the places of their entities", TOKENS),
    ),
)


def read_json(
    records: Sequence[Record],
    path: Path,
    tag_names: Optional[Sequence[str]],
    annotator: Optional[str],
    repairs: Repairs,
) -> Union[Corpus, MarkedTexts]:
    """Read the records of a JSON file, or the rows of a table, by the keys that they have.

    records (Sequence[Record]): The records.
    path (Path): Where they were read.
    tag_names (Optional[Sequence[str]]): Names of tags that are numbers.
    annotator (Optional[str]): Whose annotation to take, where there are several.
    repairs (Repairs): The account of the file's faults.
    RETURNS (Union[Corpus, MarkedTexts]): Sentences of words with tags, or texts with marks.
    RAISES (CorpusError): If there is none, it is of another kind, or a record lacks anything.
    """
    if not records:
        raise CorpusError(f"{path} has no records. Export it anew.")
    values = [record.value for record in records]
    if any(map(is_label_studio, values)):
        return read_label_studio(records, path, annotator)
    if tag_key(values[0]) is not None:
        return read_tokens(records, path, tag_names, repairs)
    if any(map(is_prodigy, values)):
        return read_prodigy(records, path, annotator)
    foreign = _name_record(values[0])
    if foreign is None and any(entity_key(value) is not None for value in values):
        return read_offsets(records, path)
    keys = ", ".join(map(str, list(values[0])[:6])) or "nothing in it"
    raise (foreign or Foreign(f"JSON with {keys}", OFFSETS)).refusal(path)


def looks_like_json(data: bytes) -> bool:
    """RETURNS (bool): Whether a file, whatever its name, holds records that can be read."""
    start = data[:200].decode("utf-8", "replace").removeprefix("\ufeff").lstrip()
    if not start.startswith(("{", "[")):
        return False
    try:
        return _is_read(_first_record(parse_json(data.decode("utf-8-sig"))))
    except (ValueError, RecursionError):
        return False


def _is_read(value: Any) -> bool:
    if isinstance(value, list):
        return True
    if not isinstance(value, dict) or _name_record(value) is not None:
        return False
    marked = "text" in value and entity_key(value) is not None
    return marked or is_label_studio(value) or is_prodigy(value) or tag_key(value) is not None


def parse_json(text: str) -> Any:
    """Parse JSON, or the first of several lines of JSON.

    text (str): The text.
    RETURNS (Any): What it says.
    RAISES (ValueError): If it is no JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        try:
            return json.loads(text.lstrip().partition("\n")[0])
        except (ValueError, RecursionError):
            raise ValueError(str(error)) from error


def name_json(value: Any) -> Optional[Foreign]:
    """Name JSON that stands where none is read, by the keys of its first record.

    value (Any): What the JSON says.
    RETURNS (Optional[Foreign]): The format; None of what has no records.
    """
    record = _first_record(value)
    if record is None:
        return None
    if _is_read(record):
        return Foreign(_read_name(record), _NAMING)
    keys = ", ".join(map(str, list(record)[:6])) or "nothing in it"
    return _name_record(record) or Foreign(f"JSON with {keys}", OFFSETS)


def _read_name(record: Any) -> str:
    """What a record is called that is read."""
    if isinstance(record, dict) and is_label_studio(record):
        return "JSON from Label Studio"
    if isinstance(record, dict) and is_prodigy(record):
        return "JSON from Prodigy"
    if isinstance(record, dict) and tag_key(record) is not None:
        return "JSON with words and tags"
    return "JSON with texts and the places of their entities"


def _name_record(record: Dict[str, Any]) -> Optional[Foreign]:
    return next((kind.foreign for kind in _KINDS if _has_keys(record, kind.keys)), None)


def _first_record(value: Any) -> Any:
    """The first record of a JSON file: an object, a pair of text and object, or None."""
    if isinstance(value, list):
        if len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict):
            return value
        return _first_record(value[0]) if value else None
    if not isinstance(value, dict):
        return None
    if _is_read(value) or _name_record(value) is not None or "text" in value:
        return value
    inner = next((each for each in value.values() if isinstance(each, list) and each), None)
    found = _first_record(inner)
    return value if found is None else found


def _has_keys(record: Dict[str, Any], keys: Sequence[str]) -> bool:
    return all(any(name in record for name in key.split("|")) for key in keys)
