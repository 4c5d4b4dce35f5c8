"""Texts without annotation, as files have them."""

import json
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from .fields import kept_fields, other_fields, set_fields
from .sentences import CorpusError

PLAIN = (".txt", ".jsonl", ".ndjson", ".spacy")


class PlainText(NamedTuple):
    """A text of a file.

    text (str): The text.
    fields (Dict[str, Any]): What else the file has of it, such as its id.
    """

    text: str
    fields: Dict[str, Any]


def read_texts(path: Path, field: str = "text") -> Iterator[PlainText]:
    """Read the texts of a file, one after another.

    path (Path): A .txt file with a text on each line, a .jsonl file, or a .spacy file.
    field (str): Where a record of a .jsonl file has its text.
    YIELDS (PlainText): The texts; lines without a word are none.
    RAISES (CorpusError): If it can't be read, or a record has no text.
    """
    suffix = path.suffix.lower()
    if not path.is_file():
        raise CorpusError(f"There is no file {path}. Check the path.")
    if suffix == ".spacy":
        yield from _stored_texts(path)
    elif suffix in (".jsonl", ".ndjson"):
        for number, line in enumerate(_lines(path), start=1):
            if line.strip():
                yield _text(line, field, f"{path}, line {number}")
    elif suffix == ".txt":
        yield from (PlainText(line, {}) for line in _lines(path) if line.strip())
    else:
        raise CorpusError(f"{path}: texts are read from {', '.join(PLAIN)} files. Give one of these.")


def annotated(nlp: Language, texts: Iterable[PlainText]) -> Iterator[Doc]:
    """Make documents of texts, with the entities that a pipeline finds and what else their file has of them.

    nlp (Language): The pipeline.
    texts (Iterable[PlainText]): The texts.
    YIELDS (Doc): The documents, in order.
    """
    for doc, fields in nlp.pipe(texts, as_tuples=True):
        set_fields(doc, fields)
        yield doc


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            for line in file:
                yield line.rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path} is not UTF-8 ({error}). Save it in UTF-8.") from error
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror}. Check its permissions.") from error


def _text(line: str, field: str, place: str) -> PlainText:
    try:
        record = json.loads(line)
        text = record[field]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise CorpusError(
            f'{place}: there is no record with "{field}" ({type(error).__name__}). Each line must be one; '
            "--text-field says where its text is."
        ) from error
    if not isinstance(text, str):
        raise CorpusError(f'{place}: "{field}" is {text!r:.40}, and no text. --text-field says where it is.')
    return PlainText(text, kept_fields(record, field))


def _stored_texts(path: Path) -> Iterator[PlainText]:
    try:
        docs = DocBin().from_disk(path).get_docs(Vocab())
        for doc in docs:
            yield PlainText(doc.text, other_fields(doc))
    except Exception as error:  # of zlib, msgpack, numpy or spaCy
        raise CorpusError(f"{path} is no .spacy file that can be read ({error}). Make it anew.") from error
