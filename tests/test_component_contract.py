"""`posattn_ner` keeps the contract of a trainable pipe: labels, initialize, update, predict."""

import warnings
from typing import Any, Dict, List

import numpy as np
import pytest
import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from pipelines import GOLD, MASKS, TEXTS, TRAIN_DATA, Corpus, entities, make_examples, plain_pipeline, train
from posattn_spacy.component import PositionalNER
from posattn_spacy.model import TokenScores

NAME = "posattn_ner"
PARTIAL_DATA: Corpus = [
    ("Alice Smith visited Berlin .", {}),
    ("Bob Jones of Peru spoke", {"entities": ["-", "-", "O", "U-geo", "-"]}),
    ("", {"entities": []}),
    ("The Games cost $ 5 million", {"entities": []}),
]


def head_parameters(nlp: Language) -> Dict[str, torch.Tensor]:
    head = nlp.get_pipe(NAME).model.get_ref("output_layer").shims[0]._model
    return {name: parameter.detach().clone() for name, parameter in head.named_parameters()}


def gradients(nlp: Language) -> List[torch.Tensor]:
    head = nlp.get_pipe(NAME).model.get_ref("output_layer").shims[0]._model
    return [parameter.grad for parameter in head.parameters() if parameter.grad is not None]


def initialized(nlp: Language, data: Corpus = TRAIN_DATA) -> List[Example]:
    examples = make_examples(nlp, data)
    nlp.initialize(lambda: examples)
    return examples


# Construction


def test_the_component_is_there_without_an_import():
    nlp = spacy.blank("en")
    nlp.add_pipe("posattn_ner")
    meta = nlp.get_pipe_meta("posattn_ner")
    assert list(meta.assigns) == ["doc.ents", "token.ent_iob", "token.ent_type"]
    assert nlp.analyze_pipes()["problems"] == {"posattn_ner": []}
    weights = nlp.config["training"]["score_weights"]
    assert weights["ents_f"] == 1.0
    assert weights["flat_f"] == 0.0


def test_the_default_model_learns():
    nlp = spacy.blank("en")
    nlp.add_pipe("posattn_ner")
    train(nlp, 40)
    assert entities(nlp) == GOLD


def test_a_negative_positional_weight_is_refused():
    with pytest.raises(ValueError, match=r"components\.posattn_ner\.positional_weight = -0\.5: .*negative"):
        plain_pipeline(settings={"positional_weight": -0.5})


def test_the_component_may_have_another_name():
    nlp = plain_pipeline()
    nlp.rename_pipe(NAME, "entities")
    losses = train(nlp, 1)
    assert {"entities", "entities_categorical", "entities_positional"} <= set(losses)


# Labels


def test_labels_are_added_once_before_initialize():
    pipe = plain_pipeline().get_pipe(NAME)
    assert pipe.add_label("per") == 1
    assert pipe.add_label("per") == 0
    assert pipe.add_label("geo") == 1
    assert pipe.labels == ("per", "geo")
    assert pipe.label_data == ["per", "geo"]
    assert "geo" in pipe.vocab.strings


def test_labels_must_be_strings():
    with pytest.raises(ValueError, match="E187"):
        plain_pipeline().get_pipe(NAME).add_label(9)


def test_no_label_can_be_added_after_initialize():
    nlp = plain_pipeline()
    initialized(nlp)
    pipe = nlp.get_pipe(NAME)
    assert pipe.add_label("geo") == 0
    with pytest.raises(ValueError, match="E922"):
        pipe.add_label("org")
    assert pipe.labels == ("geo", "per")


def test_labels_are_listed_in_the_meta():
    nlp = plain_pipeline()
    initialized(nlp)
    assert nlp.meta["labels"][NAME] == ["geo", "per"]


# Initialize


def test_labels_are_found_in_the_examples_in_order():
    nlp = plain_pipeline()
    initialized(nlp, list(reversed(TRAIN_DATA)))
    assert nlp.get_pipe(NAME).labels == ("geo", "per")


def test_labels_added_before_come_first():
    nlp = plain_pipeline()
    nlp.get_pipe(NAME).add_label("tim")
    initialized(nlp)
    assert nlp.get_pipe(NAME).labels == ("tim", "geo", "per")


def test_added_labels_suffice_without_examples():
    nlp = plain_pipeline()
    nlp.get_pipe(NAME).add_label("per")
    nlp.initialize()
    assert nlp.get_pipe(NAME).labels == ("per",)
    assert isinstance(nlp("Alice Smith").ents, tuple)


def test_given_labels_replace_those_of_the_examples():
    nlp = plain_pipeline()
    examples = make_examples(nlp)
    nlp.get_pipe(NAME).initialize(lambda: examples, nlp=nlp, labels=["per", "tim", "geo"])
    assert nlp.get_pipe(NAME).labels == ("per", "tim", "geo")


def test_labels_may_be_given_in_the_config():
    nlp = plain_pipeline()
    nlp.config["initialize"]["components"][NAME] = {"labels": ["per", "geo"]}
    initialized(nlp)
    assert nlp.get_pipe(NAME).labels == ("per", "geo")


def test_label_data_initializes_another_component():
    nlp, other = plain_pipeline(), plain_pipeline()
    examples = initialized(nlp)
    other.get_pipe(NAME).initialize(lambda: examples, labels=nlp.get_pipe(NAME).label_data)
    assert other.get_pipe(NAME).labels == nlp.get_pipe(NAME).labels


def test_initialize_works_without_the_pipeline_and_twice():
    nlp = plain_pipeline()
    examples = make_examples(nlp)
    pipe = nlp.get_pipe(NAME)
    for _ in range(2):
        pipe.initialize(lambda: examples)
        assert pipe.labels == ("geo", "per")
        assert pipe.model.get_dim("nO") == 5
    train(nlp, 40)
    assert entities(nlp) == GOLD


def test_initialize_again_starts_from_new_weights():
    nlp = plain_pipeline()
    train(nlp, 3)
    before = head_parameters(nlp)
    initialized(nlp)
    after = head_parameters(nlp)
    assert not torch.equal(before["tags.weight"], after["tags.weight"])


def test_without_labels_initialize_fails():
    nlp = plain_pipeline()
    examples = make_examples(nlp, TRAIN_DATA[-1:])
    with pytest.raises(ValueError, match="E143"):
        nlp.initialize(lambda: examples)
    with pytest.raises(ValueError, match="E143"):
        plain_pipeline().initialize()


@pytest.mark.parametrize("data", [[], [("", {}), ("", {"entities": []})]])
def test_without_any_token_to_look_at_initialize_fails(data):
    nlp = plain_pipeline()
    examples = make_examples(nlp, data)
    with pytest.raises(ValueError, match=f"E923.*{NAME}"):
        nlp.get_pipe(NAME).initialize(lambda: (example for example in examples))  # as a corpus reader does


@pytest.mark.parametrize(
    "wrong",
    [None, [], lambda: None, lambda: [], lambda: [1, 2]],
    ids=["nothing", "a list", "gives nothing", "gives an empty list", "gives no examples"],
)
def test_initialize_wants_a_function_that_gives_examples(wrong):
    with pytest.raises(TypeError, match=r"E930|E978"):
        plain_pipeline().get_pipe(NAME).initialize(wrong)


def test_initialize_warns_of_misaligned_entities():
    nlp = plain_pipeline()
    examples = make_examples(nlp) + _misaligned(nlp)
    with pytest.warns(
        UserWarning, match=r"1 of 6 gold entities .*'posattn_ner'.*New York.*gold_preproc = true"
    ):
        nlp.initialize(lambda: examples)
    assert nlp.get_pipe(NAME).labels == ("geo", "per")


def _misaligned(nlp: Language) -> List[Example]:
    """An example whose only entity ends inside a predicted token."""
    words = ["New", "York", "is", "large"]
    reference = Doc(nlp.vocab, words=words, ents=["B-geo", "O", "O", "O"])
    return [Example(Doc(nlp.vocab, words=["New York", "is", "large"]), reference)]


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
    examples = make_examples(nlp, [*TRAIN_DATA, *PARTIAL_DATA]) + _misaligned(nlp)
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
    with pytest.warns(UserWarning, match=r"not initialized with the entity types \['tim'\]"):
        found, d_scores = pipe.get_loss(unseen, scores)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pipe.get_loss(unseen, scores)[0] == found
    assert found == pytest.approx(pipe.get_loss(seen, scores)[0])
    assert not d_scores.tags[3].any()
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
        scores.tags - step * d_scores.tags, scores.positions - step * d_scores.positions, scores.lengths
    )
    assert pipe.get_loss(examples, lower)[0] < loss


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
    tags = pipe.predict(docs)
    assert [doc.to_bytes() for doc in docs] == before
    assert [len(array) for array in tags] == [len(doc) for doc in docs]
    pipe.set_annotations(docs, tags)
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
