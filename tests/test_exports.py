"""The commands that write for annotation tools, and that read what comes back."""

import json
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span

from pipelines import TEXTS, TRAIN_DATA, make_examples, saved_pipeline
from posattn_spacy.annotating import audit
from posattn_spacy.annotating.effort import Effort
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
    DocBin(docs=docs).to_disk(tmp_path / "own.spacy")
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
    assert (first["document"], first["kind"]) == (1, "missed")
    assert files["--html"].read_text(encoding="utf-8").startswith("<!doctype html>")
    assert lines(files["--export"])[0]["text"] == docs[0].text
