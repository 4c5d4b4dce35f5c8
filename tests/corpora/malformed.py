"""Kinds of malformed corpora: what is wrong, what must be said about it, and the same files mended."""

import csv
import gzip
import io
import json
import pickle
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

import spacy
from spacy.tokens import Doc, DocBin, Span

from posattn_spacy.corpora.convert import Account, convert
from posattn_spacy.corpora.read import Format
from posattn_spacy.corpora.sentences import CorpusError

Files = Mapping[str, bytes]
Rows = List[Tuple[str, ...]]

SENTENCE: Rows = [
    ("Mara", "B-PER"),
    ("Quill", "I-PER"),
    ("moved", "O"),
    ("to", "O"),
    ("Oslo", "B-LOC"),
    (".", "O"),
]
N = 20  # sentences
ENTITIES = 2 * N
NLP = spacy.blank("en")


@dataclass(frozen=True)
class Kind:
    """One kind of malformed corpus.

    name (str): What is wrong.
    broken (Mapping[str, bytes]): Its files, by their paths. The first one, or its folder, is converted.
    said (Sequence[str]): What the message must say: file, place and remedy.
    mended (Mapping[str, bytes]): The same files mended; empty if they are as they should be.
    options (Mapping[str, Any]): The options of the command.
    mended_options (Mapping[str, Any]): The right options.
    entities (int): How many entities the mended corpus has.
    """

    name: str
    broken: Files
    said: Sequence[str]
    mended: Files = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    mended_options: Mapping[str, Any] = field(default_factory=dict)
    entities: int = ENTITIES

    def faults(self, folder: Path) -> List[str]:
        """Convert the corpus in a folder, broken and mended; return what is wrong with what comes of it."""
        found = []
        try:
            _convert(self.broken, self.options, folder / "broken")
            found.append("it was converted")
        except CorpusError as error:
            found += [f'"{part}" is not in "{error}"' for part in self.said if part not in str(error)]
            found += [f'"{error}" advises deleting'] * ("elete" in str(error))
        if _read(folder / "broken") != self.broken:
            found.append("files were changed")
        report = _convert(self.mended or self.broken, self.mended_options, folder / "mended")
        if report.read.entities != self.entities:
            found.append(f"mended, it has {report.read.entities} entities, not {self.entities}")
        return found


def _read(folder: Path) -> Dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _convert(files: Files, options: Mapping[str, Any], folder: Path) -> Account:
    """Write files, and convert the first one as the script does, or the folder that it is in."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    named = dict(options)
    source = folder / named.pop("source", next(iter(files)).partition("/")[0])
    out = folder / named.pop("out", "out")
    settings = {key: named.pop(key) for key in ("n_sents", "lang", "shares") if key in named}
    return convert(source, out, Format(**named), **settings)


def rows(sentence: Sequence[Sequence[str]] = SENTENCE, n: int = N) -> List[Sequence[str]]:
    """The rows of a corpus of equal sentences, with an empty row after each."""
    return [row for _ in range(n) for row in (*sentence, ())]


def lines(rows: Sequence[Sequence[str]], separator: str = "\t", end: str = "\n") -> bytes:
    """Rows as columned text."""
    return "".join(separator.join(row) + end for row in rows).encode()


def each(change: Callable[[str, str], Sequence[str]], n: int = N) -> bytes:
    """Columned text with every row changed."""
    return lines(rows([tuple(change(word, tag)) for word, tag in SENTENCE], n))


def with_row(index: int, row: Sequence[str]) -> bytes:
    """Columned text in which one row is another one; index 0 is line 1."""
    changed = list(rows())
    changed[index] = row
    return lines(changed)


def table(header: Sequence[str] = ("Sentence #", "Word", "Tag"), delimiter: str = ",", n: int = N) -> bytes:
    """A csv file of equal sentences."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(header)
    for i in range(n):
        for j, (word, tag) in enumerate(SENTENCE):
            writer.writerow(["" if j else f"Sentence: {i + 1}", word, tag])
    return text.getvalue().encode()


def table_with(line: int, text: str) -> bytes:
    """A csv file with another text in one line, counted from 1."""
    changed = table().decode().split("\n")
    changed[line - 1] = text
    return "\n".join(changed).encode()


def doc(words: Sequence[str], tags: Sequence[str]) -> Doc:
    """An annotated document."""
    return Doc(NLP.vocab, words=list(words), ents=list(tags))


def docs(n: int = N) -> List[Doc]:
    """Annotated documents."""
    words, tags = zip(*SENTENCE, strict=True)
    return [doc(words, tags) for _ in range(n)]


def stored(docs: Sequence[Doc]) -> bytes:
    """Documents as a .spacy file."""
    return DocBin(docs=docs).to_bytes()


def spans_docs(*extra: Tuple[int, int, str], ents: bool = False) -> List[Doc]:
    """Documents with their entities in doc.spans["sc"], and with more spans in the third one."""
    made = []
    for i, each_doc in enumerate(docs()):
        spans = list(each_doc.ents)
        if i == 2:
            spans += [Span(each_doc, start, end, label=label) for start, end, label in extra]
        each_doc.spans["sc"] = spans
        if not ents:
            each_doc.ents = []
        made.append(each_doc)
    return made


def offsets_lines(texts: Sequence[Tuple[str, Sequence[Tuple[int, int, str]]]]) -> bytes:
    """What the messages advise for texts with the places of their entities."""
    return b"".join(json.dumps({"text": text, "label": places}).encode() + b"\n" for text, places in texts)


def archive(files: Files) -> bytes:
    """Files as a zip archive."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        for name, content in files.items():
            file.writestr(name, content)
    return data.getvalue()


TEXT = "Mara Quill moved to Oslo."
UNSPACED = "\u5c0f\u660e\u53bb\u4e86\u5317\u4eac\u770b\u671b\u670b\u53cb\u548c\u5bb6\u4eba\u3002\n"
PLACES = ((0, 10, "PER"), (20, 24, "LOC"))
MADE = {"corpus.jsonl": offsets_lines([(TEXT, PLACES)] * N)}
PLAIN = lines(rows())
PARTS = {f"own/{part}.conll": PLAIN for part in ("train", "dev", "test")}
OFFSETS = ("as JSONL", '{"text": "Ann left Oslo", "label": [[0, 3, "PER"]')
TOKENS = ("Doc(nlp.vocab, words=tokens, ents=", "DocBin(docs=docs)")


def records(record: Mapping[str, Any]) -> bytes:
    """Lines of JSON."""
    return (json.dumps(record) + "\n").encode() * N


def in_parts(**changed: bytes) -> Dict[str, bytes]:
    """A folder with a file for each part, some of them changed."""
    return {**PARTS, **{f"own/{name}.conll": content for name, content in changed.items()}}


def conll(name: str, broken: bytes, *said: str, mended: bytes = PLAIN, **options: Any) -> Kind:
    """A kind of malformed columned text."""
    return Kind(name, {"own.conll": broken}, ["own.conll", *said], {"own.conll": mended}, options)


def tabled(name: str, broken: bytes, *said: str, mended: bytes = table()) -> Kind:
    """A kind of malformed table."""
    return Kind(name, {"own.csv": broken}, ["own.csv", *said], {"own.csv": mended})


def foreign(name: str, files: Files, *said: str, mended: Files = MADE) -> Kind:
    """A file in a format that is not read, and what becomes of it on the way that the message shows."""
    return Kind(name, files, [next(iter(files)).partition("/")[0], "is not read", *said], mended)


TABLES = [
    tabled(
        "csv: semicolons", table(delimiter=";"), "line 1", "not semicolons: save it anew, comma delimited"
    ),
    tabled("csv: tabs", table(delimiter="\t"), "line 1", "not tabs: save it anew, comma delimited"),
    tabled(
        "csv: no header", table().partition(b"\n")[2], "line 1", "The first row must name Sentence #, Word"
    ),
    tabled("csv: no column Tag", table(("Sentence #", "Word", "X")), "line 1", "Tag (found", "must name"),
    tabled(
        "csv: column twice",
        table(("Sentence #", "Word", "Tag")).replace(b"\n", b",Tag\n", 1),
        "line 1",
        "several columns are called Tag. Give all but one",
    ),
    tabled("csv: short row", table_with(3, ",Quill"), "line 3: missing columns", "Complete the row"),
    tabled(
        "csv: long row",
        table_with(4, ",1,000,O"),
        "line 4: the row has 4 columns",
        'into "quotes"',
        mended=table_with(4, ',"1,000",O'),
    ),
    tabled(
        "csv: stray quotation mark",
        table_with(4, ',",O'),
        "line 4",
        "A quotation mark is written as",
        mended=table_with(4, ',"""",O'),
    ),
    tabled("csv: word over lines", table_with(4, ',"a\nb",O'), "line 4: the word runs over several lines"),
    tabled(
        "csv: tag that continues nothing",
        table_with(2, "Sentence: 1,Mara,I-PER"),
        'line 2: "I-PER" continues no',
        "Correct the tag",
    ),
    tabled(
        "csv: unknown prefix",
        table_with(2, "Sentence: 1,Mara,X-PER"),
        'line 2: "X-PER" is no IOB2 tag',
        "such as B-geo",
    ),
    tabled("csv: empty tag", table_with(4, ",moved,"), 'line 4: "" is no IOB2 tag', "Write O"),
    tabled("csv: empty word", table_with(4, ",,O"), "line 4: the word is empty", "Fill it in"),
    tabled("csv: no first number", table_with(2, ",Mara,B-PER"), "line 2", "Write a number of its own"),
    tabled(
        "csv: number used twice",
        table_with(14, "Sentence: 1,Mara,B-PER"),
        'line 14: "Sentence: 1"',
        "since line 2",
        "Write a number",
    ),
    tabled(
        "csv: damaged UTF-8",
        table_with(4, ",caf\u00e9,O").replace(b"to", b"t\x92"),
        "line 5: byte 0x92 is not utf-8",
        "--encoding",
    ),
    tabled(
        "csv: no encoding fits",
        table_with(4, ",moved,O").replace(b"moved", b"mo\x81ved", 1),
        "line 4: byte 0x81",
        "--encoding",
    ),
    tabled(
        "csv: UTF-16 without a mark",
        table().decode().encode("utf-16-le"),
        "every other byte is zero",
        "--encoding utf-16-le",
    ),
    tabled("csv: zero byte", table_with(4, ",mo\0ved,O"), "line 4: a zero byte", "Write the file anew"),
    tabled("csv: columned text", PLAIN, "words and tags, but no commas", "end in .conll"),
    tabled(
        "csv: word and tag alone", lines(rows(), ","), "text with commas between word and tag", "Write tabs"
    ),
    tabled("csv: JSON", records({"text": TEXT, "label": PLACES}), "JSON with texts", "ends in .json"),
    tabled(
        "csv: an Excel workbook",
        archive({"xl/workbook.xml": b""}),
        "a spreadsheet",
        "Save the table as csv",
    ),
    tabled("csv: empty", b"", "line 1: missing columns", "must name"),
    tabled(
        "csv: texts",
        b"text,start,end,label\nMara Quill moved to Oslo.,0,10,PER\n" * N,
        "line 1: missing columns",
        "one word with its tag, not a text",
        *OFFSETS,
    ),
    tabled(
        "csv: header alone", b"Sentence #,Word,Tag\n", "the train part", "has no sentence", "Give a corpus"
    ),
    tabled(
        "csv: the digit zero for O", table_with(4, ",moved,0"), 'line 4: "0" is no IOB2 tag', "the digit zero"
    ),
    tabled(
        "csv: entity without its end",
        table()
        .replace(b"Mara,B-PER", b"Mara,U-PER")
        .replace(b"Oslo,B-LOC", b"Oslo,U-LOC")
        .replace(b"I-PER", b"B-PER"),
        'line 3: "B-PER" is not followed by its end',
        "Correct the tag",
    ),
]
COLUMNED = [
    conll(
        "encoding: Latin-1",
        with_row(3, ("Zo\u00eb", "O")).decode().encode("latin-1"),
        "line 4: byte 0xeb is not utf-8",
        "--encoding",
    ),
    conll(
        "encoding: UTF-16 without a mark",
        PLAIN.decode().encode("utf-16-be"),
        "every other byte is zero",
        "--encoding utf-16-be",
    ),
    conll(
        "encoding: another one than the mark says",
        b"\xef\xbb\xbf" + PLAIN,
        "line 1",
        "byte-order mark of utf-8",
        "Leave --encoding out",
        encoding="cp1252",
    ),
    Kind(
        "encoding: unknown",
        {"own.conll": PLAIN},
        ['no encoding "utf-9"', "--encoding utf-8"],
        {},
        {"encoding": "utf-9"},
    ),
    conll("encoding: not of this text", PLAIN + b"x", "is not utf-16 text", "--encoding", encoding="utf-16"),
    conll("encoding: zero byte", with_row(3, ("t\0o", "O")), "line 4: a zero byte", "Write the file anew"),
    conll("rows: a word without a tag", with_row(3, ("to",)), "line 4: missing columns", "--tag-column"),
    conll(
        "rows: marks between sentences",
        PLAIN.replace(b"\n\n", b"\nEOS\n"),
        "line 7: missing columns, found only 1",
        "put a blank line in its place",
    ),
    conll(
        "rows: no O at all",
        each(lambda word, tag: (word,) if tag == "O" else (word, tag)),
        "line 3: the row has no tag",
        "Write O",
    ),
    conll(
        "rows: empty tags for O",
        each(lambda word, tag: (word, "" if tag == "O" else tag)),
        "line 3: the row has no tag",
        "Write O",
    ),
    conll(
        "rows: a blank in a word",
        lines(rows([("New York", "B-LOC"), *SENTENCE], 1), " ") + lines(rows(), " "),
        "line 1: the row has 3 columns, most rows have 2",
        "put a tab",
        mended=PLAIN,
    ),
    conll(
        "rows: one column too few",
        each(lambda w, t: (w, "X", t)).replace(b"moved\tX\t", b"moved\t", 1),
        "line 3: the row has 2 columns, most rows have 3",
        "Complete the row",
    ),
    conll(
        "rows: one column too many",
        with_row(2, ("moved", "O", "sic")),
        "line 3: the row has 3 columns",
        "--tag-column",
    ),
    conll("rows: no word", with_row(2, ("", "O")), "line 3: the word is empty", "Fill it in"),
    conll(
        "rows: a line separator for a word",
        with_row(2, ("\u2028", "O")),
        "line 3: the word is white space alone (U+2028)",
        "Fill it in",
    ),
    conll(
        "rows: a no-break space for a word",
        with_row(2, ("\u00a0", "O")),
        "line 3: the word is white space alone (U+00A0)",
        "Fill it in",
    ),
    conll(
        "sentences: no blank lines",
        PLAIN.replace(b"\n\n", b"\n") * 2,
        "line 1: a sentence of 240 words",
        "Put a blank line",
    ),
    conll(
        "sentences: a blank line after each word",
        PLAIN.replace(b"\n", b"\n\n"),
        "line 2: there is a blank line after every word",
        "Leave a blank line after each sentence alone",
    ),
    conll(
        "sentences: too few",
        lines(rows(n=1)),
        "the train part",
        "has no sentence",
        "a blank line ends a sentence",
    ),
    conll(
        "tags: one that continues nothing",
        with_row(0, ("Mara", "I-PER")),
        'line 1: "I-PER" continues no entity',
        "Correct the tag",
    ),
    conll(
        "tags: an entity without its end",
        each(lambda w, t: (w, t.replace("B-LOC", "U-LOC").replace("I-PER", "L-PER"))).replace(
            b"Quill\tL-PER", b"Quill\tO", 1
        ),
        'line 1: "B-PER" is not followed by its end',
        "Correct the tag",
    ),
    conll(
        "tags: without prefixes",
        each(lambda w, t: (w, t.removeprefix("B-").removeprefix("I-"))),
        'line 1: "PER" is no',
        "write I- before each but O",
    ),
    conll(
        "tags: with hyphens, but without prefixes",
        each(lambda w, t: (w, t.replace("B-", "person-").replace("I-", "person-"))),
        'line 1: "person-PER" is no',
        "write I- before each but O",
    ),
    conll(
        "tags: without types",
        each(lambda w, t: (w, t[0])),
        'line 1: "B" is no',
        "write one behind each B and I",
    ),
    conll(
        "tags: small letters", each(lambda w, t: (w, t.lower())), 'line 1: "b-per" is no', "capital letters"
    ),
    conll(
        "tags: underscores",
        each(lambda w, t: (w, t.replace("-", "_"))),
        'line 1: "B_PER" is no',
        "there is a hyphen",
    ),
    conll(
        "tags: prefix behind",
        each(lambda w, t: (w, "-".join(reversed(t.split("-"))))),
        'line 1: "PER-B" is no',
        "The prefix stands before the type",
    ),
    conll("tags: zero for O", with_row(3, ("to", "0")), 'line 4: "0" is no', "the digit zero"),
    conll(
        "tags: quotation marks",
        each(lambda w, t: (f'"{w}"', f'"{t}"')),
        "is no IOB2 tag",
        "Leave the quotation marks out",
    ),
    conll(
        "tags: several for a word",
        with_row(4, ("Oslo", "B-LOC|B-ORG")),
        'line 5: "B-LOC|B-ORG" is no IOB2 tag',
        "several tags in it",
    ),
    conll(
        "tags: an invisible character",
        with_row(4, ("Oslo", "B-LOC\u200b")),
        "line 5",
        "invisible characters in it (U+200B)",
    ),
    conll(
        "columns: confidence last",
        each(lambda w, t: (w, t, "0.98")),
        'line 1: the last column has no tags (but "0.98")',
        "Pass --tag-column 1",
    ),
    conll(
        "columns: tags first",
        each(lambda w, t: (t, w)),
        "line 1: the last column has no tags",
        "Pass --word-column 1 and --tag-column 0",
    ),
    conll(
        "columns: numbers of words first",
        lines(rows([(str(i + 1), *row) for i, row in enumerate(SENTENCE)])),
        "line 1: column 0 counts the words",
        "Pass --word-column 1 and --tag-column 2",
    ),
    conll(
        "columns: name of the document first",
        each(lambda w, t: ("bc/x", w, t)),
        'line 1: column 0 is the same from row to row ("bc/x")',
        "Pass --word-column 1 and --tag-column 2",
    ),
    conll(
        "columns: two with tags",
        lines(rows([(str(i + 1), *row, "O") for i, row in enumerate(SENTENCE)])),
        "line 1",
        "--word-column 1 and --tag-column with 2 or 3",
    ),
    conll(
        "columns: one that is not there",
        PLAIN,
        "line 1: missing columns, found only 2",
        "--tag-column",
        tag_column=5,
    ),
    conll(
        "columns: another one than the tags'",
        each(lambda w, t: (w, t, "x")),
        'line 1: column 2 has no tags (but "x")',
        "Pass --tag-column 1",
        tag_column=2,
    ),
    conll("columns: commas", lines(rows(), ","), "text with commas", "Write tabs for the commas"),
    conll("columns: semicolons", lines(rows(), ";"), "text with semicolons", "Write tabs for the semicolons"),
    conll("no entity", each(lambda w, t: (w, "O")), "the train part", "has no entity", "--tag-column"),
    conll("empty", b"", "empty corpus, the train part", "Give a corpus"),
    conll("blank", b" \n\t\n\f\n\xef\xbb\xbf\n", "empty corpus, the train part", "Give a corpus"),
]
SPACY2 = [
    {
        "id": 0,
        "paragraphs": [
            {
                "sentences": [
                    {
                        "tokens": [
                            {"id": 0, "orth": "Mara", "ner": "U-PER"},
                            {"id": 1, "orth": "moved", "ner": "O"},
                        ]
                    }
                ]
            }
        ]
        * N,
    }
]
CONLLU = lines(
    rows(
        [
            (str(i + 1), word, "_", "X", "_", "_", "0", "dep", "_", tag if tag == "O" else f"name={tag}")
            for i, (word, tag) in enumerate(SENTENCE)
        ]
    )
)
BRACKETED = lines(
    rows(
        [
            ("bc/x", "0", str(i), word, {"O": "*", "I-PER": "*)", "B-PER": "(PER*", "B-LOC": "(LOC)"}[tag])
            for i, (word, tag) in enumerate(SENTENCE)
        ]
    )
)
PIPED = (" ".join("|".join(row) for row in SENTENCE) + "\n").encode() * N
FOREIGN = [
    foreign(
        "JSON from spaCy 2",
        {"own.json": json.dumps(SPACY2).encode()},
        "JSON from spaCy 2",
        "spacy convert",
        "--converter json",
    ),
    foreign("JSON with other keys", {"own.json": b'{"a": 1, "b": {"c": []}}'}, "JSON with a, b", *OFFSETS),
    foreign(
        "JSON: what a conversion wrote",
        {"own.json": b'{"n_sents": 1, "read": {}, "splits": {}, "cut_off": null}'},
        "account of a conversion",
        "Pass what was converted",
    ),
    foreign(
        "CoNLL-U",
        {"own.conllu": b"# sent_id = 1\n" + CONLLU},
        "CoNLL-U",
        "spacy convert",
        "--converter conllu",
    ),
    foreign(
        "CoNLL-U with another ending",
        {"own.conll": b"# sent_id = 1\n" + CONLLU},
        "CoNLL-U",
        "own.conll . --converter conllu",
    ),
    foreign("CoNLL-U without tags", {"own.conll": CONLLU.replace(b"name=", b"x=")}, "CoNLL-U", "name=B-GEO"),
    foreign(
        "brackets of OntoNotes",
        {"own.conll": BRACKETED},
        "brackets",
        "Write (GPE* as B-GPE",
        mended={"own.conll": each(lambda w, t: (w, t))},
    ),
    foreign(
        "words and tags in a line, bars", {"own.iob": PIPED}, 'behind "|"', "spacy convert", "--converter iob"
    ),
    foreign(
        "words and tags in a line, slashes",
        {"own.txt": PIPED.replace(b"|", b"/")},
        'behind "/"',
        'Write "|" for the "/"',
    ),
    foreign(
        "a sentence and its tags in a line",
        {"own.tsv": b"Mara Quill moved\tB-PER I-PER O\n" * N},
        "a sentence and its tags",
        "a line of its own",
        mended={"own.tsv": PLAIN},
    ),
    foreign(
        "tags on a line below each sentence",
        {"own.txt": b"Mara Quill moved\nB-PER I-PER O\n\n" * N},
        "the tags on a line of their own below each sentence",
        "a line of its own",
        mended={"own.txt": PLAIN},
    ),
    foreign(
        "a sentence and its tags between bars",
        {"own.txt": b"Mara Quill moved ||| B-PER I-PER O\n" * N},
        "a sentence and its tags on each line",
        "a line of its own",
        mended={"own.txt": PLAIN},
    ),
    foreign(
        "a table with tabs",
        {"own.tsv": table(delimiter="\t")},
        'a column "Sentence #"',
        "name in .csv",
        mended={"own.csv": table()},
    ),
    foreign(
        "Python for spaCy 2",
        {"own.txt": b'TRAIN_DATA = [\n    ("Mara Quill moved.", {"entities": [(0, 10, "PER")]}),\n]\n'},
        "Python with pairs",
        *OFFSETS,
    ),
    foreign(
        "PubTator",
        {"own.txt": b"12|t|Mara moved\n12|a|Mara Quill moved to Oslo.\n12\t0\t4\tMara\tPER\n" * N},
        "PubTator",
        *OFFSETS,
    ),
    foreign(
        "WebAnno",
        {"own.tsv": b"#FORMAT=WebAnno TSV 3.2\n\n1-1\t0-4\tMara\tPER\n"},
        "WebAnno",
        "CoNLL 2002",
        mended={"own.conll": PLAIN},
    ),
    foreign("XML", {"own.xml": b"<?xml version='1.0'?><doc><PER>Mara</PER> moved</doc>"}, "XML", *OFFSETS),
    foreign(
        "text with entities marked up",
        {"own.txt": b"<PER>Mara Quill</PER> moved to <LOC>Oslo</LOC>.\n" * N},
        "marked by tags",
        *OFFSETS,
    ),
    foreign(
        "text for Rasa", {"own.md": b"- [Mara Quill](PER) moved to [Oslo](LOC)\n" * N}, "for Rasa", *OFFSETS
    ),
    foreign("running text", {"own.txt": (TEXT + "\n").encode() * N}, "running text", "Annotate it", *OFFSETS),
    foreign(
        "running text without spaces",
        {"own.txt": UNSPACED.encode() * N},
        "running text",
        "Annotate it",
        *OFFSETS,
    ),
    foreign(
        "a web page",
        {"own.conll": b"<!DOCTYPE html>\n<html><body>404</body></html>"},
        "a web page",
        "Fetch the file itself",
        mended={"own.conll": PLAIN},
    ),
    foreign(
        "a pointer of Git LFS",
        {"own.conll": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"},
        "Git LFS",
        "git lfs pull",
        mended={"own.conll": PLAIN},
    ),
    foreign("a pickle", {"own.pkl": pickle.dumps([TEXT])}, "a pickle", "can run any code", "DocBin"),
    foreign(
        "a folder of Hugging Face's",
        {"own/dataset_info.json": b"{}", "own/data-00000-of-00001.arrow": b"ARROW1"},
        "Hugging Face",
        "names[n]",
        *TOKENS,
    ),
    foreign(
        "gzip",
        {"own.conll.gz": gzip.compress(PLAIN, mtime=0)},
        "packed with gzip",
        "Unpack it",
        mended={"own.conll": PLAIN},
    ),
    foreign(
        "an Excel workbook",
        {"own.xlsx": archive({"xl/workbook.xml": b""})},
        "a spreadsheet",
        "Save the table as csv",
        mended={"own.csv": table()},
    ),
    foreign(
        "a zip archive under another name",
        {"own.conll": archive({"a.conll": PLAIN})},
        "a zip archive",
        "Unpack it",
        mended={"own.conll": PLAIN},
    ),
    Kind(
        "unknown ending",
        {"own.xyz": b"nothing\n"},
        ["own.xyz", 'ending in ".xyz"', "Let its name end in"],
        {"own.conll": PLAIN},
    ),
]
OVERLAPPING = spans_docs((1, 3, "ORG"))
STORED = [
    Kind(
        ".spacy: another file",
        {"own.spacy": b"hello"},
        ["own.spacy is no .spacy file", "DocBin"],
        {"own.spacy": stored(docs())},
    ),
    Kind(
        ".spacy: JSON",
        {"own.spacy": records({"text": TEXT, "label": PLACES})},
        ["own.spacy is JSON with texts", "ends in .json or .jsonl"],
        {"own.jsonl": records({"text": TEXT, "label": PLACES})},
    ),
    Kind(
        ".spacy: cut short",
        {"own.spacy": stored(docs())[:-20]},
        ["own.spacy is no .spacy file", "Write it anew"],
        {"own.spacy": stored(docs())},
    ),
    Kind(
        ".spacy: not annotated",
        {"own.spacy": stored([*docs(2), NLP.make_doc(TEXT), *docs(N - 2)])},
        ["own.spacy, document 3", "Set doc.ents"],
        {"own.spacy": stored(docs())},
    ),
    Kind(
        ".spacy: entities in doc.spans",
        {"own.spacy": stored(spans_docs())},
        ["own.spacy", 'doc.spans["sc"] (40)', "--spans-key sc"],
        mended_options={"spans_key": "sc"},
    ),
    Kind(
        ".spacy: no such key",
        {"own.spacy": stored(spans_docs())},
        ["own.spacy", "The keys are: sc", "--spans-key"],
        options={"spans_key": "xx"},
        mended_options={"spans_key": "sc"},
    ),
    Kind(
        ".spacy: spans overlap",
        {"own.spacy": stored(OVERLAPPING)},
        [
            "own.spacy, document 3",
            '"Mara Quill" (PER) and "Quill moved" (ORG) overlap',
            "keep one of the two",
        ],
        {"own.spacy": stored(spans_docs())},
        {"spans_key": "sc"},
        {"spans_key": "sc"},
    ),
    Kind(
        ".spacy: a span without a label",
        {"own.spacy": stored(spans_docs((2, 3, "")))},
        ["own.spacy, document 3", '"moved" has no label', "Give it one"],
        {"own.spacy": stored(spans_docs())},
        {"spans_key": "sc"},
        {"spans_key": "sc"},
    ),
    Kind(
        ".spacy: no entity",
        {"own.spacy": stored([doc(["a"], ["O"])] * N)},
        ["own.spacy", "has no entity", "--spans-key"],
        {"own.spacy": stored(docs())},
    ),
    Kind(
        "zip: damaged",
        {"own.zip": archive({"own.csv": table()})[:-30]},
        ["own.zip is no intact zip archive", "Fetch it again"],
        {"own.zip": archive({"own.csv": table()})},
    ),
    Kind(
        "zip: two tables",
        {"own.zip": archive({"a.csv": table(), "b.csv": table()})},
        ["own.zip", "a.csv, b.csv", "Unpack it"],
        {"a.csv": table()},
    ),
    Kind(
        "zip: no table",
        {"own.zip": archive({"train.conll": PLAIN})},
        ["own.zip", "train.conll", "Unpack it"],
        {"own.conll": PLAIN},
    ),
    Kind(
        "zip: empty",
        {"own.zip": archive({})},
        ["own.zip", "holds: nothing", "Unpack it"],
        {"own.zip": archive({"own.csv": table()})},
    ),
]
WITHOUT_DEV = {name: content for name, content in PARTS.items() if "dev" not in name}
FOLDERS = [
    Kind(
        "folder: no train",
        {"own/a.conll": PLAIN, "own/b.conll": PLAIN},
        ["own has no file for train", "a.conll, b.conll", "named train.*"],
        PARTS,
        entities=3 * ENTITIES,
    ),
    Kind(
        "folder: folders within",
        {"own/train/a.conll": PLAIN},
        ["own has no file for train", "train/", "named train.*"],
        PARTS,
        entities=3 * ENTITIES,
    ),
    Kind(
        "folder: no dev",
        WITHOUT_DEV,
        ["own has train.conll, test.conll, but nothing for dev", "--dev-share 0.1"],
        mended_options={"shares": {"dev": 0.1}},
        entities=2 * ENTITIES,
    ),
    Kind(
        "folder: train alone",
        {"own/train.conll": PLAIN},
        ["own has train.conll", "dev and test", "--dev-share 0.1 --test-share 0.1"],
        mended_options={"shares": {"dev": 0.1, "test": 0.2}},
    ),
    Kind(
        "folder: two for dev",
        {**PARTS, "own/valid.conll": PLAIN},
        ["own has several files for dev: dev.conll, valid.conll", "Keep one"],
        PARTS,
        entities=3 * ENTITIES,
    ),
    Kind(
        "folder: a file for two parts",
        {**WITHOUT_DEV, "own/train_dev.conll": PLAIN},
        ["train_dev.conll", "dev and train", "Name it after one"],
        PARTS,
        entities=3 * ENTITIES,
    ),
    Kind(
        "folder: an empty part",
        in_parts(dev=b"\n"),
        ["own", "the dev part", "Give a corpus"],
        PARTS,
        entities=3 * ENTITIES,
    ),
    Kind(
        "folder: no entity in train",
        in_parts(train=each(lambda w, t: (w, "O"))),
        ["own", "the train part", "has no entity", "--tag-column"],
        PARTS,
        entities=3 * ENTITIES,
    ),
    Kind(
        "folder: a fault in a part",
        in_parts(test=with_row(3, ("to",))),
        ["test.conll, line 4: missing columns", "--tag-column"],
        PARTS,
        entities=3 * ENTITIES,
    ),
    Kind(
        "folder: share for a part that is there",
        PARTS,
        ["dev.conll already", "Leave --dev-share out"],
        options={"shares": {"dev": 0.1}},
        entities=3 * ENTITIES,
    ),
    Kind(
        "folder: no share",
        WITHOUT_DEV,
        ["--dev-share is 10", "between 0 and 1"],
        options={"shares": {"dev": 10.0}},
        mended_options={"shares": {"dev": 0.1}},
        entities=2 * ENTITIES,
    ),
    Kind(
        "folder: shares of everything",
        {"own/train.conll": PLAIN},
        ["--dev-share and --test-share leave nothing of train", "Give smaller shares"],
        options={"shares": {"dev": 0.5, "test": 0.5}},
        mended_options={"shares": {"dev": 0.2, "test": 0.2}},
    ),
    Kind(
        "folder: nothing in it",
        {"own/.hidden": b""},
        ["own has no file for train", "named train.*"],
        PARTS,
        entities=3 * ENTITIES,
    ),
]
OPTIONS = [
    Kind(
        "option: --tag-column for a table",
        {"own.csv": table()},
        ["own.csv", "--tag-column are for columned text", "Leave them out"],
        options={"tag_column": 2},
    ),
    Kind(
        "option: --tag-column for .spacy",
        {"own.spacy": stored(docs())},
        ["own.spacy", "Leave them out"],
        options={"tag_column": 2},
    ),
    Kind(
        "option: --spans-key for text",
        {"own.conll": PLAIN},
        ["own.conll", "--spans-key is for .spacy", "Leave it out"],
        options={"spans_key": "sc"},
    ),
    Kind(
        "option: --dev-share for a file",
        {"own.conll": PLAIN},
        ["own.conll", "Leave --dev-share out"],
        options={"shares": {"dev": 0.1}},
    ),
    Kind(
        "option: unknown language",
        {"own.conll": PLAIN},
        ['no language "xyz"', "--lang"],
        options={"lang": "xyz"},
    ),
    Kind(
        "option: no sentences per document",
        {"own.conll": PLAIN},
        ["--n-sents is 0", "at least one"],
        options={"n_sents": 0},
    ),
    Kind(
        "path: nothing there",
        {"own.conll": PLAIN},
        ["no corpus", "other.conll", "Check the path"],
        options={"source": "other.conll"},
    ),
    Kind(
        "path: the corpus would be replaced",
        {"out/given/train.conll": PLAIN, "out/given/dev.conll": PLAIN, "out/given/test.conll": PLAIN},
        ["whose files are replaced", "Give another folder"],
        options={"source": "out/given"},
        mended_options={"source": "out/given", "out": "elsewhere"},
        entities=3 * ENTITIES,
    ),
    Kind(
        "path: a file where the folder shall be",
        {"own.conll": PLAIN, "taken": b""},
        ["taken is a file, where a folder is needed", "Write to another folder"],
        options={"out": "taken"},
    ),
    Kind(
        "path: a file above the folder",
        {"own.conll": PLAIN, "taken": b""},
        ["taken is a file, where a folder is needed", "Write to another folder"],
        options={"out": "taken/out"},
    ),
    Kind(
        "path: a folder where the file shall be",
        {"own.conll": PLAIN, "taken/corpus.json/x": b""},
        ["corpus.json is a folder, where a file is needed", "Write to another folder"],
        options={"out": "taken"},
    ),
    Kind(
        "path: an account that is none",
        {"own.conll": PLAIN, "taken/corpus.json": b"[]"},
        ["corpus.json is there already", "Write to another folder, or move it"],
        options={"out": "taken"},
    ),
    Kind(
        "path: documents of others",
        {"own.conll": PLAIN, "taken/file-order/dev.spacy": stored(docs())},
        ["dev.spacy is there already", "Write to another folder, or move it"],
        options={"out": "taken"},
    ),
]
KINDS: List[Kind] = [*TABLES, *COLUMNED, *FOREIGN, *STORED, *FOLDERS, *OPTIONS]
