"""Words through an encoder, with torch and transformers alone: this file runs with transformers 4 and 5."""

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from encoders import MAX_PIECES, TEXTS, WRITERS
from hidden_states import hidden_states
from posattn_spacy.frozen.loading import first_shut, load_encoder, prepare, resolve_layers, set_prefix_space
from posattn_spacy.frozen.pieces import (
    SpecialTokens,
    Window,
    WordPieces,
    batch_by_length,
    cut,
    encode_words,
    max_pieces,
)

FAMILIES = sorted(WRITERS)
NO_PIECES = ["\n\n", "\u200b", "\u00ad", "\ufe0f"]
Encoder = Callable[[str], Path]


def encoded(
    folder: Path, texts: Sequence[Sequence[str]], layers: Optional[List[int]] = None, **settings: Any
) -> List[np.ndarray]:
    """(words, layers · width) of each text."""
    transformer, tokenizer = load_encoder(str(folder), {})
    kept = resolve_layers(layers, transformer.config.num_hidden_layers)
    n_words, width = sum(map(len, texts)), transformer.config.hidden_size
    rows = torch.full((n_words, len(kept), width), torch.nan)
    settings = {"batch_pieces": 4096, **settings}
    encode_words(transformer, tokenizer, texts, kept, out=rows.transpose(0, 1), **settings)
    return np.split(rows.flatten(1).numpy(), np.cumsum([len(words) for words in texts])[:-1])


# Equal to Hugging Face


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("layers", [None, [2], [-1], [0, -2], [2, 0]])
def test_rows_equal_the_hidden_states_of_hugging_face(tiny_encoder, family, layers):
    folder = tiny_encoder(family)
    texts = [text.split() for text in TEXTS]
    for words, rows in zip(texts, encoded(folder, texts, layers), strict=True):
        expected = hidden_states(folder, words, layers)
        assert rows.shape == expected.shape
        assert np.abs(rows - expected).max() < 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_tokens_without_pieces_have_rows_of_zeros(tiny_encoder, family):
    folder = tiny_encoder(family)
    words = ["London", *NO_PIECES, "soldiers", "\n\n"]
    (rows,) = encoded(folder, [words])
    assert np.isfinite(rows).all()
    assert np.abs(rows - hidden_states(folder, words)).max() < 1e-5
    if family == "bert":  # the others have bytes or marks for them
        empty = [word in NO_PIECES for word in words]
        assert not rows[empty].any()
        assert (np.abs(rows[np.logical_not(empty)]).sum(1) > 0).all()


def test_a_text_of_nothing_but_such_tokens_is_zeros(tiny_encoder):
    rows, other = encoded(tiny_encoder("bert"), [["\n\n", "\u200b"], ["London"]])
    assert rows.shape[0] == 2
    assert not rows.any()
    assert other.any()


@pytest.mark.parametrize("family", FAMILIES)
def test_texts_do_not_depend_on_their_batch(tiny_encoder, family):
    texts = [text.split() for text in TEXTS] + [["London"], (" ".join(TEXTS * 3)).split()]
    folder = tiny_encoder(family)
    together = encoded(folder, texts)
    alone = [encoded(folder, [words], batch_pieces=1)[0] for words in texts]
    for one, other in zip(together, alone, strict=True):
        assert np.abs(one - other).max() < 1e-5


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pooling", ["mean", "first", "last"])
def test_pieces_of_a_word_are_pooled(tiny_encoder, family, pooling):
    folder = tiny_encoder(family)
    texts = [["Velasquez", "\u200b", "unbelievably", "London"], ["soldiers"]]
    rows = encoded(folder, texts, pooling=pooling)
    expected = [hidden_states(folder, words, pooling=pooling) for words in texts]
    for own, theirs in zip(rows, expected, strict=True):
        assert np.abs(own - theirs).max() < 1e-5
    if pooling != "mean":
        assert np.abs(rows[0] - hidden_states(folder, texts[0])).max() > 1e-2


# Long texts


@given(st.integers(0, 200), st.integers(1, 30))
def test_windows_supply_every_piece_exactly_once(n, limit):
    windows = list(cut(np.arange(n), np.arange(n), np.ones(n), limit))
    supplied = [row for window in windows for row in window.words.tolist() if row >= 0]
    assert sorted(supplied) == list(range(n))
    for window in windows:
        assert 1 <= len(window.pieces) <= limit
        own = window.words >= 0
        assert np.array_equal(window.pieces[own], window.words[own])  # a piece keeps its own row


@given(st.integers(0, 200), st.integers(8, 30))
def test_windows_read_inner_pieces_with_context_on_both_sides(n, limit):
    windows = list(cut(np.arange(n), np.arange(n), np.ones(n), limit))
    for window in windows:
        own = np.flatnonzero(window.words >= 0)
        if window is not windows[0]:
            assert own[0] >= limit // 4
        if window is not windows[-1]:
            assert len(window.words) - 1 - own[-1] >= limit // 4 - 1


@given(st.lists(st.integers(1, 20), max_size=30), st.integers(0, 2), st.integers(1, 60))
def test_batches_hold_every_window_once_and_little_padding(lengths, n_special, batch_pieces):
    windows = [Window(np.arange(n), np.arange(n), np.ones(n)) for n in lengths]
    batches = list(batch_by_length(windows, n_special, batch_pieces))
    assert sorted(id(window) for batch in batches for window in batch) == sorted(map(id, windows))
    sizes = [len(window.pieces) for batch in batches for window in batch]
    assert sizes == sorted(lengths, reverse=True)
    for batch in batches:
        padded = len(batch) * (len(batch[0].pieces) + n_special)
        assert len(batch) == 1 or padded <= batch_pieces


@pytest.mark.parametrize("family", FAMILIES)
def test_an_encoders_limit_is_its_number_of_positions(tiny_encoder, family):
    assert max_pieces(*load_encoder(str(tiny_encoder(family)), {})) == MAX_PIECES


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pooling", ["mean", "first", "last"])
def test_long_texts_lose_no_token(tiny_encoder, family, pooling):
    words = (" ".join(TEXTS * 4)).split()
    (rows,) = encoded(tiny_encoder(family), [words], pooling=pooling)
    assert rows.shape[0] == len(words)
    assert (np.abs(rows).sum(1) > 0).all()


def test_a_giant_word_is_read_by_its_beginning(tiny_encoder):
    words = [["sent", each, "to", "Berlin"] for each in ("ab" * 1_000_000, "ab" * 2048, "ab" * 2047)]
    giant, cut_off, shorter = encoded(tiny_encoder("roberta"), words)
    assert np.abs(giant - cut_off).max() < 1e-5
    assert np.abs(giant[1] - shorter[1]).max() > 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_long_texts_are_read_through_windows(tiny_encoder, family):
    """The beginning of a long text is what Hugging Face makes of its first window."""
    folder = tiny_encoder(family)
    words = (" ".join(TEXTS * 4)).split()
    transformer, tokenizer = load_encoder(str(folder), {})
    special = SpecialTokens.of(tokenizer)
    limit = max_pieces(transformer, tokenizer) - len(special)
    pieces = WordPieces.of(tokenizer, [words])
    ids = [*special.before, *pieces.ids[:limit].tolist(), *special.after]
    with torch.no_grad():
        states = transformer(torch.tensor([ids]), output_hidden_states=True).hidden_states
    expected = torch.cat(states, dim=-1)[0, 1 : 1 + pieces.counts[0]].mean(0).numpy()
    (rows,) = encoded(folder, [words])
    assert np.abs(rows[0] - expected).max() < 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_a_text_of_just_the_limit_is_read_in_one_go(tiny_encoder, family):
    folder = tiny_encoder(family)
    _, tokenizer = load_encoder(str(folder), {})
    n = 1
    words = (" ".join(TEXTS * 4)).split()
    while len(tokenizer(words[: n + 1], is_split_into_words=True)["input_ids"]) <= MAX_PIECES:
        n += 1
    (rows,) = encoded(folder, [words[:n]])
    assert np.abs(rows - hidden_states(folder, words[:n])).max() < 1e-5


# The space before a word


def byte_level(pre_tokenizer: Any, **settings: Any) -> Any:
    """A generic fast tokenizer of bytes, which no class of transformers knows how to set."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizer
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<pad>"], initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator([f" {text}" for text in TEXTS * 3], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", **settings)


def unigram(pre_tokenizer: Any) -> Any:
    words = sorted({word for text in TEXTS for word in text.split()})
    characters = sorted({character for text in TEXTS for character in text})
    pieces = [("<pad>", 0.0), ("<unk>", 0.0), *((f"▁{word}", -5.0) for word in words)]
    pieces += [(character, -9.0) for character in ["▁", *characters]]
    backend = Tokenizer(models.Unigram(vocab=pieces, unk_id=1))
    backend.pre_tokenizer = pre_tokenizer
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>")


def bytes_alone() -> Any:
    return pre_tokenizers.ByteLevel(add_prefix_space=False)


def bytes_after_a_split() -> Any:
    """As the tokenizers of newer byte-level encoders are."""
    split = pre_tokenizers.Split(Regex(r"'\w+| ?\w+| ?[^\s\w]|\s+"), behavior="isolated")
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


WITHOUT_SPACE: Dict[str, Callable[[], Any]] = {
    "bytes": lambda: byte_level(bytes_alone()),
    "bytes, set for the class in vain": lambda: byte_level(bytes_alone(), add_prefix_space=True),
    "bytes after a split": lambda: byte_level(bytes_after_a_split()),
    "metaspace": lambda: unigram(pre_tokenizers.Metaspace(prepend_scheme="never")),
    "metaspace in a sequence": lambda: unigram(
        pre_tokenizers.Sequence([pre_tokenizers.Digits(), pre_tokenizers.Metaspace(prepend_scheme="never")])
    ),
}


@pytest.mark.parametrize("name", WITHOUT_SPACE)
def test_words_are_cut_as_in_running_text(name):
    """Every word has a space before it, but no part of a word that a tokenizer splits by itself."""
    running, tokenizer = WITHOUT_SPACE[name](), WITHOUT_SPACE[name]()
    set_prefix_space(tokenizer)
    for text in [*TEXTS, "can't wait"]:
        expected = running.backend_tokenizer.encode(f" {text}", add_special_tokens=False).ids
        assert WordPieces.of(tokenizer, [text.split()]).ids.tolist() == expected


@pytest.mark.parametrize("name", WITHOUT_SPACE)
def test_a_space_is_put_before_words_only_once(name):
    tokenizer = WITHOUT_SPACE[name]()
    set_prefix_space(tokenizer)
    once = tokenizer.backend_tokenizer.to_str()
    set_prefix_space(tokenizer)
    assert tokenizer.backend_tokenizer.to_str() == once


def test_normalizers_stay_before_the_space():
    tokenizer = byte_level(bytes_after_a_split())
    tokenizer.backend_tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Lowercase(), normalizers.Replace("ß", "ss")]
    )
    set_prefix_space(tokenizer)
    lower = byte_level(bytes_after_a_split()).backend_tokenizer
    (encoding,) = tokenizer.backend_tokenizer.encode_batch([["Groß"]], is_pretokenized=True)
    assert encoding.ids == lower.encode(" gross").ids


@pytest.mark.parametrize("family", FAMILIES)
def test_an_encoder_that_knows_words_otherwise_is_left_alone(tiny_encoder, family):
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder(family))
    before = tokenizer.backend_tokenizer.to_str()
    set_prefix_space(tokenizer)
    assert (tokenizer.backend_tokenizer.to_str() == before) == (family != "roberta")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_loaded_tokenizer_still_takes_words_by_itself(tiny_encoder, family):
    _, tokenizer = load_encoder(str(tiny_encoder(family)), {})
    words = TEXTS[1].split()
    special = SpecialTokens.of(tokenizer)
    ids = tokenizer(words, is_split_into_words=True)["input_ids"]
    assert ids == [*special.before, *WordPieces.of(tokenizer, [words]).ids.tolist(), *special.after]


# Ready for use


@pytest.mark.parametrize("family", FAMILIES)
def test_a_loaded_encoder_is_frozen_and_cuts_nothing_off(tiny_encoder, tmp_path, family):
    folder = tmp_path / "encoder"
    shutil.copytree(tiny_encoder(family), folder)
    backend = Tokenizer.from_file(str(folder / "tokenizer.json"))
    backend.enable_truncation(max_length=4)  # as the tokenizer.json of all-MiniLM-L6-v2 does
    backend.enable_padding(length=4)
    backend.save(str(folder / "tokenizer.json"))
    transformer, tokenizer = load_encoder(str(folder), {})
    assert tokenizer.backend_tokenizer.truncation is None
    assert tokenizer.backend_tokenizer.padding is None
    assert not transformer.training
    assert not any(parameter.requires_grad for parameter in transformer.parameters())
    before = tokenizer.backend_tokenizer.to_str()
    SpecialTokens.of(tokenizer)
    assert tokenizer.backend_tokenizer.to_str() == before


def test_what_is_prepared_forgets_what_was_set(tiny_encoder):
    transformer, tokenizer = load_encoder(str(tiny_encoder("bert")), {})
    transformer.train().requires_grad_(True)
    tokenizer.backend_tokenizer.enable_truncation(max_length=3)
    tokenizer.backend_tokenizer.enable_padding()
    prepare(tokenizer, transformer)
    assert tokenizer.backend_tokenizer.truncation is tokenizer.backend_tokenizer.padding is None
    assert not transformer.training
    assert not any(parameter.requires_grad for parameter in transformer.parameters())


def test_weights_are_loaded_in_float32(tiny_encoder, tmp_path):
    transformer, tokenizer = load_encoder(str(tiny_encoder("bert")), {})
    transformer.to(torch.bfloat16).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded, _ = load_encoder(str(tmp_path), {})
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}


def test_special_tokens_may_stand_on_one_side(tiny_encoder):
    _, tokenizer = load_encoder(str(tiny_encoder("bert")), {})
    assert SpecialTokens.of(tokenizer) == SpecialTokens([2], [3], 0)
    bare = byte_level(bytes_alone())
    bare.add_tokens([AddedToken("<s>", special=True)])
    assert SpecialTokens.of(bare) == SpecialTokens([], [], bare.pad_token_id)


# Loud failures


@pytest.mark.parametrize("name", ["assets/encoder/none", "./none", "/none/at/all"])
def test_a_missing_folder_is_named_with_a_remedy(name):
    with pytest.raises(ValueError, match=rf"'{name}'.*does not exist.*spacy project run encoder"):
        load_encoder(name, {})


def test_a_folder_without_an_encoder_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"components\.transformer\.model\.name.*can't be loaded"):
        load_encoder(str(tmp_path), {})


@contextmanager
def another_user() -> Iterator[None]:
    """Lets the superuser, who may read everything, be nobody for a while."""
    superuser = os.geteuid() == 0
    if superuser:
        os.seteuid(65534)
    try:
        yield
    finally:
        if superuser:
            os.seteuid(0)


@pytest.mark.parametrize("shut", [".", "model.safetensors"])
def test_an_encoder_that_another_user_keeps_shut_is_said_to_be_that(tiny_encoder, shut):
    parent = Path(tempfile.mkdtemp())  # pytest's own temporary folders are shut altogether
    parent.chmod(0o755)
    folder = parent / "encoder"
    shutil.copytree(tiny_encoder("bert"), folder)
    try:
        for path in folder.iterdir():
            path.chmod(0o644)
        (folder / shut).chmod(0)
        with another_user():
            assert first_shut(folder) == folder / shut
            with pytest.raises(ValueError, match=rf"'{folder}'.*no permission for.*chmod"):
                load_encoder(str(folder), {})
    finally:
        folder.chmod(0o700)
        shutil.rmtree(parent)


def test_what_is_not_there_is_not_shut(tmp_path):
    assert first_shut(tmp_path) is None
    assert first_shut(tmp_path / "none") is None
    (tmp_path / "file").write_text("")
    assert first_shut(tmp_path / "file" / "none") is None


def test_code_that_comes_with_an_encoder_is_not_run(tiny_encoder, tmp_path):
    folder, marker = tmp_path / "encoder", tmp_path / "marker"
    shutil.copytree(tiny_encoder("bert"), folder)
    (folder / "own.py").write_text(f"open({str(marker)!r}, 'w').close()\nclass Own: pass\n")
    for name, auto_map in {
        "config.json": {"AutoConfig": "own.Own", "AutoModel": "own.Own"},
        "tokenizer_config.json": {"AutoTokenizer": ["own.Own", "own.Own"]},
    }.items():
        text = (folder / name).read_text().rstrip()
        assert text.endswith("}")
        map_text = str(auto_map).replace("'", '"')
        (folder / name).write_text(f'{text[:-1]}, "auto_map": {map_text}}}')
    transformer, _ = load_encoder(str(folder), {"trust_remote_code": True})
    assert type(transformer).__name__ == "BertModel"
    assert not marker.exists()


def test_a_slow_tokenizer_is_refused(tiny_encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(PreTrainedTokenizerFast, "is_fast", False)
    with pytest.raises(ValueError, match=r"no fast tokenizer.*tokenizer\.json"):
        load_encoder(str(tiny_encoder("bert")), {})


def test_a_tokenizer_without_a_padding_token_is_refused(tiny_encoder, tmp_path):
    shutil.copytree(tiny_encoder("bert"), tmp_path / "encoder")
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        path = tmp_path / "encoder" / name
        if path.exists():
            path.write_text(path.read_text().replace('"pad_token": "[PAD]"', '"pad_token": null'))
    with pytest.raises(ValueError, match="padding token"):
        load_encoder(str(tmp_path / "encoder"), {})


@pytest.mark.parametrize(
    ("number", "layers"), [(1, [2]), (2, [0, 2]), (3, [0, 1, 2]), (9, [0, 1, 2]), (None, [0, 1, 2])]
)
def test_a_number_of_layers_is_spread_over_the_depth_of_the_encoder(number, layers):
    assert resolve_layers(number, 2) == layers


@pytest.mark.parametrize("layers", [[3], [0, -4], [], 0, -1])
def test_layers_out_of_range_are_refused(layers):
    with pytest.raises(ValueError, match=r"model\.layers = .*the layers 0 \(embeddings\) to 2, or -1"):
        resolve_layers(layers, 2)
