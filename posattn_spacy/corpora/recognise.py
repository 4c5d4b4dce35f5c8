"""Formats that are not read: what a file is by its first bytes, and the way from there to one that is."""

import json
import re
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from .decoding import marked_encoding, split_lines
from .schemes import looks_like_tag
from .sentences import CorpusError

_BEGINNING = 100_000  # bytes; of JSON, which is parsed as a whole, there may be more
_LINES = 200
_STORE = 'DocBin(docs=docs).to_disk("corpus.spacy") stores them; then convert corpus.spacy'
_OFFSETS = (
    "Make documents of it with spaCy: doc = nlp.make_doc(text); doc.ents = [doc.char_span(start, end, "
    f'label=label, alignment_mode="expand") for start, end, label in entities]. {_STORE}'
)
_TOKENS = (
    "Make documents of it with spaCy: Doc(nlp.vocab, words=tokens, ents=tags), with tags such as B-geo, "
    f"I-geo and O. {_STORE}"
)
_NUMBERS = (
    "Make documents of it with spaCy: Doc(nlp.vocab, words=tokens, ents=[names[n] for n in tags]), where "
    f"names are those that the data set gives its tags, such as O, B-geo and I-geo. {_STORE}"
)
_EXPORT_CONLL = "Export it as CoNLL 2002 from there"
_SPACY_CONVERT = "`python -m spacy convert FILE . --converter {}` makes a .spacy file of it; convert that"
_ROWS = (
    "Write each word with its tag, such as B-geo, on a line of its own, and a blank line after each sentence"
)
_UNPACK = "Unpack it, and pass the file or folder that is in it"


class Foreign(NamedTuple):
    """A format that is not read.

    name (str): What it is.
    way (str): What to do, without a full stop; FILE stands for the file.
    """

    name: str
    way: str

    def refusal(self, path: Path) -> CorpusError:
        """RETURNS (CorpusError): The error for a file in this format."""
        way = self.way.replace("FILE", str(path))
        return CorpusError(f"{path} is {self.name}, which is not read. {way}.")


class Record(NamedTuple):
    """A kind of JSON: the keys of one record, several names for a key parted by "|", and how to go on."""

    keys: Tuple[str, ...]
    foreign: Foreign


_MAGIC = (
    (b"PAR1", Foreign("a Parquet file", _TOKENS)),
    (b"ARROW1", Foreign("an Arrow file", _TOKENS)),
    (b"\xff\xff\xff\xff", Foreign("an Arrow file", _TOKENS)),
    (b"\x1f\x8b", Foreign("packed with gzip", _UNPACK)),
    (b"BZh", Foreign("packed with bzip2", _UNPACK)),
    (b"\xfd7zXZ", Foreign("packed with xz", _UNPACK)),
    (b"7z\xbc\xaf", Foreign("packed with 7-Zip", _UNPACK)),
    (b"Rar!", Foreign("packed with RAR", _UNPACK)),
    (b"%PDF", Foreign("a PDF file", "Pass the annotation, not a print of it")),
    (
        b"SQLite format 3\0",
        Foreign("a SQLite database", "Export the annotation from the program that made it"),
    ),
    (b"\x89HDF", Foreign("an HDF5 file", _TOKENS)),
    (b"\xd0\xcf\x11\xe0", Foreign("an old Office file", "Save the table as csv (UTF-8, comma delimited)")),
    (b"x\x9c", Foreign("compressed, as .spacy files are", "If spaCy made it, let its name end in .spacy")),
    (b"x\x01", Foreign("compressed", "If spaCy's DocBin made it, let its name end in .spacy")),
)
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_RECORDS = (
    Record(
        ("kind", "md5", "splits"),
        Foreign("the account of a conversion", "Pass what was converted, or the folder of a split"),
    ),
    Record(("data", "annotations|completions|predictions"), Foreign("JSON from Label Studio", _OFFSETS)),
    Record(
        ("paragraphs",),
        Foreign("JSON from spaCy 2", _SPACY_CONVERT.format("json")),
    ),
    Record(
        ("text", "ents", "tokens"),
        Foreign(
            "JSON from spaCy's Doc.to_json", f"Doc(nlp.vocab).from_json(record) reads a record. {_STORE}"
        ),
    ),
    Record(
        ("text", "spans"),
        Foreign(
            "JSON as from Prodigy",
            f"`python -m prodigy data-to-spacy FOLDER --ner DATASET` makes .spacy files. Or: {_OFFSETS}",
        ),
    ),
    Record(
        ("text", "label|labels|entities|annotations|annotation|denotations|named_entities|entity"),
        Foreign("JSON with texts and the places of their entities, as from doccano", _OFFSETS),
    ),
    Record(("content", "annotation|annotations|entities"), Foreign("JSON as from Dataturks", _OFFSETS)),
    Record(("tokenized_text", "ner"), Foreign("JSON as for GLiNER", _TOKENS)),
    Record(("rasa_nlu_data",), Foreign("JSON for Rasa", _OFFSETS)),
    Record(("passages",), Foreign("BioC JSON", _OFFSETS)),
    Record(("%TYPES",), Foreign("UIMA CAS JSON, as from INCEpTION", _EXPORT_CONLL)),
    Record(
        ("sentences", "ner|entities"),
        Foreign("JSON with sentences and the places of their entities", _TOKENS),
    ),
)
_SOURCE_KEYS = frozenset(["kind", "path", "md5"])  # of the project's own source.json
_WORD_KEYS = ("tokens", "words", "sentence", "text", "tokenized_text")
_TAG_KEYS = ("ner_tags", "tags", "labels", "ner", "ner_labels", "bio", "bio_tags", "iob_tags", "label")
_BRACKETS = re.compile(r"(\([\w-]+)*\*?\)*|-")
_ANN = re.compile(r"T\d+\t\S+ \d+ \d+|[REAMNE*#]\d*\t")
_PUBTATOR = re.compile(r"\d+\|[ta]\|")
_MARKED_UP = re.compile(r"<([A-Za-z_]+)( [^<>]*)?>[^<>]+</\1>")
_RASA = re.compile(r"\[[^\[\]]+\][({][\w\":, -]+[)}]")
_ONE_LINE = re.compile(r"\S+([|/_:^])(O|[BILUES]-[^|]+)")
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
        foreign = _recognise_json(text, path.suffix.lower() in (".json", ".jsonl", ".ndjson"))
    if foreign is None:
        foreign = _recognise_markup(start)
    lines = [line for line in split_lines(start)[:_LINES] if line.strip()]
    return foreign or _recognise_rows(lines) or _recognise_lines(lines, path)


def recognise_folder(folder: Path) -> Optional[Foreign]:
    """RETURNS (Optional[Foreign]): What a folder is that has no files for train, dev and test."""
    names = {file.name for file in folder.iterdir()}
    suffixes = {Path(name).suffix.lower() for name in names}
    if ".ann" in suffixes:
        return Foreign("a folder from brat, with the annotation in .ann files", _OFFSETS)
    if names & {"dataset_dict.json", "dataset_info.json", "state.json"} or ".arrow" in suffixes:
        return Foreign("a data set stored by Hugging Face's datasets", _NUMBERS)
    if ".parquet" in suffixes:
        return Foreign("a folder of Parquet files", _NUMBERS)
    if ".xmi" in suffixes:
        return Foreign("a folder of UIMA XMI, as from INCEpTION", _EXPORT_CONLL)
    return None


def _recognise_magic(data: bytes) -> Optional[Foreign]:
    if _PICKLE.match(data):
        return Foreign(
            "a pickle of Python objects", f"Unpickling can run any code: where it was made, {_STORE}"
        )
    if data.startswith(b"PK\x03\x04"):
        if b"xl/" in data[:_BEGINNING]:
            return Foreign("an Excel workbook", "Save the table as csv (UTF-8, comma delimited)")
        if b"word/" in data[:_BEGINNING]:
            return Foreign("a Word document", "Save it as plain text, if there are words and tags in it")
        return Foreign(
            "a zip archive", f"{_UNPACK}, or let the name end in .zip if there is a csv file in it"
        )
    return next((foreign for magic, foreign in _MAGIC if data.startswith(magic)), None)


def _recognise_json(text: str, is_named_json: bool) -> Optional[Foreign]:
    """Name JSON and lines of JSON by the keys of a record."""
    first_line = text.lstrip().partition("\n")[0]
    try:
        value = json.loads(text)
    except ValueError as error:
        try:
            value = json.loads(first_line)
        except ValueError:
            if is_named_json or first_line.startswith(('{"', '[{"')):
                return Foreign(f"JSON that breaks off or is damaged ({error})", "Get it anew")
            return None
    record = _first_record(value)
    if isinstance(record, list):
        return Foreign('JSON with pairs of a text and {"entities": [...]}, as for spaCy 2', _OFFSETS)
    if record is None or set(record) <= _SOURCE_KEYS:
        return None
    words = next((record[key] for key in _WORD_KEYS if _is_list_of(record.get(key), str)), None)
    tags = next((record[key] for key in _TAG_KEYS if _is_list_of(record.get(key), (int, str))), None)
    if words is not None and tags is not None:
        numbered = _is_list_of(tags, int)
        return Foreign(
            f"JSON with words and {'numbers of ' * numbered}tags, as from Hugging Face",
            _NUMBERS if numbered else _TOKENS,
        )
    return next(
        (kind.foreign for kind in _RECORDS if _has_keys(record, kind.keys)),
        Foreign(f"JSON with {', '.join(map(str, list(record)[:6])) or 'nothing in it'}", _OFFSETS),
    )


def _first_record(value: Any) -> Any:
    """The first record of a JSON file: an object, a pair of text and object, or None."""
    if isinstance(value, list):
        if len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict):
            return value
        return _first_record(value[0]) if value else None
    if not isinstance(value, dict):
        return None
    if any(_has_keys(value, kind.keys) for kind in _RECORDS) or any(key in value for key in _WORD_KEYS):
        return value
    inner = next((each for each in value.values() if isinstance(each, list) and each), None)
    found = _first_record(inner)
    return value if found is None else found


def _has_keys(record: Dict[str, Any], keys: Sequence[str]) -> bool:
    return all(any(name in record for name in key.split("|")) for key in keys)


def _is_list_of(value: Any, kind: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, kind) for each in value)


def _recognise_markup(start: str) -> Optional[Foreign]:
    head = start[:2000].lower()
    if head.startswith("version https://git-lfs"):
        return Foreign("only a pointer of Git LFS", "`git lfs pull` fetches the file itself")
    if head.startswith(("<!doctype html", "<html")):
        return Foreign("a web page", "Fetch the file itself (on GitHub: its raw form)")
    if head.startswith("<?xml") or re.match(r"<[a-z][\w:.-]*[ >]", head):
        if "xmi" in head or "uima" in head:
            return Foreign("UIMA XMI, as from INCEpTION", _EXPORT_CONLL)
        if not _MARKED_UP.match(start) or head.startswith("<?xml"):
            return Foreign("XML", _OFFSETS)
    if head.startswith("#format=webanno"):
        return Foreign("WebAnno TSV, as from INCEpTION", _EXPORT_CONLL)
    return None


def _recognise_rows(lines: Sequence[str]) -> Optional[Foreign]:
    """Name what has a word per line, but its tags in another form."""
    tables = [
        line.split("\t") if "\t" in line else line.split() for line in lines if not line.startswith("#")
    ]
    long = [cells for cells in tables if len(cells) > 1]
    if _mostly(long, lambda cells: len(cells) == 10 and cells[0].partition("-")[0].isdigit()) and not _mostly(
        long, lambda cells: looks_like_tag(cells[-1])
    ):
        way = _SPACY_CONVERT.format("conllu")
        if not any(_MISC_TAG.search(cells[-1]) for cells in long):
            way = f"If its last column has the tags as name=B-GEO (or I-, L-, U-, and O), {way}"
        return Foreign("CoNLL-U", way)
    if any(line.startswith("#begin document") for line in lines) or (
        any("(" in cells[-1] and cells[-1] != "(" for cells in long)
        and _mostly(long, lambda cells: len(cells) > 2 and _BRACKETS.fullmatch(cells[-1]) is not None)
    ):
        way = "Write (GPE* as B-GPE, the * and *) behind it as I-GPE, (GPE) as B-GPE, and every other * as O"
        return Foreign("columned text with brackets for entities, as in OntoNotes", way)
    if _mostly(long, lambda cells: len(cells) == 2 and _tags_of_line(cells)):
        return Foreign("text with a sentence and its tags on each line", _ROWS)
    return None


def _tags_of_line(cells: Sequence[str]) -> bool:
    words, tags = cells[0].split(), cells[1].split()
    return len(words) == len(tags) > 1 and all(map(looks_like_tag, tags))


def _recognise_lines(lines: Sequence[str], path: Path) -> Optional[Foreign]:
    """Name what has no columns."""
    if not lines:
        return None
    if _mostly(lines, _ANN.match) and any(line.startswith("T") for line in lines):
        return Foreign("annotation from brat, whose text is in a .txt file", _OFFSETS)
    if _PUBTATOR.match(lines[0]):
        return Foreign("PubTator text", _OFFSETS)
    pieces = [piece for line in lines for piece in line.split()]
    marks = [_ONE_LINE.fullmatch(piece) for piece in pieces]
    if sum(mark is not None for mark in marks) > 0.9 * len(pieces):
        mark = next(mark.group(1) for mark in marks if mark)
        way = _SPACY_CONVERT.format("iob")
        if mark != "|":
            way = f'Write "|" for the "{mark}" before each tag, and {way}'
        return Foreign(f'text with a sentence per line and tags behind "{mark}"', way)
    for separator, name in ((",", "commas"), (";", "semicolons")):
        pairs = [line.split(separator) for line in lines]
        if _mostly(pairs, lambda pair: len(pair) == 2 and looks_like_tag(pair[1].strip())):
            way = f"Write tabs for the {name}, and let its name end in .tsv"
            return Foreign(f"text with {name} between word and tag", way)
    if "sentence #" in lines[0].lower():
        return Foreign(
            'a table with a column "Sentence #"', "Save it with commas between the columns and a name in .csv"
        )
    if sum(_MARKED_UP.search(line) is not None for line in lines) > 0.3 * len(lines):
        return Foreign("running text with entities marked by tags in it", _OFFSETS)
    if sum(_RASA.search(line) is not None for line in lines) > 0.3 * len(lines):
        return Foreign("running text with entities in brackets, as for Rasa", _OFFSETS)
    cells = [_SEPARATORS.split(line.strip()) for line in lines]
    if any(looks_like_tag(row[-1]) for row in cells):
        return None
    if sum(any(cell != "O" and looks_like_tag(cell) for cell in row) for row in cells) > 0.1 * len(lines):
        return None
    annotation = path.with_suffix(".ann")
    if annotation.is_file():
        return Foreign(f"text annotated with brat (in {annotation.name})", _OFFSETS)
    n_pieces, n_characters = len(pieces) / len(lines), sum(map(len, lines)) / len(lines)
    if n_pieces > 3 or (n_pieces < 1.5 and n_characters > 10):  # the latter where there are no blanks
        return Foreign("running text without tags", f"Annotate it. Then: {_OFFSETS}")
    return None


def _mostly(items: Sequence[Any], test: Any) -> bool:
    """Say whether there are items, and nearly all of them pass."""
    return bool(items) and sum(bool(test(item)) for item in items) > 0.9 * len(items)


def looks_columned(data: bytes) -> bool:
    """RETURNS (bool): Whether most lines with more than one word end in a tag."""
    text = data[:_BEGINNING].decode(marked_encoding(data) or "utf-8", "replace")
    rows: List[List[str]] = [line.split() for line in split_lines(text)[:_LINES]]
    return _mostly([cells for cells in rows if len(cells) > 1], lambda cells: any(map(looks_like_tag, cells)))
