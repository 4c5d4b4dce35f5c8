"""CoNLL-style files: one word per line, columns with tags, a blank line after each sentence."""

import re
from pathlib import Path
from typing import List, Optional

from .files import decode, read_bytes
from .repairs import EMPTY_WORDS, SHORT_ROWS, Repairs
from .schemes import detect_scheme, normalise
from .sentences import Corpus, RawRows, Sentence

# Only ASCII blanks separate: str.split would also split words with a no-break space in them.
_BLANKS = re.compile(r"[ \t]+")
_COLUMNS = (
    "Give every row a word and a tag, or choose the right columns with --word-column and "
    "--tag-column (counted from 0, or from -1 backwards)"
)


def read_conll(
    path: Path,
    *,
    encoding: Optional[str] = None,
    word_column: int = 0,
    tag_column: int = -1,
    repair: bool = False,
) -> Corpus:
    """Read a file with one word per line in columns separated by tabs, or else by blanks.

    path (Path): The file; tags may follow IOB1, IOB2 or BILUO (BIOES), which is recognised.
    encoding (Optional[str]): Its encoding, by default UTF-8.
    word_column (int): The column of the word, counted from 0, or from -1 backwards.
    tag_column (int): The column of the tag, counted likewise.
    repair (bool): Repair what can be repaired instead of raising.
    RETURNS (Corpus): The sentences, tags in IOB2, with an account of what was repaired.
    RAISES (CorpusError): If the file breaks the format.
    """
    repairs = Repairs(path, repair)
    text = decode(read_bytes(path), encoding or "utf-8", repairs)
    groups = [RawRows("Sentence: 1")]
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.removesuffix("\r")
        if not line.strip(" \t") or line.startswith("-DOCSTART-"):
            if groups[-1].words:
                groups.append(RawRows(f"Sentence: {len(groups) + 1}"))
            continue
        cells = _split(line)
        word, tag = _cell(cells, word_column), _cell(cells, tag_column)
        if word is None or tag is None or len(cells) < 2:
            repairs.add(number, f"missing columns, found only {len(cells)}", _COLUMNS, SHORT_ROWS)
        elif not word.strip():
            repairs.add(number, "the word is empty", "Fill it in", EMPTY_WORDS)
        else:
            groups[-1].add(word, tag, number)
    groups = [group for group in groups if group.words]
    scheme = detect_scheme(group.tags for group in groups)
    sentences = [Sentence(group.id, group.words, normalise(group, scheme, repairs)) for group in groups]
    return Corpus(sentences, None, repairs.counts, [f"The tags were read as {scheme.value}."])


def _split(line: str) -> List[str]:
    if "\t" in line:
        return [cell.strip(" ") for cell in line.split("\t")]
    return _BLANKS.split(line.strip(" "))


def _cell(cells: List[str], column: int) -> Optional[str]:
    return cells[column] if -len(cells) <= column < len(cells) else None
