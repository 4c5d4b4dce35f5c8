"""Annotating many files: what goes in, what comes out, and what is refused."""

import gzip
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any, Dict, List

import portalocker
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import spacy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.vocab import Vocab
from typer.testing import CliRunner

from pipelines import TEXTS, saved_pipeline
from posattn_spacy.bulk import engines, job, on_ray, work
from posattn_spacy.bulk import rows as rows_module
from posattn_spacy.bulk.job import Job, model_digest
from posattn_spacy.bulk.outputs import FIELDS
from posattn_spacy.bulk.parts import PartError, find_parts
from posattn_spacy.bulk.rows import Row, read_rows
from posattn_spacy.cli import posattn
from processes import command, run

TEXT = TEXTS[0]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_pipeline(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def nlp(model: Path) -> Language:
    return spacy.load(model)


def found_in(nlp: Language, text: str) -> List[Dict[str, Any]]:
    doc = nlp(text)
    scores = doc.spans["posattn_ner"].attrs["scores"]
    return [
        {
            "start": ent.start_char,
            "end": ent.end_char,
            "label": ent.label_,
            "text": ent.text,
            "score": pytest.approx(float(score), abs=1e-3),
        }
        for ent, score in zip(doc.ents, scores, strict=True)
    ]


def lines(path: Path) -> List[Dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write(path: Path, *rows: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def annotated(*arguments: object, status: int = 0) -> str:
    result = CliRunner().invoke(posattn, ["annotate", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == status, result.output
    return " ".join(re.sub(r"\x1b\[[\d;]*m", "", result.output).split())


def status_of(*arguments: object) -> int:
    return CliRunner().invoke(posattn, ["annotate", *map(str, arguments)]).exit_code


def fail_on(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pipelines fail on texts with a word."""
    make_doc = Language.make_doc

    def fail(self: Language, text: str) -> Doc:
        if word in text:
            raise KeyError("E000")
        return make_doc(self, text)

    monkeypatch.setattr(Language, "make_doc", fail)


def test_records_get_their_entities_and_keep_all_else(model: Path, nlp: Language, tmp_path: Path) -> None:
    rows = [{"id": i, "body": text, "tags": ["a", {"b": None}], "ü": 1.5} for i, text in enumerate(TEXTS)]
    write(tmp_path / "in" / "a.jsonl", *rows)
    said = annotated(model, tmp_path / "in", "--output", tmp_path / "out", "--text-field", "body")
    assert f"texts {len(rows)}" in said
    for row, text, out in zip(rows, TEXTS, lines(tmp_path / "out" / "a.jsonl"), strict=True):
        entities = out.pop("entities")
        assert out == row
        assert entities == found_in(nlp, text)
    assert not (tmp_path / "out" / "rejected.jsonl").exists()


def test_each_line_of_a_text_is_one(model: Path, nlp: Language, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(f"\ufeff{TEXT}\r\n\n{TEXTS[1]}".encode())
    annotated(model, tmp_path / "a.txt", "--output", tmp_path / "out")
    out = lines(tmp_path / "out" / "a.txt.jsonl")
    assert [row["text"] for row in out] == [TEXT, "", TEXTS[1]]
    assert [row["entities"] for row in out] == [found_in(nlp, row["text"]) for row in out]


def test_parquet_keeps_the_types_of_its_columns(model: Path, nlp: Language, tmp_path: Path) -> None:
    table = pa.table(
        {
            "when": pa.array([1, 2, None], pa.timestamp("ns", "UTC")),
            "text": [TEXT, None, TEXTS[1]],
            "kind": pa.array(["x", "y", "x"]).dictionary_encode(),
            "map": pa.array([[("k", 1)], [], None], pa.map_(pa.string(), pa.int8())),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    annotated(model, tmp_path / "a.parquet", "--output", tmp_path / "out", status=3)
    out = pq.read_table(tmp_path / "out" / "a.parquet")
    assert out.select(table.column_names).to_pylist() == table.take([0, 2]).to_pylist()
    assert [out.schema.field(name).type for name in table.column_names] == table.schema.types
    assert out.column("entities").to_pylist() == [found_in(nlp, TEXT), found_in(nlp, TEXTS[1])]
    (rejected,) = lines(tmp_path / "out" / "rejected.jsonl")
    assert (rejected["file"], rejected["line"]) == (str(tmp_path / "a.parquet"), 2)
    assert 'no text in the field "text"' in rejected["reason"]


def test_records_of_all_kinds_become_parquet(model: Path, tmp_path: Path) -> None:
    rows = [
        {"text": TEXT, "n": 1, "mixed": 1, "list": [1], "big": 2**70},
        {"text": TEXTS[1], "n": 1.5, "mixed": "one", "list": None, "late": {"a": True}},
        {"text": TEXTS[2], "n": None, "mixed": [1, "a"], "late": {"b": "x"}},
    ]
    write(tmp_path / "a.jsonl", *rows)
    annotated(model, tmp_path / "a.jsonl", "--output", tmp_path / "out", "--to", "parquet")
    out = pq.read_table(tmp_path / "out" / "a.jsonl.parquet").to_pylist()
    assert [row["text"] for row in out] == TEXTS[:3]
    assert [row["n"] for row in out] == [1.0, 1.5, None]
    assert [json.loads(row["mixed"]) for row in out] == [1, "one", [1, "a"]]
    assert [row["list"] for row in out] == [[1], None, None]
    assert json.loads(out[0]["big"]) == 2**70
    assert out[2]["late"] == {"a": None, "b": "x"}
    assert all(row["entities"] for row in out)


def test_documents_keep_their_tokens_and_records_become_documents(
    model: Path, nlp: Language, tmp_path: Path
) -> None:
    own = Doc(nlp.vocab, words=["Alice", "Smith", "lives", "in", "Berlin"], user_data={"a": 1})
    own.ents = [Span(own, 4, 5, label="mine")]
    DocBin(docs=[own], store_user_data=True).to_disk(tmp_path / "a.spacy")
    annotated(model, tmp_path / "a.spacy", "--output", tmp_path / "out")
    (doc,) = DocBin().from_disk(tmp_path / "out" / "a.spacy").get_docs(nlp.vocab)
    assert [token.text for token in doc] == [token.text for token in own]
    assert [ent.label_ for ent in doc.ents] == ["per", "mine"]
    assert doc.user_data["a"] == 1
    write(tmp_path / "b.jsonl", {"text": TEXT, "id": 7})
    annotated(model, tmp_path / "b.jsonl", "--output", tmp_path / "out", "--to", "spacy")
    (doc,) = DocBin().from_disk(tmp_path / "out" / "b.jsonl.spacy").get_docs(nlp.vocab)
    assert json.loads(doc.user_data[FIELDS]) == {"text": TEXT, "id": 7}
    assert [(ent.text, ent.label_) for ent in doc.ents] == [(ent.text, ent.label_) for ent in nlp(TEXT).ents]


BROKEN = [
    (b'{"text": "a"', "not JSON"),
    (b"[1]", "no record, but a list"),
    (b"null", "no record, but null"),
    (b'{"body": "a"}', 'no text in the field "text"'),
    (b'{"text": null}', 'no text in the field "text"'),
    (b'{"text": 7}', "is no text, but a number"),
    (b'{"text": true}', "is no text, but true or false"),
    (b'{"text": ["a"]}', "is no text, but a list"),
    (b'{"text": "\\ud800"}', "half a character"),
    (b'{"text": "\xff"}', "not UTF-8"),
    (b'{"text": "%s"}' % (b"a" * 51), "51 characters, more than the 50 of --max-chars"),
    (b'{"text": "a", "entities": []}', 'a field "entities" of its own'),
    (b"[" * 100_000, "not JSON"),
    (b'{"text": "a", "x": NaN}', "NaN is no JSON"),
    (b'{"text": "a", "text": "b"}', "two fields of one name"),
    (b'{"text": "a", "more": "%s"}' % (b"b" * 5000), "more than"),
]


@pytest.mark.parametrize(("line", "reason"), BROKEN)
def test_rows_that_cannot_be_annotated_are_listed(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: bytes, reason: str
) -> None:
    monkeypatch.setattr("posattn_spacy.bulk.rows.LINE_BYTES", 4000 if b"more" in line else 1 << 24)
    good = json.dumps({"text": TEXT}).encode()
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join([good, b"", line, good]))
    said = annotated(model, path, "--output", tmp_path / "out", "--max-chars", 50, status=3)
    assert "texts 2" in said
    assert "1 rows can't be annotated" in said
    (rejected,) = lines(tmp_path / "out" / "rejected.jsonl")
    assert (rejected["file"], rejected["line"]) == (str(path), 3)
    assert reason in rejected["reason"]
    assert [row["text"] for row in lines(tmp_path / "out" / "a.jsonl")] == [TEXT, TEXT]


@pytest.mark.parametrize("text", ["", " ", "\n", "\u200b", "a" * 5000, "🙂" * 100, "x\x00y"])
def test_texts_that_are_odd_are_texts(model: Path, tmp_path: Path, text: str) -> None:
    write(tmp_path / "a.jsonl", {"text": text}, {"text": TEXT})
    annotated(model, tmp_path / "a.jsonl", "--output", tmp_path / "out")
    odd, plain = lines(tmp_path / "out" / "a.jsonl")
    assert odd["text"] == text
    assert plain["entities"]


def test_a_text_on_which_a_component_fails_costs_no_other(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_on("Peru", monkeypatch)
    rows = [{"text": text} for text in ["Alice left Berlin .", "Peru", "Bob left ."]]
    write(tmp_path / "a.jsonl", *rows)
    annotated(model, tmp_path / "a.jsonl", "--output", tmp_path / "out", status=3)
    assert [row["text"] for row in lines(tmp_path / "out" / "a.jsonl")] == [rows[0]["text"], rows[2]["text"]]
    (rejected,) = lines(tmp_path / "out" / "rejected.jsonl")
    assert "can't be annotated: 'E000'" in rejected["reason"]


def test_what_is_done_is_done_once(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    for name in "abc":
        write(folder / "deep" / f"{name}.jsonl", {"text": TEXT}, {"text": None})
    first = annotated(model, folder, "--output", out, status=3)
    assert "of them done before 0" in first
    before = {path: path.read_bytes() for path in out.rglob("*.jsonl")}
    assert len(lines(out / "rejected.jsonl")) == 3
    monkeypatch.setattr(work, "read_rows", None)  # nothing is to be read again
    again = annotated(model, folder, "--output", out, status=3)
    assert "of them done before 3 texts 3" in again
    monkeypatch.undo()
    write(folder / "deep" / "b.jsonl", {"text": TEXTS[1]})
    write(folder / "d.jsonl", {"text": TEXT})
    assert "of them done before 2 texts 4" in annotated(model, folder, "--output", out, status=3)
    assert lines(out / "deep" / "b.jsonl")[0]["text"] == TEXTS[1]
    assert len(lines(out / "rejected.jsonl")) == 2
    for name in "ac":
        assert (out / "deep" / f"{name}.jsonl").read_bytes() == before[out / "deep" / f"{name}.jsonl"]


def test_parts_that_fail_are_named_and_the_others_are_made(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write(folder / "good.jsonl", {"text": TEXT})
    (folder / "bad.spacy").write_bytes(b"no documents")
    (folder / "wide.txt").write_text(TEXT, encoding="utf-16")
    (folder / "bad.parquet").write_bytes(b"PAR1 no columns PAR1")
    pq.write_table(pa.table({"body": ["a"]}), folder / "other.parquet")
    pq.write_table(pa.table({"text": ["a"], "entities": [1]}), folder / "taken.parquet")
    said = annotated(model, folder, "--output", tmp_path / "out", status=1)
    assert "files that can't be annotated 5" in said
    assert "wide.txt is UTF-16" in said
    assert "bad.spacy is no .spacy file" in said
    assert "bad.parquet is no Parquet file" in said
    assert 'other.parquet has no column "text", but body' in said
    assert 'taken.parquet has a column "entities" of its own' in said
    assert lines(tmp_path / "out" / "good.jsonl")[0]["entities"]
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name != ".annotated"] == ["good.jsonl"]


def test_what_cannot_be_done_is_said_before_anything_is(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def refused(*arguments: object) -> str:
        return annotated(*arguments, "--output", out, status=1)

    assert "There is no file" in refused(model, tmp_path / "no.jsonl")
    assert "matches no .jsonl" in refused(model, f"{tmp_path}/*.jsonl")
    (tmp_path / "empty").mkdir()
    assert "in the folder" in refused(model, tmp_path / "empty")
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b"{}"))
    assert "only .jsonl" in refused(model, tmp_path / "a.jsonl.gz")
    one, two = (write(tmp_path / name / "a.jsonl", {"text": TEXT}) for name in ("one", "two"))
    assert "both be written to a.jsonl" in refused(model, one, two)
    assert "There is no pipeline" in refused(tmp_path / "no", one)
    assert "that of the list of rejected rows" in refused(model, write(tmp_path / "rejected.jsonl", {}))
    assert not out.exists()
    assert "is in" in annotated(model, one, "--output", one.parent, status=1)
    assert "give --engine ray" in refused(model, one, "--address", "auto")
    assert "can't be in one field" in refused(model, one, "--entities-field", "text")
    (out / "a.jsonl").parent.mkdir()
    (out / "a.jsonl").write_text("somebody's", encoding="utf-8")
    assert "is there already, and not from a run" in refused(model, one)
    assert (out / "a.jsonl").read_text(encoding="utf-8") == "somebody's"


def test_another_pipeline_or_other_options_need_another_folder(model: Path, tmp_path: Path) -> None:
    path, out = write(tmp_path / "a.jsonl", {"text": TEXT}), tmp_path / "out"
    annotated(model, path, "--output", out)
    assert "--max-chars was 1000000 and is 9" in annotated(
        model, path, "--output", out, "--max-chars", 9, status=1
    )
    other = saved_pipeline(tmp_path / "other", steps=1)
    assert "otherwise: pipeline was" in annotated(other, path, "--output", out, status=1)


def test_a_machine_that_fails_costs_no_rows(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are rejected for what they are, and never for what the machine lacks for a while."""
    path, out = write(tmp_path / "a.jsonl", *({"text": text} for text in TEXTS)), tmp_path / "out"
    for error in (MemoryError("none left"), OSError(28, "No space left"), KeyError("every row")):

        def fail(self: Language, text: str, error: Exception = error) -> Doc:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(Language, "make_doc", fail)
            annotated(model, path, "--output", out, status=1)
        assert not (out / "a.jsonl").exists()
        assert not (out / "rejected.jsonl").exists()
    annotated(model, path, "--output", out)
    assert len(lines(out / "a.jsonl")) == len(TEXTS)


def test_what_is_not_whole_or_of_another_source_is_not_done(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out = write(tmp_path / "in" / "a.jsonl", {"text": TEXT}), tmp_path / "out"
    annotated(model, path, "--output", out)
    whole = (out / "a.jsonl").read_bytes()
    (out / "a.jsonl").write_bytes(b"")  # as after the power was lost
    assert "of them done before 0" in annotated(model, path, "--output", out)
    assert (out / "a.jsonl").read_bytes() == whole
    (out / ".annotated" / "a.jsonl.json").write_bytes(b"{")
    assert "of them done before 0" in annotated(model, path, "--output", out)
    other = write(tmp_path / "in2" / "a.jsonl", {"text": TEXTS[1]})
    assert "would take its place" in annotated(model, other, "--output", out, status=1)
    assert (out / "a.jsonl").read_bytes() == whole
    write(path, {"text": TEXTS[1]}, {"text": TEXTS[2]})
    with monkeypatch.context() as patch:  # killed after the note, before the file has its name
        patch.setattr(work, "finish", _finish_and_die)
        with pytest.raises(KeyboardInterrupt):
            work.Worker(_job(model, out)).annotate(*find_parts([str(path)]).parts, lambda read, words: None)
    assert "of them done before 0" in annotated(model, path, "--output", out)
    assert len(lines(out / "a.jsonl")) == 2


def _job(model: Path, output: Path) -> Job:
    return Job(str(model), model_digest(str(model)), output, "text", "entities", 1_000_000, 1, -1)


def _finish_and_die(*arguments: Any) -> None:
    job.finish(*arguments)
    raise KeyboardInterrupt


def test_a_source_that_changes_meanwhile_is_not_done(model: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"text": TEXT})

    def change(read: int, words: int) -> None:
        write(path, {"text": TEXTS[1]})

    with pytest.raises(ValueError, match="has changed while"):
        work.Worker(_job(model, tmp_path / "out")).annotate(*find_parts([str(path)]).parts, change)
    assert not (tmp_path / "out" / "a.jsonl").exists()


def test_the_list_of_rejected_rows_is_that_of_all_runs(model: Path, tmp_path: Path) -> None:
    first = write(tmp_path / "one" / "a.jsonl", {"text": None})
    second = write(tmp_path / "two" / "b.jsonl", {"text": TEXT})
    annotated(model, first, "--output", tmp_path / "out", status=3)
    annotated(model, second, "--output", tmp_path / "out")
    assert [row["file"] for row in lines(tmp_path / "out" / "rejected.jsonl")] == [str(first)]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "rejected.jsonl").write_text("somebody's", encoding="utf-8")
    assert "not from a run" in annotated(model, second, "--output", tmp_path / "mine", status=1)
    assert (tmp_path / "mine" / "rejected.jsonl").read_text(encoding="utf-8") == "somebody's"


def test_links_are_followed_and_what_is_left_out_is_said(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write(folder / "A.JSONL", {"text": TEXT})
    write(tmp_path / "else" / "b.jsonl", {"text": TEXT})
    (folder / "link").symlink_to(tmp_path / "else")
    (folder / "again").symlink_to(folder)
    (folder / "c.csv").touch()
    for _ in range(2):  # also where the output is in the folder
        said = annotated(model, folder, "--output", folder / "out")
        assert "annotated 2" in said
        assert "left out: 1 .csv" in said
    assert "annotated 2" in annotated(model, f"{folder}/[Al]*", "--output", tmp_path / "out")


@pytest.mark.parametrize(
    "odd",
    [
        {"text": "b", "entities": []},
        {"text": "b", "x": {}},
        {"text": "b", "x": "\ud800"},
        {"text": "b", "x": 1.5},
        {"text": "b", "x\ud800": 1},
        {"text": "b", "x": [2**60, 1.5]},
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_an_odd_row_costs_parquet_no_other(
    model: Path, tmp_path: Path, odd: Dict[str, Any], first: bool
) -> None:
    plain = [{"text": text, "x": value} for text, value in zip(TEXTS, ["a", 2**60, {"y": 1}], strict=False)]
    rows = [odd, *plain] if first else [*plain, odd]
    path = write(tmp_path / "a.jsonl", *rows)
    said = status_of(model, path, "--output", tmp_path / "out", "--to", "parquet")
    assert said in (0, 3)
    texts = pq.read_table(tmp_path / "out" / "a.jsonl.parquet").column("text").to_pylist()
    assert [text for text in texts if text != "b"] == [row["text"] for row in plain]
    rejected = lines(tmp_path / "out" / "rejected.jsonl") if said else []
    assert len(texts) + len(rejected) == len(rows)


@pytest.mark.parametrize("to", ["jsonl", "parquet", "spacy"])
def test_a_value_that_can_be_read_by_nobody_costs_no_other_row(model: Path, tmp_path: Path, to: str) -> None:
    when = pa.array([0, 1_500_000_000_000_000_000, 1], pa.timestamp("us"))  # the second in the year 49504
    pq.write_table(pa.table({"text": TEXTS[:3], "when": when}), tmp_path / "a.parquet")
    status_of(model, tmp_path / "a.parquet", "--output", tmp_path / "out", "--to", to)
    (made,) = (tmp_path / "out").glob("a.parquet*")
    if to == "spacy":
        texts = [doc.text for doc in DocBin().from_disk(made).get_docs(spacy.blank("en").vocab)]
    elif to == "parquet":
        texts = pq.read_table(made).column("text").to_pylist()
    else:
        texts = [row["text"] for row in lines(made)]
    refused = tmp_path / "out" / "rejected.jsonl"
    wrong = {row["line"] - 1 for row in lines(refused)} if refused.exists() else set()
    assert texts == [text for i, text in enumerate(TEXTS[:3]) if i not in wrong]
    assert wrong <= {1}


def test_records_of_ever_other_fields_are_one_text_each(model: Path, tmp_path: Path) -> None:
    rows = [{"text": TEXT, "counts": {f"w{i}-{j}": j for j in range(30)}} for i in range(20)]
    write(tmp_path / "a.jsonl", *rows)
    annotated(model, tmp_path / "a.jsonl", "--output", tmp_path / "out", "--to", "parquet")
    found = pq.read_table(tmp_path / "out" / "a.jsonl.parquet").column("counts").to_pylist()
    assert [json.loads(value) for value in found] == [row["counts"] for row in rows]


def test_of_large_cells_few_are_read_at_once(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows_module, "READ_BYTES", 1 << 16)
    blobs = [bytes([i]) * (1 << 15) for i in range(20)]
    pq.write_table(pa.table({"text": [TEXT] * 20, "blob": blobs}), tmp_path / "a.parquet", compression="none")
    (part,) = find_parts([str(tmp_path / "a.parquet")]).parts
    batches = {id(row.fields.batch): row.fields.batch for row in read_rows(part, "text", 1000, Vocab())}
    assert max(batch.num_rows for batch in batches.values()) <= 2
    annotated(model, tmp_path / "a.parquet", "--output", tmp_path / "out")
    assert pq.read_table(tmp_path / "out" / "a.parquet").column("blob").to_pylist() == blobs


def test_the_same_command_goes_on_where_the_results_match_its_pattern(model: Path, tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.jsonl", {"text": TEXT})
    out = tmp_path / "in" / "out"
    for inputs in ([f"{tmp_path}/in/**/*.jsonl"], [tmp_path / "in" / "a.jsonl", out]):
        for _ in range(2):
            assert "annotated 1" in annotated(model, *inputs, "--output", out)


def test_a_file_system_without_locks_is_told_of(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*arguments: Any) -> None:
        raise portalocker.exceptions.LockException("no locks available")

    monkeypatch.setattr(portalocker.portalocker, "lock", refuse)
    monkeypatch.setattr(portalocker.utils.portalocker, "lock", refuse)
    path = write(tmp_path / "a.jsonl", {"text": TEXT})
    said = annotated(model, path, "--output", tmp_path / "out")
    assert "annotated 1" in said
    assert "can't be locked" in said + capsys.readouterr().err


def test_a_worker_that_was_taken_for_dead_spoils_nothing(model: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"text": TEXT})
    (part,) = find_parts([str(path)]).parts
    late = work.Worker(_job(model, tmp_path / "out"))
    finished: List[bytes] = []

    def meanwhile(read: int, words: int) -> None:
        work.Worker(_job(model, tmp_path / "out")).annotate(part, lambda read, words: None)
        finished.append((tmp_path / "out" / "a.jsonl").read_bytes())
        for left in (tmp_path / "out").glob(".a.jsonl.*"):  # as `clear_away` does
            left.unlink()

    with pytest.raises(FileNotFoundError):
        late.annotate(part, meanwhile)
    assert (tmp_path / "out" / "a.jsonl").read_bytes() == finished[0]


def test_a_gpu_that_fails_ends_its_worker(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        write(tmp_path / "in" / f"{name}.jsonl", {"text": TEXT})

    def fail(self: Language, text: str) -> Doc:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    worker = work.Worker(_job(model, tmp_path / "out"))
    worker.job = worker.job._replace(gpu_id=0)
    monkeypatch.setattr(Language, "make_doc", fail)
    monkeypatch.setattr(engines, "Worker", lambda job: worker)
    parts = find_parts([str(tmp_path / "in")]).parts
    with pytest.raises(PartError, match="The GPU has failed: CUDA error"):
        list(engines.in_this_process(worker.job, parts, lambda read, words: None))


def test_an_actor_without_a_pipeline_says_that_it_is_no_use(model: Path, tmp_path: Path) -> None:
    job = _job(model, tmp_path / "out")._replace(digest="that of another one")
    row = on_ray.Actor(job)(on_ray._row_of(find_parts([str(write(tmp_path / "a.jsonl", {}))]).parts[0]))
    assert str(model) in row["broken"]


def test_two_rows_that_fail_at_the_end_cost_no_other(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_on("Quito", monkeypatch)
    monkeypatch.setattr(work, "ROWS", 3)
    rows = [{"text": text} for text in [TEXT, TEXTS[1], TEXTS[2], "Quito", "Quito ."]]
    path = write(tmp_path / "a.jsonl", *rows)
    annotated(model, path, "--output", tmp_path / "out", status=3)
    assert len(lines(tmp_path / "out" / "a.jsonl")) == 3
    assert len(lines(tmp_path / "out" / "rejected.jsonl")) == 2


@pytest.mark.parametrize(
    "values", [["a", "b"], [1, 2**60], [2**60, 1.5], [1.5, 2**60], [{}, {}], [[1], ["a"]]]
)
def test_other_fields_survive_parquet(model: Path, tmp_path: Path, values: List[Any]) -> None:
    path = write(tmp_path / "a.jsonl", *({"text": TEXT, "x": value} for value in values))
    annotated(model, path, "--output", tmp_path / "out", "--to", "parquet")
    found = pq.read_table(tmp_path / "out" / "a.jsonl.parquet").column("x").to_pylist()
    read = [json.loads(value) if isinstance(value, str) and values[0] != "a" else value for value in found]
    assert read == values


def test_parquet_says_what_it_said_of_itself(model: Path, tmp_path: Path) -> None:
    table = pa.table({"text": [TEXT, TEXT], "x": [float("nan"), 1.0]}).replace_schema_metadata(
        {"own": "word"}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "empty.parquet")
    (tmp_path / "b.jsonl").touch()
    annotated(model, tmp_path / "a.parquet", tmp_path / "empty.parquet", "--output", tmp_path / "out")
    assert pq.read_schema(tmp_path / "out" / "a.parquet").metadata[b"own"] == b"word"
    assert pq.read_table(tmp_path / "out" / "empty.parquet").column_names == ["text", "entities"]
    annotated(model, tmp_path / "b.jsonl", "--output", tmp_path / "out", "--to", "parquet")
    assert pq.read_table(tmp_path / "out" / "b.jsonl.parquet").column_names == ["text", "entities"]
    annotated(model, tmp_path / "a.parquet", "--output", tmp_path / "out", "--to", "jsonl")
    assert [row["x"] for row in lines(tmp_path / "out" / "a.parquet.jsonl")] == [None, 1.0]
    twice = pa.Table.from_arrays([pa.array(["a"]), pa.array([1]), pa.array([2])], ["text", "x", "x"])
    pq.write_table(twice, tmp_path / "twice.parquet")
    said = annotated(model, tmp_path / "twice.parquet", "--output", tmp_path / "out", status=1)
    assert "two columns of one name" in said


def test_rows_with_much_else_are_not_held_together(worker: work.Worker, tmp_path: Path) -> None:
    rows = ({"text": "a", "more": "b" * (1 << 20)} for _ in range(8))
    (part,) = find_parts([str(write(tmp_path / "in" / "a.jsonl", *rows))]).parts
    told: List[int] = []
    worker.annotate(part, lambda read, words: told.append(read))
    assert len(told) == 8


@pytest.mark.parametrize("options", [["--n-process", 2], ["--engine", "ray", "--n-process", 2]])
def test_engines_make_the_same_from_wherever_they_are_started(
    model: Path, tmp_path: Path, options: List[object]
) -> None:
    for i in range(4):
        write(tmp_path / "in" / f"{i}.jsonl", *({"text": text} for text in TEXTS), {"text": None})
    annotated(model, tmp_path / "in", "--output", tmp_path / "alone", "--threads", 1, status=3)
    relative = ["annotate", os.path.relpath(model, tmp_path), "in", "--output", "out", "--threads", 1]
    ran = run("-m", "spacy", "posattn", *relative, *options, folder=tmp_path, fails=True)
    assert ran.returncode == 3, ran.stderr
    for path in (tmp_path / "alone").glob("*.jsonl"):
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


def test_a_pipeline_that_cannot_be_loaded_is_said_once(model: Path, tmp_path: Path) -> None:
    spoilt = tmp_path / "spoilt"
    shutil.copytree(model, spoilt)
    (spoilt / "posattn_ner" / "model").write_bytes(b"")
    for i in range(3):
        write(tmp_path / "in" / f"{i}.jsonl", {"text": TEXT})
    said = annotated(spoilt, tmp_path / "in", "--output", tmp_path / "out", "--n-process", 2, status=1)
    assert said.count("can't be loaded as a pipeline") == 1
    spacy.blank("en").to_disk(tmp_path / "blank")
    said = annotated(tmp_path / "blank", tmp_path / "in", "--output", tmp_path / "other", status=1)
    assert "no component that finds entities" in said


def test_patterns_and_folders_keep_the_folders_below(model: Path, tmp_path: Path) -> None:
    for name in ("x/a.jsonl", "y/a.jsonl", "y/.hidden.jsonl"):
        write(tmp_path / "in" / name, {"text": TEXT})
    annotated(model, f"{tmp_path}/in/*/a.jsonl", "--output", tmp_path / "out")
    made = [path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*.jsonl")]
    assert sorted(map(str, made)) == ["x/a.jsonl", "y/a.jsonl"]


def test_a_folder_is_one_runs_at_a_time(model: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"text": TEXT})
    (tmp_path / "out" / ".annotated").mkdir(parents=True)
    with portalocker.Lock(tmp_path / "out" / ".annotated" / "run.lock", "a"):
        said = annotated(model, path, "--output", tmp_path / "out", status=1)
    assert "Another run writes to" in said


@pytest.fixture
def worker(model: Path, tmp_path: Path) -> work.Worker:
    return work.Worker(Job(str(model), model_digest(str(model)), tmp_path, "text", "entities", 1000, 1, -1))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 3000), max_size=30))
def test_what_is_held_at_once_is_bounded(sizes: List[int]) -> None:
    rows = [Row(i, 0, {}, "", size) for i, size in enumerate(sizes)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work, "ROWS", 5)
        patch.setattr(work, "BYTES", 4000)
        batches = list(work._together(rows))
    assert [row for batch in batches for row in batch] == rows
    assert all(len(batch) <= 5 for batch in batches)
    assert all(len(batch) == 1 or sum(row.weight for row in batch) <= 4000 for batch in batches)


def test_words_that_come_once_are_not_kept(worker: work.Worker, tmp_path: Path) -> None:
    path = write(tmp_path / "in" / "a.jsonl", *({"text": f"word{i} left Berlin"} for i in range(3000)))
    worker.nlp("word left Berlin")
    before = len(list(worker.nlp.vocab)), len(worker.nlp.vocab.strings)
    told: List[int] = []
    counts = worker.annotate(*find_parts([str(path)]).parts, lambda read, words: told.append(read))
    assert (len(list(worker.nlp.vocab)), len(worker.nlp.vocab.strings)) == before
    assert (counts.rows, counts.words, counts.rejected) == (3000, 9000, 0)
    assert sum(told) == path.stat().st_size


def test_the_command_is_listed() -> None:
    assert "annotate" in command("--help")
