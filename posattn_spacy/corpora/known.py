"""Texts that are annotated already, or out to be: of documents, or of a file that was written for a tool."""

from pathlib import Path
from typing import Iterator

from spacy.vocab import Vocab

from ..annotated import SUFFIX, UnreadableError, read_annotated
from .files import read_bytes
from .plain import PLAIN, read_texts
from .read import Format, Reading, read_documents
from .records import Record, parse_records
from .sentences import CorpusError


def known_texts(path: Path) -> Iterator[str]:
    """Read the texts of documents, or those of a file that was written for an annotation tool.

    path (Path): A .spacy file, a folder of such files, or a .txt, .jsonl, .json or .conll file.
    YIELDS (str): The texts; those of columns with spaces where they are likely.
    RAISES (CorpusError): If it can't be read, or a record has no text.
    """
    suffix = path.suffix.lower()
    if path.is_dir() or suffix == SUFFIX or not path.exists():
        try:
            docs = read_annotated(path, Vocab())
        except UnreadableError as error:
            raise CorpusError(str(error)) from error
        yield from (doc.text for doc in docs)
    elif suffix in PLAIN:
        yield from (each.text for each in read_texts(path))
    elif suffix == ".json":
        yield from (_text(each, path) for each in parse_records(_decoded(path), path))
    else:
        reading = Reading(Vocab(), "xx", Format())
        yield from (doc.text for doc in read_documents(path, reading).docs)


def _decoded(path: Path) -> str:
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path} is not UTF-8 ({error}). Save it in UTF-8.") from error


def _text(record: Record, path: Path) -> str:
    """The text of a record, or of the data of a task."""
    data = record.value.get("data")
    text = (data if isinstance(data, dict) else record.value).get("text")
    if not isinstance(text, str):
        raise record.refuse(path, 'it has no "text"', "Give the file as it was written for the tool")
    return text
