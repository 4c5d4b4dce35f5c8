"""CoNLL-style files: one word per line, columns with tags, a blank line after each sentence."""

from pathlib import Path
from typing import List, Optional, Sequence

from .columns import (
    Columns,
    Row,
    Sheet,
    check_header,
    is_header,
    judge_columns,
    language_prefixes,
    look_at_columns,
    note_choice,
    part_comments,
    read_rows,
    usual_width,
)
from .decoding import decode
from .files import read_bytes
from .recognise import check_is_known, check_is_text
from .repairs import EMPTY_WORDS, MISSING_TAGS, RAGGED_ROWS, SHORT_ROWS, Repairs
from .schemes import OPEN, detect_scheme, looks_like_tag, normalise
from .sentences import Corpus, RawRows, Sentence

_COLUMNS = (
    "Give every row a word and a tag, or choose the right columns with --word-column and "
    "--tag-column (counted from 0, or from -1 backwards)"
)
_MARKER = ". If the row parts sentences, put a blank line in its place"
_LONG = 200  # words, more than any sentence has
_MANY = 10  # sentences, which are not all of one word


def read_conll(
    path: Path,
    *,
    encoding: Optional[str] = None,
    word_column: int = 0,
    tag_column: int = -1,
    repair: bool = False,
) -> Corpus:
    """Read a file with one word per line in columns separated by tabs, or else by blanks.

    path (Path): The file; tags may follow IOB1, IOB2 or BILUO (BIOES, BMES), which is recognised.
    encoding (Optional[str]): Its encoding; None for what its byte-order mark says, or else UTF-8.
    word_column (int): The column of the word, counted from 0, or from -1 backwards.
    tag_column (int): The column of the tag, counted likewise.
    repair (bool): Repair what can be repaired instead of raising.
    RETURNS (Corpus): The sentences, tags in IOB2, with an account of what was repaired.
    RAISES (CorpusError): If the file breaks the format, or is in another one.
    """
    repairs = Repairs(path, repair)
    columns = Columns(word_column, tag_column)
    data = read_bytes(path)
    check_is_text(path, data)
    sheet = read_rows(decode(data, encoding, repairs))
    sentences, comments = part_comments(sheet.sentences, columns)
    notes: List[str] = []
    if comments:
        notes.append(f"Comments left out: {len(comments):,}, the first in line {comments[0].line}.")
    if sentences and is_header(sentences[0][0], columns):
        header = sentences[0].pop(0)
        check_is_known(path, data)
        check_header(header, columns, repairs)
        notes.append(f"Read as a header: line {header.line} ({', '.join(header.cells)}).")
    rows = [row for sentence in sentences for row in sentence]
    contents = look_at_columns(rows)
    error = judge_columns(contents, columns, repairs)
    tags_of_rows = (row.cell(columns.tag) or "" for row in rows)
    are_tags = all(looks_like_tag(tag) or tag == OPEN for tag in tags_of_rows)
    if error is not None or not are_tags or len(contents.tags) > 1:
        check_is_known(path, data)
    if error is not None:
        raise error
    notes.extend(note_choice(contents, columns))
    groups = _group(sentences, columns, repairs, notes)
    _check_sentences(groups, sheet, repairs, notes)
    _take_prefix_off(groups, notes)
    scheme = detect_scheme(group.tags for group in groups)
    notes.append(f"The tags were read as {scheme.value}.")
    tags = normalise(groups, scheme, repairs)
    found = [Sentence(rows.id, rows.words, iob2) for rows, iob2 in zip(groups, tags, strict=True)]
    return Corpus(found, None, repairs.counts, notes)


def _group(
    sentences: Sequence[List[Row]], columns: Columns, repairs: Repairs, notes: List[str]
) -> List[RawRows]:
    """Take words and tags out of the rows."""
    rows = [row for sentence in sentences for row in sentence]
    width = usual_width(rows, columns)
    leaves_o_out = _leaves_o_out(rows, columns, width)
    is_from_behind = columns.word < 0 or columns.tag < 0
    odd: List[Row] = []
    groups: List[RawRows] = []
    for sentence in sentences:
        groups.append(RawRows(f"Sentence: {len(groups) + 1}"))
        for row in sentence:
            word, tag = row.cell(columns.word), row.cell(columns.tag)
            n = len(row.cells)
            if leaves_o_out and n == width - 1 and word is not None:
                problem = "the row has no tag, and no row has O"
                repairs.add(row.line, problem, "Write O behind words outside of entities", MISSING_TAGS)
                tag = "O"
            elif word is None or tag is None or n < 2:
                problem = f"missing columns, found only {n}"
                repairs.add(row.line, problem, _COLUMNS + _MARKER * (n == 1), SHORT_ROWS)
                continue
            elif n != width and is_from_behind:
                problem = f"the row has {n} columns, most rows have {width}"
                repairs.add(row.line, problem, _advice(row, width), RAGGED_ROWS)
                continue
            elif n != width:
                odd.append(row)
            if word.strip():
                groups[-1].add(word, tag, row.line)
            else:
                problem = f"the word is {_blank(word)}"
                repairs.add(row.line, problem, "Fill it in, or leave the row out", EMPTY_WORDS)
        if not groups[-1].words:
            groups.pop()
    if odd:
        notes.append(
            f"Rows with another number of columns than most: {len(odd):,}, the first in line {odd[0].line}."
        )
    return groups


def _leaves_o_out(rows: Sequence[Row], columns: Columns, width: int) -> bool:
    """Say whether words outside of entities have no tag at all, where the tags stand in the last column."""
    is_last = columns.tag in (-1, width - 1)
    shorter = [row for row in rows if len(row.cells) == width - 1]
    has_tag = any(looks_like_tag(row.cells[-1]) for row in shorter if len(row.cells) > 1)
    return is_last and bool(shorter) and not has_tag and not any(row.cells[-1] == "O" for row in rows)


def _advice(row: Row, width: int) -> str:
    if len(row.cells) > width:
        return (
            "Without tabs, blanks part the columns: put a tab between word and tag. Or count the tag's "
            "column from 0 (--tag-column)"
        )
    return "Complete the row, or count the tag's column from 0 (--tag-column)"


def _blank(word: str) -> str:
    codes = " ".join(f"U+{ord(character):04X}" for character in word)
    return f"white space alone ({codes})" if codes else "empty"


def _check_sentences(groups: Sequence[RawRows], sheet: Sheet, repairs: Repairs, notes: List[str]) -> None:
    """See to it that blank lines are where sentences end."""
    longest = max(groups, key=lambda rows: len(rows.words), default=None)
    if longest is None:
        return
    if len(groups) == 1 and len(longest.words) > _LONG:
        raise repairs.error(
            longest.lines[0],
            f"a sentence of {len(longest.words):,} words begins here, and no blank line ends it",
            "Put a blank line after each sentence, or at least -DOCSTART- before each document",
        )
    goes_on = any(tag.startswith(("I-", "L-", "E-", "M-")) for rows in groups for tag in rows.tags)
    if len(groups) >= _MANY and len(longest.words) == 1 and goes_on:
        raise repairs.error(
            groups[1].lines[0] - 1,
            "there is a blank line after every word, so each is a sentence of its own",
            "Leave a blank line after each sentence alone",
        )
    if sheet.document_starts and not sheet.blank_lines:
        notes.append(
            "There are no blank lines between sentences: what stands between two -DOCSTART- was read as one."
        )


def _take_prefix_off(groups: Sequence[RawRows], notes: List[str]) -> None:
    prefixes = language_prefixes([word for rows in groups for word in rows.words])
    if not prefixes:
        return
    for rows in groups:
        starts = (next(filter(word.startswith, prefixes), "") for word in rows.words)
        pairs = zip(rows.words, starts, strict=True)
        rows.words = [word.removeprefix(start) or word for word, start in pairs]
    named = " or ".join(f'"{prefix}"' for prefix in prefixes)
    notes.append(f"{named} was taken off the words, which nearly all begin with it, as in WikiANN.")
