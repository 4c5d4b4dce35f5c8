"""Standoff annotation of brat: a text in a .txt file, and what is marked in it in an .ann file beside it."""

import re
from pathlib import Path
from typing import Iterator, List, Optional, Tuple

from ..decoding import decode, split_lines
from ..files import read_bytes
from ..marks import Mark, MarkedText, MarkedTexts, without_entities
from ..repairs import Repairs
from ..sentences import CorpusError

_MARK = re.compile(r"T\S*\t(\S+) (\d+ \d+(?:;\d+ \d+)*)(?:\t(.*))?")
_OTHERS = frozenset("REAMN#*")


def is_brat(folder: Path) -> bool:
    """RETURNS (bool): Whether a path is a folder with .ann files in it, at any depth."""
    return folder.is_dir() and next(folder.rglob("*.ann"), None) is not None


def read_brat(path: Path, encoding: Optional[str] = None) -> MarkedTexts:
    """Read a folder of brat, or one of its texts.

    path (Path): The folder, which is read at any depth, or a .txt or .ann file.
    encoding (Optional[str]): Encoding of the files; None for UTF-8.
    RETURNS (MarkedTexts): The texts that have an .ann file.
    RAISES (CorpusError): If a text is missing, or a line can't be read.
    """
    root = path if path.is_dir() else path.parent
    annotations = sorted(root.rglob("*.ann")) if path.is_dir() else [path.with_suffix(".ann")]
    texts, others = [], 0
    for file in annotations:
        own = file.with_suffix(".txt")
        if not own.is_file():
            raise CorpusError(f"{file} has no text: there is no {own.name} beside it. Put it there.")
        marks, n_others = _read_marks(file, encoding)
        others += n_others
        name = own.relative_to(root).as_posix()
        texts.append(MarkedText(name, _read(own, encoding), marks))
    bare = [file for file in root.rglob("*.txt") if not file.with_suffix(".ann").is_file()]
    notes = []
    if bare and path.is_dir():
        notes.append(
            f"Texts without an .ann file, which were left out: {len(bare):,}, such as {bare[0].name}."
        )
    if others:
        notes.append(
            f"Lines that mark no entity (relations, events, notes …), which were left out: {others:,}."
        )
    return MarkedTexts(texts, [*notes, *without_entities(texts, "take their .ann files away")])


def _read(file: Path, encoding: Optional[str]) -> str:
    return decode(read_bytes(file), encoding, Repairs(file, wanted=False))


def _read_marks(file: Path, encoding: Optional[str]) -> Tuple[List[Mark], int]:
    """The marks of an .ann file, and how many lines are something else."""
    marks, others = [], 0
    for number, line in enumerate(split_lines(_read(file, encoding)), start=1):
        if line[:1] in _OTHERS:
            others += 1
        elif line.strip():
            marks.append(_mark(line, f"{file}, line {number}"))
    return marks, others


def _mark(line: str, place: str) -> Mark:
    found = _MARK.fullmatch(line)
    if found is None:
        raise CorpusError(
            f'{place}: "{line[:60]}" is no annotation of brat. An entity is T1, a tab, its label and '
            "characters (LOC 0 5), a tab and its text."
        )
    label, places, text = found.groups()
    (start, end), *rest = _pieces(places)
    return Mark(start, end, label, text, tuple(rest))


def _pieces(places: str) -> Iterator[Tuple[int, int]]:
    for piece in places.split(";"):
        start, end = piece.split()
        yield int(start), int(end)
