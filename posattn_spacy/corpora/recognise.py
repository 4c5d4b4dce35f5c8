"""What a file is that is not read, by how it begins."""

import re
from pathlib import Path
from typing import Any, Callable, Optional, Sequence

from .decoding import marked_encoding, split_lines
from .files import list_folder
from .foreign import EXPORT_CONLL, NUMBERS, OFFSETS, ROWS, SPACY_CONVERT, STORE, TOKENS, UNPACK, Foreign
from .json_formats import name_json, parse_json
from .schemes import looks_like_tag

_BEGINNING = 100_000  # bytes; of JSON, which is parsed as a whole, there may be more
_LINES = 200
_JSON = (".json", ".jsonl", ".ndjson")
_MAGIC = (
    (b"PAR1", Foreign("a Parquet file", TOKENS)),
    (b"ARROW1", Foreign("an Arrow file", TOKENS)),
    (b"\xff\xff\xff\xff", Foreign("an Arrow file", TOKENS)),
    (b"\x1f\x8b", Foreign("packed with gzip", UNPACK)),
    (b"BZh", Foreign("packed with bzip2", UNPACK)),
    (b"\xfd7zXZ", Foreign("packed with xz", UNPACK)),
    (b"7z\xbc\xaf", Foreign("packed with 7-Zip", UNPACK)),
    (b"Rar!", Foreign("packed with RAR", UNPACK)),
    (b"%PDF", Foreign("a PDF file", "Pass the annotation, not a print of it")),
    (
        b"SQLite format 3\0",
        Foreign("a SQLite database", "Export the annotation from the program that made it"),
    ),
    (b"\x89HDF", Foreign("an HDF5 file", TOKENS)),
    (b"\xd0\xcf\x11\xe0", Foreign("an old Office file", "Save the table as csv (UTF-8, comma delimited)")),
    (b"x\x9c", Foreign("compressed, as .spacy files are", "If spaCy made it, let its name end in .spacy")),
    (b"x\x01", Foreign("compressed", "If spaCy's DocBin made it, let its name end in .spacy")),
)
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_BRACKETS = re.compile(r"(\([\w-]+)*\*?\)*|-")
_ANN = re.compile(r"T\d+\t\S+ \d+ \d+|[REAMNE*#]\d*\t")
_PUBTATOR = re.compile(r"\d+\|[ta]\|")
_MARKED_UP = re.compile(r"<([A-Za-z_]+)( [^<>]*)?>[^<>]+</\1>")
_RASA = re.compile(r"\[[^\[\]]+\][({][\w\":, -]+[)}]")
_ONE_LINE = re.compile(r"\S+([|/_:^])(O|[BILUES]-[^|]+)")
_PYTHON = re.compile(r"""["']entities["'] *: *[\[(]""")
_SEPARATORS = re.compile(r"[\s,;|]")
_MISC_TAG = re.compile(r"(?:^|\|)(?:name=|NE=)?[BILU]-[A-Z_]+(?:\||$)")


def check_is_text(path: Path, data: bytes) -> None:
    """RAISES (CorpusError): If a file begins like one that holds no text."""
    foreign = _recognise_magic(data)
    if foreign is not None:
        raise foreign.refusal(path)


def check_is_known(path: Path, data: bytes) -> None:
    """RAISES (CorpusError): If a file is recognised as being in a format that is not read."""
    foreign = recognise(path, data)
    if foreign is not None:
        raise foreign.refusal(path)


def recognise(path: Path, data: bytes) -> Optional[Foreign]:
    """Say what a file is that is not read as it is.

    path (Path): The file; what lies beside it is looked at, too.
    data (bytes): Its content.
    RETURNS (Optional[Foreign]): The format; None if it may be one that is read, or is unknown.
    """
    foreign = _recognise_magic(data)
    if foreign is not None:
        return foreign
    encoding = marked_encoding(data) or "utf-8"
    text = data.decode(encoding, "replace").removeprefix("\ufeff")
    start = text[:_BEGINNING].lstrip()
    if not start:
        return None
    if start[0] in "{[":
        try:
            return name_json(parse_json(text))
        except (ValueError, RecursionError) as error:  # a word of columned text, or damage
            if path.suffix.lower() in _JSON or start.startswith(('{"', '[{"')):
                return Foreign(f"JSON that breaks off or is damaged ({error})", "Get it anew")
    lines = [line for line in split_lines(start)[:_LINES] if line.strip()]
    return _recognise_markup(start) or _recognise_rows(lines) or _recognise_lines(lines, path)


def recognise_folder(folder: Path) -> Optional[Foreign]:
    """RETURNS (Optional[Foreign]): What a folder is that has no files for train, dev and test."""
    names = {file.name for file in list_folder(folder)}
    suffixes = {Path(name).suffix.lower() for name in names}
    if names & {"dataset_dict.json", "dataset_info.json", "state.json"} or ".arrow" in suffixes:
        return Foreign("a data set stored by Hugging Face's datasets", NUMBERS)
    if ".xmi" in suffixes:
        return Foreign("a folder of UIMA XMI, as from INCEpTION", EXPORT_CONLL)
    return None


def _recognise_magic(data: bytes) -> Optional[Foreign]:
    if _PICKLE.match(data):
        return Foreign(
            "a pickle of Python objects", f"Unpickling can run any code: where it was made, {STORE}"
        )
    if data.startswith(b"PK\x03\x04"):
        if b"xl/" in data[:_BEGINNING] or b"opendocument.spreadsheet" in data[:_BEGINNING]:
            return Foreign("a spreadsheet", "Save the table as csv (UTF-8, comma delimited)")
        if b"word/" in data[:_BEGINNING]:
            return Foreign("a Word document", "Save it as plain text, if there are words and tags in it")
        return Foreign("a zip archive", f"{UNPACK}, or let the name end in .zip if there is a csv file in it")
    return next((foreign for magic, foreign in _MAGIC if data.startswith(magic)), None)


def _recognise_markup(start: str) -> Optional[Foreign]:
    head = start[:2000].lower()
    if head.startswith("version https://git-lfs"):
        return Foreign("only a pointer of Git LFS", "`git lfs pull` fetches the file itself")
    if head.startswith(("<!doctype html", "<html")):
        return Foreign("a web page", "Fetch the file itself (on GitHub: its raw form)")
    if head.startswith("<?xml") or re.match(r"<[a-z][\w:.-]*[ >]", head):
        if "xmi" in head or "uima" in head:
            return Foreign("UIMA XMI, as from INCEpTION", EXPORT_CONLL)
        if not _MARKED_UP.match(start) or head.startswith("<?xml"):
            return Foreign("XML", OFFSETS)
    if head.startswith("#format=webanno"):
        return Foreign("WebAnno TSV, as from INCEpTION", EXPORT_CONLL)
    return None


def _recognise_rows(lines: Sequence[str]) -> Optional[Foreign]:
    """Name what has a word per line, but its tags in another form."""
    rows = [line for line in lines if not line.startswith("#")]
    tables = [line.split("\t") if "\t" in line else line.split() for line in rows]
    long = [cells for cells in tables if len(cells) > 1]
    if _mostly(long, lambda cells: len(cells) == 10 and cells[0].partition("-")[0].isdigit()) and not _mostly(
        long, lambda cells: looks_like_tag(cells[-1])
    ):
        way = SPACY_CONVERT.format("conllu")
        if not any(_MISC_TAG.search(cells[-1]) for cells in long):
            way = f"If its last column has the tags as name=B-GEO (or I-, L-, U-, and O), {way}"
        return Foreign("CoNLL-U", way)
    if any(line.startswith("#begin document") for line in lines) or (
        any("(" in cells[-1] and cells[-1] != "(" for cells in long)
        and _mostly(long, lambda cells: len(cells) > 2 and _BRACKETS.fullmatch(cells[-1]) is not None)
    ):
        way = "Write (GPE* as B-GPE, the * and *) behind it as I-GPE, (GPE) as B-GPE, and every other * as O"
        return Foreign("columned text with brackets for entities, as in OntoNotes", way)
    halves = [re.split(r"\t|\|\|\|", line) for line in rows]
    if _mostly(halves, lambda parts: len(parts) == 2 and _are_words_and_tags(*parts)):
        return Foreign("text with a sentence and its tags on each line", ROWS)
    if _mostly(list(zip(rows[::2], rows[1::2], strict=False)), lambda pair: _are_words_and_tags(*pair)):
        return Foreign("text with the tags on a line of their own below each sentence", ROWS)
    return None


def _are_words_and_tags(first: str, second: str) -> bool:
    words, tags = first.split(), second.split()
    are_tags = len(words) == len(tags) > 1 and all(map(looks_like_tag, tags))
    return are_tags and not all(map(looks_like_tag, words))


def _recognise_lines(lines: Sequence[str], path: Path) -> Optional[Foreign]:
    """Name what has no columns."""
    if not lines:
        return None
    if _mostly(lines, _ANN.match) and any(line.startswith("T") for line in lines):
        return Foreign("annotation from brat, whose text is in a .txt file", OFFSETS)
    if _PUBTATOR.match(lines[0]):
        return Foreign("PubTator text", OFFSETS)
    pieces = [piece for line in lines for piece in line.split()]
    marks = [_ONE_LINE.fullmatch(piece) for piece in pieces]
    if sum(mark is not None for mark in marks) > 0.9 * len(pieces):
        mark = next(mark.group(1) for mark in marks if mark)
        way = SPACY_CONVERT.format("iob")
        if mark != "|":
            way = f'Write "|" for the "{mark}" before each tag, and {way}'
        return Foreign(f'text with a sentence per line and tags behind "{mark}"', way)
    for separator, name in ((",", "commas"), (";", "semicolons")):
        pairs = [line.split(separator) for line in lines]
        if _mostly(pairs, lambda pair: len(pair) == 2 and looks_like_tag(pair[1].strip())):
            way = f"Write tabs for the {name}, and let its name end in .tsv"
            return Foreign(f"text with {name} between word and tag", way)
    if any(_PYTHON.search(line) for line in lines):
        return Foreign('Python with pairs of a text and {"entities": [...]}, as for spaCy 2', OFFSETS)
    if "sentence #" in lines[0].lower() and path.suffix.lower() not in (".csv", ".zip"):
        return Foreign(
            'a table with a column "Sentence #"', "Save it with commas between the columns and a name in .csv"
        )
    if sum(_MARKED_UP.search(line) is not None for line in lines) > 0.3 * len(lines):
        return Foreign("running text with entities marked by tags in it", OFFSETS)
    if sum(_RASA.search(line) is not None for line in lines) > 0.3 * len(lines):
        return Foreign("running text with entities in brackets, as for Rasa", OFFSETS)
    cells = [_SEPARATORS.split(line.strip()) for line in lines]
    if any(looks_like_tag(row[-1]) for row in cells):
        return None
    if sum(any(cell != "O" and looks_like_tag(cell) for cell in row) for row in cells) > 0.1 * len(lines):
        return None
    if path.suffix.lower() == ".csv":
        return None
    annotation = path.with_suffix(".ann")
    if annotation.is_file():
        return Foreign(f"text annotated with brat (in {annotation.name})", OFFSETS)
    n_pieces, n_characters = len(pieces) / len(lines), sum(map(len, lines)) / len(lines)
    if n_pieces > 3 or (n_pieces < 1.5 and n_characters > 10):  # the latter where there are no blanks
        return Foreign("running text without tags", f"Annotate it. {OFFSETS}")
    return None


def _mostly(items: Sequence[Any], test: Callable[[Any], Any]) -> bool:
    """Say whether there are items, and nearly all of them pass."""
    return bool(items) and sum(bool(test(item)) for item in items) > 0.9 * len(items)


def looks_columned(data: bytes) -> bool:
    """RETURNS (bool): Whether nearly all lines with more than one column have one that looks like a tag."""
    text = data[:_BEGINNING].decode(marked_encoding(data) or "utf-8", "replace")
    rows = [line.split() for line in split_lines(text)[:_LINES]]
    return _mostly([cells for cells in rows if len(cells) > 1], lambda cells: any(map(looks_like_tag, cells)))
