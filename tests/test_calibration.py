"""Temperature, calibration error and thresholds; `spacy posattn calibrate` and `find-threshold`."""

import json
import math
import os
import re
from pathlib import Path
from typing import List, Tuple

import numpy as np
import pytest
import spacy
import torch
from hypothesis import given
from hypothesis import strategies as st
from spacy.cli import app as spacy_app
from spacy.language import Language
from spacy.tokens import Doc, DocBin

from pipelines import TEXTS, make_examples, plain_pipeline, train
from posattn_spacy import evaluation, settings
from posattn_spacy.calibration import (
    DecodedBatch,
    Judged,
    calibration_error,
    decode,
    judge,
    log_loss,
)
from posattn_spacy.evaluation import scored_batches
from posattn_spacy.fitting import calibrate, configure_calibrate_v1
from posattn_spacy.lattice import Lattice
from posattn_spacy.losses import MISSING
from posattn_spacy.scored import ScoredBatch
from posattn_spacy.settings import write_settings
from posattn_spacy.temperature import MOST, PRIOR, fit_temperature, lowest
from posattn_spacy.thresholds import best_point, of_label, points
from processes import command

NAME = "posattn_ner"
N_TAGS = 5


def judged(*entities: Tuple[int, float, bool], gold: Tuple[int, ...] = (3, 3)) -> Judged:
    """Entities of two labels: label, probability, whether it is right."""
    labels, probabilities, correct = zip(*entities, strict=True)
    return Judged(
        np.array(labels), np.array(probabilities, dtype=np.float32), np.array(correct), np.array(gold)
    )


def sampled(temperature: float, n: int = 3000) -> List[DecodedBatch]:
    """Texts whose gold tags are drawn from the scores, which are then made `temperature` times larger."""
    torch.manual_seed(0)
    scores = torch.randn(n, 4, N_TAGS)
    scores[:, :, 2::2] -= 20.0  # entities of one token, so that tokens can be drawn one by one
    tags = torch.distributions.Categorical(logits=scores).sample()
    return [decode(ScoredBatch((scores * temperature).flatten(0, 1), torch.full((n,), 4), tags.flatten()))]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_is_found_that_the_scores_were_made_with(temperature):
    assert fit_temperature(sampled(temperature)) == pytest.approx(temperature, rel=0.05)


def test_few_entities_move_the_temperature_little_from_that_of_other_corpora():
    few, many = (fit_temperature(sampled(3.0, n)) for n in (3, 300))
    assert sum(len(batch.labels) for batch in sampled(3.0, 3)) < 10
    assert PRIOR < few < 2.0 < many


def test_entities_that_are_all_right_do_not_make_it_sure_of_everything():
    scores = torch.zeros(6, N_TAGS)
    tags = torch.tensor([1, 0, 3, 1, 0, 3])
    scores[torch.arange(6), tags] = 3.0
    all_right = [decode(ScoredBatch(scores, torch.tensor([3, 3]), tags))]
    assert fit_temperature(all_right) > 1.0


@given(st.floats(-2.0, 2.0), st.floats(0.5, 2.0), st.floats(0.5, 2.0))
def test_the_lowest_point_of_a_valley_is_found_in_few_steps(at: float, left: float, right: float) -> None:
    asked: List[float] = []

    def valley(x: float) -> float:
        asked.append(x)
        return math.cosh((left if x < at else right) * (x - at))

    assert lowest(valley, -2.3, 2.3) == pytest.approx(at, abs=2e-3)
    assert len(asked) <= 30
    assert all(-2.3 <= x <= 2.3 for x in asked)


def test_texts_without_entities_and_the_size_of_batches_say_nothing_about_the_temperature() -> None:
    (batch,) = sampled(3.0)
    scores, lengths, tags, *_ = batch.batch
    outside = torch.zeros(4, N_TAGS)
    outside[:, 0] = 30.0
    nothing = decode(ScoredBatch(outside, torch.tensor([4]), torch.zeros(4, dtype=torch.long)))
    half = len(lengths) // 2
    parts = [
        decode(ScoredBatch(scores[:n], lengths[:half], tags[:n]))
        if first
        else decode(ScoredBatch(scores[n:], lengths[half:], tags[n:]))
        for n in [4 * half]
        for first in (True, False)
    ]
    expected = fit_temperature([batch])
    assert fit_temperature([nothing, *parts, nothing]) == pytest.approx(expected, rel=1e-3)


def test_no_more_entities_are_looked_at_than_tell_the_temperature() -> None:
    (many,) = sampled(3.0, 4000)
    assert len(many.labels) >= MOST
    others = sampled(1.0, 4000)
    assert fit_temperature([many, *others]) == fit_temperature([many])


def test_calibrated_probabilities_hold():
    batches = sampled(3.0)
    fitted = fit_temperature(batches)
    assert calibration_error(judge(batches, fitted)) < 0.02 < calibration_error(judge(batches, 1.0))


def test_the_temperature_changes_no_entity():
    ((batch, *_),) = sampled(3.0)
    one, other = (Lattice(batch.scores / t, batch.lengths).best() for t in (1.0, 4.0))
    assert torch.equal(one, other)


def test_nothing_can_be_fitted_without_entities():
    scores = torch.zeros(3, N_TAGS)
    scores[:, 0] = 9.0
    outside = torch.zeros(3, dtype=torch.long)
    for batches in ([], [decode(ScoredBatch(scores, torch.tensor([3]), outside))]):
        with pytest.raises(ValueError, match="no entity is predicted"):
            fit_temperature(batches)
    with pytest.raises(ValueError, match="no entity of a label of the component is annotated"):
        fit_temperature([decode(ScoredBatch(-scores, torch.tensor([3]), outside))])


def test_an_entity_is_right_if_tokens_and_label_are():
    scores = torch.full((8, N_TAGS), -9.0)
    predicted = [1, 2, 0, 3, 1, 0, 1, 3]
    scores[torch.arange(8), predicted] = 9.0
    gold = torch.tensor([1, 2, 0, 1, 1, 2, MISSING, 3])  # right, wrong label, wrong end, unknown, right
    found = judge([decode(ScoredBatch(scores, torch.tensor([6, 2]), gold))], 1.0)
    assert found.labels.tolist() == [0, 1, 0, 1]
    assert found.correct.tolist() == [True, False, False, True]
    assert found.gold.tolist() == [3, 1]


def test_calibration_error_is_the_mean_gap_of_its_bins():
    entities = judged((0, 0.2, False), (0, 0.2, True), (0, 0.9, True), (0, 0.9, True))
    assert calibration_error(entities, bins=2) == pytest.approx((0.3 + 0.1) / 2)
    assert calibration_error(entities, bins=1) == pytest.approx(0.75 - 0.55)


def test_log_loss_is_the_mean_surprise():
    assert log_loss(np.array([0.5, 0.25]), np.array([True, False])) == pytest.approx(
        -np.log([0.5, 0.75]).mean()
    )


ENTITIES = judged((0, 0.9, True), (0, 0.6, True), (0, 0.4, False), (1, 0.8, False), (1, 0.3, True))


def test_points_score_what_is_probable_enough():
    all_of_them, some, none = points(ENTITIES, [0.0, 0.6, 0.95])
    assert all_of_them[1:] == (5, 3 / 5, 3 / 6, 6 / 11)
    assert some[1:] == (3, 2 / 3, 2 / 6, 4 / 9)
    assert none[1:] == (0, 0.0, 0.0, 0.0)


def test_the_best_threshold_has_the_best_f1():
    best = best_point(of_label(ENTITIES, 0))
    assert best.kept == 2
    assert 0.4 < best.threshold < 0.6
    assert best.f == pytest.approx(4 / 5)
    assert best_point(of_label(ENTITIES, 1)).threshold == 0.0


def test_no_entities_have_a_best_threshold_too():
    nothing = Judged(np.zeros(0, int), np.zeros(0, np.float32), np.zeros(0, bool), np.array([4]))
    assert best_point(nothing) == (0.0, 0, 0.0, 0.0, 0.0)


# In a pipeline


@pytest.fixture
def nlp() -> Language:
    nlp = plain_pipeline()
    train(nlp, 12)
    return nlp


def write_corpus(nlp: Language, path: Path) -> Path:
    DocBin(docs=[example.reference for example in make_examples(nlp)]).to_disk(path)
    return path


def test_calibration_writes_the_temperature_down(nlp, tmp_path):
    ((name, temperature, *_),) = calibrate(nlp, make_examples(nlp))
    assert (name, nlp.get_pipe(NAME).cfg["temperature"]) == (NAME, temperature)
    assert temperature != 1.0
    nlp.to_disk(tmp_path / "model")
    assert spacy.load(tmp_path / "model").get_pipe(NAME).cfg["temperature"] == pytest.approx(temperature)


def test_the_callback_calibrates_on_dev(nlp, tmp_path):
    path = str(write_corpus(nlp, tmp_path / "dev.spacy"))
    for name in ("train", "dev"):
        nlp.config["corpora"][name] = {"@readers": "spacy.Corpus.v1", "path": path, "gold_preproc": True}
    assert configure_calibrate_v1(docs=100)(nlp) is nlp
    fitted = nlp.get_pipe(NAME).cfg["temperature"]
    assert fitted == pytest.approx(
        fit_temperature(list(map(decode, scored_batches(nlp, nlp.get_pipe(NAME), make_examples(nlp)))))
    )


def test_a_long_document_is_calibrated_on_alone(nlp, monkeypatch):
    """So that it neither pads the others nor waits for them in memory."""
    n, seen = evaluation.BATCH_TOKENS, []
    texts = [*TEXTS * 20, " ".join(["Berlin"] * (n + 10)), *TEXTS * 20]
    examples = make_examples(nlp, [(text, {"entities": []}) for text in texts])
    pipe = nlp.get_pipe(NAME)
    predict = pipe.model.predict
    monkeypatch.setattr(
        pipe.model, "predict", lambda docs: seen.append(list(map(len, docs))) or predict(docs)
    )
    read = sum(len(batch.lengths) for batch in scored_batches(nlp, pipe, examples))
    assert read == len(texts)
    assert [batch for batch in seen if sum(batch) > n] == [[n + 10]]


def test_the_callback_does_not_break_the_writing_of_a_pipeline(nlp):
    with pytest.warns(UserWarning, match="not calibrated.*E913"):
        assert configure_calibrate_v1()(nlp) is nlp
    assert nlp.get_pipe(NAME).cfg["temperature"] == 1.0


def test_the_callback_needs_documents():
    with pytest.raises(ValueError, match=r"training\.before_to_disk\.docs = 0"):
        configure_calibrate_v1(docs=0)


def test_calibrate_changes_a_pipeline_on_disk(nlp, tmp_path):
    nlp.to_disk(tmp_path / "model")
    corpus = write_corpus(nlp, tmp_path / "dev.spacy")
    said = command("calibrate", tmp_path / "model", corpus)
    assert f"Temperature of '{NAME}' written" in said
    cfg = json.loads((tmp_path / "model" / NAME / "cfg").read_text())
    assert f"{cfg['temperature']:.3f}" in said
    assert cfg["temperature"] != 1.0
    assert cfg["labels"] == ["geo", "per"]
    assert "so few say little, and the temperature is drawn towards that of other corpora, 1.45" in said


def test_thresholds_are_shown_and_written_on_request(nlp, tmp_path):
    model, corpus = tmp_path / "model", write_corpus(nlp, tmp_path / "dev.spacy")
    nlp.to_disk(model)
    before = (model / NAME / "cfg").read_bytes()
    assert "geo" in command("find-threshold", model, corpus)
    assert (model / NAME / "cfg").read_bytes() == before
    command("find-threshold", model, corpus, "--write")
    changed = spacy.load(model)
    thresholds = changed.get_pipe(NAME).cfg["label_thresholds"]
    assert set(thresholds) == {"geo", "per"}
    assert changed.config["components"][NAME]["label_thresholds"] == thresholds
    assert changed.get_pipe(NAME).cfg["thresholds_at"] == changed.get_pipe(NAME).cfg["temperature"] == 1.0
    plain, filtered = (pipeline.evaluate(make_examples(nlp))["ents_f"] for pipeline in (nlp, changed))
    assert filtered >= plain


def test_a_new_temperature_tells_of_thresholds_of_the_old_one(nlp, tmp_path):
    model, corpus = tmp_path / "model", write_corpus(nlp, tmp_path / "dev.spacy")
    nlp.to_disk(model)
    command("find-threshold", model, corpus, "--write")
    thresholds = {"geo": 0.5, "per": 0.25}  # the best ones may be 0, which leaves nothing out
    write_settings(model, NAME, {"label_thresholds": thresholds})
    said = command("calibrate", model, corpus)
    assert f"The thresholds of '{NAME}' were fitted at the temperature 1.000" in said
    assert "find-threshold MODEL CORPUS --write" in said
    assert spacy.load(model).get_pipe(NAME).cfg["label_thresholds"] == thresholds
    command("find-threshold", model, corpus, "--write")
    write_settings(model, NAME, {"label_thresholds": thresholds})
    assert "were fitted at" not in command("calibrate", model, corpus)


def test_calibrating_in_python_tells_of_them_too(nlp):
    nlp.get_pipe(NAME).cfg |= {"thresholds_at": 1.0, "label_thresholds": {"geo": 0.5}}
    with pytest.warns(UserWarning, match=r"thresholds of 'posattn_ner' were fitted.*find-threshold"):
        calibrate(nlp, make_examples(nlp))
    nlp.get_pipe(NAME).cfg["label_thresholds"] = {}
    calibrate(nlp, make_examples(nlp))  # nothing is left out
    nlp.get_pipe(NAME).cfg |= {"thresholds_at": None, "threshold": 0.5}
    calibrate(nlp, make_examples(nlp))  # meant as a probability


def test_all_annotated_entities_count_as_gold(nlp, tmp_path):
    nlp.to_disk(tmp_path / "model")
    within = Doc(nlp.vocab, words=["N", "York"], spaces=[False, False], ents=["B-geo", "O"])
    crossing = Doc(
        nlp.vocab, words=["St", ".", "Gallen"], ents=["B-geo", "I-geo", "I-geo"], sent_starts=[1, 0, 1]
    )
    docs = [*(example.reference for example in make_examples(nlp)), within, crossing]
    DocBin(docs=docs).to_disk(tmp_path / "dev.spacy")
    for options in ((), ("--gold-preproc",)):
        said = command("find-threshold", tmp_path / "model", tmp_path / "dev.spacy", *options)
        (best,) = re.findall("the best for each label.*", said)
        assert re.findall(r"(geo|per) +(\d+)", best) == [("geo", "5"), ("per", "2")]


def test_spacys_own_command_finds_the_global_threshold(nlp, tmp_path):
    nlp.to_disk(tmp_path / "model")
    corpus = write_corpus(nlp, tmp_path / "dev.spacy")
    said = command(
        *("find-threshold", tmp_path / "model", corpus, NAME, "threshold", "ents_f", "-n", 5), app=spacy_app
    )
    assert "Best threshold" in said


@pytest.mark.parametrize("name", ["calibrate", "find-threshold", "doctor"])
def test_what_commands_can_not_work_with_is_named(nlp, tmp_path, name):
    model, corpus = tmp_path / "model", write_corpus(nlp, tmp_path / "dev.spacy")
    nlp.to_disk(model)
    (tmp_path / "my.csv").write_text("Sentence #,Word,Tag\n")
    (tmp_path / "other").mkdir()
    assert "my.csv is no .spacy file. Convert it first" in command(
        name, model, tmp_path / "my.csv", fails=True
    )
    assert "can't be loaded as a pipeline" in command(name, tmp_path / "other", corpus, fails=True)
    said = command(name, model, corpus, "--gpu-id", 7, fails=True)
    assert "GPU 7 can't be used" in said
    assert "leave --gpu-id out" in said


@pytest.mark.parametrize("arguments", [("calibrate",), ("find-threshold", "--write")])
def test_a_pipeline_that_can_not_be_changed_is_left_as_it_is(nlp, tmp_path, monkeypatch, arguments):
    model, corpus = tmp_path / "model", write_corpus(nlp, tmp_path / "dev.spacy")
    nlp.to_disk(model)
    before = (model / NAME / "cfg").read_bytes(), (model / "config.cfg").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, mode: Path(path) != model or not mode & os.W_OK)
        said = command(*arguments, model, corpus, fails=True)
    assert "can't be written: you have no permission" in said

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(settings, "write_settings", full)
    said = command(*arguments, model, corpus, fails=True)
    assert "can't be changed: [Errno 28] No space left on device Make room" in said
    assert before == ((model / NAME / "cfg").read_bytes(), (model / "config.cfg").read_bytes())


def test_a_corpus_without_entities_can_not_calibrate(nlp, tmp_path):
    nlp.to_disk(tmp_path / "model")
    docs = [nlp.make_doc(text) for text in TEXTS]
    for doc in docs:
        doc.ents = ()
    DocBin(docs=docs).to_disk(tmp_path / "bare.spacy")
    for name in ("calibrate", "find-threshold"):
        said = command(name, tmp_path / "model", tmp_path / "bare.spacy", fails=True)
        assert "No entity is annotated in" in said
    assert spacy.load(tmp_path / "model").get_pipe(NAME).cfg["temperature"] == 1.0
