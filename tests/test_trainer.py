"""Training in process: the same as `spacy train`, seed for seed."""

import io
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.training.initialize import init_nlp
from spacy.training.loop import train as spacy_train
from thinc.api import Config

from pipelines import TRAIN_DATA, make_examples
from posattn_spacy import schedule
from posattn_spacy.annotating import audit as audit_module
from posattn_spacy.annotating.audit import audit
from posattn_spacy.annotating.bench import Bench, folds
from posattn_spacy.annotating.effort import Effort
from posattn_spacy.annotating.showing import doubtful_docs, page, records
from posattn_spacy.annotating.trainer import reader_of, train
from posattn_spacy.corpora.duplicates import annotated_in_two_ways
from posattn_spacy.corpora.exported import NOTE
from posattn_spacy.partial import annotate_for
from posattn_spacy.starting.config import make_config

NAME = "posattn_ner"
pytestmark = pytest.mark.filterwarnings("ignore:The entities' probabilities are not calibrated")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    nlp = spacy.blank("en")
    path = tmp_path_factory.mktemp("corpus") / "own.spacy"
    DocBin(docs=[example.reference for example in make_examples(nlp, TRAIN_DATA * 3)]).to_disk(path)
    return path


@pytest.fixture(autouse=True)
def few_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "LEAST_WORDS", 40_000)
    monkeypatch.setattr(audit_module, "EFFORT", Effort(40_000, 2, 1000))


@pytest.fixture
def config(corpus: Path, tiny_encoder: Callable[[str], Path], tmp_path: Path) -> Config:
    made = make_config(corpus, corpus, 50, tiny_encoder("bert"), "en", tmp_path / "features").config
    made["training"] |= {"max_steps": 12, "eval_frequency": 4}
    made["training"]["optimizer"]["learn_rate"] |= {"warmup_steps": 2, "total_steps": 13}
    made["training"]["logger"]["logger1"]["progress_bar"] = None
    return made


def docs_of(path: Path, nlp: spacy.Language) -> List[Doc]:
    return list(DocBin().from_disk(path).get_docs(nlp.vocab))


def learned(nlp: spacy.Language) -> Dict[str, Any]:
    pipe = nlp.get_pipe(NAME)
    return {"weights": pipe.model.to_bytes(), "cfg": pipe.cfg}


def lexical_rows(nlp: spacy.Language) -> List[Any]:
    """The embeddings of the lexical channel."""
    return [node.get_param("E") for node in nlp.get_pipe(NAME).model.walk() if node.has_param("E")]


@pytest.mark.parametrize("annotated_for", [None, ["per"]])
def test_training_in_process_is_that_of_spacy_train(
    config: Config, corpus: Path, tmp_path: Path, annotated_for: Optional[List[str]]
) -> None:
    config["corpora"]["train"]["annotated_for"] = annotated_for
    expected = init_nlp(config)
    (tmp_path / "out").mkdir()
    spacy_train(expected, tmp_path / "out")
    best = spacy.load(tmp_path / "out" / "model-best")
    nlp = init_nlp(config)
    settings = nlp.config.interpolate()
    own, dev = (reader_of(settings, part, docs_of(corpus, nlp)) for part in ("train", "dev"))
    trained = train(nlp, own, dev)
    assert learned(nlp) == learned(best)
    assert trained.steps == 13
    assert trained.scores["ents_f"] == pytest.approx(best.meta["performance"]["ents_f"])


def test_spacy_train_goes_on_from_a_pipeline(config: Config, corpus: Path, tmp_path: Path) -> None:
    config["training"] |= {"max_steps": 60, "eval_frequency": 30}
    config["training"]["optimizer"]["learn_rate"]["total_steps"] = 61
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
    spacy_train(init_nlp(config), tmp_path / "first")
    best = tmp_path / "first" / "model-best"
    before = spacy.load(best)
    goes_on = config.copy()
    goes_on["components"] |= {name: {"source": str(best)} for name in ("transformer", "posattn_ner")}
    goes_on["training"] |= {"max_steps": 2, "eval_frequency": 1}
    goes_on["training"]["optimizer"]["learn_rate"] |= {"initial_rate": 1e-4, "total_steps": 3}
    nlp = init_nlp(goes_on)
    assert learned(nlp) == learned(before)
    spacy_train(nlp, tmp_path / "second", stdout=io.StringIO())
    after = spacy.load(tmp_path / "second" / "model-best")
    assert after.get_pipe(NAME).labels == before.get_pipe(NAME).labels
    assert after.meta["performance"]["ents_f"] >= before.meta["performance"]["ents_f"] > 0.9
    moved = [
        float(np.abs(one - other).max())
        for one, other in zip(lexical_rows(before), lexical_rows(after), strict=True)
    ]
    assert 0 < max(moved) < 0.01


def test_a_bench_trains_as_spacy_train_does_however_often(
    config: Config, corpus: Path, tmp_path: Path
) -> None:
    bench = Bench(config)
    docs = docs_of(corpus, bench.nlp)
    bench.prepare(docs)
    bench.train(docs[:4], seed=3)
    bench.train(docs, docs, seed=5)
    settings = bench.nlp.config.copy()
    settings["initialize"]["after_init"] = config["initialize"]["after_init"]
    expected = init_nlp(settings)
    (tmp_path / "out").mkdir()
    spacy_train(expected, tmp_path / "out")
    assert learned(bench.nlp) == learned(spacy.load(tmp_path / "out" / "model-best"))


def test_without_dev_the_last_weights_are_taken(config: Config, corpus: Path) -> None:
    bench = Bench(config)
    docs = docs_of(corpus, bench.nlp)
    bench.prepare(docs)
    trained = bench.train(docs)
    assert trained.score is None
    assert trained.steps == bench.nlp.config["training"]["max_steps"] + 1


def test_folds_are_all_documents_each_once() -> None:
    assert folds("abcdefg", 3) == [[0, 1, 2], [3, 4], [5, 6]]
    assert folds("abcadef", 3) == [[0, 1, 2, 3], [4], [5, 6]]  # the same text is in one part
    assert folds("aaa", 3) == [[0, 1, 2]]


def test_partial_annotation_is_learned_from_through_spacy_train(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of half of the documents it is only known where persons are; their places are learned elsewhere."""
    nlp = spacy.blank("en")
    docs = [example.reference for example in make_examples(nlp, TRAIN_DATA * 6)]
    for doc in docs[: len(docs) // 2]:
        doc.set_ents([ent for ent in doc.ents if ent.label_ == "per"], default="outside")
        annotate_for(doc, ["per"])
    path = tmp_path / "partial.spacy"
    DocBin(docs=docs).to_disk(path)
    config["paths"]["train"] = str(path)
    config["training"] |= {"max_steps": 60, "eval_frequency": 30}
    config["training"]["optimizer"]["learn_rate"]["total_steps"] = 61
    (tmp_path / "out").mkdir()
    spacy_train(init_nlp(config), tmp_path / "out")
    best = spacy.load(tmp_path / "out" / "model-best")
    assert best.meta["performance"]["ents_f"] > 0.95


def test_an_audit_finds_what_was_annotated_wrong(config: Config, tmp_path: Path) -> None:
    bench = Bench(config)
    data = [(f"{text} {i}", annotation) for i in range(8) for text, annotation in TRAIN_DATA]
    docs = [example.reference for example in make_examples(bench.nlp, data)]
    n = len(TRAIN_DATA)
    wrong = {0: "wrong type", n + 1: "missed"}
    first, second = docs[0], docs[n + 1]
    other = {"per": "geo", "geo": "per"}
    changed = [Span(first, ent.start, ent.end, label=other[ent.label_]) for ent in first.ents[:1]]
    first.set_ents([*changed, *first.ents[1:]], default="outside")
    second.set_ents(list(second.ents[1:]), default="outside")
    findings = audit(bench, docs, n_folds=4)
    assert {finding.doc: finding.kind for finding in findings[:2]} == wrong
    labels = bench.nlp.get_pipe(NAME).labels
    records_of = list(records(findings, docs, labels))
    assert records_of[0]["document"] in {i + 1 for i in wrong}
    (doubtful, *_) = doubtful_docs(findings, docs, labels)
    assert findings[0].kind in doubtful.user_data[NOTE]
    shown = page(findings, docs, labels)
    assert shown.startswith("<!doctype html>")
    assert doubtful.text.split()[0] in shown
    right = [example.reference for example in make_examples(bench.nlp, data)]
    ways = annotated_in_two_ways([*docs, *right])
    assert [each.docs for each in ways] == [[i, len(docs) + i] for i in sorted(wrong)]


def test_a_text_that_comes_again_is_judged_by_a_head_that_has_not_seen_it(config: Config) -> None:
    bench = Bench(config)
    docs = [example.reference for example in make_examples(bench.nlp, TRAIN_DATA[:1] * 4)]
    with pytest.raises(ValueError, match="the same text"):
        audit(bench, docs, n_folds=2)


def test_white_space_is_no_other_way_to_annotate() -> None:
    vocab = spacy.blank("en").vocab
    plain = Doc(vocab, words=["In", "New", "York"])
    spaced = Doc(vocab, words=[" ", "In", "New", " ", "York"])
    plain.ents = [Span(plain, 1, 3, label="geo")]
    spaced.ents = [Span(spaced, 2, 5, label="geo")]
    assert annotated_in_two_ways([plain, spaced]) == []
    spaced.ents = [Span(spaced, 4, 5, label="geo")]
    (found,) = annotated_in_two_ways([plain, spaced])
    assert found.ways == ["New York (geo)", "York (geo)"]


def test_an_audit_needs_documents_for_its_parts(config: Config) -> None:
    bench = Bench(config)
    with pytest.raises(ValueError, match="1 documents can't be dealt into 5 parts"):
        audit(bench, [bench.nlp.make_doc("Mara .")])
