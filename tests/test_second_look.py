"""Which texts need the encoder: the threshold, what dev promises, and where both are kept."""

import warnings
from pathlib import Path
from typing import Any, Callable, Dict, List

import numpy as np
import pytest
import spacy
import torch
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Example

from pipelines import TRAIN_DATA, frozen_pipeline, make_examples, train
from posattn_spacy import evaluated as evaluated_scores
from posattn_spacy import evaluation, fitting, second_look
from posattn_spacy.calibration import decode
from posattn_spacy.diagnosis.look_checks import check_looks
from posattn_spacy.evaluation import scored_batches
from posattn_spacy.fitting import calibrate, configure_calibrate_v1
from posattn_spacy.model import first_torch_head
from posattn_spacy.second_look import Promise, TextCounts, fit_second_look
from posattn_spacy.temperature import PRIOR
from processes import command

NAME = "posattn_ner"


def counts(p: List[float], right: List[List[int]], gold: int = 1000) -> TextCounts:
    """Texts of ten words and one entity, which each look finds, rightly or not."""
    found = np.ones((2, len(p)), dtype=np.int64)
    return TextCounts(np.array(p), np.full(len(p), 10), found, np.array(right), gold)


def f1(of: TextCounts, threshold: float) -> float:
    """Span F1 where texts from a threshold on are left to the first look, text by text."""
    chosen = [0 if p >= threshold else 1 for p in of.sureness]
    right, found = (sum(int(each[look][i]) for i, look in enumerate(chosen)) for each in (of.right, of.found))
    return 2 * right / (found + of.gold)


def test_the_surest_texts_are_left_to_the_first_look() -> None:
    of = counts([0.2, 0.99, 0.5, 0.9], [[0, 1, 0, 1], [1, 1, 1, 1]])
    promise = fit_second_look(of, 0.0)
    assert promise.threshold == pytest.approx(0.7)  # midway to the next one
    assert promise.words == 0.5
    assert promise.f == promise.f_all == f1(of, 1.1)


def test_it_stops_at_the_first_loss_even_if_a_gain_would_follow() -> None:
    of = counts([0.9, 0.8, 0.7], [[0, 1, 1], [1, 0, 0]])
    assert fit_second_look(of, 0.0).threshold is None
    assert fit_second_look(of, 1.0).threshold == pytest.approx(0.7)


def test_texts_that_are_as_sure_go_together() -> None:
    of = counts([0.9, 0.9, 0.5], [[1, 0, 1], [0, 1, 1]])
    assert fit_second_look(of, 0.0).threshold == pytest.approx(0.5)


def test_too_few_entities_promise_nothing() -> None:
    of = counts([0.9, 0.8], [[1, 1], [0, 0]], gold=second_look.LEAST_ENTITIES - 1)
    assert fit_second_look(of, 0.5).threshold is None
    assert fit_second_look(of._replace(gold=second_look.LEAST_ENTITIES), 0.5).threshold is not None


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.booleans()), min_size=1), st.floats(0, 0.1))
def test_what_is_promised_is_what_the_threshold_gives(texts: Any, tolerance: float) -> None:
    p, first, second = zip(*texts, strict=True)
    of = counts(list(p), [list(map(int, first)), list(map(int, second))])
    promise = fit_second_look(of, tolerance)
    threshold = 2.0 if promise.threshold is None else promise.threshold
    apart = np.abs(np.subtract.outer(np.unique(p), np.unique(p)))
    if (apart[apart > 0] > 2e-9).all():  # a threshold has nine digits
        assert promise.f == pytest.approx(f1(of, threshold))
    assert promise.f >= promise.f_all - tolerance - 1e-9
    assert promise.f_all == pytest.approx(f1(of, 2.0))


@pytest.fixture
def nlp(tiny_encoder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Language:
    monkeypatch.setattr(second_look, "LEAST_ENTITIES", 2)
    nlp = frozen_pipeline(tiny_encoder("bert"))
    train(nlp, 60)
    return nlp


def test_calibrating_fits_both_looks_and_says_what_dev_promises(nlp: Language) -> None:
    pipe = nlp.get_pipe(NAME)
    ((name, temperature, promise, _),) = calibrate(nlp, make_examples(nlp))
    assert (name, temperature) == (NAME, pipe.cfg["temperature"])
    assert promise == Promise.read(pipe.cfg)
    assert promise is not None
    assert pipe.look_threshold == promise.threshold is not None
    assert pipe.cfg["first_temperature"] != 1.0
    examples = make_examples(nlp)
    assert nlp.evaluate(examples)["ents_f"] == pytest.approx(promise.f)


@pytest.mark.parametrize(
    "thresholds", [{"threshold": 1.0, "label_thresholds": {"geo": 0.0}}, {"label_thresholds": {"per": 1.0}}]
)
def test_what_is_promised_is_of_entities_that_are_probable_enough(
    nlp: Language, thresholds: Dict[str, Any]
) -> None:
    pipe, examples = nlp.get_pipe(NAME), make_examples(nlp)
    ((*_, without, _),) = calibrate(nlp, examples)
    pipe.cfg.update(thresholds)
    ((*_, promise, _),) = calibrate(nlp, examples)
    assert promise is not None
    assert without is not None
    assert promise.f_all < without.f_all
    assert evaluated(nlp, make_examples(nlp)) == pytest.approx(promise.f)
    pipe.cfg["second_look"] = None
    assert evaluated(nlp, make_examples(nlp)) == pytest.approx(promise.f_all)


def evaluated(nlp: Language, examples: List[Example]) -> float:
    return float(nlp.evaluate(examples)["ents_f"])


def test_the_evaluation_is_not_made_twice(nlp: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is made anew if the weights have changed since."""
    pipe = nlp.get_pipe(NAME)
    examples = make_examples(nlp)
    read: List[int] = []
    monkeypatch.setattr(fitting, "dev_examples", lambda nlp, docs: read.append(docs) or make_examples(nlp))
    evaluated(nlp, examples)
    configure_calibrate_v1(7)(nlp)
    assert read == []
    from_evaluation = {key: pipe.cfg[key] for key in ("temperature", "first_temperature", "fitted_look")}
    pipe.evaluated.begin()
    configure_calibrate_v1(7)(nlp)
    assert read == [7]
    for key, value in from_evaluation.items():
        assert pipe.cfg[key] == pytest.approx(value, rel=1e-3)
    nlp.update(examples, sgd=nlp.resume_training())
    assert pipe.cfg["fitted_look"] is None
    configure_calibrate_v1(7)(nlp)
    assert read == [7, 7]


def test_a_component_that_is_used_after_its_training_keeps_nothing(
    nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a process that trains and then serves would grow for ever."""
    monkeypatch.setattr(evaluated_scores, "MOST_WORDS", 30)
    pipe = nlp.get_pipe(NAME)
    examples = make_examples(nlp)
    evaluated(nlp, examples)
    assert pipe.evaluated.is_learning
    for _ in range(2):
        list(nlp.pipe([example.text for example in examples]))
    assert not pipe.evaluated.is_learning
    assert pipe.evaluated.batches is not None
    assert len(evaluation.last_evaluated(pipe, 7)) == len(pipe.evaluated.batches)
    nlp.update(examples, sgd=nlp.resume_training())
    assert pipe.evaluated.is_learning
    evaluated(nlp, make_examples(nlp, [*TRAIN_DATA] * 3))
    assert pipe.evaluated.batches is None


def same_batches(pipe: Any, nlp: Language, examples: List[Example]) -> bool:
    """Whether what was kept of an evaluation is what comes of scoring the examples anew."""
    kept = evaluation.last_evaluated(pipe, len(examples))
    anew = list(scored_batches(nlp, pipe, examples))
    one, other = (sorted(np.concatenate([each.lengths for each in of]).tolist()) for of in (kept, anew))
    tags, others = (sorted(np.concatenate([each.tags for each in of]).tolist()) for of in (kept, anew))
    return (one, tags) == (other, others)


def test_other_components_behind_it_do_not_change_what_is_kept(nlp: Language) -> None:
    two = ("Alice saw Bob . He saw Rome .", {"entities": [(0, 5, "per")]})
    examples = make_examples(nlp, [two, *TRAIN_DATA])
    nlp.add_pipe("sentencizer", last=True)
    evaluated(nlp, examples)
    assert same_batches(nlp.get_pipe(NAME), nlp, examples)
    nlp.add_pipe("merge_entities", last=True)
    nlp.get_pipe(NAME).evaluated.begin()
    evaluated(nlp, examples)
    assert not evaluation.last_evaluated(nlp.get_pipe(NAME), 100)


def test_an_evaluation_counts_as_a_whole_or_not_at_all(nlp: Language) -> None:
    pipe, examples = nlp.get_pipe(NAME), make_examples(nlp)
    for kept in (examples[:2], [*examples, *examples[:1]]):
        pipe.evaluated.begin()
        list(nlp.pipe([example.reference.text for example in kept]))
        pipe.score(examples)
        assert not evaluation.last_evaluated(pipe, 100)
    evaluated(nlp, examples)
    assert evaluation.last_evaluated(pipe, 100)
    pipe.from_bytes(pipe.to_bytes())
    assert not evaluation.last_evaluated(pipe, 100)


def test_a_first_look_that_finds_nothing_can_be_fitted(nlp: Language) -> None:
    pipe = nlp.get_pipe(NAME)
    head = first_torch_head(pipe.model)
    assert head is not None
    with torch.no_grad():
        head.tags.bias[0] += 50
    (fitted,) = calibrate(nlp, make_examples(nlp))
    assert fitted.promise is not None
    assert pipe.cfg["first_temperature"] == PRIOR
    assert pipe.cfg["fitted_look"] == fitted.promise._asdict()


def test_what_a_later_version_keeps_beside_a_promise_is_no_fault(nlp: Language) -> None:
    promise = {"threshold": 0.5, "words": 0.3, "f": 0.8, "f_all": 0.8}
    assert Promise.read({"fitted_look": {**promise, "more": 1}}) == Promise(**promise)
    nlp.get_pipe(NAME).cfg["fitted_look"] = {"threshold": 0.5}
    with pytest.raises(ValueError, match="fitted_look"):
        nlp.get_pipe(NAME).require_settings()


def test_no_more_of_dev_is_used_than_was_asked_for(nlp: Language) -> None:
    evaluated(nlp, make_examples(nlp, [*TRAIN_DATA] * 400))
    batches = evaluation.last_evaluated(nlp.get_pipe(NAME), 5)
    assert 5 <= sum(len(batch.lengths) for batch in batches) < 1600


def test_what_was_fitted_is_kept_and_shown(nlp: Language, tmp_path: Path) -> None:
    calibrate(nlp, make_examples(nlp))
    nlp.to_disk(tmp_path / "model")
    threshold = nlp.get_pipe(NAME).look_threshold
    assert spacy.load(tmp_path / "model").get_pipe(NAME).look_threshold == pytest.approx(threshold)
    DocBin(docs=[example.reference for example in make_examples(nlp)]).to_disk(tmp_path / "dev.spacy")
    said = " ".join(command("calibrate", tmp_path / "model", tmp_path / "dev.spacy").split())
    assert "get a second look (span F1 on dev" in said
    loaded = spacy.load(tmp_path / "model").get_pipe(NAME)
    assert loaded.cfg["fitted_look"]["threshold"] == loaded.look_threshold


def test_calibrate_takes_another_tolerance_and_shows_what_others_give(nlp: Language, tmp_path: Path) -> None:
    calibrate(nlp, make_examples(nlp))
    model, corpus = tmp_path / "model", tmp_path / "dev.spacy"
    nlp.to_disk(model)
    DocBin(docs=[example.reference for example in make_examples(nlp, [*TRAIN_DATA] * 100)]).to_disk(corpus)
    for tolerance, encoded in ((0, 1.0), (1, 0.0)):  # all may be lost, so nothing is encoded
        command("calibrate", model, corpus, "--tolerance", tolerance, "--gold-preproc")
        loaded = spacy.load(model)
        assert loaded.config["components"][NAME]["second_look_tolerance"] == tolerance
        assert loaded.get_pipe(NAME).cfg["second_look_tolerance"] == tolerance
        promise = Promise.read(loaded.get_pipe(NAME).cfg)
        assert promise is not None
        assert promise.words <= encoded
        assert loaded.meta["performance"][f"{NAME}_words_encoded"] == promise.words
    said = command("calibrate", model, corpus)
    assert spacy.load(model).get_pipe(NAME).cfg["second_look_tolerance"] == 1  # as it was
    for each in ("tolerance", "words encoded", "0.0005", "0.01", "at the tolerance of 1"):
        assert each in said


def test_what_dev_promises_stands_in_the_meta_data(nlp: Language, capsys: pytest.CaptureFixture[str]) -> None:
    evaluated(nlp, make_examples(nlp))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        configure_calibrate_v1()(nlp)
    promise = Promise.read(nlp.get_pipe(NAME).cfg)
    assert promise is not None
    assert nlp.meta["performance"][f"{NAME}_words_encoded"] == promise.words
    assert "second look" in capsys.readouterr().out


def test_the_doctor_tells_whether_the_first_look_is_of_use(nlp: Language) -> None:
    pipe, examples = nlp.get_pipe(NAME), make_examples(nlp)
    decoded = list(map(decode, scored_batches(nlp, pipe, examples)))

    def said() -> List[str]:
        return [f"{each.verdict}: {each.said}" for each in check_looks(pipe, decoded)]

    assert said()[0].startswith("warn: It was not fitted")
    calibrate(nlp, examples)
    for threshold, share in ((0.0, "0%"), (None, "100%")):
        pipe.cfg["second_look"] = threshold
        assert said()[0] == f"warn: {share} of the words go through the encoder."
    pipe.cfg["second_look"] = "fitted"
    promise = Promise.read(pipe.cfg)
    assert promise is not None
    assert f"encoder; of those it was fitted to, {promise.words:.0%} do, with a span F1 of" in said()[0]
    assert f"Span F1 is {promise.f:.4f}, and {promise.f_all:.4f} if all" in said()[1]
    assert said()[1].startswith("pass")
    pipe.cfg |= {"second_look": 0.0, "first_temperature": 10.0}
    worse = [decode(each.batch._replace(first=-each.batch.scores)) for each in decoded]
    assert [each.verdict for each in check_looks(pipe, worse)] == ["warn", "warn"]


def test_a_model_without_a_first_look_has_no_such_findings(tiny_encoder: Callable[[str], Path]) -> None:
    nlp = frozen_pipeline(tiny_encoder("bert"), layers=[1, 2])
    train(nlp, 1)
    pipe = nlp.get_pipe(NAME)
    assert not list(check_looks(pipe, list(map(decode, scored_batches(nlp, pipe, make_examples(nlp))))))
