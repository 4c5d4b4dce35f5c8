"""Texts that are annotated already, or out to be: of documents, or of a file that was written for a tool."""

from pathlib import Path
from typing import Iterator

from spacy.vocab import Vocab

from ..annotated import SUFFIX, UnreadableError, read_annotated
from .decoding import decode
from .files import read_bytes
from .plain import PLAIN, read_texts
from .records import Record, parse_records
from .repairs import Repairs
from .sentences import CorpusError

_JSON = (b"{", b"[")
_KEYS = ("text", "content", "sentence")


def known_texts(path: Path) -> Iterator[str]:
    """Read the texts of documents, or those of a file that was written for an annotation tool.

    path (Path): A .spacy file, a folder of such files, a .txt file, or JSON whatever its name.
    YIELDS (str): The texts.
    RAISES (CorpusError): If it can't be read, a record has no text, or it is columns, which do not tell where
        a text ends.
    """
    if path.is_dir() or path.suffix == SUFFIX or not path.exists():
        try:
            docs = read_annotated(path, Vocab())
        except UnreadableError as error:
            raise CorpusError(str(error)) from error
        yield from (doc.text for doc in docs)
        return
    data = read_bytes(path)
    if data.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(_JSON):
        text = decode(data, None, Repairs(path, wanted=False))
        yield from (_text(record, path) for record in parse_records(text, path))
    elif path.suffix.lower() in PLAIN:
        yield from (each.text for each in read_texts(path))
    else:
        raise CorpusError(
            f"{path}: columns do not tell where a text ends. Give the texts that it was made of, in a .txt "
            "file with a text on each line."
        )


def _text(record: Record, path: Path) -> str:
    """The text of a record, or of the data of a task."""
    data = record.value.get("data")
    if isinstance(data, str):
        return data
    own = data if isinstance(data, dict) else record.value
    text = next((own[key] for key in _KEYS if isinstance(own.get(key), str)), None)
    if text is None:
        raise record.refuse(path, f"it has no {' or '.join(_KEYS)}", "Give the file as the tool has it")
    return text
