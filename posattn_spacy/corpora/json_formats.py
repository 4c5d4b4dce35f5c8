"""JSON in its many forms, told by the keys of its records."""

import json
from typing import Any, Dict, NamedTuple, Optional, Sequence, Tuple

from .foreign import EXPORT_CONLL, NUMBERS, OFFSETS, SPACY_CONVERT, STORE, TOKENS, Foreign


class Record(NamedTuple):
    """A kind of JSON: the keys of one record, several names for a key parted by "|", and how to go on."""

    keys: Tuple[str, ...]
    foreign: Foreign


_RECORDS = (
    Record(
        ("n_sents", "splits", "cut_off"),
        Foreign("the account of a conversion", "Pass what was converted, or the folder of a split"),
    ),
    Record(("data", "annotations|completions|predictions"), Foreign("JSON from Label Studio", OFFSETS)),
    Record(
        ("paragraphs",),
        Foreign("JSON from spaCy 2", SPACY_CONVERT.format("json")),
    ),
    Record(
        ("text", "ents", "tokens"),
        Foreign("JSON from spaCy's Doc.to_json", f"Doc(nlp.vocab).from_json(record) reads a record. {STORE}"),
    ),
    Record(
        ("text", "spans"),
        Foreign(
            "JSON as from Prodigy",
            f"`python -m prodigy data-to-spacy FOLDER --ner DATASET` makes .spacy files. Or: {OFFSETS}",
        ),
    ),
    Record(
        ("text", "label|labels|entities|annotations|annotation|denotations|named_entities|entity"),
        Foreign("JSON with texts and the places of their entities, as from doccano", OFFSETS),
    ),
    Record(("content", "annotation|annotations|entities"), Foreign("JSON as from Dataturks", OFFSETS)),
    Record(("tokenized_text", "ner"), Foreign("JSON as for GLiNER", TOKENS)),
    Record(("rasa_nlu_data",), Foreign("JSON for Rasa", OFFSETS)),
    Record(("passages",), Foreign("BioC JSON", OFFSETS)),
    Record(("%TYPES",), Foreign("UIMA CAS JSON, as from INCEpTION", EXPORT_CONLL)),
    Record(
        ("sentences", "ner|entities"),
        Foreign("JSON with sentences and the places of their entities", TOKENS),
    ),
)
_WORD_KEYS = ("tokens", "words", "sentence", "text", "tokenized_text")
_TAG_KEYS = ("ner_tags", "tags", "labels", "ner", "ner_labels", "bio", "bio_tags", "iob_tags", "label")


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
    """Name JSON by the keys of its first record.

    value (Any): What the JSON says.
    RETURNS (Optional[Foreign]): The format; None of what has no records.
    """
    record = _first_record(value)
    if isinstance(record, list):
        return Foreign('JSON with pairs of a text and {"entities": [...]}, as for spaCy 2', OFFSETS)
    if record is None:
        return None
    words = next((record[key] for key in _WORD_KEYS if _is_list_of(record.get(key), str)), None)
    tags = next((record[key] for key in _TAG_KEYS if _is_list_of(record.get(key), (int, str))), None)
    if words is not None and tags is not None:
        numbered = _is_list_of(tags, int)
        return Foreign(
            f"JSON with words and {'numbers of ' * numbered}tags, as from Hugging Face",
            NUMBERS if numbered else TOKENS,
        )
    return next(
        (kind.foreign for kind in _RECORDS if _has_keys(record, kind.keys)),
        Foreign(f"JSON with {', '.join(map(str, list(record)[:6])) or 'nothing in it'}", OFFSETS),
    )


def _first_record(value: Any) -> Any:
    """The first record of a JSON file: an object, a pair of text and object, or None."""
    if isinstance(value, list):
        if len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict):
            return value
        return _first_record(value[0]) if value else None
    if not isinstance(value, dict):
        return None
    if any(_has_keys(value, kind.keys) for kind in _RECORDS) or any(key in value for key in _WORD_KEYS):
        return value
    inner = next((each for each in value.values() if isinstance(each, list) and each), None)
    found = _first_record(inner)
    return value if found is None else found


def _has_keys(record: Dict[str, Any], keys: Sequence[str]) -> bool:
    return all(any(name in record for name in key.split("|")) for key in keys)


def _is_list_of(value: Any, kind: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, kind) for each in value)
