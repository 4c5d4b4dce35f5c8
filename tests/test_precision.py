"""Mixed precision: bfloat16 where the hardware is fast at it, and only there."""

import copy
import pickle
import platform
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Set

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc
from torch import nn

from pipelines import TEXTS, add_frozen_transformer, entities, frozen_pipeline, initialized, train
from posattn_spacy.attention import PositionalTagger
from posattn_spacy.frozen.callback import describe
from posattn_spacy.precision import (
    BFLOAT16_INSTRUCTIONS,
    ROWS,
    bfloat16_is_fast,
    precision,
    product_type,
)
from test_attention import CONFIG, LENGTHS
from test_callback import with_store

CPU = torch.device("cpu")
WEIGHT = torch.zeros(1)


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Make the processor seem to have instructions for bfloat16, or none."""

    def pretend(has: bool) -> None:
        capabilities: Dict[str, bool] = {"avx512_bf16": has}
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)

    return pretend


@pytest.mark.parametrize("has", [True, False])
def test_mixed_precision_is_for_hardware_that_is_fast_at_it(fast: Callable[[bool], None], has: bool) -> None:
    fast(has)
    assert bfloat16_is_fast(CPU) is has
    with precision(CPU, mixed=True):
        assert product_type(WEIGHT) == (torch.bfloat16 if has else torch.float32)
    with precision(CPU, mixed=False):
        assert product_type(WEIGHT) == torch.float32
    assert product_type(WEIGHT) == torch.float32


def test_torch_that_cannot_tell_means_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert not bfloat16_is_fast(CPU)
    assert not bfloat16_is_fast(torch.device("meta"))


@pytest.mark.parametrize("mask", ["soft", "pad", "hard", "none"])
def test_mixed_head_scores_like_a_plain_one_and_in_float32(fast: Callable[[bool], None], mask: str) -> None:
    fast(True)
    plain = PositionalTagger(replace(CONFIG, mask=mask)).eval()
    mixed = PositionalTagger(replace(plain.config, mixed_precision=True)).eval()
    mixed.load_state_dict(plain.state_dict())
    features, lengths = torch.randn(sum(LENGTHS), CONFIG.input_width), torch.tensor(LENGTHS)
    for expected, found in zip(plain(features, lengths), mixed(features, lengths), strict=True):
        assert found.dtype == torch.float32
        assert not torch.equal(found, expected)
        torch.testing.assert_close(found, expected, atol=0.05, rtol=0.05)
    (mixed(features, lengths)[0].sum() + mixed(features, lengths)[1].sum()).backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in mixed.parameters())


def test_attention_of_a_mixed_head_is_in_half_precision(
    fast: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fast(True)
    products: List[torch.dtype] = []
    for name in ("baddbmm", "bmm"):
        whole = getattr(torch, name)

        def watched(*tensors: torch.Tensor, whole: Callable[..., torch.Tensor] = whole, **kw: Any) -> Any:
            result = whole(*tensors, **kw)
            products.append(result.dtype)
            return result

        monkeypatch.setattr(torch, name, watched)
    head = PositionalTagger(replace(CONFIG, mixed_precision=True)).eval()
    head(torch.randn(sum(LENGTHS), CONFIG.input_width), torch.tensor(LENGTHS))
    assert len(products) == 2 * CONFIG.depth
    assert set(products) == {torch.bfloat16}


@pytest.mark.parametrize("mask", ["soft", "pad", "hard", "none"])
def test_a_mixed_head_multiplies_few_different_numbers_of_rows(
    fast: Callable[[bool], None], mask: str
) -> None:
    fast(True)
    head = PositionalTagger(replace(CONFIG, mask=mask, mixed_precision=True, lexical_width=3))
    seen: Set[int] = set()
    for layer in head.modules():
        if isinstance(layer, nn.Linear) and layer not in (head.gate, head.tags, head.edges):  # in float32
            layer.register_forward_pre_hook(lambda _, args: seen.add(len(args[0])))
    for n_words in range(1, 2 * ROWS + 1, 7):
        scores, _ = head(
            torch.randn(n_words, CONFIG.input_width), torch.tensor([n_words]), torch.randn(n_words, 3)
        )
        assert len(scores) == n_words
    assert seen == {ROWS, 2 * ROWS}


def test_mixed_head_takes_half_precision_features(fast: Callable[[bool], None]) -> None:
    fast(True)
    features, lengths = torch.randn(sum(LENGTHS), CONFIG.input_width).half(), torch.tensor(LENGTHS)
    for mixed in (True, False):
        head = PositionalTagger(replace(CONFIG, mixed_precision=mixed)).eval()
        torch.testing.assert_close(
            head(features, lengths)[0], head(features.float(), lengths)[0], atol=0.03, rtol=0.03
        )


def test_a_mixed_head_overfits(tiny_encoder: Callable[[str], Path], fast: Callable[[bool], None]) -> None:
    fast(True)
    nlp = frozen_pipeline(tiny_encoder("bert"), mixed_precision=True)
    train(nlp, 60)
    assert entities(nlp)[0] == [(0, 11, "per"), (20, 26, "geo")]


def test_mixed_encoder_encodes_like_a_plain_one_and_has_its_own_store(
    tiny_encoder: Callable[[str], Path], fast: Callable[[bool], None]
) -> None:
    rows, fingerprints = {}, {}
    for mixed in (True, False):
        nlp = spacy.blank("xx")
        pipe = add_frozen_transformer(nlp, tiny_encoder("bert"), mixed_precision=mixed)
        for has in (True, False):
            fast(has)
            pipe.model.initialize()
            fingerprints[mixed, has] = describe(pipe.model, "float16").fingerprint
            data = pipe.model.predict([nlp.make_doc(text) for text in TEXTS]).doc_data
            rows[mixed, has] = np.concatenate([item.model_output["last_hidden_state"][0] for item in data])
    plain = rows[False, True]
    assert plain.dtype == np.float32
    np.testing.assert_array_equal(plain, rows[False, False])
    np.testing.assert_array_equal(plain, rows[True, False])
    assert not np.array_equal(plain, rows[True, True])
    np.testing.assert_allclose(plain, rows[True, True], atol=0.1)
    assert fingerprints[True, True] != fingerprints[False, True]
    assert fingerprints[True, False] == fingerprints[False, True] == fingerprints[False, False]


def test_names_of_instructions_are_those_of_torch() -> None:
    of_processor = {"x86_64": {"avx512_bf16", "amx_bf16"}, "AMD64": {"avx512_bf16", "amx_bf16"}}
    names = of_processor.get(platform.machine(), {"bf16", "sve_bf16"})
    assert names <= set(torch.cpu.get_capabilities()) & set(BFLOAT16_INSTRUCTIONS)


def test_docs_with_stored_features_can_be_copied_and_sent_on(
    tiny_encoder: Callable[[str], Path], tmp_path: Path
) -> None:
    nlp = with_store(frozen_pipeline(tiny_encoder("bert")), tmp_path / "store")
    initialized(nlp)
    (doc,) = nlp.pipe(TEXTS[:1])
    data = doc._.trf_data
    assert data.rows.dtype == np.float16
    expected = data.model_output.last_hidden_state
    assert expected.dtype == np.float32
    received = Doc(nlp.vocab).from_bytes(doc.to_bytes())
    for other in (copy.deepcopy(data), pickle.loads(pickle.dumps(data)), received._.trf_data):
        np.testing.assert_array_equal(other.model_output["last_hidden_state"], expected)
        np.testing.assert_array_equal(other.align.dataXd, np.arange(len(doc)))
