"""`posattn_ner` keeps the contract of a trainable pipe: construction, labels, initialize."""

import numpy as np
import pytest
import spacy
import torch

from pipelines import (
    GOLD,
    TRAIN_DATA,
    entities,
    head_parameters,
    initialized,
    make_examples,
    misaligned_examples,
    plain_pipeline,
    train,
)

NAME = "posattn_ner"


# Construction


def test_the_component_is_there_without_an_import():
    nlp = spacy.blank("xx")
    nlp.add_pipe("posattn_ner")
    meta = nlp.get_pipe_meta("posattn_ner")
    assert list(meta.assigns) == ["doc.ents", "doc.spans", "token.ent_iob", "token.ent_type"]
    assert nlp.analyze_pipes()["problems"] == {"posattn_ner": []}
    weights = nlp.config["training"]["score_weights"]
    assert weights["ents_f"] == 1.0
    assert weights["flat_f"] == 0.0


def test_the_default_model_learns():
    nlp = spacy.blank("xx")
    nlp.add_pipe("posattn_ner")
    train(nlp, 40)
    assert entities(nlp) == GOLD


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


def test_a_label_that_is_added_to_a_trained_pipe_changes_nothing_until_it_is_learned():
    nlp = plain_pipeline()
    train(nlp, 30)
    pipe = nlp.get_pipe(NAME)
    docs = [nlp.make_doc(text) for text, _ in TRAIN_DATA]
    before, predicted = pipe.model.predict(docs).tags, pipe.predict(docs)
    assert pipe.add_label("geo") == 0
    assert pipe.add_label("org") == 1
    assert pipe.labels == ("geo", "per", "org")
    assert pipe.model.get_dim("nO") == 7
    assert np.array_equal(pipe.model.predict(docs).tags[:, :5], before)
    for one, other in zip(pipe.predict(docs), predicted, strict=True):
        for field, own in zip(one.entities[:3], other.entities[:3], strict=True):
            assert np.array_equal(field, own)
        assert one.entities.probabilities == pytest.approx(other.entities.probabilities, abs=0.02)


def test_a_label_that_is_added_is_learned_by_the_same_optimizer():
    nlp = plain_pipeline()
    train(nlp, 10)
    optimizer = nlp.resume_training()
    text, ents = "Alice Smith joined Acme in Berlin .", [(0, 11, "per"), (19, 23, "org"), (27, 33, "geo")]
    (example,) = make_examples(nlp, [(text, {"entities": ents})])
    with pytest.warns(UserWarning, match=r"does not know the entity types \['org'\].*add_label"):
        nlp.update([example], sgd=optimizer)
    nlp.get_pipe(NAME).add_label("org")
    for _ in range(40):
        nlp.update([example], sgd=optimizer)
    assert [ent.label_ for ent in nlp(text).ents] == ["per", "org", "geo"]
    copy = plain_pipeline().from_bytes(nlp.to_bytes())
    assert [ent.label_ for ent in copy(text).ents] == ["per", "org", "geo"]


def test_the_number_of_tags_can_be_fixed_before_the_model_is_built():
    pipe = plain_pipeline(nO=5).get_pipe(NAME)
    with pytest.raises(ValueError, match="E922"):
        pipe.add_label("org")
    with pytest.raises(NotImplementedError):
        pipe.set_output(7)


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


def test_initialize_again_adds_labels(tmp_path):
    nlp = plain_pipeline()
    train(nlp, 3)
    nlp.get_pipe(NAME).cfg["temperature"] = 2.0
    nlp.to_disk(tmp_path)
    nlp = spacy.load(tmp_path)
    text = "Alice Smith visited Berlin in June ."
    data = [*TRAIN_DATA, (text, {"entities": [(0, 11, "per"), (20, 26, "geo"), (30, 34, "tim")]})] * 2
    train(nlp, 60, data)
    pipe = nlp.get_pipe(NAME)
    assert pipe.labels == ("geo", "per", "tim")
    assert pipe.model.get_dim("nO") == 7
    assert pipe.cfg["temperature"] == 1.0  # the other one was of other weights
    assert entities(nlp, [text]) == [[(0, 11, "per"), (20, 26, "geo"), (30, 34, "tim")]]
    nlp.to_disk(tmp_path)
    assert entities(spacy.load(tmp_path), [text]) == entities(nlp, [text])


def test_without_labels_initialize_fails():
    nlp = plain_pipeline()
    examples = make_examples(nlp, TRAIN_DATA[-1:])
    with pytest.raises(ValueError, match="E143"):
        nlp.initialize(lambda: examples)
    with pytest.raises(ValueError, match="E143"):
        plain_pipeline().initialize()


def test_spans_in_place_of_entities_are_named_when_there_is_no_label():
    nlp = plain_pipeline()
    examples = make_examples(nlp, TRAIN_DATA[-1:])
    examples[0].reference.spans["sc"] = [examples[0].reference[1:2]]
    with pytest.raises(ValueError, match=r'E143.*No entity is annotated.*doc\.spans\["sc"\].*--spans-key sc'):
        nlp.initialize(lambda: examples)


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
    examples = make_examples(nlp) + misaligned_examples(nlp)
    with pytest.warns(
        UserWarning, match=r"1 of 6 gold entities .*'posattn_ner'.*New York.*gold_preproc = true"
    ):
        nlp.initialize(lambda: examples)
    assert nlp.get_pipe(NAME).labels == ("geo", "per")
