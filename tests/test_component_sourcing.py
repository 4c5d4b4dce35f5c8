"""Pipelines that `spacy train` puts together: sourced and frozen transformers, replaced listeners."""

from pathlib import Path
from typing import Any, Dict

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.training.loop import train as train_loop
from spacy.util import load_model_from_config
from thinc.api import Config

from pipelines import (
    FROZEN_LISTENER,
    GOLD,
    LISTENERS,
    STOCK_LISTENER,
    TEXTS,
    add_head,
    encoder_weights,
    entities,
    frozen_architecture,
    frozen_pipeline,
    make_examples,
    stock_pipeline,
    train,
    train_on_stock,
)

pytestmark = pytest.mark.gpu

each_listener = pytest.mark.parametrize("listener", LISTENERS.values(), ids=LISTENERS.keys())


# Training as `spacy train` sets it up

TRAINING = """
[nlp]
lang = "xx"
pipeline = ["transformer","posattn_ner"]

[components]

[components.posattn_ner]
factory = "posattn_ner"

[components.posattn_ner.model]
@architectures = "posattn-spacy.PosAttnTagger.v1"
hidden_width = 32

[components.posattn_ner.model.tok2vec]

[components.transformer]

[corpora]

[corpora.train]
@readers = "spacy.Corpus.v1"
path = ${paths.corpus}

[corpora.dev]
@readers = "spacy.Corpus.v1"
path = ${paths.corpus}

[paths]
corpus = null

[training]
max_steps = 3
eval_frequency = 3
seed = 0
gpu_allocator = null
"""


def frozen_component(encoder: Path) -> Dict[str, Any]:
    return {"factory": "transformer", "model": frozen_architecture(encoder)}


def train_from_config(
    folder: Path, transformer: Dict[str, Any], listener: Dict[str, Any], **training: Any
) -> Language:
    """Initialize and train a pipeline from a config, as `spacy train` does."""
    examples = make_examples(spacy.blank("xx"))
    DocBin(docs=[example.reference for example in examples]).to_disk(folder / "train.spacy")
    config = Config().from_str(TRAINING, interpolate=False)
    config["components"]["transformer"] = transformer
    config["components"]["posattn_ner"]["model"]["tok2vec"] = listener
    config["paths"]["corpus"] = str(folder / "train.spacy")
    config["training"].update(training)
    nlp = init_nlp(config)
    train_loop(nlp, use_gpu=-1)
    return nlp


@each_listener
def test_our_transformer_needs_no_training_setting(tiny_encoder, tmp_path, listener):
    nlp = train_from_config(tmp_path, frozen_component(tiny_encoder("bert")), listener)
    assert len(list(nlp.pipe(TEXTS))) == len(TEXTS)


def test_our_transformer_among_the_frozen_components_is_refused(tiny_encoder, tmp_path):
    with pytest.raises(ValueError, match=r"frozen_components.*take it off that list"):
        train_from_config(
            tmp_path,
            frozen_component(tiny_encoder("bert")),
            FROZEN_LISTENER,
            frozen_components=["transformer"],
            annotating_components=["transformer"],
        )


def test_our_transformer_may_be_sourced(tiny_encoder, tmp_path):
    source = frozen_pipeline(tiny_encoder("bert"))
    train(source, 1)
    source.to_disk(tmp_path / "source")
    nlp = train_from_config(tmp_path, {"source": str(tmp_path / "source")}, FROZEN_LISTENER)
    assert encoder_weights(nlp) == encoder_weights(source)


def test_a_trained_head_may_be_sourced_to_train_on(tiny_encoder, tmp_path):
    encoder = tiny_encoder("bert")
    source = frozen_pipeline(encoder)
    train(source, 3)
    source.to_disk(tmp_path / "source")
    sourced = {"source": str(tmp_path / "source")}
    examples = make_examples(spacy.blank("xx"))
    DocBin(docs=[example.reference for example in examples]).to_disk(tmp_path / "train.spacy")
    trained = []
    for transformer in (sourced, frozen_component(encoder)):  # with its head, and made anew
        config = Config().from_str(TRAINING, interpolate=False)
        config["components"] = {"transformer": transformer, "posattn_ner": sourced}
        config["paths"]["corpus"] = str(tmp_path / "train.spacy")
        nlp = init_nlp(config)
        train_loop(nlp, use_gpu=-1)
        trained.append(nlp.get_pipe("posattn_ner").model.to_bytes())
        assert len(list(nlp.pipe(TEXTS))) == len(TEXTS)
    assert trained[0] == trained[1] != source.get_pipe("posattn_ner").model.to_bytes()


@pytest.mark.parametrize(
    ("pipeline", "listener"),
    [(frozen_pipeline, FROZEN_LISTENER), (frozen_pipeline, STOCK_LISTENER), (stock_pipeline, STOCK_LISTENER)],
    ids=["ours", "ours, stock listener", "stock"],
)
def test_a_sourced_transformer_may_be_frozen(tiny_encoder, tmp_path, pipeline, listener):
    source = pipeline(tiny_encoder("bert"))
    examples = make_examples(source)
    source.initialize(lambda: examples)
    source.to_disk(tmp_path / "source")
    nlp = train_from_config(
        tmp_path,
        {"source": str(tmp_path / "source")},
        listener,
        frozen_components=["transformer"],
        annotating_components=["transformer"],
    )
    assert encoder_weights(nlp) == encoder_weights(source)


# Replacing the listener


def test_a_replaced_listener_predicts_the_same(tiny_encoder, tmp_path):
    nlp = frozen_pipeline(tiny_encoder("bert"), layers=[0, 2])
    train(nlp, 80)
    nlp.replace_listeners("transformer", "posattn_ner", ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    assert entities(nlp) == GOLD
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert loaded.pipe_names == ["posattn_ner"]
    assert entities(loaded) == GOLD
    tok2vec = loaded.config["components"]["posattn_ner"]["model"]["tok2vec"]
    assert tok2vec["@architectures"] == "posattn-spacy.FrozenTok2Vec.v1"
    assert tok2vec["transformer"]["layers"] == [0, 2]


def test_a_replaced_listener_trains_on_and_leaves_the_encoder(tiny_encoder):
    nlp = frozen_pipeline(tiny_encoder("bert"))
    train(nlp, 1)
    nlp.replace_listeners("transformer", "posattn_ner", ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    tok2vec = nlp.get_pipe("posattn_ner").model.get_ref("tok2vec")
    before = tok2vec.to_bytes()
    train(nlp, 80)
    assert tok2vec.to_bytes() == before
    assert entities(nlp, [*TEXTS, ""]) == [*GOLD, []]


def test_a_head_with_its_own_transformer_is_built_from_a_config(tiny_encoder):
    nlp = spacy.blank("xx")
    transformer = frozen_architecture(tiny_encoder("bert"))
    add_head(nlp, {"@architectures": "posattn-spacy.FrozenTok2Vec.v1", "transformer": transformer})
    train(nlp, 80)
    assert entities(nlp) == GOLD


def test_a_listener_is_replaced_by_sourcing(tiny_encoder, tmp_path):
    source = frozen_pipeline(tiny_encoder("bert"))
    train(source, 80)
    source.to_disk(tmp_path / "source")
    config = {
        "nlp": {"lang": "xx", "pipeline": ["posattn_ner"]},
        "components": {
            "posattn_ner": {"source": str(tmp_path / "source"), "replace_listeners": ["model.tok2vec"]}
        },
    }
    nlp = load_model_from_config(Config(config), auto_fill=True)
    assert nlp.pipe_names == ["posattn_ner"]
    assert entities(nlp) == GOLD
    nlp.to_disk(tmp_path / "sourced")
    assert entities(spacy.load(tmp_path / "sourced")) == GOLD


def test_a_stock_listener_on_a_stock_transformer_is_replaced(tiny_encoder, tmp_path):
    nlp = stock_pipeline(tiny_encoder("bert"))
    train_on_stock(nlp, 80)
    nlp.replace_listeners("transformer", "posattn_ner", ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    assert entities(nlp) == GOLD
    nlp.to_disk(tmp_path)
    assert entities(spacy.load(tmp_path)) == GOLD


def test_replacing_a_stock_listener_on_our_transformer_is_refused(tiny_encoder):
    nlp = frozen_pipeline(tiny_encoder("bert"), listener=STOCK_LISTENER)
    train(nlp, 1)
    with pytest.raises(ValueError, match=r"listen through 'posattn-spacy\.FrozenListener\.v1'"):
        nlp.replace_listeners("transformer", "posattn_ner", ["model.tok2vec"])
