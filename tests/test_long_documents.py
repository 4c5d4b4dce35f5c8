"""Long documents: the work is bounded by settings, and what is found is what would be found at once."""

from copy import deepcopy
from pathlib import Path
from typing import Any, Callable, List, Tuple
from weakref import ref

import numpy as np
import pytest
import spacy
import torch
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import set_dropout_rate

import posattn_spacy.frozen.architecture as frozen_encoder
from pipelines import (
    LEXICAL,
    MASKS,
    TEXTS,
    frozen_pipeline,
    head_parameters,
    stock_pipeline,
    train,
    train_on_stock,
)
from posattn_spacy import rows as rows_module
from posattn_spacy import stretches
from posattn_spacy.frozen.architecture import encode_texts
from posattn_spacy.frozen.blocks import CONTEXT, block_bounds, texts_between
from posattn_spacy.frozen.callback import configure_feature_store_v1
from posattn_spacy.frozen.data import FrozenData
from posattn_spacy.frozen.maintenance import contents_of
from posattn_spacy.model import head_inputs, torch_head
from posattn_spacy.rows import BLOCK, LONG, Keeper, LazyRows
from posattn_spacy.stretches import CELLS, LONGEST, SECTION, cut_texts, groups, scored_words, sections
from posattn_spacy.texts import Words, read_words, split_texts
from posattn_spacy.windows import overlapping

NAME = "posattn_ner"
WORDS = " ".join(TEXTS).replace(".", "").split()
NLP = spacy.blank("en")


def long_doc(nlp: Language, n: int, sentence: int = 0) -> Doc:
    """A document of `n` words; without sentences, or with one mark every so many words."""
    words = [WORDS[i % len(WORDS)] for i in range(n)]
    starts = [i % sentence == 0 for i in range(n)] if sentence else None
    return Doc(nlp.vocab, words=words, sent_starts=starts)


@pytest.fixture(scope="module")
def nlp(tiny_encoder: Callable[[str], Path]) -> Language:
    nlp = frozen_pipeline(tiny_encoder("bert"), lexical=LEXICAL)
    train(nlp, 40)
    return nlp


# Windows and stretches


@given(st.integers(1, 400), st.integers(1, 60))
def test_windows_take_every_item_once_and_from_where_it_has_most_context(length: int, limit: int) -> None:
    windows = overlapping(length, limit)
    taken = [i for first, last in zip(windows.firsts, windows.lasts, strict=True) for i in range(first, last)]
    assert taken == list(range(length))
    for start, stop, first, last in zip(*windows, strict=True):
        assert 0 <= start <= first < last <= stop <= length
        assert stop - start <= limit
        if limit >= 8:
            assert start == 0 or first - start >= limit // 4
            assert stop == length or stop - last >= limit // 4 - 1


TEXT_LENGTHS = st.lists(st.one_of(st.integers(1, 40), st.integers(1, 3 * LONGEST)), min_size=1, max_size=40)


@given(TEXT_LENGTHS, st.sampled_from([SECTION, 3 * LONGEST, LONGEST, 20]))
def test_groups_score_every_word_once_within_the_budget(lengths: List[int], most: int) -> None:
    scored = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stretches, "SECTION", most)
        parts = list(sections(cut_texts(np.array(lengths))))
    for section in parts:
        found = groups(section)
        order = scored_words(section, found)
        words = []
        for group in found:
            assert len(group.lengths) * int(group.lengths.max()) ** 2 <= CELLS
            rows = np.arange(sum(group.lengths)) if group.rows is None else group.rows
            words.append(section.starts[0] + (rows if group.scored is None else rows[group.scored]))
        joined = np.concatenate(words)
        scored.append(joined if order is None else joined[order])
        assert section.lengths.sum() <= most + LONGEST
    assert np.concatenate(scored).tolist() == list(range(sum(lengths)))


def test_an_ordinary_batch_is_one_group_in_its_own_order() -> None:
    """So that nothing changes for it, to the last bit."""
    lengths = np.array([20, 104, 3, 25])
    (section,) = sections(cut_texts(lengths))
    (group,) = groups(section)
    assert group.rows is group.scored is None
    assert group.lengths.tolist() == lengths.tolist()


def test_a_long_text_does_not_pad_the_others() -> None:
    (section,) = sections(cut_texts(np.array([LONGEST, *[10] * 1000])))
    cells = [len(group.lengths) * int(group.lengths.max()) ** 2 for group in groups(section)]
    assert sum(cells) < 4 * CELLS


# What is found


@pytest.mark.parametrize("mask", MASKS)
def test_batches_under_a_small_budget_find_the_same(
    mask: str, tiny_encoder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    nlp = frozen_pipeline(tiny_encoder("bert"), lexical=LEXICAL, mask=mask, pad_ratio=0.4, depth=2)
    train(nlp, 30)
    pipe = nlp.get_pipe(NAME)
    docs = [nlp.get_pipe("transformer")(nlp.make_doc(text)) for text in [*TEXTS, "", " ", TEXTS[0]]]
    whole = pipe.model.predict(docs)
    monkeypatch.setattr(stretches, "CELLS", 100)
    monkeypatch.setattr(stretches, "SECTION", 12)
    parts = pipe.model.predict(docs)
    np.testing.assert_allclose(parts.tags, whole.tags, atol=1e-5)
    np.testing.assert_allclose(parts.positions, whole.positions, atol=1e-5)


def test_a_document_beside_a_long_one_finds_the_same(nlp: Language) -> None:
    docs = [nlp.make_doc(text) for text in TEXTS]
    alone = [doc.spans[NAME].attrs["scores"] for doc in nlp.pipe(docs)]
    beside = list(nlp.pipe([long_doc(nlp, 3000), *(nlp.make_doc(text) for text in TEXTS)]))[1:]
    for doc, scores in zip(beside, alone, strict=True):
        np.testing.assert_allclose(doc.spans[NAME].attrs["scores"], scores, atol=1e-5)


def test_words_of_a_long_text_far_apart_know_nothing_of_each_other(nlp: Language) -> None:
    one = long_doc(nlp, 2000)
    words = [token.text for token in one]
    other = Doc(nlp.vocab, words=[*words[:-1], "Velasquez"])
    pipe = nlp.get_pipe(NAME)
    transformer = nlp.get_pipe("transformer")
    a, b = (pipe.model.predict([transformer(doc)]).tags for doc in (one, other))
    assert np.array_equal(a[:1000], b[:1000])
    assert not np.allclose(a[-1], b[-1])


# Rows that are made when they are read


@given(st.lists(st.integers(1, 30), min_size=1, max_size=30), st.integers(1, 40))
def test_blocks_divide_a_document_between_texts_where_they_can(lengths: List[int], size: int) -> None:
    bounds = block_bounds(np.array(lengths), size)
    assert bounds[0] == 0
    assert bounds[-1] == sum(lengths)
    assert (np.diff(bounds) >= 1).all()
    assert (np.diff(bounds) <= size).all()
    ends = set(np.cumsum(lengths).tolist())
    if max(lengths) <= size:
        assert set(bounds[1:].tolist()) <= ends
    words = Words(np.arange(sum(lengths)), np.arange(sum(lengths), dtype=np.uint64), np.array(lengths))
    read = [
        text.orths[text.start : text.stop].tolist()
        for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
        for text in texts_between(words, start, stop)
    ]
    assert [word for part in read for word in part] == list(range(sum(lengths)))


def test_a_part_of_a_text_is_read_with_context_on_both_sides() -> None:
    n = 3 * BLOCK
    words = Words(np.arange(n), np.arange(n, dtype=np.uint64), np.array([n]))
    (text,) = texts_between(words, BLOCK, 2 * BLOCK)
    assert len(text) == BLOCK
    assert text.orths[0] == BLOCK - CONTEXT
    assert text.orths[-1] == 2 * BLOCK + CONTEXT - 1


@pytest.mark.parametrize("sentence", [0, 17])
def test_rows_of_a_long_document_are_those_of_all_of_it(
    nlp: Language, sentence: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frozen_encoder, "BLOCK", 500)
    doc = long_doc(nlp, 1300, sentence)
    model = nlp.get_pipe("transformer").model
    (data,) = model.predict([doc]).doc_data
    assert isinstance(data, FrozenData)
    assert isinstance(data.rows, LazyRows)
    whole = data.rows[:]
    if sentence:  # a text that is longer than a block is read in parts
        texts = split_texts(read_words([doc]))
        expected = encode_texts(model, texts, nlp.vocab.strings).numpy()
        np.testing.assert_allclose(whole, expected, atol=1e-5)
    np.testing.assert_allclose(data.rows[490:1010], whole[490:1010], atol=1e-5)
    assert data.rows[7:7].shape == (0, whole.shape[1])
    np.testing.assert_allclose(data.model_output.last_hidden_state[0], whole, atol=1e-5)


class Made:
    """Rows that take note of what is made of them: a document's name and the first word of a block."""

    def __init__(self, keeper: Keeper) -> None:
        self.keeper = keeper
        self.made: List[Tuple[str, int]] = []

    def rows(self, name: str, bounds: List[int]) -> LazyRows:
        def make(start: int, stop: int) -> Any:
            self.made.append((name, start))
            return np.arange(start, stop, dtype="f")[:, None]

        return LazyRows(np.array(bounds), make, self.keeper)


def test_each_block_is_made_once_and_few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "KEPT", 20)
    noted = Made(Keeper())
    documents = [noted.rows(name, [0, 10, 20, 30, 35]) for name in "ab"]
    for rows in documents:  # as one is read after the other
        for start in range(0, 31):
            assert rows[start : start + 5].ravel().tolist() == list(range(start, start + 5))
            assert sum(len(each._blocks) for each in documents) <= 2
    assert noted.made == [(name, start) for name in "ab" for start in (0, 10, 20, 30)]
    assert documents[1][25:35].ravel().tolist() == list(range(25, 35))  # is kept
    assert documents[0][30:35].ravel().tolist() == list(range(30, 35))  # is not
    assert noted.made[8:] == [("a", 30)]


def test_the_block_that_is_read_is_kept_however_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "KEPT", 5)
    noted = Made(Keeper())
    rows = noted.rows("a", [0, 10, 20])
    assert rows[8:12].ravel().tolist() == [8, 9, 10, 11]
    assert rows[11:13].ravel().tolist() == [11, 12]
    assert noted.made == [("a", 0), ("a", 10)]


def test_blocks_go_with_their_documents() -> None:
    noted = Made(Keeper())
    rows = noted.rows("a", [0, 10, 20])
    block = ref(rows[0:10].base)
    assert block() is not None
    del rows
    assert block() is None
    noted.rows("b", [0, 10])[0:10]
    assert len(noted.keeper._kept) <= 1


def test_documents_of_a_pipeline_share_what_is_kept(nlp: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "KEPT", 2 * (LONG + 10))
    docs = list(nlp.pipe([long_doc(nlp, LONG + 10) for _ in range(5)]))
    kept = [len(doc._.trf_data.rows._blocks) for doc in docs]
    assert kept == [0, 0, 0, 1, 1]


def test_a_pipeline_with_blocks_is_saved_and_copied(nlp: Language, tmp_path: Path) -> None:
    doc = nlp(long_doc(nlp, LONG + 10))
    nlp.to_disk(tmp_path)
    for other in (spacy.load(tmp_path), deepcopy(nlp)):
        again = other(long_doc(other, LONG + 10))
        assert [(ent.start, ent.end, ent.label_) for ent in again.ents] == [
            (ent.start, ent.end, ent.label_) for ent in doc.ents
        ]


def test_rows_are_made_of_the_words_as_they_were_when_the_transformer_ran(nlp: Language) -> None:
    doc = long_doc(nlp, LONG + 1)
    expected = nlp.get_pipe("transformer").model.predict([doc]).doc_data[0].rows[:]
    doc = nlp.get_pipe("transformer")(long_doc(nlp, LONG + 1))
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[:2])
    assert np.array_equal(doc._.trf_data.rows[:], expected)
    with pytest.raises(ValueError, match=r"one row for each of the .* merge_entities"):
        nlp.get_pipe(NAME)(doc)


def test_short_documents_have_their_rows_at_once(nlp: Language) -> None:
    (data,) = nlp.get_pipe("transformer").model.predict([long_doc(nlp, LONG)]).doc_data
    assert isinstance(data.rows, np.ndarray)


def test_the_lexical_channel_of_a_long_document_is_that_of_all_of_it(nlp: Language) -> None:
    doc = nlp.get_pipe("transformer")(nlp.make_doc("  ".join(WORDS * 60)))
    model = nlp.get_pipe(NAME).model
    inputs = head_inputs(model, [doc])
    assert inputs.written is not None
    (rows,) = inputs.written
    assert isinstance(rows, LazyRows)
    whole = model.get_ref("lexical").predict([doc])[0][inputs.words[0].places]
    assert np.array_equal(rows[:], whole)


@pytest.mark.parametrize("sentence", [0, 20])
def test_a_long_document_is_found_alike_in_training_and_prediction(nlp: Language, sentence: int) -> None:
    doc = nlp.get_pipe("transformer")(long_doc(nlp, 1500, sentence))
    model = nlp.get_pipe(NAME).model
    np.testing.assert_allclose(model.begin_update([doc])[0].tags, model.predict([doc]).tags, atol=1e-5)


def test_a_bytes_copy_of_a_long_document_has_all_its_rows(nlp: Language) -> None:
    doc = nlp.get_pipe("transformer")(long_doc(nlp, LONG + 10))
    copy = Doc(nlp.vocab).from_bytes(doc.to_bytes())
    assert np.array_equal(
        copy._.trf_data.model_output["last_hidden_state"][0], doc._.trf_data.rows[:].astype("f")
    )
    (before,), (after,) = (nlp.get_pipe(NAME).predict([each]) for each in (doc, copy))
    assert before.entities.starts.tolist() == after.entities.starts.tolist()


# Training


@pytest.mark.parametrize("listener", ["frozen", "stock"])
def test_gradients_section_by_section_are_those_of_all_at_once(
    listener: str, tiny_encoder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With dropout, whose random numbers are drawn again in the backward pass."""
    make = {"frozen": lambda: frozen_pipeline(tiny_encoder("bert"), lexical=LEXICAL)}
    nlp = make["frozen"]() if listener == "frozen" else stock_pipeline(tiny_encoder("bert"))
    (train if listener == "frozen" else train_on_stock)(nlp, 2)
    docs = [nlp.get_pipe("transformer")(nlp.make_doc(text)) for text in TEXTS]
    model = nlp.get_pipe(NAME).model
    head = torch_head(model)
    assert head is not None
    found = []
    for section in (SECTION, 8):
        monkeypatch.setattr(stretches, "SECTION", section)
        head.zero_grad()
        scores, backprop = model.begin_update(docs)
        ones = scores._replace(tags=np.ones_like(scores.tags), positions=np.ones_like(scores.positions))
        backprop(ones)
        found.append({name: weight.grad.clone() for name, weight in head.named_parameters()})
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient, atol=1e-4, rtol=1e-4)


def test_dropout_is_drawn_alike_in_both_passes_over_a_section(
    nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = [nlp.get_pipe("transformer")(nlp.make_doc(text)) for text in TEXTS]
    model = nlp.get_pipe(NAME).model
    head = torch_head(model)
    assert head is not None
    monkeypatch.setattr(stretches, "SECTION", 8)
    set_dropout_rate(model, 0.5)
    try:
        head.zero_grad()
        scores, backprop = model.begin_update(docs)
        backprop(scores._replace(tags=scores.tags.copy(), positions=np.zeros_like(scores.positions)))
    finally:
        set_dropout_rate(model, 0.0)
    # The gradient of the tags' bias is the sum of the scores' own gradients, whatever was dropped; that of
    # their weights holds the hidden states, which must be those that the scores were made of.
    weight, bias = head.tags.weight, head.tags.bias
    assert weight.grad is not None
    assert bias.grad is not None
    tags = torch.from_numpy(scores.tags)
    torch.testing.assert_close(bias.grad, tags.sum(0), atol=1e-4, rtol=1e-4)
    # Σ scores² = Σ (h · w + b) · scores = <w, ∂w> + <b, ∂b>
    torch.testing.assert_close(
        (weight * weight.grad).sum() + (bias * bias.grad).sum(), (tags * tags).sum(), atol=1e-2, rtol=1e-3
    )


@pytest.mark.parametrize("sentence", [0, 25])
def test_a_long_document_is_trained_on(
    tiny_encoder: Callable[[str], Path], sentence: int, tmp_path: Path
) -> None:
    nlp = frozen_pipeline(tiny_encoder("bert"), lexical=LEXICAL)
    predicted = long_doc(nlp, 2500, sentence)
    reference = predicted.copy()
    reference.ents = [Span(reference, i, i + 2, "per") for i in range(0, 2400, 13)]
    example = Example(predicted, reference)
    optimizer = nlp.initialize(lambda: [example])
    (store,) = configure_feature_store_v1(str(tmp_path / "features"), 0.1).attach(nlp)
    before = head_parameters(nlp)
    losses = [nlp.update([example], sgd=optimizer, losses={})[NAME] for _ in range(3)]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
    assert any(not torch.equal(weight, before[name]) for name, weight in head_parameters(nlp).items())
    store.close()
    assert contents_of(tmp_path / "features").hits > 0  # the second time its blocks are read
