"""Tags, legal sequences, and the probabilities of spans."""

import math
from itertools import product
from typing import Dict, List, Sequence, Tuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from posattn_spacy.tagging import Lattice, Spans, TagScheme, span_bounds
from sequences import is_legal

SCHEME = TagScheme(["geo", "org", "per"])
SMALL = TagScheme(["geo", "per"])
Span = Tuple[int, int, int]  # first token, one past the last, label


@st.composite
def spans_and_length(draw: st.DrawFn) -> tuple[List[Span], int]:
    """Draw spans that do not overlap, some adjacent, and the length of their text."""
    spans: List[Span] = []
    position = 0
    for gap, width, label in draw(
        st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4), st.integers(0, 2)), max_size=6)
    ):
        start = position + gap
        position = start + width
        spans.append((start, position, label))
    return spans, position + draw(st.integers(1, 3))


def text_scores(scheme: TagScheme, max_length: int) -> st.SearchStrategy[List[List[float]]]:
    """Scores of a text; -inf forbids a tag, but never O."""
    finite = st.integers(-4, 4).map(float)
    others = st.lists(finite | st.just(-math.inf), min_size=len(scheme) - 1, max_size=len(scheme) - 1)
    row = st.tuples(finite, others).map(lambda parts: [parts[0], *parts[1]])
    return st.lists(row, min_size=1, max_size=max_length)


TEXT_SCORES = text_scores(SCHEME, 6)


def path_score(scores: List[List[float]], tags: Sequence[int]) -> float:
    return sum(row[tag] for row, tag in zip(scores, tags, strict=True))


def lattice_of(texts: Sequence[List[List[float]]]) -> Lattice:
    return Lattice(
        torch.tensor([row for text in texts for row in text]), torch.tensor([len(text) for text in texts])
    )


def decode_batch(texts: Sequence[List[List[float]]]) -> List[List[int]]:
    return [tags.tolist() for tags in lattice_of(texts).best().split([len(text) for text in texts])]


def tags_of(spans: Sequence[Span], length: int) -> List[int]:
    tags = [0] * length
    for start, stop, label in spans:
        tags[start:stop] = [2 * label + 1] + [2 * label + 2] * (stop - start - 1)
    return tags


def spans_in(tags: Sequence[int]) -> List[Span]:
    """The spans of a legal sequence, found one token at a time."""
    spans: List[Span] = []
    for i, tag in enumerate(tags):
        if tag % 2:
            spans.append((i, i + 1, tag // 2))
        elif tag:
            start, _, label = spans[-1]
            spans[-1] = (start, i + 1, label)
    return spans


def enumerated(scores: List[List[float]], scheme: TagScheme) -> Dict[Span, float]:
    """The probability of every span, by going through all legal sequences."""
    weights: Dict[Span, float] = {}
    total = 0.0
    for path in product(range(len(scheme)), repeat=len(scores)):
        if is_legal(path, scheme):
            weight = math.exp(path_score(scores, path))
            total += weight
            for span in spans_in(path):
                weights[span] = weights.get(span, 0.0) + weight
    return {span: weight / total for span, weight in weights.items()}


def as_dict(spans: Spans) -> Dict[Span, float]:
    *fields, probabilities = (field.tolist() for field in spans)
    return dict(zip(zip(*fields, strict=True), probabilities, strict=True))


# Tags


def test_tags_are_outside_then_begin_and_inside_of_each_label():
    assert TagScheme(["geo", "per"]).tags == ("O", "B-geo", "I-geo", "B-per", "I-per")


@given(st.lists(spans_and_length(), min_size=1, max_size=3))
def test_spans_are_read_from_the_tags_of_a_batch(texts):
    tags = [tag for spans, length in texts for tag in tags_of(spans, length)]
    *bounds, labels = (field.tolist() for field in span_bounds(torch.tensor(tags)))
    found = Spans(*(np.array(field, dtype=np.int64) for field in (*bounds, labels)), np.ones(len(labels)))
    split = found.split([length for _, length in texts])
    assert [list(as_dict(spans)) for spans in split] == [spans for spans, _ in texts]


def test_splitting_gives_empty_texts_nothing():
    spans = Spans(np.array([0, 3]), np.array([2, 4]), np.array([1, 0]), np.array([0.5, 0.75]))
    assert [as_dict(part) for part in spans.split([0, 3, 0, 1, 0])] == [
        {},
        {(0, 2, 1): 0.5},
        {},
        {(0, 1, 0): 0.75},
        {},
    ]


# The best sequence


@given(st.lists(TEXT_SCORES, min_size=1, max_size=4))
def test_the_best_sequence_is_legal(texts):
    for tags in decode_batch(texts):
        assert is_legal(tags, SCHEME)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_the_best_sequence_is_legal_on_long_texts_of_real_numbers(seed, length):
    scores = torch.randn((length, len(SCHEME)), generator=torch.Generator().manual_seed(seed)) * 5
    assert is_legal(Lattice(scores, torch.tensor([length])).best().tolist(), SCHEME)


@given(text_scores(SMALL, 4))
def test_the_best_sequence_is_what_enumeration_finds(scores):
    (found,) = decode_batch([scores])
    paths = product(range(len(SMALL)), repeat=len(scores))
    best = max(path_score(scores, path) for path in paths if is_legal(path, SMALL))
    assert path_score(scores, found) == best


@given(st.lists(TEXT_SCORES, min_size=2, max_size=5))
def test_the_best_sequences_of_a_batch_are_those_of_its_texts(texts):
    alone = [path_score(text, decode_batch([text])[0]) for text in texts]
    together = [path_score(text, tags) for text, tags in zip(texts, decode_batch(texts), strict=True)]
    assert together == alone


# Probabilities


@given(text_scores(SMALL, 4))
def test_span_probabilities_are_what_enumeration_finds(scores):
    lattice = lattice_of([scores])
    expected = enumerated(scores, SMALL)
    found = as_dict(lattice.spans_of(lattice.best()))
    assert list(found) == spans_in(lattice.best().tolist())
    assert found == pytest.approx({span: expected[span] for span in found}, abs=1e-5)


@given(text_scores(SMALL, 4), st.sampled_from([1e-6, 0.01, 0.2, 0.6]))
def test_every_span_above_a_probability_is_found(scores, threshold):
    expected = enumerated(scores, SMALL)
    found = as_dict(lattice_of([scores]).spans_above(threshold))
    assert found == pytest.approx({span: expected[span] for span in found}, abs=1e-5)
    surely = {span for span, probability in expected.items() if probability > threshold * 1.001}
    assert surely <= set(found)
    assert all(probability >= threshold * 0.999 for probability in found.values())


@given(text_scores(SMALL, 4))
def test_tag_probabilities_are_what_enumeration_finds(scores):
    expected, total = np.zeros((len(scores), len(SMALL))), 0.0
    for path in product(range(len(SMALL)), repeat=len(scores)):
        if is_legal(path, SMALL):
            weight = math.exp(path_score(scores, path))
            expected[range(len(scores)), path] += weight
            total += weight
    found = lattice_of([scores]).tag_probabilities()
    np.testing.assert_allclose(found.numpy(), expected / total, atol=1e-9)


@given(text_scores(SMALL, 4))
def test_log_likelihood_is_the_share_of_a_sequence(scores):
    lattice = lattice_of([scores])
    paths = [p for p in product(range(len(SMALL)), repeat=len(scores)) if is_legal(p, SMALL)]
    weights = [math.exp(path_score(scores, path)) for path in paths]
    best = lattice.best()
    share = math.exp(path_score(scores, best.tolist())) / sum(weights)
    assert lattice.log_likelihood(best).exp().item() == pytest.approx(share)


@given(st.lists(TEXT_SCORES, min_size=2, max_size=4))
def test_probabilities_in_a_batch_are_those_of_its_texts(texts):
    lengths = [len(text) for text in texts]
    together = lattice_of(texts).spans_above(0.05).split(lengths)
    for text, spans in zip(texts, together, strict=True):
        assert as_dict(spans) == pytest.approx(as_dict(lattice_of([text]).spans_above(0.05)), abs=1e-5)


def test_probabilities_hold_over_long_texts():
    """The same sentence over and over: its entities are as probable as in the sentence alone."""
    row = torch.randn((6, len(SCHEME)), generator=torch.Generator().manual_seed(0)) * 3
    row[0, 1:] = row[-1, 1:] = -math.inf  # no entity goes from one sentence into the next
    alone, n = Lattice(row, torch.tensor([6])), 2000
    many = Lattice(row.repeat(n, 1), torch.tensor([6 * n]))
    expected = alone.spans_of(alone.best()).probabilities
    assert len(expected)
    found = many.spans_of(many.best()).probabilities
    np.testing.assert_allclose(found, np.tile(expected, n), rtol=1e-4)


def test_a_certain_entity_has_probability_one():
    scores = torch.full((3, len(SCHEME)), -50.0)
    scores[[0, 1, 2], [0, 3, 4]] = 50.0
    lattice = Lattice(scores, torch.tensor([3]))
    assert as_dict(lattice.spans_of(lattice.best())) == {(1, 3, 1): pytest.approx(1.0)}


def test_there_are_no_spans_where_all_is_outside():
    lattice = lattice_of([[[0.0] + [-math.inf] * 6] * 3])
    assert as_dict(lattice.spans_of(lattice.best())) == {}
    assert as_dict(lattice.spans_above(0.01)) == {}
