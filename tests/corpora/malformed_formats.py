"""Kinds of malformed exports of annotation tools, and the same files mended."""

import io
import json
from typing import Any, Dict, List, Mapping, Sequence

import pyarrow
import pyarrow.parquet
from malformed import PLACES, SENTENCE, TEXT, Kind, N

Record = Dict[str, Any]
WORDS, TAGS = map(list, zip(*SENTENCE, strict=True))
NAMES = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
NUMBERS = [NAMES.index(tag) for tag in TAGS]
DOCCANO: Record = {"id": 1, "text": TEXT, "label": [list(place) for place in PLACES]}
SPANS = [{"start": start, "end": end, "label": label} for start, end, label in PLACES]
PRODIGY: Record = {"text": TEXT, "spans": SPANS, "answer": "accept", "_annotator_id": "a"}
ANN = b"T1\tPER 0 10\tMara Quill\nT2\tLOC 20 24\tOslo\n"


def result(start: int, end: int, label: str, **more: Any) -> Record:
    value = {"start": start, "end": end, "text": TEXT[start:end], "labels": [label]}
    return {"type": "labels", "from_name": "label", "to_name": "text", "value": value, **more}


HTML = {"start": "/div[1]/p[2]/text()[1]", "end": "/div[1]/p[2]/text()[1]", "startOffset": 0, "endOffset": 4}
RESULTS = [result(*place) for place in PLACES]
TASK: Record = {"id": 7, "data": {"text": TEXT}, "annotations": [{"completed_by": 1, "result": RESULTS}]}


def by_lines(*records: Record, then: Record, n: int = N) -> bytes:
    """Records, and after them others that are right, on a line each."""
    return "".join(json.dumps(each) + "\n" for each in [*records, *[then] * (n - len(records))]).encode()


def listed(*records: Record) -> bytes:
    """Tasks, and after them others that are right, as a list."""
    return json.dumps([*records, *[TASK] * (N - len(records))]).encode()


def lines(name: str, record: Record, *said: str, right: Record = DOCCANO, **options: Any) -> Kind:
    """A fault in the first line of a .jsonl file."""
    broken, mended = by_lines(record, then=right), by_lines(then=right)
    return Kind(name, {"own.jsonl": broken}, ["own.jsonl, line 1", *said], {"own.jsonl": mended}, options)


def task(name: str, record: Record, *said: str, **options: Any) -> Kind:
    """A fault in the first task of Label Studio."""
    named = {"own.json": listed(record)}
    return Kind(name, named, ["own.json", *said], {"own.json": listed()}, options)


def brat(name: str, files: Mapping[str, bytes], *said: str) -> Kind:
    """A fault in the first text of a folder of brat."""
    whole = {
        f"own/{i:02}.{end}": content
        for i in range(N)
        for end, content in (("txt", TEXT.encode()), ("ann", ANN))
    }
    missing = {path for path, content in files.items() if not content}
    broken = {path: content for path, content in {**whole, **files}.items() if path not in missing}
    return Kind(name, broken, said, whole)


def parquet(rows: Sequence[Record], names: Sequence[str] | None = None) -> bytes:
    """Rows as a Parquet file, as Hugging Face's datasets write it."""
    table = pyarrow.Table.from_pylist(list(rows))
    if names is not None:
        features = {
            "ner_tags": {"feature": {"names": list(names), "_type": "ClassLabel"}, "_type": "Sequence"}
        }
        about = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": about})
    data = io.BytesIO()
    pyarrow.parquet.write_table(table, data)
    return data.getvalue()


DOCCANO_KINDS = [
    lines("doccano: a label is a number", {**DOCCANO, "label": [[0, 4, 3]]}, "a number as label", "names"),
    lines("doccano: an entity without label", {**DOCCANO, "label": [[0, 4]]}, "is no entity", "[start, end"),
    lines(
        "doccano: a place is a text", {**DOCCANO, "label": [["0", "4", "X"]]}, "does not say where it stands"
    ),
    lines("doccano: a label is empty", {**DOCCANO, "label": [[0, 4, ""]]}, "has no label"),
    lines("doccano: no text", {"id": 1, "label": []}, 'it has no "text"', "Its keys are id, label"),
    lines("doccano: text is null", {**DOCCANO, "text": None}, 'it has no "text"'),
    Kind(
        "doccano: a line breaks off",
        {"own.jsonl": by_lines(then=DOCCANO)[:-9]},
        ["own.jsonl, line 20: this is no JSON", "get it anew"],
        {"own.jsonl": by_lines(then=DOCCANO)},
    ),
    Kind(
        "doccano: a line is no record",
        {"own.jsonl": b'"Mara"\n' + by_lines(then=DOCCANO)},
        ["own.jsonl, line 1", "no record"],
        {"own.jsonl": by_lines(then=DOCCANO)},
    ),
]
DOCCANO_KINDS += [
    Kind(
        "JSON: several lists of records",
        {"own.json": json.dumps({"train": [DOCCANO] * N, "dev": [DOCCANO], "meta": 1}).encode()},
        ["own.json has several lists of records: train, dev", "train.json"],
        {"own.json": json.dumps({"train": [DOCCANO] * N, "meta": 1}).encode()},
    ),
]
PRODIGY_KINDS = [
    lines(
        "prodigy: an unknown answer", {**PRODIGY, "answer": "maybe"}, "the answer is 'maybe'", right=PRODIGY
    ),
    lines(
        "prodigy: a span without label",
        {**PRODIGY, "spans": [{"start": 0, "end": 4}]},
        "has no label",
        right=PRODIGY,
    ),
    lines(
        "prodigy: a span without end",
        {**PRODIGY, "spans": [{"start": 0, "label": "PER"}]},
        "does not say where it stands",
        right=PRODIGY,
    ),
    lines("prodigy: no text", {"spans": [], "answer": "accept"}, 'it has no "text"', right=PRODIGY),
    Kind(
        "prodigy: annotators differ",
        {
            "own.jsonl": by_lines(
                {**PRODIGY, "text": "Oslo.", "spans": []},
                {**PRODIGY, "text": "Oslo.", "spans": SPANS[:1], "_annotator_id": "b"},
                then=PRODIGY,
            )
        },
        ["own.jsonl: 1 of 2 texts", "by a, b", "--annotator"],
        {"own.jsonl": by_lines(then=PRODIGY)},
    ),
    Kind(
        "prodigy: nobody of that name has answered",
        {"own.jsonl": by_lines({**PRODIGY, "_view_id": "ner"}, then=PRODIGY)},
        ["own.jsonl: nobody called c", "from a"],
        options={"annotator": "c"},
        mended_options={"annotator": "a"},
    ),
    Kind(
        "prodigy: all was ignored",
        {"own.jsonl": by_lines(then={**PRODIGY, "answer": "ignore"})},
        ["own.jsonl: empty corpus", "ignored, and left out: 20 of 20"],
        {"own.jsonl": by_lines(then=PRODIGY)},
    ),
    lines("prodigy: a span is a number", {**PRODIGY, "spans": [3]}, "3 is no entity", right=PRODIGY),
]
OTHERS = {**TASK["annotations"][0], "completed_by": {"id": 2, "email": "b@x"}, "result": RESULTS[:1]}
STUDIO_KINDS = [
    task(
        "label studio: annotators differ",
        {**TASK, "annotations": [*TASK["annotations"], OTHERS]},
        "1 of 20 texts",
        "by 1, b@x",
        "--annotator",
    ),
    task("label studio: nobody is called so", TASK, "nobody called c", "from 1", annotator="c"),
    task(
        "label studio: HTML",
        {**TASK, "annotations": [{"result": [{**RESULTS[0], "type": "hypertextlabels"}]}]},
        "record 1: it was annotated as hypertextlabels",
        "<Text>",
    ),
    Kind(
        "label studio: the text is not clear",
        {"own.json": json.dumps([{**TASK, "data": {"title": TEXT, "body": TEXT}}] * N).encode()},
        ["own.json, record 1: which of its data is the text", "title, body", 'Call it "text"'],
        {"own.json": listed()},
    ),
    task(
        "label studio: a task without the text",
        {**TASK, "data": {"title": "Mara"}},
        'record 1: it has no "text"',
        "Its data are title",
    ),
    task(
        "label studio: paths in HTML",
        {**TASK, "annotations": [{"result": [{"type": "labels", "value": {**HTML, "labels": ["X"]}}]}]},
        "record 1: it was annotated as HTML",
        "<Text>",
    ),
    Kind(
        "label studio: nobody has annotated anything",
        {"own.json": json.dumps([{**TASK, "annotations": []}] * N).encode()},
        ["own.json: empty corpus", "Tasks that nobody has annotated", "20"],
        {"own.json": listed()},
    ),
    task(
        "label studio: a mark without end",
        {**TASK, "annotations": [{"result": [{"type": "labels", "value": {"start": 0, "labels": ["X"]}}]}]},
        "record 1",
        "does not say where it stands",
    ),
    task(
        "label studio: annotations are numbers",
        {**TASK, "annotations": [4711]},
        "record 1: its annotations are mere numbers",
        "Export the project as JSON",
    ),
]
TOKENS: Record = {"tokens": WORDS, "ner_tags": TAGS}
NUMBERED: Record = {"tokens": WORDS, "ner_tags": NUMBERS}
TOKEN_KINDS = [
    Kind(
        "tokens: tags are numbers",
        {"own.jsonl": by_lines(then=NUMBERED)},
        ["own.jsonl, line 1: its tags are numbers", "--tag-names O,B-PER,I-PER"],
        mended_options={"tag_names": NAMES},
    ),
    Kind(
        "tokens: a number without a name",
        {"own.jsonl": by_lines(then=NUMBERED)},
        ["own.jsonl, line 1: the tag 3 has no name", "3 names"],
        options={"tag_names": NAMES[:3]},
        mended_options={"tag_names": NAMES},
    ),
    lines("tokens: fewer tags", {**TOKENS, "ner_tags": TAGS[:-1]}, "6 tokens, but 5 ner_tags", right=TOKENS),
    Kind(
        "tokens: no tags",
        {"own.jsonl": by_lines(TOKENS, {"tokens": WORDS}, then=TOKENS)},
        ["own.jsonl, line 2: it has no words with tags", "Its keys are tokens"],
        {"own.jsonl": by_lines(then=TOKENS)},
    ),
    Kind(
        "tokens: an unknown tag",
        {"own.jsonl": by_lines({**TOKENS, "ner_tags": ["X-PER", *TAGS[1:]]}, then=TOKENS)},
        ["own.jsonl, record 1", '"X-PER" is no', "such as B-geo"],
        {"own.jsonl": by_lines(then=TOKENS)},
    ),
    Kind(
        "tokens: an empty word",
        {"own.jsonl": by_lines({**TOKENS, "tokens": ["", *WORDS[1:]]}, then=TOKENS)},
        ["own.jsonl, record 1: the word '' is empty", "Fill it in"],
        {"own.jsonl": by_lines(then=TOKENS)},
    ),
    Kind(
        "Parquet: damaged",
        {"own.parquet": b"PAR1\0\0PAR1"},
        ["own.parquet is no intact Parquet file", "Get it anew"],
        {"own.parquet": parquet([NUMBERED] * N, NAMES)},
    ),
    Kind(
        "Parquet: tags without names",
        {"own.parquet": parquet([NUMBERED] * N)},
        ["own.parquet, row 1: its tags are numbers", "--tag-names"],
        mended_options={"tag_names": NAMES},
    ),
    Kind(
        "Parquet: a number beyond the names",
        {"own.parquet": parquet([{**NUMBERED, "ner_tags": [9] * 6}] * N, NAMES)},
        ["own.parquet, row 1", "numbers"],
        {"own.parquet": parquet([NUMBERED] * N, NAMES)},
    ),
]
BRAT_KINDS = [
    brat("brat: a text is missing", {"own/00.txt": b""}, "00.ann has no text", "no 00.txt beside it"),
    brat(
        "brat: no tab", {"own/00.ann": b"T1 PER 0 10 Mara Quill\n"}, "00.ann, line 1", "no annotation of brat"
    ),
    brat("brat: no end", {"own/00.ann": b"T1\tPER 0\tMara\n"}, "00.ann, line 1", "LOC 0 5"),
    brat("brat: a place is a word", {"own/00.ann": ANN + b"T3\tPER a b\tMara\n"}, "00.ann, line 3"),
    brat("brat: not UTF-8", {"own/00.txt": b"Mara caf\xe9"}, "00.txt, line 1: byte 0xe9", "--encoding"),
    brat("brat: something else", {"own/00.ann": b"hello\n"}, "00.ann, line 1", '"hello"'),
]
KINDS: List[Kind] = [*DOCCANO_KINDS, *PRODIGY_KINDS, *STUDIO_KINDS, *TOKEN_KINDS, *BRAT_KINDS]
