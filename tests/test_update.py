"""A trained pipeline goes on learning."""

from pathlib import Path
from typing import Any, List, Sequence

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span

from pipelines import TRAIN_DATA, make_examples, plain_pipeline, train
from posattn_spacy import evaluated
from posattn_spacy.annotating import update as module
from posattn_spacy.annotating.effort import Effort
from posattn_spacy.annotating.update import update
from posattn_spacy.partial import ANNOTATED_FOR, annotate_for

NAME = "posattn_ner"
ORGS = [
    ("Alice Smith joined Acme in Berlin .", 3, 4),
    ("Acme is in Berlin .", 0, 1),
    ("Bob left Acme .", 2, 3),
]


@pytest.fixture(autouse=True)
def few_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MORE", Effort(6000, 2, 500, 2e-3))
    monkeypatch.setattr(module, "NEW_LABELS", Effort(6000, 2, 500, 2e-3))


@pytest.fixture
def trained() -> spacy.Language:
    nlp = plain_pipeline()
    train(nlp, 40)
    nlp.config["corpora"] = {
        part: {"@readers": "posattn-spacy.Corpus.v1", "path": None, "gold_preproc": True}
        for part in ("train", "dev")
    }
    batcher = {"@batchers": "posattn-spacy.batch_by_padded.v1", "size": 40, "buffer": 100}
    rate = {"@schedules": "warmup_linear.v1", "warmup_steps": 2, "total_steps": 20, "initial_rate": 0.002}
    config = nlp.config
    config["training"] |= {"batcher": batcher, "max_steps": 20, "eval_frequency": 10}
    config["training"]["optimizer"]["learn_rate"] = rate
    nlp.config = config
    return nlp


def docs_of(nlp: spacy.Language) -> List[Doc]:
    return [example.reference for example in make_examples(nlp, TRAIN_DATA)]


def orgs(nlp: spacy.Language) -> List[Doc]:
    """Documents in which organisations alone are annotated."""
    docs = []
    for text, start, stop in ORGS:
        doc = nlp.make_doc(text)
        doc.ents = [Span(doc, start, stop, label="org")]
        docs.append(doc)
    return docs


def labels_in(nlp: spacy.Language, text: str) -> List[str]:
    return [ent.label_ for ent in nlp(text).ents]


def test_a_new_label_is_learned_and_the_old_ones_are_kept(trained: spacy.Language) -> None:
    updated = update(trained, orgs(trained), docs_of(trained), [])
    assert updated.added == ["org"]
    assert updated.rehearsed == 0
    assert trained.get_pipe(NAME).labels == ("geo", "per", "org")
    assert labels_in(trained, ORGS[0][0]) == ["per", "org", "geo"]
    for text, annotation in TRAIN_DATA:
        assert [ent.label_ for ent in trained(text).ents] == [label for *_, label in annotation["entities"]]


def test_of_what_touches_a_new_entity_nothing_is_known_without_the_old_corpus(
    trained: spacy.Language,
) -> None:
    text = "Alice Smith of Berlin"
    assert [(ent.text, ent.label_) for ent in trained(text).ents] == [
        ("Alice Smith", "per"),
        ("Berlin", "geo"),
    ]
    doc = trained.make_doc(text)
    doc.ents = [Span(doc, 1, 2, label="surname")]
    updated = update(trained, [doc], [], [])
    assert (updated.rehearsed, updated.left_open) == (1, 1)
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("Smith", "surname"), ("Berlin", "geo")]
    known = {(span.text, span.label_) for span in doc.spans[ANNOTATED_FOR]}
    assert known == {(text, "surname"), (text, "geo"), ("of Berlin", "per")}  # and nothing of Alice


def test_an_old_document_gives_way_whatever_its_white_space(trained: spacy.Language) -> None:
    old = docs_of(trained)
    text = old[0].text.replace(" ", "  ") + "\n"
    new = trained.make_doc(text)
    new.ents = [span for span in [new.char_span(0, 5, label="per")] if span is not None]
    assert update(trained, [new], old, []).replaced == sum(doc.text == old[0].text for doc in old)


def test_without_the_old_corpus_the_pipelines_own_entities_stand_in(trained: spacy.Language) -> None:
    new = orgs(trained)
    updated = update(trained, new, [], [])
    assert (updated.rehearsed, updated.left_open) == (len(new), 0)
    assert [ent.label_ for ent in new[0].ents] == ["per", "org", "geo"]
    assert labels_in(trained, ORGS[0][0]) == ["per", "org", "geo"]


def test_documents_that_say_for_what_they_were_annotated_are_believed(trained: spacy.Language) -> None:
    new = orgs(trained)
    for doc in new:
        annotate_for(doc, ["org", "geo"])
    old = docs_of(trained)
    update(trained, new, old, [])
    assert {span.label_ for span in new[0].spans[ANNOTATED_FOR]} == {"org", "geo"}
    assert {span.label_ for span in old[0].spans[ANNOTATED_FOR]} == {"geo", "per"}


def test_more_of_the_same_labels_is_learned_too(trained: spacy.Language) -> None:
    doc = trained.make_doc("Zelovan visited Oslo .")
    doc.ents = [Span(doc, 0, 1, label="per"), Span(doc, 2, 3, label="geo")]
    updated = update(trained, [doc], docs_of(trained), [])
    assert updated.added == []
    assert ANNOTATED_FOR not in doc.spans
    assert labels_in(trained, doc.text) == ["per", "geo"]


def test_what_was_corrected_is_not_learned_as_it_was(
    trained: spacy.Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: List[Doc] = []
    reader_of = module.reader_of

    def recorded(config: Any, part: str, docs: Sequence[Doc]) -> Any:
        learned.extend(docs if part == "train" else [])
        return reader_of(config, part, docs)

    monkeypatch.setattr(module, "reader_of", recorded)
    old = docs_of(trained)
    corrected = old[0].copy()
    corrected.set_ents([Span(corrected, 0, 1, label="per")], default="outside")
    updated = update(trained, [corrected], old, [])
    assert updated.replaced == sum(doc.text == corrected.text for doc in old) == 1
    assert old[0] not in learned
    assert learned.count(corrected) == 1


def test_rejections_are_learned_from(trained: spacy.Language) -> None:
    (text, *_), *_ = TRAIN_DATA
    doc = trained.make_doc(text)
    (ent, *_) = trained(text).ents
    doc.set_ents([], default="missing")
    doc.spans["incorrect_spans"] = [Span(doc, ent.start, ent.end, label=ent.label)]
    update(trained, [doc], [], [])
    assert (ent.text, ent.label_) not in [(each.text, each.label_) for each in trained(text).ents]


def test_of_labels_that_the_config_leaves_out_nothing_is_unlearned(trained: spacy.Language) -> None:
    config = trained.config
    config["corpora"]["train"]["annotated_for"] = ["per"]
    trained.config = config
    new = [trained.make_doc("Alice Smith lives in Berlin .") for _ in range(3)]
    for doc in new:
        doc.ents = [Span(doc, 0, 2, label="per")]
    assert update(trained, new, [], []).rehearsed == 3
    assert labels_in(trained, new[0].text) == ["per", "geo"]


def test_the_config_stays_as_it_is(trained: spacy.Language) -> None:
    before = trained.config.to_str()
    update(trained, orgs(trained), docs_of(trained), [])
    assert trained.config.to_str() == before


def test_dev_says_what_the_best_weights_are(trained: spacy.Language) -> None:
    dev = docs_of(trained)
    updated = update(trained, orgs(trained), docs_of(trained), dev)
    assert updated.before["ents_f"] <= updated.after["ents_f"] == 1.0
    assert trained.get_pipe(NAME).cfg["temperature"] > 0


@pytest.mark.filterwarnings("ignore:The entities' probabilities are not calibrated")
def test_a_large_dev_is_what_the_pipeline_is_calibrated_on(
    trained: spacy.Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluated, "MOST_WORDS", 1)  # so that no scores of the evaluation are kept
    config = trained.config
    config["training"]["before_to_disk"] = {"@callbacks": "posattn-spacy.calibrate.v1", "docs": 100}
    config["corpora"]["dev"]["path"] = "what/the/config/had/is/long/gone.spacy"
    trained.config = config
    trained.get_pipe(NAME).cfg["temperature"] = before = 31.0
    update(trained, docs_of(trained), [], docs_of(trained))
    assert trained.get_pipe(NAME).cfg["temperature"] < before


def test_nothing_annotated_is_nothing_to_learn(trained: spacy.Language) -> None:
    with pytest.raises(ValueError, match="nothing to learn"):
        update(trained, [trained.make_doc("Alice .")], [], [])


def test_a_pipeline_needs_the_component() -> None:
    with pytest.raises(ValueError, match="0 components of posattn-spacy"):
        update(spacy.blank("en"), [], [], [])


def test_the_command_writes_a_new_pipeline(trained: spacy.Language, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from posattn_spacy.cli import posattn

    trained.to_disk(tmp_path / "model")
    for name, docs in (("new", orgs(trained)), ("old", docs_of(trained))):
        DocBin(docs=docs).to_disk(tmp_path / f"{name}.spacy")
    args = ["add-label", *(str(tmp_path / name) for name in ("model", "new.spacy", "wider"))]
    ran = CliRunner().invoke(posattn, [*args, "--old", str(tmp_path / "old.spacy")], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    assert "New labels: org" in ran.output
    assert labels_in(spacy.load(tmp_path / "wider"), ORGS[0][0]) == ["per", "org", "geo"]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    again = CliRunner().invoke(posattn, args)
    assert again.exit_code == 1
    assert "is there already" in " ".join(again.output.split())
