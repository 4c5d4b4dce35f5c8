"""What a part becomes: its rows with their entities, as JSONL, Parquet or spaCy's documents."""

import base64
import json
from contextlib import contextmanager
from itertools import groupby
from math import isfinite
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Sequence, Set, Tuple

from spacy.tokens import Doc, DocBin

from ..corpora.exported import exported_entities
from ..corpora.fields import FIELDS
from .parts import Part, PartError
from .rows import Cells, Row, open_parquet, require_pyarrow

GROUP_ROWS, GROUP_BYTES = 1 << 16, 1 << 26  # of a row group of Parquet
# What is raised where a row can't be written: pyarrow's errors are among them.
UNWRITABLE = (ValueError, TypeError, OverflowError, NotImplementedError)
WIDEST = 200  # fields of a record in a column; one with more is written as JSON
LARGEST = 1 << 30  # bytes of a .spacy file, which is read as a whole
Annotated = Sequence[Tuple[Row, Doc]]
Write = Callable[[Annotated], None]


class Names(NamedTuple):
    """What fields are called.

    text (str): That of the text.
    entities (str): That of the entities.
    """

    text: str
    entities: str


def entities(doc: Doc) -> List[Dict[str, Any]]:
    """RETURNS (List[Dict[str, Any]]): Entities: first character, one past the last, label, text and score."""
    text = doc.text  # which spaCy puts together each time
    return [
        {"start": start, "end": end, "label": label, "text": text[start:end], "score": score}
        for start, end, label, score in exported_entities(doc)
    ]


@contextmanager
def open_output(part: Part, path: Path, names: Names, read: Callable[[], Iterator[Row]]) -> Iterator[Write]:
    """Open the file that a part becomes. What can't be written together may be written row by row.

    part (Part): The part.
    path (Path): The file.
    names (Names): Of the fields.
    read (Callable[[], Iterator[Row]]): Reads the rows, of which Parquet needs to know all fields beforehand.
    YIELDS (Callable[[Sequence[Tuple[Row, Doc]]], None]): Writes rows.
    RAISES (PartError): If the part can't become what is asked for.
    """
    opened = {"jsonl": _jsonl, "parquet": _parquet, "spacy": _spacy}[part.to]
    with opened(part, path, names, read) as write:
        yield write


@contextmanager
def _jsonl(part: Part, path: Path, names: Names, read: Callable[[], Iterator[Row]]) -> Iterator[Write]:
    with path.open("wb") as file:

        def write(rows: Annotated) -> None:
            lines = [_line({**row.record(), names.entities: entities(doc)}) for row, doc in rows]
            file.writelines(lines)  # all of them, or none

        yield write


def _line(record: Dict[str, Any]) -> bytes:
    try:
        return f"{json.dumps(record, ensure_ascii=False, allow_nan=False, default=_plain)}\n".encode()
    except UnicodeEncodeError:  # half a character in another field: JSON has a way to write it
        return f"{json.dumps(_finite(record), default=_plain)}\n".encode()
    except ValueError:
        return f"{json.dumps(_finite(record), ensure_ascii=False, default=_plain)}\n".encode()


def _finite(value: Any) -> Any:
    """The same with null where a number is infinite or none, which JSON can't say."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _plain(value: Any) -> str:
    """What JSON has no word for: dates and decimals as they are written, bytes in base 64."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


@contextmanager
def _spacy(part: Part, path: Path, names: Names, read: Callable[[], Iterator[Row]]) -> Iterator[Write]:
    stored = DocBin(store_user_data=True)

    def write(rows: Annotated) -> None:
        own = DocBin(store_user_data=True)
        for row, doc in rows:
            if part.kind != "spacy":
                doc.user_data[FIELDS] = json.dumps(row.record(), default=_plain)
            own.add(doc)
        stored.merge(own)  # all of them, or none

    yield write
    stored.to_disk(path)


@contextmanager
def _parquet(part: Part, path: Path, names: Names, read: Callable[[], Iterator[Row]]) -> Iterator[Write]:
    import pyarrow.parquet

    columns, field = _columns(part, names, read), names.entities
    own = [column.name for column in columns]
    schema = pyarrow.schema([column.field for column in columns]).append(_entity_column(field))
    if part.kind == "parquet":
        schema = schema.with_metadata(_metadata(part))
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        waiting = _RowGroup(writer)

        def write(rows: Annotated) -> None:
            found = pyarrow.array([entities(doc) for _, doc in rows], schema.field(field).type)
            if part.kind == "parquet":
                arrays = _taken([row.fields for row, _ in rows], own)
            else:
                records = [row.record() for row, _ in rows]
                arrays = [column.array([record.get(column.name) for record in records]) for column in columns]
            waiting.add(pyarrow.Table.from_arrays([*arrays, found], schema=schema))

        yield write
        waiting.write()


class _RowGroup:
    """Tables that are written together, so that readers find row groups of a sensible size."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer
        self._tables: List[Any] = []

    def add(self, table: Any) -> None:
        """Take a table, and write all there are when they are many."""
        self._tables.append(table)
        rows, held = (sum(getattr(each, of) for each in self._tables) for of in ("num_rows", "nbytes"))
        if rows >= GROUP_ROWS or held >= GROUP_BYTES:
            self.write()

    def write(self) -> None:
        """Write what waits."""
        import pyarrow

        if self._tables:
            self._writer.write_table(pyarrow.concat_tables(self._tables))
            self._tables = []


def _metadata(part: Part) -> Dict[bytes, bytes]:
    """What a file says of itself, but for a list of its columns that would be wrong now."""
    with open_parquet(part.source) as file:
        return {
            key: value for key, value in (file.schema_arrow.metadata or {}).items() if key != b"huggingface"
        }


class Column(NamedTuple):
    """A column of Parquet.

    field (Any): Its pyarrow.Field.
    as_json (bool): Whether its values are written as JSON, because they are of many types.
    """

    field: Any
    as_json: bool

    @property
    def name(self) -> str:
        """RETURNS (str): Its name."""
        name: str = self.field.name
        return name

    def array(self, values: Sequence[Any]) -> Any:
        """RETURNS (Any): Values as a pyarrow.Array."""
        import pyarrow

        if self.as_json:
            values = [None if value is None else json.dumps(value) for value in values]
        return pyarrow.array(values, self.field.type)


def _columns(part: Part, names: Names, read: Callable[[], Iterator[Row]]) -> List[Column]:
    """The columns for all fields of a part but the entities."""
    import pyarrow

    if part.kind == "parquet":
        with open_parquet(part.source) as file:
            return [Column(each, False) for each in file.schema_arrow]
    if part.kind != "jsonl":
        return [Column(pyarrow.field("text", pyarrow.string()), False)]
    types: Dict[str, Any] = {names.text: pyarrow.string()}
    mixed: Set[str] = set()
    seen: Set[Tuple[str, type]] = set()  # of what one look is enough
    large: Set[str] = set()  # have whole numbers that no float can say
    for row in read():
        for name, value in row.record().items() if not (row.problem or clash(row, names.entities)) else ():
            if isinstance(value, int) and abs(value) > 1 << 53:
                large.add(name)
            if (name, type(value)) not in seen:
                _widen(types, mixed, name, value)
                if isinstance(value, (str, bool, float)):
                    seen.add((name, type(value)))
    mixed |= {name for name, of in types.items() if _is_unwritable(of)}
    mixed |= {name for name in large if pyarrow.types.is_floating(types[name])}
    types = {name: pyarrow.string() if name in mixed else of for name, of in types.items()}
    return [Column(pyarrow.field(name, of), name in mixed) for name, of in types.items()]


def _is_unwritable(of: Any) -> bool:
    """Whether a type has records without any field in it, which Parquet can't write."""
    import pyarrow

    if pyarrow.types.is_struct(of):
        return not of.num_fields or any(_is_unwritable(each.type) for each in of)
    return pyarrow.types.is_list(of) and _is_unwritable(of.value_type)


def _widen(types: Dict[str, Any], mixed: Set[str], name: str, value: Any) -> None:
    """Let the type of a column be one that a value has, too; text, if there is none."""
    import pyarrow

    if name in mixed or (name in types and value is None):
        return
    try:
        own = pyarrow.schema([(name, pyarrow.infer_type([value]))])
        if name in types:
            before = pyarrow.schema([(name, types[name])])
            own = pyarrow.unify_schemas([before, own], promote_options="permissive")
        types[name] = own.field(name).type
        if pyarrow.types.is_struct(types[name]) and types[name].num_fields > WIDEST:
            raise OverflowError("these are no fields, but words")
        pyarrow.array([value], types[name])
    except (pyarrow.ArrowException, OverflowError, UnicodeEncodeError):
        types[name] = pyarrow.string()
        mixed.add(name)


def _taken(cells: Sequence[Any], names: Sequence[str]) -> List[Any]:
    """The rows of Parquet files as they lie there, one array for each column."""
    import pyarrow

    batches = []
    for _, group in groupby(cells, key=lambda cell: id(cell.batch)):
        own: List[Cells] = list(group)
        batches.append(own[0].batch.take(pyarrow.array([cell.at for cell in own])))
    table = pyarrow.Table.from_batches(batches)
    return [table.column(name) for name in names]


def _entity_column(field: str) -> Any:
    import pyarrow

    of_entity = [("start", pyarrow.int64()), ("end", pyarrow.int64()), ("label", pyarrow.string())]
    of_entity += [("text", pyarrow.string()), ("score", pyarrow.float64())]
    return pyarrow.field(field, pyarrow.list_(pyarrow.struct(of_entity)))


def clash(row: Row, field: str) -> str:
    """RETURNS (str): Why a row can't be given entities: it has a field of that name; mostly nothing."""
    names = row.fields.batch.schema.names if isinstance(row.fields, Cells) else row.fields
    if field not in names:
        return ""
    return f'the row has a field "{field}" of its own; --entities-field gives the entities another name'


def require_output(part: Part, field: str) -> None:
    """Insist that a part can become what is asked for.

    part (Part): The part.
    field (str): Where it is to have the entities.
    RAISES (PartError): If it can't.
    """
    size = part.source.stat().st_size
    if part.kind == "spacy" and size > LARGEST:
        raise PartError(
            f"{part.source} has {size / 1e9:.1f} GB, and .spacy files are read as a whole. Store the "
            f"documents in several files of up to {LARGEST / 1e9:.1f} GB."
        )
    if "parquet" in (part.kind, part.to):
        require_pyarrow()
    if part.kind == "parquet":
        with open_parquet(part.source) as file:
            names = file.schema_arrow.names
            if len(set(names)) < len(names):
                raise PartError(f"{part.source} has two columns of one name. Give them names of their own.")
            if field in names and part.to != "spacy":
                raise PartError(
                    f'{part.source} has a column "{field}" of its own; --entities-field gives the entities '
                    "another name."
                )
