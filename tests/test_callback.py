"""The frozen transformer with a feature store: it encodes each text once, and nothing else changes."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import numpy as np
import pytest
import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import fix_random_seed

from pipelines import (
    STOCK_LISTENER,
    TEXTS,
    add_frozen_transformer,
    entities,
    frozen_pipeline,
    head_parameters,
    initialized,
    make_examples,
    plain_pipeline,
)
from posattn_spacy.frozen.architecture import can_wait, huggingface
from posattn_spacy.frozen.callback import describe
from posattn_spacy.frozen.fingerprint import encoder_fingerprint

DEV = ["Marta Velasquez visited Athens .", "Families joined in London ."]


def with_store(nlp: Language, path: Optional[Path], **settings: Any) -> Language:
    """Set a feature store in a pipeline's config, as a training config does."""
    nlp.config["initialize"]["after_init"] = {
        "@callbacks": "posattn-spacy.feature_store.v1",
        "path": None if path is None else str(path),
        **settings,
    }
    return nlp


def count_encoded(nlp: Language) -> List[int]:
    """Append to a list how many texts each pass through the encoder has, from now on."""
    encoder, _ = huggingface(nlp.get_pipe("transformer").model)
    can_wait(nlp.get_pipe("transformer").model)  # for which it is tried out once
    calls: List[int] = []
    encoder.register_forward_pre_hook(
        lambda module, args, kwargs: calls.append(len(args[0])), with_kwargs=True
    )
    return calls


def run_training(nlp: Language, epochs: int = 3) -> List[int]:
    """Train and evaluate like `spacy train`, from the same seed; return the texts of each encoder pass."""
    fix_random_seed(0)
    examples = make_examples(nlp)
    dev = [Example(nlp.make_doc(text), Doc(nlp.vocab, words=text.split())) for text in DEV]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.003
    calls = count_encoded(nlp)
    for _ in range(epochs):
        for half in (examples[:2], examples[2:]):
            nlp.update(half, sgd=optimizer)
        nlp.evaluate(dev)
    return calls


def weights(nlp: Language) -> Dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in head_parameters(nlp).items()}


def assert_same_weights(nlp: Language, other: Language) -> None:
    for name, value in weights(nlp).items():
        np.testing.assert_array_equal(value, weights(other)[name], err_msg=name)


@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta"])
def test_each_text_is_encoded_once_over_epochs_and_runs(
    tiny_encoder: Callable[[str], Path], tmp_path: Path, family: str
) -> None:
    cold = with_store(frozen_pipeline(tiny_encoder(family)), tmp_path / "store")
    assert sum(run_training(cold)) == len({*TEXTS, *DEV})
    warm = with_store(frozen_pipeline(tiny_encoder(family)), tmp_path / "store")
    assert sum(run_training(warm)) == 0
    assert_same_weights(cold, warm)


def test_without_a_store_each_text_is_encoded_every_time(
    tiny_encoder: Callable[[str], Path], tmp_path: Path
) -> None:
    nlp = with_store(frozen_pipeline(tiny_encoder("bert")), None)
    assert sum(run_training(nlp)) == 3 * (len(TEXTS) + len(DEV))


def test_repeated_text_is_encoded_once_in_a_batch(
    tiny_encoder: Callable[[str], Path], tmp_path: Path
) -> None:
    nlp = with_store(frozen_pipeline(tiny_encoder("bert")), tmp_path / "store")
    initialized(nlp)
    calls = count_encoded(nlp)
    docs = list(nlp.pipe([TEXTS[0], "", TEXTS[1], TEXTS[0], TEXTS[0]]))
    assert sum(calls) == 2
    features = [doc._.trf_data.model_output.last_hidden_state for doc in docs if len(doc)]
    np.testing.assert_array_equal(features[0], features[2])
    np.testing.assert_array_equal(features[0], features[3])


def test_features_differ_from_the_encoders_by_rounding_alone(
    tiny_encoder: Callable[[str], Path], tmp_path: Path
) -> None:
    live = frozen_pipeline(tiny_encoder("bert"))
    stored = with_store(frozen_pipeline(tiny_encoder("bert")), tmp_path / "half")
    exact = with_store(frozen_pipeline(tiny_encoder("bert")), tmp_path / "single", dtype="float32")
    for nlp in (live, stored, exact):
        initialized(nlp)
    for _ in range(2):  # written, then read
        for doc, half, single in zip(*(nlp.pipe(TEXTS) for nlp in (live, stored, exact)), strict=True):
            rows, half_rows, single_rows = (
                each._.trf_data.model_output.last_hidden_state for each in (doc, half, single)
            )
            np.testing.assert_array_equal(half_rows, half_rows.astype(np.float16))
            np.testing.assert_allclose(half_rows, rows, rtol=2**-10, atol=1e-4)
            np.testing.assert_allclose(single_rows, rows, atol=1e-5)
            assert half_rows.dtype == single_rows.dtype == np.float32


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_the_head_gets_features_as_they_are_stored(
    tiny_encoder: Callable[[str], Path], tmp_path: Path, dtype: str
) -> None:
    nlp = with_store(frozen_pipeline(tiny_encoder("bert")), tmp_path / "store", dtype=dtype)
    examples = initialized(nlp)
    head = nlp.get_pipe("posattn_ner").model.get_ref("output_layer").shims[0]._model
    types: List[torch.dtype] = []
    head.register_forward_pre_hook(lambda module, args: types.append(args[0].dtype))
    nlp.update(examples)
    list(nlp.pipe(TEXTS))
    assert types == [getattr(torch, dtype)] * 2


def test_other_layers_get_stored_features_in_float32(
    tiny_encoder: Callable[[str], Path], tmp_path: Path
) -> None:
    nlp = spacy.blank("xx")
    add_frozen_transformer(nlp, tiny_encoder("bert"))
    tok2vec = {"@architectures": "posattn-spacy.FrozenListener.v1"}
    nlp.add_pipe("tagger", config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec}})
    examples = [Example.from_dict(nlp.make_doc(text), {"tags": ["X"] * len(text.split())}) for text in TEXTS]
    with_store(nlp, tmp_path / "store").initialize(lambda: examples)
    listener = nlp.get_pipe("tagger").model.get_ref("tok2vec")
    for is_train in (True, False):
        docs = [nlp.make_doc(text) for text in TEXTS]
        if is_train:
            nlp.get_pipe("transformer").update([Example(doc, doc) for doc in docs])
        else:
            docs = list(nlp.get_pipe("transformer").pipe(docs))
        rows, _ = listener(docs, is_train)
        assert {array.dtype for array in rows} == {np.dtype("float32")}


def test_configs_with_other_layers_share_a_store(tiny_encoder: Callable[[str], Path], tmp_path: Path) -> None:
    run_training(with_store(frozen_pipeline(tiny_encoder("bert")), tmp_path / "store"))
    last = with_store(frozen_pipeline(tiny_encoder("bert"), layers=[-1, 0]), tmp_path / "store")
    assert sum(run_training(last)) == 0


def test_stock_listener_reads_from_the_store_too(tiny_encoder: Callable[[str], Path], tmp_path: Path) -> None:
    for expected in (len({*TEXTS, *DEV}), 0):
        nlp = frozen_pipeline(tiny_encoder("bert"), listener=STOCK_LISTENER)
        assert sum(run_training(with_store(nlp, tmp_path / "store"))) == expected


def test_replaced_listener_reads_from_the_store_too(
    tiny_encoder: Callable[[str], Path], tmp_path: Path
) -> None:
    nlp = with_store(frozen_pipeline(tiny_encoder("bert")), tmp_path / "store")
    run_training(nlp)
    nlp.replace_listeners("transformer", "posattn_ner", ["model.tok2vec"])
    owned, _ = huggingface(nlp.get_pipe("posattn_ner").model.get_ref("tok2vec").layers[0])
    calls: List[int] = []
    owned.register_forward_pre_hook(lambda module, args: calls.append(len(args[0])))
    nlp.remove_pipe("transformer")
    entities(nlp)
    assert calls == []


def test_saved_pipeline_has_no_trace_of_the_store(
    tiny_encoder: Callable[[str], Path], tmp_path: Path
) -> None:
    nlp = with_store(frozen_pipeline(tiny_encoder("bert")), tmp_path / "store-of-this-test")
    run_training(nlp)
    nlp.to_disk(tmp_path / "saved")
    files = [path for path in (tmp_path / "saved").rglob("*") if path.is_file()]
    assert any(path.name == "config.cfg" for path in files)
    for trace in (b"store-of-this-test", b"feature_store"):
        assert not any(trace in path.read_bytes() for path in files)
        assert trace not in nlp.to_bytes()
    expected = entities(nlp)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(__import__("sys").modules, "lmdb", None)  # can't be imported
        loaded = spacy.load(tmp_path / "saved")
        assert entities(loaded) == expected
    calls = count_encoded(loaded)
    entities(loaded)
    assert sum(calls) == len(TEXTS)


def test_threads_share_a_store(tiny_encoder: Callable[[str], Path], tmp_path: Path) -> None:
    """Each thread with a pipeline of its own."""

    def pipeline(path: Path) -> Language:
        nlp = with_store(frozen_pipeline(tiny_encoder("bert")), path)
        initialized(nlp)
        return nlp

    def features(nlp: Language, turn: int) -> List[np.ndarray]:
        texts = [TEXTS[(turn + i) % len(TEXTS)] for i in range(len(TEXTS))]
        rows = {text: nlp(text)._.trf_data.model_output.last_hidden_state for text in texts}
        return [rows[text] for text in TEXTS]

    expected = features(pipeline(tmp_path / "alone"), 0)
    with ThreadPoolExecutor(4) as threads:
        found = threads.map(features, [pipeline(tmp_path / "shared") for _ in range(4)], range(4))
        for rows in found:
            for array, right in zip(rows, expected, strict=True):
                np.testing.assert_array_equal(array, right)


def test_workers_encode_for_themselves(tiny_encoder: Callable[[str], Path], tmp_path: Path) -> None:
    nlp = with_store(frozen_pipeline(tiny_encoder("bert")), tmp_path / "store")
    run_training(nlp)
    expected = entities(nlp)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads, from Python 3.12 on
        docs = list(nlp.pipe(TEXTS, n_process=2, batch_size=2))
    assert [[(e.start_char, e.end_char, e.label_) for e in doc.ents] for doc in docs] == expected


def test_store_that_cannot_be_used_is_said_and_training_goes_on(
    tiny_encoder: Callable[[str], Path], tmp_path: Path
) -> None:
    first = with_store(frozen_pipeline(tiny_encoder("roberta")), tmp_path / "store")
    run_training(first)
    nlp = with_store(frozen_pipeline(tiny_encoder("bert")), tmp_path / "store")
    with pytest.warns(UserWarning, match="made by another encoder.*Training goes on without the store"):
        calls = run_training(nlp)
    assert sum(calls) == 3 * (len(TEXTS) + len(DEV))


def test_features_too_large_for_the_store_are_said_and_used_as_they_are(
    tiny_encoder: Callable[[str], Path], tmp_path: Path
) -> None:
    nlp = with_store(frozen_pipeline(tiny_encoder("bert")), tmp_path / "store")
    initialized(nlp)
    encoder, _ = huggingface(nlp.get_pipe("transformer").model)
    encoder.embeddings.LayerNorm.weight.mul_(1e6)
    with pytest.warns(UserWarning, match=r'too large.*dtype = "float32"'):
        doc = nlp(TEXTS[0])
    rows = doc._.trf_data.model_output.last_hidden_state
    assert np.isfinite(rows).all()
    assert np.abs(rows).max() > np.finfo(np.float16).max
    nlp(TEXTS[0])


def test_store_without_a_frozen_transformer_is_an_error(tmp_path: Path) -> None:
    nlp = with_store(plain_pipeline(), tmp_path / "store")
    examples = make_examples(nlp)
    with pytest.raises(ValueError, match=r"no component of the pipeline has a .*FrozenTransformer"):
        nlp.initialize(lambda: examples)


@pytest.mark.parametrize("max_gb", [0, -1])
def test_size_must_be_positive(tiny_encoder: Callable[[str], Path], tmp_path: Path, max_gb: float) -> None:
    nlp = with_store(frozen_pipeline(tiny_encoder("bert")), tmp_path / "store", max_gb=max_gb)
    with pytest.raises(ValueError, match="must be positive"):
        nlp.initialize(lambda: make_examples(nlp))


def test_fingerprint_tells_encoders_apart(tiny_encoder: Callable[[str], Path]) -> None:
    nlp = spacy.blank("xx")
    model = add_frozen_transformer(nlp, tiny_encoder("bert")).model
    model.initialize()
    encoder, tokenizer = huggingface(model)
    first = encoder_fingerprint(encoder, tokenizer)
    tokenizer(["a b"], truncation=True, max_length=4, padding=True)  # leaves settings behind
    assert encoder_fingerprint(encoder, tokenizer) == first
    assert encoder_fingerprint(encoder, tokenizer, pooling="last") != first
    encoder.embeddings.word_embeddings.weight[3, 3] += 1e-3
    assert encoder_fingerprint(encoder, tokenizer) != first


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("num_attention_heads", 1),
        ("hidden_act", "relu"),
        ("model_type", "roberta"),
        ("position_embedding_type", "relative_key"),
    ],
)
def test_encoders_with_the_same_weights_and_another_config_are_told_apart(
    tiny_encoder: Callable[[str], Path], setting: str, value: Any
) -> None:
    model = add_frozen_transformer(spacy.blank("xx"), tiny_encoder("bert")).model
    model.initialize()
    encoder, tokenizer = huggingface(model)
    first = encoder_fingerprint(encoder, tokenizer)
    assert getattr(encoder.config, setting) != value
    if setting == "model_type":  # of the class, and no value of it
        encoder.config = type(encoder.config)(**encoder.config.to_dict())
        encoder.config.model_type = value
    else:
        setattr(encoder.config, setting, value)
    assert encoder_fingerprint(encoder, tokenizer) != first


def test_encoders_that_read_other_windows_are_told_apart(tiny_encoder: Callable[[str], Path]) -> None:
    model = add_frozen_transformer(spacy.blank("xx"), tiny_encoder("bert")).model
    model.initialize()
    encoder, tokenizer = huggingface(model)
    first = encoder_fingerprint(encoder, tokenizer)
    tokenizer.model_max_length = 16
    assert encoder_fingerprint(encoder, tokenizer) != first


@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta"])
def test_saved_pipeline_has_the_same_encoder(
    tiny_encoder: Callable[[str], Path], tmp_path: Path, family: str
) -> None:
    nlp = frozen_pipeline(tiny_encoder(family))
    initialized(nlp)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    first, second = (describe(each.get_pipe("transformer").model, "float16") for each in (nlp, loaded))
    assert first.fingerprint == second.fingerprint


def test_marked_sentences_share_the_features_of_documents_that_are_single_sentences(
    tmp_path: Path, tiny_encoder
) -> None:
    nlp = with_store(frozen_pipeline(tiny_encoder("bert")), tmp_path)
    initialized(nlp)
    calls = count_encoded(nlp)
    words = [text.split() for text in TEXTS[:2]]
    for sentence in words:
        nlp(Doc(nlp.vocab, words=sentence))
    n_encoded = sum(calls)
    starts = [i == 0 for sentence in words for i in range(len(sentence))]
    doc = Doc(nlp.vocab, words=[*words[0], *words[1]], sent_starts=starts)
    nlp(doc)
    assert sum(calls) == n_encoded > 0
