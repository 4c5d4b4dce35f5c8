"""The loss where not all is known, against going through all sequences."""

from itertools import product
from typing import List, Sequence, Tuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from posattn_spacy.losses import MISSING, Contradiction, Known, categorical_loss
from posattn_spacy.tagging import Spans, TagScheme
from sequences import is_legal, spans_in

SCHEME = TagScheme(["geo", "per"])
Span = Tuple[int, int, int]  # first token, one past the last, label


def spans_of(spans: Sequence[Span]) -> Spans:
    fields = np.array(spans, dtype=np.int64).reshape(-1, 3).T
    return Spans(*fields, np.ones(len(spans), dtype=np.float32))


def agrees(path: Sequence[int], tags: Sequence[int], excluded: np.ndarray, wrong: Sequence[Span]) -> bool:
    """In plain words: tags are as known, labels are not there, spans are none, and entities have ended."""
    found = spans_in(path)
    given_spans = [span for span in spans_in([max(tag, 0) for tag in tags]) if is_whole(span, tags)]
    return (
        all(tag in (MISSING, own) for tag, own in zip(tags, path, strict=True))
        and not any(tags[i] == MISSING and own and excluded[i, (own - 1) // 2] for i, own in enumerate(path))
        and not set(wrong) & set(found)
        and set(given_spans) <= set(found)
    )


def is_whole(span: Span, tags: Sequence[int]) -> bool:
    return tags[span[0]] % 2 == 1


def surprise(
    scores: Tensor, tags: Sequence[int], excluded: np.ndarray, wrong: Sequence[Span]
) -> Tensor | None:
    """Negative log-likelihood of what is known of a text; None if it can't be so."""
    paths = [path for path in product(range(len(SCHEME)), repeat=len(scores)) if is_legal(path, SCHEME)]
    sums = torch.stack([sum(row[tag] for row, tag in zip(scores, path, strict=True)) for path in paths])
    kept = [i for i, path in enumerate(paths) if agrees(path, tags, excluded, wrong)]
    return sums.logsumexp(0) - sums[kept].logsumexp(0) if kept else None


@st.composite
def partly_known(draw: st.DrawFn) -> Tuple[List[int], np.ndarray, List[Span]]:
    """Gold tags of a text some of which are missing, labels that words have not, and spans that are none."""
    length = draw(st.integers(1, 5))
    path = draw(
        st.lists(st.integers(0, len(SCHEME) - 1), min_size=length, max_size=length).filter(
            lambda path: is_legal(path, SCHEME)
        )
    )
    tags = list(path)
    for start, stop, _ in spans_in(path):  # an entity is missing as a whole, as spaCy has it
        if draw(st.booleans()):
            tags[start:stop] = [MISSING] * (stop - start)
    for i, tag in enumerate(path):
        if tag == 0 and draw(st.booleans()):
            tags[i] = MISSING
    excluded = np.array(draw(st.lists(st.booleans(), min_size=2 * length, max_size=2 * length)))
    starts = st.integers(0, length - 1)
    spans = st.tuples(starts, st.integers(1, length), st.integers(0, 1)).filter(
        lambda span: span[0] < span[1]
    )
    return tags, excluded.reshape(length, 2), draw(st.lists(spans, max_size=4, unique=True))


@given(st.lists(partly_known(), min_size=1, max_size=3), st.integers(0, 2**31))
def test_the_loss_is_that_of_all_sequences_that_agree_with_what_is_known(
    texts: List[Tuple[List[int], np.ndarray, List[Span]]], seed: int
) -> None:
    lengths = [len(tags) for tags, _, _ in texts]
    chance = torch.Generator().manual_seed(seed)
    scores = torch.randn(sum(lengths), len(SCHEME), dtype=torch.float64, generator=chance) * 2
    starts = np.cumsum(lengths) - lengths
    wrong = [
        (start + first, start + stop, label)
        for start, (_, _, spans) in zip(starts.tolist(), texts, strict=True)
        for first, stop, label in spans
    ]
    known = Known(
        torch.tensor([tag for tags, _, _ in texts for tag in tags]),
        torch.from_numpy(np.concatenate([excluded for _, excluded, _ in texts])),
        spans_of(wrong) if wrong else None,
    )
    rows = scores.clone().requires_grad_()
    surprises = [surprise(part, *text) for part, text in zip(rows.split(lengths), texts, strict=True)]
    if any(each is None for each in surprises):
        with pytest.raises(Contradiction) as raised:
            categorical_loss(scores, known, torch.tensor(lengths))
        assert surprises[raised.value.text] is None
        return
    loss, gradient = categorical_loss(scores, known, torch.tensor(lengths))
    n_known = int(known.somehow.sum())
    if not n_known:
        assert not loss
        assert not gradient.any()
        return
    expected = sum(surprises) / n_known  # type: ignore[arg-type]
    (expected_gradient,) = torch.autograd.grad(expected, rows)
    torch.testing.assert_close(loss, expected.detach(), atol=1e-7, rtol=1e-6)
    torch.testing.assert_close(gradient, expected_gradient, atol=1e-7, rtol=1e-6)


def test_a_span_that_is_surely_predicted_and_wrong_is_unlearned() -> None:
    scores = torch.full((3, 5), -60.0, dtype=torch.float64)
    scores[0, 0] = scores[1, 3] = scores[2, 0] = 60.0
    missing = torch.full((3,), MISSING)
    loss, gradient = categorical_loss(scores, Known(missing, None, spans_of([(1, 2, 1)])), torch.tensor([3]))
    assert torch.isfinite(loss)
    assert gradient[1, 3] > 0.5


def test_wrong_spans_say_nothing_of_other_texts() -> None:
    scores = torch.randn(4, 5, dtype=torch.float64)
    known = Known(torch.full((4,), MISSING), None, spans_of([(2, 3, 0)]))
    _, gradient = categorical_loss(scores, known, torch.tensor([2, 2]))
    torch.testing.assert_close(gradient[:2], torch.zeros_like(gradient[:2]))
    assert gradient[2:].any()


def test_weights_hold_for_the_words_that_have_a_tag() -> None:
    scores = torch.randn(3, 5, dtype=torch.float64)
    weights = torch.tensor([1.0, 3.0, 2.0, 1.0, 1.0], dtype=torch.float64)
    tags = torch.tensor([1, 2, MISSING])
    raised = scores.clone()
    for row, tag in ((0, 1), (1, 2)):
        raised[row, torch.arange(5) != tag] += weights[tag].log()
    expected = surprise(raised, tags.tolist(), np.zeros((3, 2), dtype=bool), [])
    assert expected is not None
    loss, _ = categorical_loss(scores, Known(tags), torch.tensor([3]), weights)
    assert loss.item() == pytest.approx(expected.item() / 2)
