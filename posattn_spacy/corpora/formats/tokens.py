"""JSONL and Parquet with words and their tags, as data sets of Hugging Face have them."""

import json
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

from ..records import Record
from ..repairs import EMPTY_WORDS, Repairs
from ..schemes import OPEN, detect_scheme, normalise
from ..sentences import Corpus, CorpusError, RawRows, Sentence

WORDS = ("tokens", "words", "tokenized_text", "sentence", "text")
TAGS = ("ner_tags", "tags", "ner", "labels", "ner_labels", "bio_tags", "iob_tags", "label", "bio")
_IGNORED = -100  # of Hugging Face: a word that is not learned
_NAMES = "Give the tags' names, in the order of their numbers: --tag-names O,B-PER,I-PER"


def tag_key(value: Dict[str, Any]) -> Optional[str]:
    """RETURNS (Optional[str]): Where a record has tags for its words; None if it has no words with tags."""
    words = word_key(value)
    if words is None:
        return None
    lists = [
        key for key in TAGS if key != words and isinstance(value.get(key), list) and _are_tags(value[key])
    ]
    return next((key for key in lists if len(value[key]) == len(value[words])), next(iter(lists), None))


def word_key(value: Dict[str, Any]) -> Optional[str]:
    """RETURNS (Optional[str]): Where a record has its words; None if it has none."""
    lists = (key for key in WORDS if isinstance(value.get(key), list))
    return next((key for key in lists if not value[key] or isinstance(value[key][0], str)), None)


def _are_tags(values: List[Any]) -> bool:
    return all(
        each is None or (isinstance(each, (int, str)) and not isinstance(each, bool)) for each in values
    )


def read_tokens(
    records: Sequence[Record], path: Path, tag_names: Optional[Sequence[str]], repairs: Repairs
) -> Corpus:
    """Read records with words and tags.

    records (Sequence[Record]): The records.
    path (Path): Where they were read.
    tag_names (Optional[Sequence[str]]): Names of the tags, if they are numbers.
    repairs (Repairs): The account of the file's faults.
    RETURNS (Corpus): The sentences, tags in IOB2.
    RAISES (CorpusError): If a record has not as many tags as words, or a number has no name.
    """
    groups = [
        _rows(record, number, path, tag_names, repairs) for number, record in enumerate(records, start=1)
    ]
    groups = [rows for rows in groups if rows.words]
    scheme = detect_scheme(rows.tags for rows in groups)
    tags = normalise(groups, scheme, repairs)
    sentences = [Sentence(rows.id, rows.words, iob2) for rows, iob2 in zip(groups, tags, strict=True)]
    return Corpus(sentences, None, repairs.counts, [f"The tags were read as {scheme.value}."])


def _rows(
    record: Record, number: int, path: Path, tag_names: Optional[Sequence[str]], repairs: Repairs
) -> RawRows:
    value = record.value
    words, tags = word_key(value), tag_key(value)
    if words is None or tags is None:
        raise record.refuse(path, "it has no words with tags", f"Its keys are {', '.join(value) or 'none'}")
    n_words, n_tags = len(value[words]), len(value[tags])
    if n_words != n_tags:
        raise record.refuse(path, f"{n_words} {words}, but {n_tags} {tags}", "Give each word a tag")
    rows = RawRows(f"Sentence: {number}")
    for word, tag in zip(value[words], value[tags], strict=True):
        if not isinstance(word, str):
            raise record.refuse(path, f"the word {word!r:.40} is no text", "Write all words as texts")
        if word.strip():
            rows.add(word, _tag_name(tag, record, path, tag_names), number)
        else:
            repairs.add(number, f"the word {word!r} is empty", "Fill it in", EMPTY_WORDS)
    return rows


def _tag_name(tag: Any, record: Record, path: Path, names: Optional[Sequence[str]]) -> str:
    if isinstance(tag, str):
        return tag
    if tag is None or tag == _IGNORED:
        return OPEN
    if names is None:
        raise record.refuse(path, "its tags are numbers", _NAMES)
    if not 0 <= tag < len(names):
        raise record.refuse(path, f"the tag {tag} has no name", f"There are {len(names)} names. {_NAMES}")
    return names[tag]


def read_parquet(path: Path) -> List[Record]:
    """Read the rows of a Parquet file.

    path (Path): The file.
    RETURNS (List[Record]): The rows; tags have their names, where the file knows them.
    RAISES (CorpusError): If it can't be read, or pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise CorpusError(
            f'{path}: Parquet files are read with pyarrow. Install it: pip install "posattn-spacy[parquet]".'
        ) from error
    try:
        table = pyarrow.parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise CorpusError(f"{path} is no intact Parquet file ({error}). Get it anew.") from error
    names = _names_of(table.schema.metadata or {})
    rows: List[Dict[str, Any]] = table.to_pylist()
    for row in rows:
        for key, tags in names.items():
            if isinstance(row.get(key), list):  # else it is a class of the whole text
                row[key] = [_named(tag, tags) for tag in row[key]]
    return [Record(f"row {number}", row) for number, row in enumerate(rows, start=1)]


def _named(tag: Any, names: Sequence[str]) -> Any:
    return names[tag] if isinstance(tag, int) and 0 <= tag < len(names) else tag


def _names_of(metadata: Dict[bytes, bytes]) -> Dict[str, List[str]]:
    """The names of tags by the columns that have them, as Hugging Face's datasets write them."""
    about = json.loads(metadata.get(b"huggingface", b"{}"))
    found = {}
    for column, kind in about.get("info", {}).get("features", {}).items():
        feature = kind.get("feature", kind) if isinstance(kind, dict) else {}
        if isinstance(feature, dict) and isinstance(feature.get("names"), list):
            found[column] = list(map(str, feature["names"]))
    return found
