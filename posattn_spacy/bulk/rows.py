"""What is in a part: rows with a text each, one after another, however large the file is."""

import codecs
import json
from pathlib import Path
from typing import Any, BinaryIO, Dict, Iterator, List, NamedTuple, Tuple, Union

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from ..corpora.decoding import marked_encoding
from .parts import Part, PartError

# Of a Parquet file: rows and bytes that are read together, and bytes that are fetched from a column at once.
AT_ONCE, READ_BYTES, BUFFER = 512, 1 << 25, 1 << 20
# Bytes of a line beyond those of its text, for all other fields, and for each character of the text.
LINE_BYTES, CHARACTER_BYTES = 1 << 24, 12
MARK_BYTES = 4  # of the longest byte-order mark


class Cells(NamedTuple):
    """A row of a Parquet file, as it lies there.

    batch (Any): The pyarrow.RecordBatch that it is in.
    at (int): Which row of it.
    """

    batch: Any
    at: int


class Row(NamedTuple):
    """A row of a part.

    number (int): Its line, or which row or document it is, from 1.
    position (int): How many bytes of the part have been read, about.
    fields (Union[Dict[str, Any], Cells]): All its fields.
    text (Union[str, Doc]): Its text, or a document with its tokens.
    weight (int): How many bytes it takes, about.
    problem (str): Why it can't be annotated; mostly nothing.
    """

    number: int
    position: int
    fields: Union[Dict[str, Any], Cells]
    text: Union[str, Doc]
    weight: int
    problem: str = ""

    @property
    def size(self) -> int:
        """RETURNS (int): Characters of its text."""
        return len(self.text if isinstance(self.text, str) else self.text.text)

    def record(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): All its fields, as Python has them."""
        if isinstance(self.fields, Cells):
            record: Dict[str, Any] = self.fields.batch.slice(self.fields.at, 1).to_pylist()[0]
            return record
        return self.fields


def read_rows(part: Part, text_field: str, max_chars: int, vocab: Vocab) -> Iterator[Row]:
    """Read the rows of a part.

    part (Part): The part.
    text_field (str): Where JSONL and Parquet have the text.
    max_chars (int): Rows with a longer text have a problem.
    vocab (Vocab): For the documents of a .spacy file.
    YIELDS (Row): The rows. Blank lines of JSONL are none.
    RAISES (PartError): If the file as a whole can't be read.
    """
    try:
        if part.kind == "spacy":
            rows = _documents(part.source, vocab)
        elif part.kind == "parquet":
            rows = _records(part.source, text_field)
        else:
            rows = _lines(part, text_field, LINE_BYTES + CHARACTER_BYTES * max_chars)
        for row in rows:
            problem = row.problem or _too_long(row, max_chars)
            yield row._replace(fields={}, text="", weight=0, problem=problem) if problem else row
    except OSError as error:
        raise PartError(f"{part.source} can't be read: {error.strerror or error}.") from error


def _too_long(row: Row, max_chars: int) -> str:
    if row.size <= max_chars:
        return ""
    return f"the text has {row.size:,} characters, more than the {max_chars:,} of --max-chars"


def _lines(part: Part, text_field: str, most: int) -> Iterator[Row]:
    with part.source.open("rb") as file:
        encoding = marked_encoding(file.read(MARK_BYTES))
        if encoding is not None and encoding != "utf-8":
            raise PartError(f"{part.source} is {encoding.upper()}. Save it in UTF-8.")
        file.seek(len(codecs.BOM_UTF8) if encoding else 0)
        number = 0
        while line := file.readline(most):
            number += 1
            too_long = _skip_rest(file, line, most)
            position = file.tell()
            if too_long:
                problem = f"the line has more than {most:,} bytes; --max-chars lets it be longer"
                yield Row(number, position, {}, "", 0, problem)
            elif part.kind == "txt":
                yield _of_text(number, position, line.rstrip(b"\r\n"))
            elif line.strip():
                yield _of_json(number, position, line, text_field)


def _skip_rest(file: BinaryIO, line: bytes, most: int) -> bool:
    """Whether a line was cut off; then what is left of it is skipped."""
    if len(line) < most or line.endswith(b"\n"):
        return False
    while rest := file.readline(most):
        if rest.endswith(b"\n"):
            break
    return True


def _of_text(number: int, position: int, line: bytes) -> Row:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        return Row(number, position, {}, "", 0, _not_utf8(error))
    return Row(number, position, {"text": text}, text, len(line))


def _not_utf8(error: UnicodeDecodeError) -> str:
    return f"the line is not UTF-8 ({error.reason} at byte {error.start})"


def _unique(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a record has two fields of one name")
    return record


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _of_json(number: int, position: int, line: bytes, text_field: str) -> Row:
    try:
        text = line.decode("utf-8")
        record = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        return Row(number, position, {}, "", 0, _not_utf8(error))
    except (ValueError, RecursionError) as error:
        return Row(number, position, {}, "", 0, f"the line is not JSON ({error})")
    if not isinstance(record, dict):
        return Row(number, position, {}, "", 0, f"the line is no record, but {_kind(record)}")
    row = Row(number, position, record, "", len(line))
    odd = next((name for name in record if not _is_whole(name)), None)
    if odd is not None:
        return row._replace(problem=f"the name of the field {odd!a} has half a character")
    return _with_text(row, record.get(text_field), text_field)


def _with_text(row: Row, text: Any, text_field: str) -> Row:
    if text is None:
        return row._replace(problem=f'there is no text in the field "{text_field}"')
    if not isinstance(text, str):
        return row._replace(problem=f'the field "{text_field}" is no text, but {_kind(text)}')
    if not _is_whole(text):
        return row._replace(problem=f'the text in the field "{text_field}" has half a character')
    return row._replace(text=text)


def _is_whole(text: str) -> bool:
    """Whether a text has no surrogates, which are halves of characters."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _kind(value: Any) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "a record"}
    return names.get(type(value), "null" if value is None else type(value).__name__)


def require_pyarrow() -> None:
    """Raise PartError if pyarrow is missing."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise PartError(
            'Parquet files need pyarrow. Install it: pip install "posattn-spacy[parquet]"'
        ) from error


def open_parquet(path: Path) -> Any:
    """Open a Parquet file.

    path (Path): The file.
    RETURNS (pyarrow.parquet.ParquetFile): The file.
    RAISES (PartError): If it is none, or pyarrow is missing.
    """
    require_pyarrow()
    import pyarrow.parquet

    try:
        return pyarrow.parquet.ParquetFile(path, pre_buffer=False, buffer_size=BUFFER)
    except pyarrow.ArrowException as error:
        raise PartError(f"{path} is no Parquet file that can be read: {error}") from error


def _records(path: Path, text_field: str) -> Iterator[Row]:
    import pyarrow

    size = path.stat().st_size
    with open_parquet(path) as file:
        names = file.schema_arrow.names
        if text_field not in names:
            raise PartError(
                f'{path} has no column "{text_field}", but {", ".join(names)}. --text-field says where the '
                "text is."
            )
        n_rows, number = file.metadata.num_rows, 0
        try:
            for batch in file.iter_batches(batch_size=_at_once(file.metadata)):
                weight = batch.nbytes // max(len(batch), 1)
                for at, text in enumerate(batch.column(text_field).to_pylist()):
                    number += 1
                    row = Row(number, size * number // n_rows, Cells(batch, at), "", weight)
                    yield _with_text(row, text, text_field)
        except (pyarrow.ArrowException, UnicodeDecodeError) as error:
            raise PartError(f"{path} is damaged after row {number:,}: {error}") from error


def _at_once(metadata: Any) -> int:
    """How many rows are read at once, by the size of those in the row group with the largest."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    largest = max((group.total_byte_size / max(group.num_rows, 1) for group in groups), default=1)
    return int(max(1, min(AT_ONCE, READ_BYTES // max(largest, 1))))


def _documents(path: Path, vocab: Vocab) -> Iterator[Row]:
    size = path.stat().st_size
    try:
        stored = DocBin().from_disk(path)
        for number, doc in enumerate(stored.get_docs(vocab), start=1):
            position = size * number // max(len(stored), 1)
            yield Row(number, position, {"text": doc.text}, doc, len(doc.text))
    except OSError:
        raise
    except Exception as error:  # of zlib, msgpack, numpy or spaCy
        raise PartError(f"{path} is no .spacy file that can be read ({error}). Make it anew.") from error
