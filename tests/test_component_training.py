"""`posattn_ner` keeps the contract of a trainable pipe: update, predict, evaluate."""

import warnings
from typing import Any, Dict, List

import numpy as np
import pytest
import torch
from spacy.language import Language
from thinc.api import Adam

from pipelines import (
    GOLD,
    MASKS,
    TEXTS,
    TRAIN_DATA,
    Corpus,
    entities,
    head_parameters,
    initialized,
    make_examples,
    misaligned_examples,
    plain_pipeline,
    train,
)
from posattn_spacy.component import PositionalNER
from posattn_spacy.head import TokenScores

pytestmark = pytest.mark.gpu

NAME = "posattn_ner"
PARTIAL_DATA: Corpus = [
    ("Alice Smith visited Berlin .", {}),
    ("Bob Jones of Peru spoke", {"entities": ["-", "-", "O", "U-geo", "-"]}),
    ("", {"entities": []}),
    ("The Games cost $ 5 million", {"entities": []}),
]


def gradients(nlp: Language) -> List[torch.Tensor]:
    head = nlp.get_pipe(NAME).model.get_ref("output_layer").shims[0]._model
    return [parameter.grad for parameter in head.parameters() if parameter.grad is not None]


# Update


@pytest.mark.parametrize("mask", MASKS)
def test_the_head_overfits(mask):
    nlp = plain_pipeline(mask=mask, pad_ratio=0.4)  # the toy texts are entities to three fifths
    losses = train(nlp, 60)
    assert losses[NAME] < 0.05
    assert entities(nlp) == GOLD
    assert nlp.evaluate(make_examples(nlp))["ents_f"] == 1.0


def test_update_reports_both_parts_of_the_loss():
    nlp = plain_pipeline(settings={"positional_weight": 0.5})
    losses = train(nlp, 1)
    parts = losses[f"{NAME}_categorical"], losses[f"{NAME}_positional"]
    assert min(parts) > 0
    assert losses[NAME] == pytest.approx(parts[0] + 0.5 * parts[1])


def test_update_adds_to_the_losses():
    nlp = plain_pipeline()
    examples = initialized(nlp)
    once = nlp.update(examples, sgd=False)
    twice = nlp.update(examples, sgd=False, losses=dict(once))
    for key, value in once.items():
        assert twice[key] == pytest.approx(2 * value)


def test_update_without_an_optimizer_only_accumulates():
    nlp = plain_pipeline()
    examples = initialized(nlp)
    pipe = nlp.get_pipe(NAME)
    before = head_parameters(nlp)
    pipe.update(examples)
    once = [gradient.clone() for gradient in gradients(nlp)]
    pipe.update(examples)
    assert any(gradient.any() for gradient in once)
    for gradient, first in zip(gradients(nlp), once, strict=True):
        torch.testing.assert_close(gradient, 2 * first, rtol=1e-3, atol=1e-6)
    for name, parameter in head_parameters(nlp).items():
        assert torch.equal(parameter, before[name])
    pipe.finish_update(nlp.create_optimizer())
    assert not torch.equal(head_parameters(nlp)["tags.weight"], before["tags.weight"])
    assert not any(gradient.any() for gradient in gradients(nlp))


def test_update_trains_the_layers_below():
    nlp = plain_pipeline()
    examples = initialized(nlp)
    tok2vec = nlp.get_pipe(NAME).model.get_ref("tok2vec")
    before = tok2vec.to_bytes()
    nlp.update(examples, sgd=nlp.create_optimizer())
    assert tok2vec.to_bytes() != before


def test_update_gives_losses_even_for_documents_without_tokens():
    nlp = plain_pipeline()
    initialized(nlp)
    losses = nlp.update(make_examples(nlp, [("", {}), ("", {"entities": []})]), losses={})
    assert losses == {NAME: 0.0, f"{NAME}_categorical": 0.0, f"{NAME}_positional": 0.0}


def test_update_without_gold_tags_changes_no_gradient():
    nlp = plain_pipeline()
    initialized(nlp)
    losses: Dict[str, float] = {}
    nlp.get_pipe(NAME).update(make_examples(nlp, PARTIAL_DATA[:1]), losses=losses)
    assert set(losses.values()) == {0.0}
    assert not any(gradient.any() for gradient in gradients(nlp))


def test_partial_annotation_trains():
    nlp = plain_pipeline()
    examples = make_examples(nlp, [*TRAIN_DATA, *PARTIAL_DATA]) + misaligned_examples(nlp)
    with pytest.warns(UserWarning, match="gold entities do not fit"):
        optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.003
    for _ in range(60):
        losses = nlp.update(examples, sgd=optimizer, losses={})
    assert losses[NAME] < 0.1
    assert entities(nlp) == GOLD


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_document_without_tokens_may_stand_anywhere(position):
    nlp = plain_pipeline()
    data = [*TRAIN_DATA[:position], ("", {"entities": []}), *TRAIN_DATA[position:]]
    train(nlp, 40, data)
    texts = [text for text, _ in data]
    assert entities(nlp, texts) == [annotation["entities"] for _, annotation in data]


@pytest.mark.parametrize("wrong", [None, [1], "text"])
def test_update_wants_examples(wrong):
    nlp = plain_pipeline()
    initialized(nlp)
    with pytest.raises(TypeError):
        nlp.get_pipe(NAME).update(wrong)


def test_unseen_labels_warn_once_and_carry_no_loss():
    nlp = plain_pipeline()
    initialized(nlp)
    text = "Alice Smith visited Berlin ."
    seen = make_examples(nlp, [(text, {"entities": ["B-per", "L-per", "O", "-", "O"]})])
    unseen = make_examples(nlp, [(text, {"entities": ["B-per", "L-per", "O", "U-tim", "O"]})])
    pipe = nlp.get_pipe(NAME)
    scores = pipe.model.predict([seen[0].predicted])
    with pytest.warns(UserWarning, match=r"does not know the entity types \['tim'\]"):
        found, d_scores = pipe.get_loss(unseen, scores)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pipe.get_loss(unseen, scores)[0] == found
    as_missing, d_as_missing = pipe.get_loss(seen, scores)
    assert found == pytest.approx(as_missing)
    assert d_scores.tags == pytest.approx(d_as_missing.tags)
    assert not d_scores.positions[3].any()


def test_get_loss_works_by_itself():
    nlp = plain_pipeline()
    examples = initialized(nlp)
    pipe: PositionalNER = nlp.get_pipe(NAME)
    scores = pipe.model.predict([example.predicted for example in examples])
    loss, d_scores = pipe.get_loss(iter(examples), scores)
    assert isinstance(loss, float)
    assert loss > 0
    assert d_scores.tags.shape == scores.tags.shape
    assert d_scores.positions.shape == scores.positions.shape
    step = 1e-2
    lower = TokenScores(
        scores.tags - step * d_scores.tags, scores.positions - step * d_scores.positions, *scores[2:]
    )
    assert pipe.get_loss(examples, lower)[0] < loss


@pytest.mark.parametrize("data", [[], [("", {"entities": []})] * 2])
def test_a_batch_without_tokens_has_no_loss(data):
    nlp = plain_pipeline()
    initialized(nlp)
    pipe = nlp.get_pipe(NAME)
    examples = make_examples(nlp, data)
    scores, backprop = pipe.model.begin_update([example.predicted for example in examples])
    assert scores.tags.shape == (0, 5)
    loss, d_scores = pipe.get_loss(examples, scores)
    assert loss == 0.0
    assert [part.shape for part in d_scores[:4]] == [(0, 5), (0, 3), (len(data),), (0,)]
    backprop(d_scores)
    assert not any(gradient.any() for gradient in gradients(nlp))


@pytest.mark.parametrize("labels", [[], ["per", "geo"]])
def test_update_before_initialize_says_so(labels):
    nlp = plain_pipeline()
    for label in labels:
        nlp.get_pipe(NAME).add_label(label)
    nlp.resume_training()
    with pytest.raises(ValueError, match=rf"E109.*'{NAME}'.*initialize"):
        nlp.update(make_examples(nlp))


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("tags", np.nan, "E940"),
        ("tags", np.inf, "E940"),
        ("positions", np.nan, "E910"),
        ("positions", np.inf, "E910"),
    ],
)
def test_a_loss_that_is_no_number_stops_the_training(part, value, message):
    nlp = plain_pipeline()
    examples = initialized(nlp)
    pipe = nlp.get_pipe(NAME)
    scores = pipe.model.predict([example.predicted for example in examples])
    getattr(scores, part)[0] = value
    with pytest.raises(ValueError, match=message):
        pipe.get_loss(examples, scores)


def test_dropout_obeys_the_update():
    nlp = plain_pipeline()
    examples = initialized(nlp)

    def loss(drop: float) -> float:
        return nlp.update(examples, drop=drop, sgd=False)[NAME]

    assert loss(0.0) == loss(0.0)
    assert loss(0.5) != loss(0.5)
    assert loss(0.0) == loss(0.0)


def test_rehearse_does_nothing():
    nlp = plain_pipeline()
    examples = initialized(nlp)
    nlp.resume_training()
    before = nlp.get_pipe(NAME).to_bytes()
    nlp.rehearse(examples, sgd=nlp.create_optimizer())
    assert nlp.get_pipe(NAME).to_bytes() == before


def test_averaged_parameters_are_put_back():
    nlp = plain_pipeline()
    examples = initialized(nlp)
    optimizer = nlp.create_optimizer()
    for _ in range(3):
        nlp.update(examples, sgd=optimizer)
    before = nlp.to_bytes()
    with nlp.use_params(optimizer.averages):
        assert len(list(nlp.pipe(TEXTS))) == len(TEXTS)
    assert nlp.to_bytes() == before


# Predict


def test_pipe_equals_call_and_repeats_itself():
    nlp = plain_pipeline()
    train(nlp, 10)
    texts = [*TEXTS, "", "Nobody", *TEXTS[:2]]
    called = [[(ent.start_char, ent.end_char, ent.label_) for ent in nlp(text).ents] for text in texts]
    assert entities(nlp, texts) == called
    assert entities(nlp, texts) == called


def test_documents_without_tokens_have_no_entities():
    nlp = plain_pipeline()
    initialized(nlp)
    assert entities(nlp, ["", ""]) == [[], []]
    assert entities(nlp, [""]) == [[]]
    assert nlp("").ents == ()
    assert list(nlp.pipe([])) == []


def test_predict_leaves_the_documents_alone():
    nlp = plain_pipeline()
    train(nlp, 40)
    pipe = nlp.get_pipe(NAME)
    docs = [nlp.make_doc(text) for text in [*TEXTS, ""]]
    before = [doc.to_bytes() for doc in docs]
    predictions = pipe.predict(docs)
    assert [doc.to_bytes() for doc in docs] == before
    pipe.set_annotations(docs, predictions)
    assert [[(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents] for doc in docs] == [*GOLD, []]


@pytest.mark.parametrize("text", [TEXTS[0], ""])
def test_an_uninitialized_component_says_so(text):
    with pytest.raises(ValueError, match=f"E109.*{NAME}"):
        plain_pipeline()(text)


def test_evaluate_reports_span_and_flat_scores():
    nlp = plain_pipeline()
    train(nlp, 40)
    scores = nlp.evaluate(make_examples(nlp))
    for key in ("ents_p", "ents_r", "ents_f", "flat_p", "flat_r", "flat_f"):
        assert scores[key] == 1.0
    assert sorted(scores["ents_per_type"]) == ["geo", "per"]
    assert sorted(scores["flat_per_type"]) == ["B-geo", "B-per", "I-per"]


def test_another_scorer_may_be_chosen():
    nlp = plain_pipeline(settings={"scorer": {"@scorers": "spacy.ner_scorer.v1"}})
    initialized(nlp)
    scores: Dict[str, Any] = nlp.evaluate(make_examples(nlp))
    assert "ents_f" in scores
    assert "flat_f" not in scores


# Averages


def test_averaged_weights_are_used_and_given_back():
    nlp = plain_pipeline()
    examples = initialized(nlp)
    optimizer = Adam(0.01, use_averages=True)
    for _ in range(3):
        nlp.update(examples, sgd=optimizer)
    pipe = nlp.get_pipe(NAME)
    shim = pipe.model.get_ref("output_layer").shims[0]
    own = head_parameters(nlp)
    with nlp.use_params(optimizer.averages):
        averaged = head_parameters(nlp)
    for name, average in averaged.items():
        np.testing.assert_array_equal(average.numpy(), optimizer.averages[shim.id, name])
    assert any(not torch.equal(average, own[name]) for name, average in averaged.items())
    for name, weight in head_parameters(nlp).items():
        assert torch.equal(weight, own[name])


# Weights of labels


def test_a_label_without_weight_is_not_learned():
    nlp = plain_pipeline(settings={"label_weights": {"geo": 0.0}, "positional_weight": 0.0})
    train(nlp, 40)
    assert {label for doc in entities(nlp) for *_, label in doc} == {"per"}


@pytest.mark.parametrize("setting", ["label_weights", "label_thresholds"])
def test_settings_of_unknown_labels_are_refused(setting):
    nlp = plain_pipeline(settings={setting: {"goe": 0.5}})
    with pytest.raises(ValueError, match=rf"components\.{NAME}\.{setting} names goe.*geo, per"):
        initialized(nlp)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"positional_weight": -0.5}, r"positional_weight = -0\.5: .*at least 0"),
        ({"label_weights": {"geo": -1.0}}, r"label_weights\.geo = -1\.0"),
        ({"threshold": 1.5}, r"threshold = 1\.5"),
        ({"label_thresholds": {"geo": -0.5}}, r"label_thresholds\.geo = -0\.5"),
        ({"candidates": 0.0}, r"candidates = 0\.0.*null"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=rf"components\.{NAME}\.{message}"):
        plain_pipeline(settings=settings)
