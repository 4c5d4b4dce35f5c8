"""The heads and the lexicon that ours is held against."""

import io
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.training.loop import train as train_nlp
from spacy.util import load_config

from pipelines import (
    FROZEN_LISTENER,
    GOLD,
    HASH_EMBED,
    LEXICAL,
    MULTI_HASH_EMBED,
    TEXTS,
    add_frozen_transformer,
    encoder_weights,
    entities,
    initialized,
    make_examples,
    stock_pipeline,
    train,
)
from processes import ROOT

NAME = "posattn_ner"
LINEAR = {"@architectures": "posattn-spacy.LinearTagger.v1"}
BILSTM = {"@architectures": "posattn-spacy.BiLSTMTagger.v1", "hidden_width": 32}
HEADS = {"linear": LINEAR, "bilstm": BILSTM, "bilstm and lexical": {**BILSTM, "lexical": LEXICAL}}

each_head = pytest.mark.parametrize("model", HEADS.values(), ids=HEADS.keys())


def with_head(nlp: Language, model: Dict[str, Any], tok2vec: Dict[str, Any]) -> Language:
    nlp.add_pipe(NAME, config={"model": {**model, "tok2vec": tok2vec}, "positional_weight": 0.0})
    return nlp


@each_head
def test_a_head_overfits_and_survives_the_disk(model: Dict[str, Any], tmp_path: Path) -> None:
    nlp = with_head(spacy.blank("en"), model, HASH_EMBED)
    train(nlp, 100)
    assert entities(nlp) == GOLD
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert entities(loaded) == GOLD
    scores = [
        [span for doc in each.pipe(TEXTS) for span in doc.spans[NAME].attrs["scores"]]
        for each in (nlp, loaded)
    ]
    assert scores[0] == pytest.approx(scores[1])


@each_head
def test_a_head_listens_to_a_frozen_transformer(
    model: Dict[str, Any], tiny_encoder: Callable[[str], Path]
) -> None:
    nlp = spacy.blank("en")
    add_frozen_transformer(nlp, tiny_encoder("bert"))
    with_head(nlp, model, FROZEN_LISTENER)
    losses = [train(nlp, steps)[NAME] for steps in (1, 40)]
    assert losses[1] < losses[0] / 2


def test_a_linear_head_sees_one_token_at_a_time() -> None:
    nlp = with_head(spacy.blank("en"), LINEAR, MULTI_HASH_EMBED)
    train(nlp, 5)
    pipe = nlp.get_pipe(NAME)
    one, other = (pipe.model.predict([nlp.make_doc(text)]).tags[0] for text in ("London calls", "London"))
    assert one == pytest.approx(other)


def test_documents_without_tokens_are_no_trouble() -> None:
    nlp = with_head(spacy.blank("en"), BILSTM, HASH_EMBED)
    train(nlp, 20)
    assert entities(nlp, ["", TEXTS[0]])[0] == []


def test_averages_reach_the_layers_of_thinc() -> None:
    nlp = with_head(spacy.blank("en"), LINEAR, HASH_EMBED)
    train(nlp, 5)
    pipe = nlp.get_pipe(NAME)
    output = pipe.model.get_ref("output_layer")
    own = output.get_param("W").copy()
    with nlp.use_params({(output.id, "W"): own * 0}):
        assert not output.get_param("W").any()
    assert output.get_param("W") == pytest.approx(own)


# The configs


@pytest.mark.parametrize(
    "path", sorted((ROOT / "configs/baselines").glob("*.cfg")), ids=lambda path: path.stem
)
def test_the_config_of_each_system_trains(
    path: Path, tiny_encoder: Callable[[str], Path], tmp_path: Path
) -> None:
    encoder = tiny_encoder("bert")
    DocBin(docs=[each.reference for each in make_examples(spacy.blank("en"))]).to_disk(tmp_path / "x.spacy")
    config = load_config(path)
    settings: Dict[str, Any] = {name: str(tmp_path / "x.spacy") for name in ("paths.train", "paths.dev")}
    settings |= {"training.max_steps": 2, "training.eval_frequency": 1}
    if "encoder" in config["paths"]:
        settings["paths.encoder"] = str(encoder)
    if config["initialize"]["after_init"]:
        settings["initialize.after_init.path"] = str(tmp_path / "store")
    nlp = init_nlp(load_config(path, overrides=settings))
    train_nlp(nlp, tmp_path, stdout=io.StringIO(), stderr=io.StringIO())
    loaded = spacy.load(tmp_path / "model-best")
    assert [each.text for each in loaded.pipe(TEXTS)] == TEXTS
    if path.stem == "frozen":
        original = stock_pipeline(encoder)
        original.initialize(lambda: make_examples(original))
        assert encoder_weights(loaded) == encoder_weights(original)


# The lexicon


def lexicon() -> Language:
    nlp = spacy.blank("en")
    nlp.add_pipe("posattn_lexicon")
    data = [
        ("Alice Smith saw Paris", {"entities": [(0, 11, "per"), (16, 21, "geo")]}),
        ("Paris Smith and Paris", {"entities": [(0, 11, "per"), (16, 21, "geo")]}),
        ("the Smith", {"entities": []}),
    ]
    initialized(nlp, data)
    return nlp


def test_every_word_gets_its_most_frequent_tag() -> None:
    found = entities(lexicon(), ["Alice Smith and Bob saw Paris", "nobody", "Smith"])
    assert found == [[(0, 11, "per"), (24, 29, "geo")], [], [(0, 5, "per")]]  # I- alone begins an entity


def test_a_lexicon_survives_the_disk(tmp_path: Path) -> None:
    nlp = lexicon()
    nlp.to_disk(tmp_path)
    assert entities(spacy.load(tmp_path), ["Alice Smith"]) == [[(0, 11, "per")]]


def test_entities_that_were_there_are_replaced() -> None:
    nlp = lexicon()
    doc = nlp.make_doc("Alice saw Bob")
    doc.ents = [doc.char_span(10, 13, label="per")]
    assert [ent.text for ent in nlp(doc).ents] == ["Alice"]
