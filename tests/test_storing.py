"""Tensors and encoders as bytes, and back; this file runs with transformers 4 and 5."""

import json
from typing import Any, Dict

import pytest
import srsly
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import DistilBertConfig, DistilBertModel, T5Config, T5Model

from encoders import MAX_PIECES, TEXTS, WRITERS
from old_format import old_encoder, torch_save
from posattn_spacy.frozen.loading import load_encoder
from posattn_spacy.frozen.pieces import WordPieces, encode_words
from posattn_spacy.frozen.storing import encoder_digest, encoder_from_bytes, encoder_to_bytes
from posattn_spacy.saving import (
    SavedError,
    reading,
    require_fit,
    sealed,
    tensors_from_bytes,
    tensors_to_bytes,
)

FAMILIES = sorted(WRITERS)
DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.int64, torch.bool]


def same(one: Dict[str, torch.Tensor], other: Dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        tensor.dtype == other[name].dtype and torch.equal(tensor, other[name]) for name, tensor in one.items()
    )


def rows(transformer: Any, tokenizer: Any) -> torch.Tensor:
    words = [text.split() for text in TEXTS]
    out = torch.empty(3, sum(map(len, words)), 16)
    encode_words(transformer, tokenizer, words, [0, 1, 2], 4096, out)
    return out


# Tensors


@given(
    st.dictionaries(
        st.text(max_size=5),
        st.tuples(st.sampled_from(DTYPES), st.lists(st.integers(0, 3), max_size=3)),
        max_size=5,
    )
)
def test_tensors_of_any_type_and_shape_survive(kinds):
    tensors = {name: torch.randint(0, 2, shape).to(dtype) for name, (dtype, shape) in kinds.items()}
    data = tensors_to_bytes(tensors)
    assert same(tensors_from_bytes(data), tensors)
    assert tensors_to_bytes(tensors_from_bytes(data)) == data


def test_tensors_may_be_views_of_one_another():
    whole = torch.arange(12.0).view(3, 4)
    tensors = {"whole": whole, "part": whole[1:], "turned": whole.T, "step": whole[:, ::2], "again": whole}
    assert same(tensors_from_bytes(tensors_to_bytes(tensors)), tensors)


def test_a_tensor_with_two_names_is_written_once_and_stays_one():
    one, big = torch.zeros(1), torch.randn(1000)
    tensors = {"a": big, "b": big, "c": one}
    data = tensors_to_bytes(tensors)
    assert len(data) < 1.2 * big.nbytes
    read = tensors_from_bytes(data)
    assert same(read, tensors)
    assert read["a"] is read["b"]


def test_the_order_of_names_does_not_matter():
    tensors = {name: torch.randn(3) for name in "zab"}
    assert tensors_to_bytes(tensors) == tensors_to_bytes(dict(sorted(tensors.items())))


# Fit


def linear(n_in: int = 3, n_out: int = 2) -> nn.Module:
    return nn.Linear(n_in, n_out)


def test_the_weights_of_a_module_fit_it():
    require_fit(linear, linear().state_dict())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda state: state.pop("bias"), "'bias' is missing"),
        (lambda state: state.update(more=torch.zeros(1)), "'more' is superfluous"),
        (lambda state: state.update(bias=torch.zeros(3)), r"'bias' has the shape \(3,\)"),
        (lambda state: state.update(bias=[0.0, 0.0]), "something else"),
        (lambda state: state.update(bias=torch.zeros(1).expand(2)), "fewer numbers"),
        (lambda state: state.update(bias=torch.zeros(2).to_sparse()), "fewer numbers"),
    ],
)
def test_weights_that_do_not_fit_are_refused(change, why):
    state = dict(linear().state_dict())
    change(state)
    with pytest.raises(ValueError, match=why):
        require_fit(linear, state)


def test_no_memory_is_taken_to_find_out():
    with pytest.raises(ValueError, match=r"'weight' has the shape|'bias' has the shape"):
        require_fit(lambda: linear(10**9, 10**9), linear().state_dict())


def test_building_stops_where_weights_end():
    built = []

    def build() -> nn.Module:
        return nn.ModuleList(built.append(i) or linear() for i in range(10**9))

    with pytest.raises(ValueError, match="more weights than there are"):
        require_fit(build, linear().state_dict())
    assert len(built) < 1000
    linear()  # nobody counts any more


def test_errors_of_all_kinds_become_one_that_names_the_file():
    for error in (KeyError("x"), TypeError("no"), ValueError("odd."), RecursionError()):
        with (
            pytest.raises(
                SavedError, match=r"^'the/file' can't be used: .*[^.]\. Take the folder from"
            ) as told,
            reading("'the/file'"),
        ):
            raise error
        assert told.value.__cause__ is error
    nested = pytest.raises(SavedError, match=r"^outside can't be used: inside: odd\. Take")
    with nested, reading("outside"), reading("inside"):
        raise ValueError("odd")
    with pytest.raises(MemoryError), reading("'the/file'"):
        raise MemoryError


# Encoders


@pytest.mark.parametrize("family", FAMILIES)
def test_an_encoder_survives(tiny_encoder, family):
    encoder = load_encoder(str(tiny_encoder(family)), {})
    data = encoder_to_bytes(*encoder)
    read = encoder_from_bytes(data)
    assert read is not None
    assert torch.equal(rows(*read), rows(*encoder))
    assert encoder_to_bytes(*read) == data == encoder_to_bytes(*encoder)
    assert not read[0].training
    assert not any(parameter.requires_grad for parameter in read[0].parameters())
    backends = [each.backend_tokenizer for each in (encoder[1], read[1])]
    assert backends[0].to_str() == backends[1].to_str()
    assert (read[1].pad_token_id, read[1].mask_token) == (encoder[1].pad_token_id, encoder[1].mask_token)
    assert read[1].model_max_length == encoder[1].model_max_length
    assert type(read[0].config) is type(encoder[0].config)
    assert read[0].config.layer_norm_eps == encoder[0].config.layer_norm_eps == 1e-12 or family != "bert"


@pytest.mark.parametrize("family", FAMILIES)
def test_an_encoder_of_version_0_1_is_read(tiny_encoder, family):
    encoder = load_encoder(str(tiny_encoder(family)), {})
    read = encoder_from_bytes(old_encoder(*encoder))
    assert read is not None
    assert torch.equal(rows(*read), rows(*encoder))
    assert encoder_to_bytes(*read) == encoder_to_bytes(*encoder)
    assert read[1].backend_tokenizer.truncation is None


def test_no_encoder_is_nothing():
    assert encoder_from_bytes(b"") is None
    old = {"config": {}, "state": {}, "tokenizer": {}, "_init_tokenizer_config": {"use_fast": True}}
    assert encoder_from_bytes(srsly.msgpack_dumps(old)) is None


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_keep_their_type(tiny_encoder, dtype):
    transformer, tokenizer = load_encoder(str(tiny_encoder("bert")), {})
    transformer.to(dtype)
    transformer.encoder.layer[0].output.LayerNorm.float()  # mixed, as they may be
    read = encoder_from_bytes(encoder_to_bytes(transformer, tokenizer))
    assert read is not None
    assert same(read[0].state_dict(), transformer.state_dict())
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize("family", FAMILIES)
def test_the_digest_is_that_of_the_bytes(tiny_encoder, family):
    transformer, tokenizer = load_encoder(str(tiny_encoder(family)), {})
    digests, written = [encoder_digest(transformer, tokenizer)], [encoder_to_bytes(transformer, tokenizer)]
    assert encoder_digest(*load_encoder(str(tiny_encoder(family)), {})) == digests[0]

    def change_a_number() -> None:
        next(reversed(transformer.state_dict().values())).data.flatten()[-1:] += 1

    def change_the_config() -> None:
        transformer.config.pad_token_id = 3

    def change_the_tokenizer() -> None:
        tokenizer.model_max_length = 5

    def change_the_type() -> None:
        transformer.to(torch.bfloat16)

    for change in (change_a_number, change_the_config, change_the_tokenizer, change_the_type):
        change()
        digests.append(encoder_digest(transformer, tokenizer))
        written.append(encoder_to_bytes(transformer, tokenizer))
    assert len(set(digests)) == len(set(written)) == 5


def test_weights_may_lie_anyhow(tiny_encoder):
    transformer, tokenizer = load_encoder(str(tiny_encoder("bert")), {})
    before = rows(transformer, tokenizer)
    for linear in (module for module in transformer.modules() if isinstance(module, nn.Linear)):
        linear.weight = nn.Parameter(linear.weight.T.contiguous().T, requires_grad=False)
    query, key = (getattr(transformer.encoder.layer[0].attention.self, name) for name in ("query", "key"))
    both = torch.cat([query.weight, key.weight])  # of one storage
    query.weight, key.weight = (nn.Parameter(part, requires_grad=False) for part in both.chunk(2))
    read = encoder_from_bytes(encoder_to_bytes(transformer, tokenizer))
    assert read is not None
    assert same(read[0].state_dict(), transformer.state_dict())
    assert (rows(*read) - before).abs().max() < 1e-5


def test_embeddings_that_are_tied_stay_so(tiny_encoder):
    _, tokenizer = load_encoder(str(tiny_encoder("bert")), {})
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=2,
        num_heads=2,
        decoder_start_token_id=0,
    )
    transformer = T5Model(config)
    data = encoder_to_bytes(transformer, tokenizer)
    read = encoder_from_bytes(data)
    assert read is not None
    assert same(read[0].state_dict(), transformer.state_dict())
    storages = {module.embed_tokens.weight.data_ptr() for module in (read[0].encoder, read[0].decoder)}
    assert storages == {read[0].shared.weight.data_ptr()}
    assert encoder_to_bytes(*read) == data


def test_an_encoder_gets_only_what_it_takes(tiny_encoder):
    """A tokenizer of any class goes with an encoder that knows no types of tokens."""
    _, tokenizer = load_encoder(str(tiny_encoder("bert")), {})
    config = DistilBertConfig(vocab_size=len(tokenizer), dim=16, n_layers=2, n_heads=2, hidden_dim=32)
    read = encoder_from_bytes(encoder_to_bytes(DistilBertModel(config), tokenizer))
    assert read is not None
    transformer, own = read
    encoding = own(["London"], is_split_into_words=True, return_tensors="pt")
    assert set(encoding) == {"input_ids", "attention_mask"}
    assert transformer(**encoding).last_hidden_state.shape[2] == 16


def test_nothing_is_kept_of_where_an_encoder_came_from(tiny_encoder):
    folder = tiny_encoder("bert")
    transformer, tokenizer = load_encoder(str(folder), {})
    assert str(folder.parent).encode() not in encoder_to_bytes(transformer, tokenizer)


def test_nothing_is_left_of_texts_that_were_read(tiny_encoder):
    """A tokenizer keeps the settings of its last call, which are no part of it."""
    transformer, tokenizer = load_encoder(str(tiny_encoder("bert")), {})
    tokenizer(["a b"], truncation=True, max_length=4, padding=True)
    read = encoder_from_bytes(encoder_to_bytes(transformer, tokenizer))
    assert read is not None
    (encoding,) = read[1].backend_tokenizer.encode_batch([["London"] * MAX_PIECES], is_pretokenized=True)
    assert len(encoding.ids) > MAX_PIECES
    assert WordPieces.of(read[1], [["London"]]).counts.tolist() == [len(encoding.ids[1:-1]) // MAX_PIECES]


@pytest.mark.parametrize("name", ["../../x", "/x", "a/b"])
def test_a_tokenizers_file_may_not_lead_out_of_its_folder(tiny_encoder, name):
    message = srsly.msgpack_loads(old_encoder(*load_encoder(str(tiny_encoder("bert")), {})))
    message["tokenizer"][name] = b""
    with pytest.raises(ValueError, match="leads out of its folder"):
        encoder_from_bytes(srsly.msgpack_dumps(message))


def test_a_pickle_with_code_is_not_run(tiny_encoder, tmp_path):
    class Payload:
        def __reduce__(self) -> Any:
            return exec, (f"open({str(tmp_path / 'marker')!r}, 'w').close()",)

    message = srsly.msgpack_loads(old_encoder(*load_encoder(str(tiny_encoder("bert")), {})))
    message["state"] = torch_save({"x": Payload()})
    with pytest.raises(Exception, match="Weights only"):
        encoder_from_bytes(srsly.msgpack_dumps(message))
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    "said", [{"auto_map": {"AutoModel": "own.Own"}}, {"_attn_implementation": "some/kernel"}]
)
def test_a_config_may_not_say_how_it_is_run(tiny_encoder, said):
    message = srsly.msgpack_loads(encoder_to_bytes(*load_encoder(str(tiny_encoder("bert")), {})))
    message.pop("checksum")
    message["config"] = json.dumps({**json.loads(message["config"]), **said})
    with pytest.raises(ValueError, match="names code"):
        encoder_from_bytes(sealed(message))


@pytest.mark.parametrize("name", ["config", "state", "tokenizer", "settings"])
def test_damage_anywhere_is_noticed(tiny_encoder, name):
    message = srsly.msgpack_loads(encoder_to_bytes(*load_encoder(str(tiny_encoder("bert")), {})))
    part = message[name]
    if isinstance(part, str):  # a digit or letter, so that it can be read all the same
        place = next(i for i in range(len(part) // 2, len(part)) if part[i].isalnum())
        message[name] = f"{part[:place]}{'2' if part[place] == '1' else '1'}{part[place + 1 :]}"
    else:
        message[name] = part[:-1] + bytes([part[-1] ^ 1])
    with pytest.raises(ValueError, match="checksum"):
        encoder_from_bytes(srsly.msgpack_dumps(message))
