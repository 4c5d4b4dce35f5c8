"""What saved pipelines consist of: no pickles, always the same bytes; what version 0.1.0 wrote is read."""

from pathlib import Path
from typing import Any, Callable, Dict

import pytest
import spacy
import srsly
import torch
from spacy.language import Language

from encoders import WRITERS
from hostile import Payload
from old_format import old_head, torch_save, version_0_1
from pickles import pickles_in
from pipelines import (
    HASH_EMBED,
    LEXICAL,
    TEXTS,
    add_head,
    entities,
    frozen_pipeline,
    plain_pipeline,
    train,
)
from posattn_spacy.attention import HeadConfig, PositionalTagger
from posattn_spacy.frozen.architecture import huggingface
from posattn_spacy.head import HeadInputs
from posattn_spacy.saving import head_from_bytes, head_to_bytes
from posattn_spacy.texts import read_words
from processes import run

FAMILIES = sorted(WRITERS)
Encoder = Callable[[str], Path]
BILSTM = {"@architectures": "posattn-spacy.BiLSTMTagger.v1", "hidden_width": 16, "tok2vec": HASH_EMBED}


def frozen(tiny_encoder: Encoder, family: str = "bert") -> Language:
    nlp = frozen_pipeline(tiny_encoder(family), lexical=LEXICAL)
    train(nlp, 40)
    return nlp


def owner(tiny_encoder: Encoder) -> Language:
    """A pipeline whose component owns its transformer."""
    nlp = frozen(tiny_encoder)
    nlp.replace_listeners("transformer", "posattn_ner", ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    return nlp


def bilstm(tiny_encoder: Encoder) -> Language:
    nlp = spacy.blank("xx")
    nlp.add_pipe("posattn_ner", config={"model": BILSTM})
    train(nlp, 40)
    return nlp


def untrained(tiny_encoder: Encoder) -> Language:
    return frozen_pipeline(tiny_encoder("bert"))


PIPELINES = {"frozen": frozen, "owner": owner, "bilstm": bilstm, "untrained": untrained}


# No pickles


def test_pickles_are_found_wherever_they_are(tmp_path):
    bare, saved = torch_save(Payload(tmp_path)), torch_save({"x": torch.zeros(2)})
    for name, data in {
        "none": srsly.msgpack_dumps({"a": [b"\x80", b"abc", b""]}),
        "bare": saved,
        "deep": srsly.msgpack_dumps({"a": [{"b": srsly.msgpack_dumps({"c": bare})}]}),
    }.items():
        (tmp_path / name).write_bytes(data)
    found = pickles_in(tmp_path)
    assert [place.split("/")[0] for place in found] == ["bare", "deep['a'][0]['b']['c']"]
    assert all(place.endswith("data.pkl") for place in found)


@pytest.mark.parametrize("name", PIPELINES)
def test_no_file_of_a_saved_pipeline_holds_a_pickle(tiny_encoder, tmp_path, name):
    PIPELINES[name](tiny_encoder).to_disk(tmp_path)
    assert (tmp_path / "posattn_ner" / "model").stat().st_size > 300
    assert pickles_in(tmp_path) == []


def test_no_file_of_a_package_holds_a_pickle(tiny_encoder, tmp_path):
    frozen(tiny_encoder).to_disk(tmp_path / "pipeline")
    (tmp_path / "packages").mkdir()
    run("-m", "spacy", "package", tmp_path / "pipeline", tmp_path / "packages", "--build", "none")
    (built,) = (tmp_path / "packages").iterdir()
    assert list(built.rglob("transformer/model"))
    assert pickles_in(built) == []


# The same bytes


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_always_gives_the_same_bytes(tiny_encoder, tmp_path, name):
    nlp = PIPELINES[name](tiny_encoder)
    data = nlp.to_bytes()
    assert nlp.to_bytes() == data
    nlp.to_disk(tmp_path / "one")
    loaded = spacy.load(tmp_path / "one")
    loaded.to_disk(tmp_path / "two")
    for path in (path for path in (tmp_path / "one").rglob("*") if path.is_file()):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes(), path
    assert loaded.from_bytes(data).to_bytes() == data


# Version 0.1


@pytest.mark.parametrize("name", ["frozen", "owner"])
def test_a_pipeline_of_version_0_1_is_read(tiny_encoder, tmp_path, monkeypatch, name):
    nlp = PIPELINES[name](tiny_encoder)
    expected = entities(nlp)
    with version_0_1(monkeypatch):
        nlp.to_disk(tmp_path / "old")
    assert len(pickles_in(tmp_path / "old")) == 3  # of encoder and heads
    loaded = spacy.load(tmp_path / "old")
    assert entities(loaded) == expected != [[]] * len(TEXTS)
    loaded.to_disk(tmp_path / "new")
    assert pickles_in(tmp_path / "new") == []
    nlp.to_disk(tmp_path / "anew")
    for part in ("transformer/model", "posattn_ner/model")[name == "owner" :]:
        assert (tmp_path / "new" / part).read_bytes() == (tmp_path / "anew" / part).read_bytes()


@pytest.mark.parametrize("family", FAMILIES)
def test_an_encoder_of_version_0_1_is_ready_for_use(tiny_encoder, monkeypatch, family):
    nlp = frozen(tiny_encoder, family)
    with version_0_1(monkeypatch):
        data = nlp.to_bytes()
    loaded = frozen_pipeline(tiny_encoder(family), lexical=LEXICAL).from_bytes(data)
    transformer, tokenizer = huggingface(loaded.get_pipe("transformer").model)
    assert tokenizer.backend_tokenizer.truncation is tokenizer.backend_tokenizer.padding is None
    assert not transformer.training
    assert not any(parameter.requires_grad for parameter in transformer.parameters())
    assert entities(loaded) == entities(nlp)


def test_an_lstm_of_version_0_1_is_read(tiny_encoder, monkeypatch):
    nlp = bilstm(tiny_encoder)
    baselines = "posattn_benchmark.baselines.tensors_to_bytes"
    with monkeypatch.context() as patch:
        patch.setattr(baselines, torch_save)
        data = nlp.to_bytes()
    loaded = bilstm(tiny_encoder).from_bytes(data)
    assert loaded.to_bytes() == nlp.to_bytes()


# Heads


def head() -> PositionalTagger:
    return PositionalTagger(HeadConfig(6, 5, 8, 2, 1, 4, "pad", 0.5, lexical_width=3))


@pytest.mark.parametrize("write", [head_to_bytes, old_head])
def test_a_head_survives(write):
    module = head()
    module.pad_embedding.fill_(3.0)
    config: Dict[str, Any] = dict(vars(module.config))
    read, state = head_from_bytes(write(config, module.state_dict()))
    assert read == config
    assert state.keys() == module.state_dict().keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in module.state_dict().items())


def test_a_head_of_bfloat16_survives_with_shared_weights():
    module = head().to(torch.bfloat16)
    module.edges.weight = torch.nn.Parameter(module.tags.weight[:2])  # a part of another
    _, state = head_from_bytes(head_to_bytes({}, module.state_dict()))
    assert all(torch.equal(tensor, state[name]) for name, tensor in module.state_dict().items())


def test_a_head_reads_no_features_of_another_width():
    nlp = plain_pipeline()
    train(nlp, 1)
    other = spacy.blank("xx")
    add_head(other, {**HASH_EMBED, "width": 48})
    train(other, 1)
    model = nlp.get_pipe("posattn_ner").model.get_ref("output_layer")
    rows = other.get_pipe("posattn_ner").model.get_ref("tok2vec").predict([nlp.make_doc(TEXTS[0])])
    with pytest.raises(ValueError, match=r"reads 32 features .* gives 48.*different pipelines"):
        model.predict(HeadInputs(rows, None, read_words([nlp.make_doc(TEXTS[0])])))
