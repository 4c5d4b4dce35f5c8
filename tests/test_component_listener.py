"""`posattn_ner` on a transformer: ours, which needs no settings, and a stock one that is kept frozen."""

from typing import Any

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import registry
from spacy_transformers.layers import TransformerListener
from thinc.api import Linear, Model, chain, with_array

from pipelines import (
    FROZEN_LISTENER,
    GOLD,
    LISTENERS,
    MASKS,
    STOCK_LISTENER,
    TAGGER,
    TEXTS,
    TRAIN_DATA,
    add_frozen_transformer,
    add_head,
    add_stock_transformer,
    entities,
    frozen_pipeline,
    make_examples,
    stock_pipeline,
    train,
    train_on_stock,
)
from posattn_spacy.frozen.architecture import pad_embedding
from posattn_spacy.frozen.listener import FrozenListener, build_frozen_listener_v1, token_rows
from processes import run

pytestmark = pytest.mark.gpu

each_listener = pytest.mark.parametrize("listener", LISTENERS.values(), ids=LISTENERS.keys())


def head_of(nlp: Language) -> Any:
    return nlp.get_pipe("posattn_ner").model.get_ref("output_layer").shims[0]._model


# Our transformer


@pytest.mark.parametrize("mask", MASKS)
def test_a_head_overfits_on_our_transformer(tiny_encoder, tmp_path, mask):
    nlp = frozen_pipeline(tiny_encoder("bert"), mask=mask, pad_ratio=0.4)
    losses = train(nlp, 100)
    assert losses["posattn_ner"] < 0.05
    assert entities(nlp) == GOLD
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert entities(loaded) == GOLD
    assert loaded.evaluate(make_examples(loaded))["ents_f"] == 1.0


@pytest.mark.parametrize("family", ["roberta", "xlm-roberta"])
def test_a_head_overfits_on_other_encoders(tiny_encoder, tmp_path, family):
    nlp = frozen_pipeline(tiny_encoder(family))
    train(nlp, 80)
    assert entities(nlp) == GOLD
    nlp.to_disk(tmp_path)
    assert entities(spacy.load(tmp_path)) == GOLD


@pytest.mark.parametrize("layers", [[-1], [0, 2]])
def test_a_head_overfits_on_a_choice_of_layers(tiny_encoder, layers):
    nlp = frozen_pipeline(tiny_encoder("bert"), layers=layers)
    train(nlp, 80)
    assert head_of(nlp).config.input_width == 16 * len(layers)
    assert entities(nlp) == GOLD


def test_a_stock_listener_overfits_on_our_transformer(tiny_encoder):
    nlp = frozen_pipeline(tiny_encoder("bert"), listener=STOCK_LISTENER)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    before = nlp.get_pipe("transformer").to_bytes()
    train(nlp, 80)
    assert nlp.get_pipe("transformer").to_bytes() == before
    assert entities(nlp) == GOLD


def test_both_listeners_read_the_same_features(tiny_encoder):
    nlp = frozen_pipeline(tiny_encoder("bert"))
    other = frozen_pipeline(tiny_encoder("bert"), listener=STOCK_LISTENER)
    for pipeline in (nlp, other):
        train(pipeline, 0)
    head_of(other).load_state_dict(head_of(nlp).state_dict())
    for text in TEXTS:
        scores = [
            pipeline.get_pipe("posattn_ner").model.predict([pipeline(text)]) for pipeline in (nlp, other)
        ]
        np.testing.assert_allclose(scores[0].tags, scores[1].tags, atol=1e-5)


@each_listener
@pytest.mark.parametrize("position", [0, 1, 4])
def test_documents_without_tokens_may_stand_anywhere(tiny_encoder, listener, position):
    nlp = frozen_pipeline(tiny_encoder("bert"), listener=listener)
    examples = make_examples(nlp)
    examples.insert(position, make_examples(nlp, [("", {"entities": []})])[0])
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.003
    for _ in range(80):
        nlp.update(examples, sgd=optimizer)
    texts = [example.text for example in examples]
    expected = [*GOLD[:position], [], *GOLD[position:]]
    assert entities(nlp, texts) == expected
    assert entities(nlp, ["", ""]) == [[], []]
    losses = nlp.update(make_examples(nlp, [("", {})]), losses={})
    assert losses["posattn_ner"] == 0.0


def test_two_heads_share_a_transformer(tiny_encoder):
    nlp = frozen_pipeline(tiny_encoder("bert"))
    nlp.add_pipe(
        "posattn_ner",
        name="second",
        config={"model": {**TAGGER, "tok2vec": STOCK_LISTENER}, "overwrite": True},
    )
    losses = train(nlp, 80)
    assert losses["posattn_ner"] < 0.05
    assert losses["second"] < 0.05
    assert entities(nlp) == GOLD


def test_the_head_takes_the_encoders_pad_embedding(tiny_encoder):
    nlp = frozen_pipeline(tiny_encoder("bert"), mask="pad")
    train(nlp, 0)
    own = pad_embedding(nlp.get_pipe("transformer").model)
    assert own.any()
    assert np.array_equal(head_of(nlp).pad_embedding.numpy(), own)


def test_an_update_with_dropout_leaves_the_features_alone(tiny_encoder):
    nlp = frozen_pipeline(tiny_encoder("bert"))
    train(nlp, 0)
    examples = make_examples(nlp)
    before = nlp(TEXTS[0])._.trf_data.model_output["last_hidden_state"].copy()
    nlp.update(examples, drop=0.5, sgd=nlp.create_optimizer())
    assert np.array_equal(nlp(TEXTS[0])._.trf_data.model_output["last_hidden_state"], before)


@pytest.mark.parametrize("mask", MASKS)
def test_layers_may_stand_between_listener_and_head(tiny_encoder, mask):
    nlp = frozen_pipeline(tiny_encoder("bert"), listener={"@architectures": "test.Narrowed.v1"}, mask=mask)
    examples = make_examples(nlp, [*TRAIN_DATA, ("", {})])
    optimizer = nlp.initialize(lambda: examples)
    assert head_of(nlp).config.input_width == 8
    narrow = nlp.get_pipe("posattn_ner").model.get_ref("tok2vec").layers[1].layers[0]
    before = narrow.get_param("W").copy()
    nlp.update(examples, sgd=optimizer)
    assert not np.array_equal(narrow.get_param("W"), before)
    assert len(list(nlp.pipe([*TEXTS, ""]))) == len(TEXTS) + 1


@registry.architectures("test.Narrowed.v1")
def narrowed() -> Model:
    """A listener followed by a layer that is trained: 48 features become 8."""
    return chain(build_frozen_listener_v1(), with_array(Linear(8, 48)))


@each_listener
def test_other_components_listen_to_our_transformer(tiny_encoder, listener):
    nlp = frozen_pipeline(tiny_encoder("bert"), listener=listener)
    nlp.add_pipe("tagger", config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": listener}})
    words = TEXTS[0].split()
    tags = ["NOUN", "NOUN", "VERB", "NOUN", "PUNCT"]
    data = {"words": words, "tags": tags, "entities": ["B-per", "L-per", "O", "U-geo", "O"]}
    examples = [Example.from_dict(Doc(nlp.vocab, words=words), data)]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    for _ in range(40):
        nlp.update(examples, sgd=optimizer)
    doc = nlp(Doc(nlp.vocab, words=words))
    assert [token.tag_ for token in doc] == tags
    assert [ent.label_ for ent in doc.ents] == ["per", "geo"]


def test_transformer_and_head_are_sourced_together(tiny_encoder):
    source = frozen_pipeline(tiny_encoder("bert"))
    train(source, 80)
    nlp = spacy.blank("xx")
    for name in source.pipe_names:
        nlp.add_pipe(name, source=source)
    assert entities(nlp) == GOLD


# A stock transformer, kept frozen


def test_a_head_overfits_on_a_stock_frozen_transformer(tiny_encoder, tmp_path):
    nlp = stock_pipeline(tiny_encoder("bert"))
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    before = nlp.get_pipe("transformer").to_bytes()
    train_on_stock(nlp, 80)
    assert nlp.get_pipe("transformer").to_bytes() == before
    assert entities(nlp) == GOLD
    nlp.to_disk(tmp_path)
    assert entities(spacy.load(tmp_path)) == GOLD


def test_a_stock_transformer_that_does_not_annotate_is_refused(tiny_encoder):
    nlp = stock_pipeline(tiny_encoder("bert"))
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    with pytest.raises(ValueError, match="annotating"):
        nlp.update(examples, sgd=optimizer, exclude=["transformer"])


# The head without its transformer


@each_listener
def test_a_listener_without_a_transformer_is_refused(listener):
    nlp = spacy.blank("xx")
    add_head(nlp, listener)
    with pytest.raises(ValueError, match="Put a 'transformer' component before it"):
        train(nlp, 0)


@each_listener
def test_a_listener_before_its_transformer_is_refused(tiny_encoder, listener):
    nlp = spacy.blank("xx")
    add_head(nlp, listener)
    add_frozen_transformer(nlp, tiny_encoder("bert"))
    with pytest.raises(ValueError, match="Put a 'transformer' component before it"):
        train(nlp, 0)


def test_a_listener_to_another_component_is_refused(tiny_encoder):
    with pytest.raises(ValueError, match="Put a 'transformer' component before it"):
        train(frozen_pipeline(tiny_encoder("bert"), listener={**FROZEN_LISTENER, "upstream": "encoder"}), 0)


@each_listener
def test_initialize_without_the_pipeline_says_what_is_missing(tiny_encoder, listener):
    nlp = frozen_pipeline(tiny_encoder("bert"), listener=listener)
    examples = make_examples(nlp)
    with pytest.raises(ValueError, match="none is initialized before it in the pipeline"):
        nlp.get_pipe("posattn_ner").initialize(lambda: examples)


@each_listener
def test_predicting_without_the_transformer_is_refused(tiny_encoder, listener):
    nlp = frozen_pipeline(tiny_encoder("bert"), listener=listener)
    train(nlp, 1)
    message = (
        r"'transformer' has not run over it, or .* away\. Put it before this component .* leave it enabled"
    )
    with nlp.select_pipes(enable=["posattn_ner"]), pytest.raises(ValueError, match=message):
        nlp(TEXTS[0])
    with pytest.raises(ValueError, match=message):
        list(nlp.pipe(TEXTS, disable=["transformer"]))
    with nlp.select_pipes(enable=["transformer", "posattn_ner"]):
        assert len(list(nlp.pipe(TEXTS))) == len(TEXTS)


def test_predicting_without_a_stock_transformer_is_refused(tiny_encoder):
    nlp = stock_pipeline(tiny_encoder("bert"))
    train_on_stock(nlp, 1)
    with nlp.select_pipes(enable=["posattn_ner"]), pytest.raises(ValueError, match="has not run over it"):
        nlp(TEXTS[0])


def test_training_without_the_transformer_is_refused(tiny_encoder):
    nlp = frozen_pipeline(tiny_encoder("bert"))
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    with pytest.raises(ValueError, match="'transformer' has not run over it"):
        nlp.update(examples, sgd=optimizer, exclude=["transformer"])


@each_listener
def test_an_update_lets_go_of_its_batch(tiny_encoder, listener):
    nlp = frozen_pipeline(tiny_encoder("bert"), listener=listener)
    train(nlp, 1)
    (node,) = (n for n in nlp.get_pipe("posattn_ner").model.walk() if isinstance(n, TransformerListener))
    assert (node._batch_id, node._outputs, node._backprop) == (None, None, None)


def test_our_listener_may_read_what_hangs_on_the_documents(tiny_encoder):
    nlp = frozen_pipeline(tiny_encoder("bert"))
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.003
    for _ in range(80):
        nlp.update(examples, sgd=optimizer, exclude=["transformer"], annotates=["transformer"])
    assert entities(nlp) == GOLD


def test_a_pipeline_loaded_without_its_transformer_says_so(tiny_encoder, tmp_path):
    nlp = frozen_pipeline(tiny_encoder("bert"))
    train(nlp, 1)
    nlp.to_disk(tmp_path)
    script = (
        "import sys, spacy\n"
        "from spacy.training import Example\n"
        "nlp = spacy.load(sys.argv[1], exclude=['transformer'])\n"
        "doc = nlp.make_doc(sys.argv[2])\n"
        "for attempt in (lambda: nlp(doc), lambda: nlp.update([Example.from_dict(doc, {})])):\n"
        "    try:\n"
        "        attempt()\n"
        "    except ValueError as error:\n"
        "        print(error)\n"
    )
    output = run("-c", script, tmp_path, TEXTS[0]).stdout
    assert output.count("'transformer' has not run over it") == 2


def test_our_listener_on_a_stock_transformer_is_refused(tiny_encoder):
    nlp = spacy.blank("xx")
    add_stock_transformer(nlp, tiny_encoder("bert"))
    add_head(nlp, FROZEN_LISTENER)
    examples = make_examples(nlp)
    with pytest.raises(ValueError, match=r"use 'spacy-transformers\.TransformerListener\.v1'"):
        nlp.initialize(lambda: examples)
    # The same mistake without initialization, in a pipeline put together from trained parts.
    doc = nlp.get_pipe("transformer")(nlp.make_doc(TEXTS[0]))
    with pytest.raises(ValueError, match=r"FrozenListener\.v1' expects one row .* merge_entities"):
        token_rows(doc, doc._.trf_data)


def test_batch_is_known_by_the_same_number_as_to_a_stock_listener() -> None:
    nlp = spacy.blank("xx")
    for texts in ([], [""], TEXTS, ["", *TEXTS * 50, "naïve 東京 🪐"]):
        docs = [nlp.make_doc(text) for text in texts]
        assert FrozenListener.get_batch_id(docs) == TransformerListener.get_batch_id(docs)
