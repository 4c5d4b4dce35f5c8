"""Tables with a word and its tag in each row, as csv files."""

import csv
import io
import re
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from .decoding import decode, marked_encoding, split_lines
from .files import read_bytes
from .foreign import OFFSETS
from .recognise import check_is_known, check_is_text, looks_columned
from .repairs import EMPTY_WORDS, MISSING_IDS, REPEATED_IDS, SHORT_ROWS, Repairs
from .schemes import Scheme, detect_scheme, normalise
from .sentences import Corpus, CorpusError, RawRows, Sentence

# What files that are not in UTF-8 mostly are in.
FALLBACK = "cp1252"
# What a spreadsheet keeps of a longer table: 2 ** 20 rows less the header.
ROW_LIMIT = 1_048_575
_ID, _WORD, _TAG, _POS = "Sentence #", "Word", "Tag", "POS"
_UTF8_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}")
_NUMBERING = (
    f'Write a number of its own, such as "Sentence: 1", into the column "{_ID}" where a sentence '
    "begins, and the same or none into its other rows"
)
_TEXTS = frozenset(["text", "texts", "sentence", "sentences", "content"])
_QUOTING = 'A quotation mark is written as """" in a csv file'


class _Columns(NamedTuple):
    id: int
    word: int
    tag: int
    pos: Optional[int]


def read_csv(path: Path, *, encoding: Optional[str] = None, repair: bool = False) -> Corpus:
    """Read a csv file with the columns "Sentence #", Word, Tag and, optionally, POS, in any order.

    path (Path): The file, or a zip archive with one csv file in it.
    encoding (Optional[str]): Its encoding; by default what its byte-order mark says, or UTF-8 if it is, or
        else cp1252.
    repair (bool): Repair what can be repaired instead of raising.
    RETURNS (Corpus): The sentences, tags in IOB2, with an account of what was repaired.
    RAISES (CorpusError): If the file breaks the format, or is in another one.
    """
    data = read_bytes(path)
    check_is_text(path, data)
    notes: List[str] = []
    if encoding is None:
        encoding = _guess_encoding(data)
        if encoding == FALLBACK:
            notes.append(f"The file is not UTF-8, so it was read as {encoding}.")
    repairs = Repairs(path, repair)
    text = decode(data, encoding, repairs)
    _check_is_table(path, data, text)
    n_rows, groups = _group_rows(text, repairs)
    # A first tag I-geo may be a fault: in a table nothing is read as IOB1.
    scheme = detect_scheme(rows.tags for rows in groups)
    if scheme is Scheme.BILUO:
        notes.append("The tags were read as BILUO.")
    tags = normalise(groups, Scheme.BILUO if scheme is Scheme.BILUO else Scheme.IOB2, repairs)
    sentences = [
        Sentence(rows.id, rows.words, iob2, rows.pos or None) for rows, iob2 in zip(groups, tags, strict=True)
    ]
    cut_off = None
    if sentences and n_rows == ROW_LIMIT:
        cut_off = len(sentences) - 1
        notes.append(
            f'The file ends at the row limit of a spreadsheet: its last sentence ("'
            f'{sentences[-1].id}", {len(sentences[-1].words)} tokens) is cut off and left out.'
        )
    return Corpus(sentences, cut_off, repairs.counts, notes)


def _guess_encoding(data: bytes) -> str:
    marked = marked_encoding(data)
    if marked is not None:
        return marked
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        # A file with both valid and invalid UTF-8 is damaged: cp1252 would hide that.
        return "utf-8" if _UTF8_SEQUENCE.search(data) else FALLBACK
    return "utf-8"


def _check_is_table(path: Path, data: bytes, text: str) -> None:
    """See to it that a file without any of the columns is not taken for a table with other columns."""
    header = split_lines(text[:1000])[0].lower()
    if any(name.lower() in header for name in (_ID, _WORD, _TAG)):
        return
    if looks_columned(data):
        raise CorpusError(f"{path} has words and tags, but no commas between. Let its name end in .conll.")
    check_is_known(path, data)


def _group_rows(text: str, repairs: Repairs) -> Tuple[int, List[RawRows]]:
    """Group the rows by sentence; return how many rows there are, and the groups."""
    rows = _numbered_rows(text, repairs)
    header_line, header = next(rows, (1, []))
    columns = _find_columns(header, header_line, repairs)
    groups: List[RawRows] = []
    first_lines: Dict[str, int] = {}
    n_rows = 0
    for line, row in rows:
        n_rows += 1
        # A row that is dropped may still begin a sentence.
        id = row[columns.id].strip() if columns.id < len(row) else ""
        if not groups and not id:
            repairs.add(line, f'the first row has no "{_ID}"', _NUMBERING, MISSING_IDS)
            id = "Sentence: 0"
        if id and (not groups or id != groups[-1].id):
            if id in first_lines:
                problem = f'"{id}" stands for another sentence since line {first_lines[id]}'
                repairs.add(line, problem, _NUMBERING, REPEATED_IDS)
            first_lines[id] = line
            groups.append(RawRows(id))
        if len(row) != len(header):
            _add_misshapen(line, row, header, repairs)
            continue
        word = row[columns.word]
        if not word.strip():
            repairs.add(line, "the word is empty", "Fill it in", EMPTY_WORDS)
            continue
        if "\n" in word:
            raise repairs.error(line, "the word runs over several lines", _QUOTING)
        groups[-1].add(word, row[columns.tag].strip(), line)
        if columns.pos is not None:
            groups[-1].pos.append(row[columns.pos])
    return n_rows, [group for group in groups if group.words]


def _add_misshapen(line: int, row: List[str], header: List[str], repairs: Repairs) -> None:
    problem = f"the row has {len(row)} columns, the header {len(header)}"
    if len(row) > len(header):
        raise repairs.error(line, problem, 'Put a cell with a comma in it into "quotes"')
    repairs.add(line, f"missing columns: {problem}", "Complete the row", SHORT_ROWS)


def _find_columns(header: List[str], line: int, repairs: Repairs) -> _Columns:
    """Find the columns by name, in any order."""
    names = [name.strip().lower() for name in header]
    missing = [name for name in (_ID, _WORD, _TAG) if name.lower() not in names]
    if missing:
        problem = f"missing columns: {', '.join(missing)} (found: {', '.join(header) or 'none'})"
        if _WORD in missing and _TEXTS & set(names):
            remedy = f"Each row must be one word with its tag, not a text. {OFFSETS}"
            raise repairs.error(line, problem, remedy)
        raise repairs.error(
            line,
            problem,
            f"The first row must name {_ID}, {_WORD}, {_TAG} and, if there is one, {_POS}, "
            f"with commas between them{_separator_hint(header)}",
        )
    twice = [name for name in (_ID, _WORD, _TAG, _POS) if names.count(name.lower()) > 1]
    if twice:
        problem = f"several columns are called {twice[0]}"
        raise repairs.error(line, problem, "Give all but one of them another name")
    positions = {name: i for i, name in enumerate(names)}
    return _Columns(
        id=positions[_ID.lower()],
        word=positions[_WORD.lower()],
        tag=positions[_TAG.lower()],
        pos=positions.get(_POS.lower()),
    )


def _separator_hint(header: List[str]) -> str:
    names = {";": "semicolons", "\t": "tabs", "|": "bars"}
    found = next((names[mark] for mark in names if len(header) == 1 and mark in header[0]), None)
    return f", not {found}: save it anew, comma delimited" if found else ""


def _numbered_rows(text: str, repairs: Repairs) -> Iterator[Tuple[int, List[str]]]:
    """Yield the rows that are not blank, each with the line it begins on."""
    # Strict, because a stray quotation mark would otherwise swallow the rest of the file.
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for row in reader:
            if row:
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise repairs.error(line, f"the row cannot be read ({error})", _QUOTING) from error
