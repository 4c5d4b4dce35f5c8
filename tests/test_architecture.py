"""The frozen transformer: what it computes, and that it stays as it is."""

import shutil
from pathlib import Path
from typing import Any, List, Sequence

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AutoModel, AutoTokenizer, ElectraConfig, ElectraModel

from encoders import MAX_PIECES, SHAPE, TEXTS, WRITERS
from hidden_states import hidden_states
from pipelines import frozen_pipeline, make_examples, train
from posattn_spacy.frozen.architecture import (
    GPU_PIECES,
    LOOKED_UP,
    build_frozen_transformer_v1,
    huggingface,
    pad_embedding,
    pieces_at_once,
)

FAMILIES = sorted(WRITERS)
NLP = spacy.blank("xx")
BLANKS = ["\n\n", "\u200b", "\u00ad", "\ufe0f", "\u00a0", "\t", "\ufeff"]


def encode(model: Any, texts: Sequence[Sequence[str]]) -> List[np.ndarray]:
    docs = [Doc(NLP.vocab, words=list(words)) for words in texts]
    return [data.model_output["last_hidden_state"][0] for data in model.predict(docs).doc_data]


def frozen_model(folder: Path | str, **settings: Any) -> Any:
    model = build_frozen_transformer_v1(str(folder), **settings)
    model.initialize()
    return model


# Equal to Hugging Face


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("layers", [None, [2], [-1], [0, -2], [2, 0]])
def test_rows_equal_the_hidden_states_of_hugging_face(tiny_encoder, family, layers):
    folder = tiny_encoder(family)
    texts = [text.split() for text in TEXTS]
    model = frozen_model(folder, layers=layers)
    for words, rows in zip(texts, encode(model, texts), strict=True):
        expected = hidden_states(folder, words, layers)
        assert rows.shape == expected.shape == (len(words), model.get_dim("nO"))
        assert np.abs(rows - expected).max() < 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_white_space_is_not_read_and_has_rows_of_zeros(tiny_encoder, family):
    folder = tiny_encoder(family)
    words = ["London", *BLANKS, "soldiers", "\n\n"]
    (rows,) = encode(frozen_model(folder), [words])
    blank = np.array([word in BLANKS for word in words])
    assert not rows[blank].any()
    assert np.abs(rows[~blank] - hidden_states(folder, ["London", "soldiers"])).max() < 1e-5


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("glued", ["{}\u200b", "\ufeff{}", "\u2060{}\u00ad", "{0[0]}\u00ad{0[1]}"])
def test_invisible_characters_are_taken_off_a_word(tiny_encoder, family, glued):
    model = frozen_model(tiny_encoder(family))
    halves = "Lon", "don"
    word = glued.format(halves) if "[" in glued else glued.format("London")
    own, plain = encode(model, [[word, "calls"], ["London", "calls"]])
    assert np.array_equal(own, plain)


def test_words_without_pieces_have_rows_of_zeros(tiny_encoder):
    folder = tiny_encoder("bert")
    words = ["London", "\ufffd", "soldiers"]  # a replacement character can be seen, but BERT takes it out
    (rows,) = encode(frozen_model(folder), [words])
    assert np.abs(rows - hidden_states(folder, words)).max() < 1e-5
    assert not rows[1].any()
    assert rows[[0, 2]].any(1).all()


def test_a_text_of_nothing_but_such_tokens_is_zeros(tiny_encoder):
    rows, other = encode(frozen_model(tiny_encoder("bert")), [["\n\n", "\u200b"], ["London"]])
    assert rows.shape[0] == 2
    assert not rows.any()
    assert other.any()


@pytest.mark.parametrize("family", FAMILIES)
def test_texts_do_not_depend_on_their_batch(tiny_encoder, family):
    texts = [text.split() for text in TEXTS] + [["London"], (" ".join(TEXTS * 3)).split()]
    folder = tiny_encoder(family)
    together = encode(frozen_model(folder), texts)
    model = frozen_model(folder, batch_pieces=1)
    alone = [encode(model, [words])[0] for words in texts]
    for one, other in zip(together, alone, strict=True):
        assert np.abs(one - other).max() < 1e-5


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pooling", ["mean", "first", "last"])
def test_pieces_of_a_word_are_pooled(tiny_encoder, family, pooling):
    folder = tiny_encoder(family)
    texts = [["Velasquez", "unbelievably", "London"], ["soldiers"]]
    rows = encode(frozen_model(folder, pooling=pooling), texts)
    expected = [hidden_states(folder, words, pooling=pooling) for words in texts]
    for own, theirs in zip(rows, expected, strict=True):
        assert np.abs(own - theirs).max() < 1e-5
    if pooling != "mean":
        assert np.abs(rows[0] - hidden_states(folder, texts[0])).max() > 1e-2


def test_an_unknown_pooling_is_refused():
    with pytest.raises(ValueError, match=r"model\.pooling = 'max': choose one of mean, first, last"):
        build_frozen_transformer_v1("encoder", pooling="max")  # type: ignore[arg-type]


# In a pipeline


def test_features_hang_on_the_doc_one_row_per_token(tiny_encoder):
    nlp = frozen_pipeline(tiny_encoder("bert"))
    train(nlp, 0)
    doc = nlp(TEXTS[1])
    data = doc._.trf_data
    assert isinstance(data, TransformerData)
    assert data.model_output["last_hidden_state"].shape == (1, len(doc), 3 * 16)
    assert data.align.data.ravel().tolist() == list(range(len(doc)))
    assert data.align.lengths.tolist() == [1] * len(doc)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_documents_without_tokens_may_stand_anywhere(tiny_encoder, position):
    nlp = frozen_pipeline(tiny_encoder("bert"))
    texts = TEXTS[:2]
    expected = [doc._.trf_data.model_output["last_hidden_state"] for doc in _run(nlp, texts)]
    docs = _run(nlp, [*texts[:position], "", *texts[position:]])
    assert len(docs[position]) == 0
    del docs[position]
    for doc, rows in zip(docs, expected, strict=True):
        assert np.abs(doc._.trf_data.model_output["last_hidden_state"] - rows).max() < 1e-5


def test_a_batch_without_any_token_passes(tiny_encoder):
    assert [len(doc) for doc in _run(frozen_pipeline(tiny_encoder("bert")), ["", ""])] == [0, 0]


def _run(nlp: Any, texts: Sequence[str]) -> List[Doc]:
    train(nlp, 0)
    return list(nlp.pipe(texts))


def test_training_leaves_the_encoder_as_it_is(tiny_encoder):
    nlp = frozen_pipeline(tiny_encoder("bert"))
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    transformer, head = nlp.get_pipe("transformer"), nlp.get_pipe("posattn_ner")
    before, head_before = transformer.to_bytes(), head.model.to_bytes()
    for _ in range(3):
        nlp.update(examples, sgd=optimizer, drop=0.2)
    assert transformer.to_bytes() == before
    assert head.model.to_bytes() != head_before
    encoder, _ = huggingface(transformer.model)
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert all(parameter.grad is None for parameter in encoder.parameters())
    assert not encoder.training


def test_features_are_the_same_in_training_and_prediction(tiny_encoder):
    model = frozen_model(tiny_encoder("bert"))
    docs = [Doc(NLP.vocab, words=text.split()) for text in TEXTS]
    predicted = model.predict(docs).doc_data
    trained, _ = model.begin_update(docs)
    for one, other in zip(predicted, trained.doc_data, strict=True):
        assert np.array_equal(one.model_output["last_hidden_state"], other.model_output["last_hidden_state"])


class Waits(TorchDispatchMode):
    """Counts how often numbers are asked of torch, for which a program would wait for a GPU."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def test_a_gpu_is_waited_for_as_often_however_many_layers_and_batches_there_are(tiny_encoder) -> None:
    texts = [text.split() for text in TEXTS]

    def waits(**settings: Any) -> int:
        model = frozen_model(tiny_encoder("bert"), **settings)
        encode(model, texts)
        with Waits() as counted:
            encode(model, texts)
        return counted.count

    assert waits(batch_pieces=8) == waits(layers=[-1], batch_pieces=4096) <= 2


def test_what_is_not_finite_in_any_layer_or_batch_is_refused(tiny_encoder) -> None:
    model = frozen_model(tiny_encoder("bert"), batch_pieces=8)
    encode(model, [["warm"]])
    transformer, _ = huggingface(model)
    seen: List[int] = []

    def spoil(_: Any, args: Any, output: Any) -> Any:
        seen.append(1)
        return torch.full_like(output, torch.inf) if len(seen) == 2 else output

    transformer.embeddings.register_forward_hook(spoil)
    with pytest.raises(OverflowError, match=r"not finite in torch\.float32"):
        encode(model, [text.split() for text in TEXTS])
    assert len(seen) > 2


@pytest.mark.parametrize(
    ("setting", "layers", "device", "pieces"),
    [
        (1024, 6, "cpu", 1024),
        (1024, 0, "cpu", 1024 * LOOKED_UP),
        (1024, 6, "cuda", GPU_PIECES),
        (2 * GPU_PIECES, 6, "mps", 2 * GPU_PIECES),
    ],
)
def test_a_gpu_takes_more_pieces_together(setting: int, layers: int, device: str, pieces: int) -> None:
    assert pieces_at_once(setting, layers, device) == pieces


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_encoder_computes_the_same_without_its_folder(tiny_encoder, tmp_path, family):
    folder = tmp_path / "encoder"
    shutil.copytree(tiny_encoder(family), folder)
    model = frozen_model(folder, layers=[1, -1])
    texts = [text.split() for text in TEXTS]
    expected = encode(model, texts)
    data = model.to_bytes()
    shutil.rmtree(folder)
    loaded = build_frozen_transformer_v1(str(folder), layers=[1, -1]).from_bytes(data)
    assert loaded.get_dim("nO") == model.get_dim("nO")
    for rows, reference in zip(encode(loaded, texts), expected, strict=True):
        assert np.array_equal(rows, reference)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_pad_embedding_is_the_encoders_own(tiny_encoder, family):
    folder = tiny_encoder(family)
    model = frozen_model(folder, layers=[0, 2])
    encoder = AutoModel.from_pretrained(folder)
    pad = AutoTokenizer.from_pretrained(folder).pad_token_id
    with torch.no_grad():
        hidden = encoder.eval()(torch.tensor([[pad]]), output_hidden_states=True).hidden_states
    own = torch.cat([hidden[0][0, 0], hidden[2][0, 0]]).numpy()
    assert np.abs(pad_embedding(model) - own).max() < 1e-5


def test_an_encoder_may_have_narrow_embeddings(tiny_encoder, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder("bert"))
    tokenizer.save_pretrained(tmp_path)
    config = ElectraConfig(
        vocab_size=len(tokenizer), max_position_embeddings=MAX_PIECES, embedding_size=8, **SHAPE
    )
    ElectraModel(config).save_pretrained(tmp_path)
    words = TEXTS[0].split()
    (rows,) = encode(frozen_model(tmp_path), [words])
    assert np.abs(rows - hidden_states(tmp_path, words)).max() < 1e-5
    losses = train(frozen_pipeline(tmp_path, mask="pad"), 1)
    assert losses["posattn_ner"] > 0


# Loud failures


@pytest.mark.parametrize("name", ["assets/encoder/none", "./none", "/none/at/all"])
def test_a_missing_folder_is_named_with_a_remedy(name):
    with pytest.raises(ValueError, match=rf"'{name}'.*does not exist.*spacy project run encoder"):
        frozen_model(Path(name)) if not name.startswith("./") else build_frozen_transformer_v1(
            name
        ).initialize()


def test_a_folder_without_an_encoder_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"components\.transformer\.model\.name.*can't be loaded"):
        frozen_model(tmp_path)


@pytest.mark.parametrize(
    ("number", "layers"), [(1, [-1]), (2, [0, 2]), (3, [0, 1, 2]), (9, [0, 1, 2]), (None, [0, 1, 2])]
)
def test_a_number_of_layers_is_spread_over_the_depth_of_the_encoder(tiny_encoder, number, layers):
    folder, words = tiny_encoder("bert"), TEXTS[0].split()
    (rows,) = encode(frozen_model(folder, layers=number), [words])
    assert np.abs(rows - hidden_states(folder, words, layers)).max() < 1e-5


@pytest.mark.parametrize("layers", [[3], [0, -4], [], 0, -1])
def test_layers_out_of_range_are_refused(tiny_encoder, layers):
    with pytest.raises(ValueError, match=r"model\.layers = .*the layers 0 \(embeddings\) to 2, or -1"):
        frozen_model(tiny_encoder("bert"), layers=layers)


def test_an_uninitialized_encoder_is_refused(tiny_encoder):
    model = build_frozen_transformer_v1(str(tiny_encoder("bert")))
    with pytest.raises(ValueError, match="no encoder yet: initialize the pipeline"):
        encode(model, [["London"]])
