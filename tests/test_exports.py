"""The commands that write for annotation tools, and that read what comes back."""

import json
import math
from datetime import date
from pathlib import Path
from typing import Any, Callable, Dict, List

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import spacy
import srsly
from spacy.tokens import Doc, DocBin, Span

from pipelines import TEXTS, TRAIN_DATA, make_examples, saved_pipeline
from posattn_spacy.annotating import audit
from posattn_spacy.annotating.effort import Effort
from posattn_spacy.corpora.fields import FIELDS, kept_fields, packed, unpacked
from processes import command

NOTHING = ". . ."


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_pipeline(tmp_path_factory.mktemp("model"))


def docs_of(path: Path) -> List[Doc]:
    return list(DocBin().from_disk(path).get_docs(spacy.blank("en").vocab))


def lines(path: Path) -> List[Dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_what_a_pipeline_finds_is_no_annotation_yet(model: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text(f"{TEXTS[0]}\n{NOTHING}\n", encoding="utf-8")
    source, out = tmp_path / "texts.txt", tmp_path / "tasks.json"
    command("export", source, out, "--to", "label-studio", "--model", model)
    tasks = json.loads(out.read_text(encoding="utf-8"))
    assert [len(task["predictions"][0]["result"]) > 0 for task in tasks] == [True, False]
    assert not any("annotations" in task for task in tasks)
    said = command("convert", out, tmp_path / "back.spacy", fails=True)
    assert "Tasks that nobody has annotated, which were left out: 2 of 2" in said


def test_what_is_suggested_is_no_annotation_yet(model: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text(f"{TEXTS[0]}\n{NOTHING}\n", encoding="utf-8")
    command("suggest", model, tmp_path / "texts.txt", tmp_path / "own.jsonl", "--to", "prodigy")
    records = lines(tmp_path / "own.jsonl")
    assert {record["text"] for record in records} == {TEXTS[0], NOTHING}
    assert not any("answer" in record for record in records)


def test_annotation_goes_out_and_comes_back_for_some_labels(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    doc = nlp("Mara moved to Oslo .")
    doc.ents = [Span(doc, 0, 1, label="PER"), Span(doc, 3, 4, label="LOC")]
    DocBin(docs=[doc]).to_disk(tmp_path / "own.spacy")
    assert "annotated in part" not in command(
        "export", tmp_path / "own.spacy", tmp_path / "own.jsonl", "--to", "doccano"
    )
    (record,) = lines(tmp_path / "own.jsonl")
    assert record["label"] == [[0, 4, "PER"], [14, 18, "LOC"]]
    args = ["convert", tmp_path / "own.jsonl", tmp_path / "per.spacy", "--annotated-for", "PER"]
    assert "Of other labels than PER nothing is known" in command(*args)
    (back,) = docs_of(tmp_path / "per.spacy")
    assert [token.ent_iob for token in back] == [3, 0, 0, 3, 0]
    said = command("export", tmp_path / "per.spacy", tmp_path / "again.jsonl", "--to", "doccano")
    assert "1 documents were annotated in part" in said
    assert "--to jsonl" in said


# What pools have that other tools' files are told by, or that says what ours do.
AWKWARD: Dict[str, Any] = {
    "label": [[0, 3, "ORG"]],
    "labels": ["news", "sport"],
    "entities": [{"start": 0, "end": 3, "label": "PER"}],
    "spans": [{"start": 0, "end": 3, "label": "PER"}],
    "tokens": ["a", "b"],
    "ner_tags": ["O", "B-PER"],
    "annotator": 3,
    "annotation_id": 4,
    "annotations": [],
    "data": {"a": 1},
    "answer": "ignore",
    "_view_id": "ner",
    "missing": ["age"],
    "annotated_for": ["x"],
    "sentences": ["a"],
    "content": "other",
    "note": "of the user",
    "relations": [],
}


@pytest.mark.parametrize("tool", ["doccano", "label-studio", "prodigy", "jsonl"])
def test_what_a_tool_knows_of_a_text_stays_with_it(model: Path, tmp_path: Path, tool: str) -> None:
    """From texts to suggestions, back from the tool, and out again, as it is annotated."""
    known = {"id": 17, "url": "https://example.org/17", "meta": {"desk": "sports"}, **AWKWARD}
    texts = [{"text": TEXTS[0], **known}, {"text": TEXTS[1], **known, "id": 18}]
    (tmp_path / "texts.jsonl").write_text("\n".join(map(json.dumps, texts)), encoding="utf-8")
    command("suggest", model, tmp_path / "texts.jsonl", tmp_path / "out.json", "--to", tool)
    written = (tmp_path / "out.json").read_text(encoding="utf-8")
    tasks = json.loads(written) if tool == "label-studio" else list(map(json.loads, written.splitlines()))
    for task in tasks:
        said = task["data"] if tool == "label-studio" else task
        assert (said["id"], said["url"]) == (17 if said["text"] == TEXTS[0] else 18, known["url"])
        assert said["meta"]["desk"] == "sports"
        if tool == "label-studio":
            task["annotations"] = task.pop("predictions")  # they were corrected
        if tool == "prodigy":
            task["answer"] = "accept"
    lined = json.dumps(tasks) if tool == "label-studio" else "\n".join(map(json.dumps, tasks))
    (tmp_path / "back.json").write_text(lined, encoding="utf-8")
    command("convert", tmp_path / "back.json", tmp_path / "back.spacy")
    command("export", tmp_path / "back.spacy", tmp_path / "again.jsonl", "--to", "jsonl")
    again = {line["text"]: line for line in lines(tmp_path / "again.jsonl")}
    assert again.keys() == {TEXTS[0], TEXTS[1]}
    assert (again[TEXTS[1]]["id"], again[TEXTS[1]]["url"]) == (18, known["url"])
    for text, line in again.items():
        found = [(ent.start_char, ent.end_char, ent.label_) for ent in spacy.load(model)(text).ents]
        assert [(each["start"], each["end"], each["label"]) for each in line["entities"]] == found
        assert line.keys() <= {"id", "url", "meta", "text", "entities"}


@pytest.mark.parametrize("value", ["no JSON", "[1]", "null", 5, None, b"x", {"id": 1}])
def test_what_others_have_put_there_is_left_alone(tmp_path: Path, value: Any) -> None:
    doc = spacy.blank("en")("Mara moved to Oslo .")
    doc.ents = [Span(doc, 0, 1, label="PER")]
    doc.user_data[FIELDS] = value
    DocBin(docs=[doc], store_user_data=True).to_disk(tmp_path / "own.spacy")
    command("export", tmp_path / "own.spacy", tmp_path / "own.jsonl", "--to", "jsonl")
    (line,) = lines(tmp_path / "own.jsonl")
    assert line.keys() == {"text", "entities"}


def test_parquet_may_have_dates_beside_its_texts(tmp_path: Path) -> None:
    columns = {
        "text": ["Mara moved to Oslo ."],
        "entities": [[{"start": 0, "end": 4, "label": "PER"}]],
        "day": [date(2026, 1, 2)],
    }
    pq.write_table(pa.table(columns), tmp_path / "own.parquet")
    command("convert", tmp_path / "own.parquet", tmp_path / "own.spacy")
    command("export", tmp_path / "own.spacy", tmp_path / "own.jsonl", "--to", "doccano")
    (line,) = lines(tmp_path / "own.jsonl")
    assert (line["label"], line["day"]) == ([[0, 4, "PER"]], "2026-01-02")


def test_odd_values_can_be_written() -> None:
    odd = {"id": 10**25, "half": "\ud83d", "none": math.nan, "day": date(2026, 1, 2), "raw": b"x", 3: "key"}
    kept = kept_fields(odd)
    assert kept == {"id": str(10**25), "half": "?", "none": None, "day": "2026-01-02"}
    assert unpacked(packed(kept)) == kept
    assert json.loads(srsly.json_dumps(kept)) == kept


def test_texts_need_a_pipeline_to_be_exported(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text(TEXTS[0], encoding="utf-8")
    said = command("export", tmp_path / "texts.txt", tmp_path / "out.jsonl", "--to", "doccano", fails=True)
    assert "--model" in said
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize("name", ["audit", "curve"])
@pytest.mark.parametrize(
    ("given", "said"), [("own.jsonl", "is no .spacy file"), ("none.spacy", "There is no")]
)
def test_a_corpus_that_is_none_is_named_at_once(tmp_path: Path, name: str, given: str, said: str) -> None:
    (tmp_path / "own.jsonl").write_text("{}", encoding="utf-8")
    assert said in command(name, tmp_path / given, "--encoder", tmp_path / "no-encoder", fails=True)


def test_convert_takes_the_annotator_and_the_names_of_tags_that_are_given(tmp_path: Path) -> None:
    spans = [{"start": 0, "end": 4, "label": "PER"}]
    records = [
        {"text": "Mara came.", "spans": spans, "answer": "accept", "_annotator_id": "a"},
        {"text": "Mara came.", "spans": [], "answer": "accept", "_annotator_id": "b"},
    ]
    own = tmp_path / "own.jsonl"
    own.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")
    assert "Choose one of a, b with --annotator" in command("convert", own, tmp_path / "x.spacy", fails=True)
    command("convert", own, tmp_path / "a.spacy", "--annotator", "a")
    assert [ent.text for ent in docs_of(tmp_path / "a.spacy")[0].ents] == ["Mara"]
    own.write_text(json.dumps({"tokens": ["Mara", "came"], "ner_tags": [1, 0]}), encoding="utf-8")
    command("convert", own, tmp_path / "named.spacy", "--tag-names", "O,B-PER")
    assert [ent.label_ for ent in docs_of(tmp_path / "named.spacy")[0].ents] == ["PER"]


@pytest.mark.filterwarnings("ignore:The entities' probabilities are not calibrated")
def test_audit_writes_what_it_finds(
    tmp_path: Path, tiny_encoder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "EFFORT", Effort(30_000, 2, 600))
    data = [(f"{text} {i}", annotation) for i in range(8) for text, annotation in TRAIN_DATA]
    docs = [example.reference for example in make_examples(spacy.blank("en"), data)]
    docs[0].set_ents(list(docs[0].ents[1:]), default="outside")  # one is missed
    docs[0].user_data[FIELDS] = '{"id": "a-17"}'
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "own.spacy")
    files = {
        "--output": tmp_path / "found.jsonl",
        "--html": tmp_path / "found.html",
        "--export": tmp_path / "again.jsonl",
    }
    options = [each for pair in files.items() for each in pair]
    given = ["--encoder", tiny_encoder("bert"), "--features", tmp_path / "features", "--folds", 2]
    said = command("audit", tmp_path / "own.spacy", *given, *options)
    assert "findings in 32 documents" in said
    first = lines(files["--output"])[0]
    assert (first["document"], first["id"], first["kind"]) == (1, "a-17", "missed")
    assert "1 (id a-17)" in said
    assert files["--html"].read_text(encoding="utf-8").startswith("<!doctype html>")
    assert lines(files["--export"])[0]["text"] == docs[0].text
    assert lines(files["--export"])[0]["id"] == "a-17"
