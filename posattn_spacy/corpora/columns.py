"""Columned text: its rows, and which of their columns hold the words and the tags."""

import re
from collections import Counter
from itertools import pairwise
from typing import List, NamedTuple, Optional, Sequence, Tuple

from .decoding import split_lines
from .repairs import Repairs
from .schemes import OPEN, looks_like_tag
from .sentences import CorpusError

# Only ASCII blanks separate: str.split would also split words with a no-break space in them.
_BLANKS = re.compile(r"[ \t]+")
# What is no part of a word where a line begins or ends: page breaks, and marks of files put together.
_PAGE = "\ufeff\f\v"
_COMMENT = re.compile(r"#+[ \t{]|##+[^#\s]+$|#(begin|end) document")
_HEADER_WORDS = frozenset(["word", "words", "token", "tokens", "form", "text"])
_HEADER_TAGS = frozenset(
    ["tag", "tags", "label", "labels", "ner", "ner_tag", "ner_tags", "ner-tag", "ne", "entity"]
)
_SAMPLE = 2000  # rows that columns are judged by
_LANGUAGE = re.compile(r"(?:simple|[a-z]{2,3}(?:-[a-z]+)*):", re.IGNORECASE)


class Row(NamedTuple):
    """One line of columned text.

    line (int): Its number, from 1.
    cells (List[str]): Its columns; empty ones at the end are left out.
    like_comment (bool): Whether it begins as comments do.
    """

    line: int
    cells: List[str]
    like_comment: bool

    def cell(self, column: int) -> Optional[str]:
        """RETURNS (Optional[str]): The cell of a column, counted from 0, or from -1 backwards."""
        return self.cells[column] if -len(self.cells) <= column < len(self.cells) else None


class Columns(NamedTuple):
    """Where words and tags stand, counted from 0, or from -1 backwards."""

    word: int
    tag: int


class Sheet(NamedTuple):
    """Columned text as it stands in a file.

    sentences (List[List[Row]]): The rows of each sentence; there is none without rows.
    blank_lines (int): How many rows follow a blank line.
    document_starts (int): How many lines begin with -DOCSTART-.
    """

    sentences: List[List[Row]]
    blank_lines: int
    document_starts: int


def read_rows(text: str) -> Sheet:
    """RETURNS (Sheet): The rows of a text, in sentences that end at blank lines and -DOCSTART-."""
    sentences: List[List[Row]] = [[]]
    blank_lines = document_starts = 0
    is_after_blank = False
    for number, line in enumerate(split_lines(text), start=1):
        line = line.strip(_PAGE)
        is_start = line.startswith("-DOCSTART-")
        if line.strip() and not is_start:
            blank_lines += is_after_blank
            is_after_blank = False
            sentences[-1].append(Row(number, _split(line), _COMMENT.match(line) is not None))
            continue
        document_starts += is_start
        is_after_blank |= not is_start
        if sentences[-1]:
            sentences.append([])
    return Sheet([rows for rows in sentences if rows], blank_lines, document_starts)


def _split(line: str) -> List[str]:
    cells = [cell.strip(" ") for cell in line.split("\t")] if "\t" in line else _BLANKS.split(line.strip(" "))
    while len(cells) > 1 and not cells[-1]:
        cells.pop()
    return cells


def part_comments(sentences: Sequence[List[Row]], columns: Columns) -> Tuple[List[List[Row]], List[Row]]:
    """Part the rows from the comments, such as "# text = ..." and "### {...}".

    sentences (Sequence[List[Row]]): The rows of each sentence.
    columns (Columns): Where words and tags stand: "# O" is a word with a tag.
    RETURNS (Tuple[List[List[Row]], List[Row]]): The sentences that still have rows, and the comments.
    """
    kept = [[row for row in rows if not _is_comment(row, columns)] for rows in sentences]
    comments = [row for rows in sentences for row in rows if _is_comment(row, columns)]
    return [rows for rows in kept if rows], comments


def _is_comment(row: Row, columns: Columns) -> bool:
    return row.like_comment and not looks_like_tag(row.cell(columns.tag) or "")


def is_header(row: Row, columns: Columns) -> bool:
    """RETURNS (bool): Whether a row names the columns."""
    word, tag = row.cell(columns.word) or "", row.cell(columns.tag) or ""
    named = word.casefold() in _HEADER_WORDS or tag.casefold() in _HEADER_TAGS
    return named and len(row.cells) > 1 and not looks_like_tag(tag)


def check_header(header: Row, columns: Columns, repairs: Repairs) -> None:
    """Look whether a header gives other columns the names of word and tag.

    header (Row): The row that names the columns.
    columns (Columns): Where words and tags are looked for.
    repairs (Repairs): The account of the file, for the error.
    RAISES (CorpusError): If it does.
    """
    names = [cell.casefold() for cell in header.cells]
    words = [i for i, name in enumerate(names) if name in _HEADER_WORDS]
    tags = [i for i, name in enumerate(names) if name in _HEADER_TAGS]
    for kind, column, named in (("word", columns.word, words), ("tag", columns.tag, tags)):
        if named and column in (0, -1) and column % len(names) not in named:
            raise repairs.error(
                header.line,
                f'the header calls column {named[0]} "{header.cells[named[0]]}", not {_called(column)}',
                f"Pass --{kind}-column {named[0]}, or take the header out if it is wrong",
            )


class ColumnContents(NamedTuple):
    """What the columns of a file hold.

    rows (List[Row]): Rows with as many columns as most have, a sample.
    words (List[int]): The columns that may hold words.
    tags (List[int]): The columns that hold tags.
    """

    rows: List[Row]
    words: List[int]
    tags: List[int]


def look_at_columns(rows: Sequence[Row]) -> ColumnContents:
    """RETURNS (ColumnContents): What the columns of some rows hold, comments and header left out."""
    widths = Counter(len(row.cells) for row in rows[:_SAMPLE] if len(row.cells) > 1)
    width = widths.most_common(1)[0][0] if widths else 0
    full = [row for row in rows[:_SAMPLE] if len(row.cells) == width]
    tags = [column for column in range(width) if _tag_share(full, column) > 0.9]
    words = [column for column in range(width) if column not in tags and not _doubt_words(full, column)]
    return ColumnContents(full, words, tags)


def judge_columns(contents: ColumnContents, columns: Columns, repairs: Repairs) -> Optional[CorpusError]:
    """Look whether words and tags stand where they are looked for.

    contents (ColumnContents): What the columns hold.
    columns (Columns): Where words and tags are looked for.
    repairs (Repairs): The account of the file, for the error.
    RETURNS (Optional[CorpusError]): The error, if the tags stand in another column, or there are no words
        where they should be; else None.
    """
    rows, words, tags = contents
    if not rows or not words:
        return None
    first = rows[0]
    if tags and first.cell(columns.tag) is not None and _tag_share(rows, columns.tag) < 0.5:
        row = next(row for row in rows if not looks_like_tag(row.cell(columns.tag) or ""))
        problem = (
            f'{_called(columns.tag)} has no tags (but "{row.cell(columns.tag)}"), column {_listed(tags)} has'
        )
        return repairs.error(row.line, problem, f"Pass {_options(words[0], tags)}")
    doubt = _doubt_words(rows, columns.word)
    if doubt:
        problem = f"column {columns.word} {doubt}"
        return repairs.error(first.line, problem, f"Pass {_options(words[0], tags)}")
    return None


def note_choice(contents: ColumnContents, columns: Columns) -> List[str]:
    """RETURNS (List[str]): That one of several columns with tags was taken, if the user did not choose it."""
    if len(contents.tags) < 2 or columns.tag != -1:
        return []
    listed = " and ".join(map(str, contents.tags))
    return [f"Columns {listed} have tags: those of the last column were read (see --tag-column)."]


def _tag_share(rows: Sequence[Row], column: int) -> float:
    cells = [row.cell(column) or "" for row in rows]
    tags = sum(map(looks_like_tag, cells))
    return (tags + cells.count(OPEN) if tags else 0) / max(1, len(rows))


def _options(word: int, tags: List[int]) -> str:
    """Name the options with which words and tags are found."""
    options = [f"--word-column {word}"] if word else []
    if tags:
        options.append(f"--tag-column {tags[0]}" if len(tags) == 1 else f"--tag-column with {_listed(tags)}")
    return " and ".join(options)


def _called(column: int) -> str:
    return "the last column" if column == -1 else f"column {column}"


def _listed(columns: List[int]) -> str:
    return " or ".join(map(str, columns))


def _doubt_words(rows: Sequence[Row], column: int) -> str:
    """Say what a column has instead of words; nothing if they may be words."""
    cells = [row.cell(column) or "" for row in rows]
    pairs = list(pairwise(cells))
    if not pairs:
        return ""
    if len(pairs) > 3 and sum(before == after for before, after in pairs) > 0.7 * len(pairs):
        return f'is the same from row to row ("{cells[0]}")'
    numbers = [int(cell) for cell in cells if cell.isascii() and cell.isdigit()]
    starts = {after for before, after in pairwise(numbers) if after != before + 1}
    if len(numbers) > 0.9 * len(cells) and numbers[0] < 2 and starts <= {0, 1}:
        return "counts the words (1, 2, 3 ...)"
    return ""


def usual_width(rows: Sequence[Row], columns: Columns) -> int:
    """RETURNS (int): How many columns most rows with a tag have; if there are none, most rows."""
    tagged = [row for row in rows if looks_like_tag(row.cell(columns.tag) or "")]
    widths = Counter(len(row.cells) for row in tagged or rows)
    return widths.most_common(1)[0][0] if widths else 0


def language_prefixes(words: Sequence[str]) -> List[str]:
    """RETURNS (List[str]): The "en:" or "de:" that nearly all words begin with, as in WikiANN, if they do."""
    found = Counter(match.group() for match in map(_LANGUAGE.match, words) if match)
    return list(found) if found.total() > 0.9 * len(words) else []
