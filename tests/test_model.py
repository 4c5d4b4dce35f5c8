"""The thinc glue: settings, ragged batches, gradients, dropout, weights on their way to disk."""

from typing import Any, Callable, Dict, List, Sequence, Tuple

import numpy as np
import pytest
import spacy
import torch
from confection import ConfigValidationError
from spacy.tokens import Doc
from spacy.util import registry
from thinc.api import Model, Optimizer, fix_random_seed, set_dropout_rate
from thinc.types import Floats2d

from pipelines import (
    FROZEN_LISTENER,
    HASH_EMBED,
    LEXICAL,
    MASKS,
    MULTI_HASH_EMBED,
    TAGGER,
    TEXTS,
    add_head,
    initialized,
    plain_pipeline,
)
from posattn_spacy.attention import MASK_MODES
from posattn_spacy.head import TokenScores, _joined
from posattn_spacy.model import (
    build_posattn_tagger_v1,
    is_initialized,
    set_pad_embedding,
)

NLP = spacy.blank("xx")
WIDTH, N_TAGS = 6, 5


def given_features(rows: Sequence[np.ndarray], received: List[Any]) -> Model[List[Doc], List[Floats2d]]:
    """A layer that hands out `rows`, one array per document, and keeps the gradient it receives."""

    def forward(model: Model, docs: List[Doc], is_train: bool) -> Tuple[List[Floats2d], Callable]:
        assert len(docs) == len(rows)

        def backprop(d_rows: List[Floats2d]) -> List[Doc]:
            received.append(d_rows)
            return docs

        return [array.copy() for array in rows], backprop

    return Model("given-features", forward, dims={"nO": WIDTH})


def docs_of(lengths: Sequence[int]) -> List[Doc]:
    return [Doc(NLP.vocab, words=["w"] * n) for n in lengths]


def random_rows(lengths: Sequence[int]) -> List[np.ndarray]:
    return [np.random.normal(size=(n, WIDTH)).astype("f") for n in lengths]


def make_tagger(tok2vec: Model, **settings: Any) -> Model:
    shape: Dict[str, Any] = {"hidden_width": 8, "n_heads": 2, **settings}
    model = build_posattn_tagger_v1(tok2vec, nO=N_TAGS, **shape)
    model.initialize(X=docs_of([2]))
    return model


# Settings


WRONG_SETTINGS = [
    ({"mask": "sfot"}, "mask = 'sfot': choose one of soft, pad, hard, none"),
    ({"pad_ratio": 1.0}, r"pad_ratio = 1\.0: .* at least 0 and below 1"),
    ({"pad_ratio": -0.1}, r"pad_ratio = -0\.1: .* at least 0 and below 1"),
    ({"hidden_width": 30, "n_heads": 4}, "hidden_width = 30 is not divisible by n_heads = 4"),
    ({"n_heads": 0}, "not divisible by n_heads = 0"),
    ({"hidden_width": 0}, "hidden_width = 0"),
    ({"depth": -1}, "depth = -1 must be at least 0"),
    ({"max_distance": 0}, "max_distance = 0 at least 1"),
]


@pytest.mark.parametrize(("settings", "message"), WRONG_SETTINGS)
def test_wrong_settings_are_refused_with_their_path(settings, message):
    build = registry.architectures.get("posattn-spacy.PosAttnTagger.v1")
    with pytest.raises(ValueError, match=rf"components\.posattn_ner\.model.*{message}"):
        build(given_features([], []), **settings)


@pytest.mark.parametrize(("settings", "message"), WRONG_SETTINGS[1:])
def test_wrong_settings_are_refused_in_a_config(settings, message):
    with pytest.raises(ValueError, match=message):
        plain_pipeline(**settings)


def test_an_unknown_mask_is_refused_in_a_config():
    with pytest.raises(
        ConfigValidationError, match=r"posattn_ner\.model -> mask\s.*'sfot'.*'soft', 'pad', 'hard', 'none'"
    ):
        plain_pipeline(mask="sfot")


def test_an_unknown_setting_is_refused_in_a_config():
    with pytest.raises(ConfigValidationError, match="heads"):
        plain_pipeline(heads=4)


def test_the_masks_of_the_tests_are_all_masks():
    assert sorted(MASKS) == sorted(MASK_MODES)


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_depth_is_the_number_of_blocks(depth):
    model = make_tagger(given_features([], []), depth=depth)
    assert len(model.get_ref("output_layer").shims[0]._model.blocks) == depth


# Batches


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("lengths", [[3, 0, 2], [0, 3], [1, 0, 0]])
def test_documents_without_tokens_have_no_rows(mask, lengths):
    rows = random_rows(lengths)
    scores = make_tagger(given_features(rows, []), mask=mask).predict(docs_of(lengths))
    assert scores.tags.shape == (sum(lengths), N_TAGS)
    assert scores.positions.shape == (sum(lengths), 3)
    assert scores.lengths.tolist() == lengths
    assert np.isfinite(scores.tags).all()


def test_documents_without_tokens_change_no_score():
    rows = random_rows([3, 0, 2])
    tagger = make_tagger(given_features(rows, []))
    data = tagger.to_bytes()
    others = make_tagger(given_features([rows[0], rows[2]], [])).from_bytes(data)
    expected = others.predict(docs_of([3, 2]))
    found = tagger.predict(docs_of([3, 0, 2]))
    np.testing.assert_allclose(found.tags, expected.tags, atol=1e-6)


# Gradients


def finite_differences(rows: Sequence[np.ndarray], function: Callable[[], float]) -> List[np.ndarray]:
    """The slope of a function along every number of the arrays that it reads."""
    slopes = [np.zeros_like(array) for array in rows]
    for array, slope in zip(rows, slopes, strict=True):
        for index in np.ndindex(array.shape):
            centre, values = array[index], []
            for step in (1e-2, -1e-2):
                array[index] = centre + step
                values.append(function())
            array[index] = centre
            slope[index] = (values[0] - values[1]) / 2e-2
    return slopes


def assert_gradient_is_exact(
    tagger: Model, lengths: Sequence[int], rows: Sequence[np.ndarray], received: List[Any]
) -> None:
    """Compare the gradient that the layer with these rows receives with finite differences."""
    docs, n = docs_of(lengths), sum(lengths)
    weights = np.random.normal(size=(n, N_TAGS)).astype("f"), np.random.normal(size=(n, 3)).astype("f")

    def weighted_sum() -> float:
        tags, positions, *_ = tagger.begin_update(docs)[0]
        return float((tags * weights[0]).sum(dtype="d") + (positions * weights[1]).sum(dtype="d"))

    scores, backprop = tagger.begin_update(docs)
    backprop(TokenScores(*weights, *scores[2:]))
    (gradient,) = received
    assert isinstance(gradient, list)
    assert [array.shape for array in gradient] == [array.shape for array in rows]
    for found, expected in zip(gradient, finite_differences(rows, weighted_sum), strict=True):
        np.testing.assert_allclose(found, expected, atol=5e-3, rtol=5e-3)


@pytest.mark.parametrize("mask", ["soft", "none"])
def test_gradient_of_the_features_equals_finite_differences(mask):
    lengths, received = [3, 0, 2], []
    rows = random_rows(lengths)
    tagger = make_tagger(given_features(rows, received), mask=mask)
    assert_gradient_is_exact(tagger, lengths, rows, received)


def test_gradients_accumulate_until_they_are_used():
    rows = random_rows([3])
    tagger = make_tagger(given_features(rows, []))
    weight = tagger.get_ref("output_layer").shims[0]._model.tags.weight
    gradients = []
    for _ in range(2):
        scores, backprop = tagger.begin_update(docs_of([3]))
        backprop(TokenScores(np.ones_like(scores.tags), np.ones_like(scores.positions), *scores[2:]))
        gradients.append(weight.grad.clone())
    torch.testing.assert_close(gradients[1], 2 * gradients[0])


def test_frozen_features_ask_for_no_gradient():
    received: List[Any] = []
    frozen = given_features(random_rows([3]), received)
    frozen.attrs["frozen"] = True
    tagger = make_tagger(frozen)
    scores, backprop = tagger.begin_update(docs_of([3]))
    backprop(TokenScores(np.ones_like(scores.tags), np.ones_like(scores.positions), *scores[2:]))
    assert received == [[]]
    assert tagger.get_ref("output_layer").shims[0]._model.tags.weight.grad is not None


# The lexical channel


@pytest.mark.parametrize("mask", MASKS)
def test_the_lexical_channel_has_a_say_in_the_scores(mask):
    rows, words = random_rows([3, 0, 2]), random_rows([3, 0, 2])
    tagger = make_tagger(given_features(rows, []), lexical=given_features(words, []), mask=mask)
    before = tagger.predict(docs_of([3, 0, 2])).tags
    words[2] += np.array([3.0, 0, 0, 0, 0, 0], dtype="f")
    after = tagger.predict(docs_of([3, 0, 2])).tags
    np.testing.assert_array_equal(before[:3], after[:3])
    assert not np.array_equal(before[3:], after[3:])


def test_gradient_of_the_lexical_channel_equals_finite_differences():
    lengths, received = [2, 0, 1], []
    words = random_rows(lengths)
    frozen = given_features(random_rows(lengths), [])
    frozen.attrs["frozen"] = True
    tagger = make_tagger(frozen, lexical=given_features(words, received))
    assert_gradient_is_exact(tagger, lengths, words, received)


@pytest.mark.parametrize("lexical", [LEXICAL, MULTI_HASH_EMBED])
def test_lexical_channels_learn_and_survive_their_bytes(lexical):
    nlp = plain_pipeline(lexical=lexical)
    model = nlp.get_pipe("posattn_ner").model
    examples = initialized(nlp)
    (table, *_) = (node for node in model.get_ref("lexical").walk() if node.has_param("E"))
    before = table.get_param("E").copy()
    nlp.update(examples, sgd=Optimizer(0.01))
    assert not np.array_equal(before, table.get_param("E"))
    other = plain_pipeline(lexical=lexical)
    other.from_bytes(nlp.to_bytes())
    docs = [nlp.make_doc(text) for text in [*TEXTS, ""]]
    found = other.get_pipe("posattn_ner").model.predict(docs)
    np.testing.assert_array_equal(found.tags, model.predict(docs).tags)


def test_the_lexical_channel_puts_its_attributes_side_by_side():
    lexical = registry.resolve({"model": LEXICAL})["model"]
    docs = [NLP.make_doc("Bob bob Bob"), NLP.make_doc("")]
    lexical.initialize(X=docs)
    rows, nothing = lexical.predict(docs)
    assert rows.shape == (3, 16)
    assert len(nothing) == 0
    assert np.array_equal(rows[0], rows[2])
    assert np.array_equal(rows[0, :8], rows[1, :8])  # the same NORM
    assert not np.array_equal(rows[0, 8:], rows[1, 8:])  # another SHAPE


def test_word_dropout_hides_the_first_attribute_of_a_share_of_the_tokens_in_training_alone():
    lexical = registry.resolve({"model": {**LEXICAL, "word_dropout": 0.3}})["model"]
    docs = docs_of([1500, 500])
    lexical.initialize(X=docs)
    predicted = np.concatenate(lexical.predict(docs))
    set_dropout_rate(lexical, 0.9)  # that of the update is none of its business
    fix_random_seed(0)
    pieces, backprop = lexical.begin_update(docs)
    trained = np.concatenate(pieces)
    width = LEXICAL["width"]
    hidden = (trained[:, :width] == 0).all(1)
    assert 0.27 < hidden.mean() < 0.33
    np.testing.assert_array_equal(trained[~hidden], predicted[~hidden])
    np.testing.assert_array_equal(trained[:, width:], predicted[:, width:])
    backprop([np.ones_like(rows) for rows in pieces])
    gradients = [node.get_grad("E").sum() for node in lexical.walk() if node.has_grad("E")]
    # Each vector is the sum of four rows of its table.
    assert sorted(gradients) == [4 * width * (~hidden).sum(), 4 * width * len(hidden)]


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_word_dropout_is_a_share(rate):
    with pytest.raises(ValueError, match=r"lexical\.word_dropout = .*at least 0 and below 1"):
        plain_pipeline(lexical={**LEXICAL, "word_dropout": rate})


def test_a_lexical_channel_needs_a_table_for_each_attribute():
    with pytest.raises(ValueError, match="2 attrs, but 1 rows"):
        plain_pipeline(lexical={**LEXICAL, "rows": [200]})


# Dropout


def test_dropout_follows_the_rate_of_the_update(monkeypatch: pytest.MonkeyPatch):
    tagger = make_tagger(given_features(random_rows([4]), []))
    rates: List[float] = []
    monkeypatch.setattr("posattn_spacy.attention.dropout", lambda x, rate: rates.append(rate) or x)
    for rate in (0.3, 0.0, 0.6):
        set_dropout_rate(tagger, rate)
        tagger.begin_update(docs_of([4]))
        assert set(rates) == {rate}
        rates.clear()
    tagger.predict(docs_of([4]))
    assert set(rates) == {0.0}


def test_without_dropout_two_updates_see_the_same_scores():
    tagger = make_tagger(given_features(random_rows([4]), []))
    set_dropout_rate(tagger, 0.0)
    one, two = (tagger.begin_update(docs_of([4]))[0].tags for _ in range(2))
    assert np.array_equal(one, two)
    set_dropout_rate(tagger, 0.5)
    one, two = (tagger.begin_update(docs_of([4]))[0].tags for _ in range(2))
    assert not np.array_equal(one, two)


def test_prediction_drops_nothing_even_after_an_update():
    tagger = make_tagger(given_features(random_rows([4]), []))
    expected = tagger.predict(docs_of([4])).tags
    set_dropout_rate(tagger, 0.5)
    tagger.begin_update(docs_of([4]))
    for _ in range(2):
        assert np.array_equal(tagger.predict(docs_of([4])).tags, expected)


# Weights


def test_a_head_is_rebuilt_from_its_bytes():
    rows = random_rows([4])
    tagger = make_tagger(given_features(rows, []), mask="hard", pad_ratio=0.5, depth=2)
    set_pad_embedding(tagger, np.arange(WIDTH, dtype="f"))
    other = build_posattn_tagger_v1(
        given_features(rows, []), mask="hard", pad_ratio=0.5, depth=2, hidden_width=8, n_heads=2
    )
    assert not is_initialized(other)
    other.from_bytes(tagger.to_bytes())
    assert is_initialized(other)
    assert np.array_equal(other.predict(docs_of([4])).tags, tagger.predict(docs_of([4])).tags)
    pad = other.get_ref("output_layer").shims[0]._model.pad_embedding
    assert pad.tolist() == list(range(WIDTH))
    assert other.to_bytes() == tagger.to_bytes()


def test_a_model_without_a_head_survives_its_bytes():
    data = build_posattn_tagger_v1(given_features([], [])).to_bytes()
    assert not is_initialized(build_posattn_tagger_v1(given_features([], [])).from_bytes(data))


def test_a_copy_is_independent():
    tagger = make_tagger(given_features(random_rows([4]), []))
    copy = tagger.copy()
    before = copy.predict(docs_of([4])).tags.copy()
    with torch.no_grad():
        tagger.get_ref("output_layer").shims[0]._model.tags.weight.zero_()
    assert np.array_equal(copy.predict(docs_of([4])).tags, before)


@pytest.mark.parametrize("tok2vec", [HASH_EMBED, FROZEN_LISTENER])
def test_the_model_has_the_parts_that_spacy_looks_for(tok2vec):
    nlp = spacy.blank("xx")
    model = add_head(nlp, tok2vec).model
    assert model.get_ref("tok2vec") is model.layers[0]
    assert model.maybe_get_ref("output_layer") is not None
    assert model.has_dim("nO") is None


def test_a_built_model_knows_its_number_of_tags():
    config = {"model": {**TAGGER, "nO": 7, "tok2vec": HASH_EMBED}}
    model = registry.resolve(config)["model"]
    assert model.get_dim("nO") == 7


def test_rows_that_lie_one_after_another_are_not_copied():
    whole = random_rows([9])[0]
    head = make_tagger(given_features([whole], [])).get_ref("output_layer")
    neighbours = [whole[:4], whole[4:4], whole[4:].reshape(1, 5, WIDTH)[0]]
    assert _joined(head, neighbours) is whole
    for others in (
        [whole[4:], whole[:4]],
        [whole[:4], whole[5:]],
        [whole[:4].copy(), whole[4:]],
        [whole[1:]],
        [whole[:, :1]],
        [whole[:4, :1], whole[4:, :1]],
    ):
        np.testing.assert_array_equal(_joined(head, others), np.concatenate(others))
