"""Tags, legal sequences, and the probabilities of spans."""

import math
from itertools import product
from typing import Dict, Iterator, List, Sequence, Tuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from posattn_spacy import strips
from posattn_spacy.lattice import Lattice
from posattn_spacy.tagging import Spans, TagScheme, span_bounds
from posattn_spacy.tagging import tags_of as tags_of_spans
from sequences import is_legal, spans_in

SCHEME = TagScheme(["geo", "org", "per"])
SMALL = TagScheme(["geo", "per"])
Span = Tuple[int, int, int]  # first token, one past the last, label


@pytest.fixture(scope="module", autouse=True, params=["whole", "cut"])
def cutting(request: pytest.FixtureRequest) -> Iterator[None]:
    """All holds for texts that are gone through as a whole, and for such that are cut into strips."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "cut":
            patch.setattr(strips, "WHOLE", 1)
            patch.setattr(strips, "STRIP", 2)
        yield


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


def dealt(spans: Spans, lengths):
    """Spans of texts all of whose tokens are words."""
    return spans.deal_out(lengths, np.concatenate([np.arange(length) for length in lengths]))


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
    split = dealt(found, [length for _, length in texts])
    assert [list(as_dict(spans)) for spans in split] == [spans for spans, _ in texts]


def test_empty_texts_are_dealt_nothing():
    spans = Spans(np.array([0, 3]), np.array([2, 4]), np.array([1, 0]), np.array([0.5, 0.75]))
    assert [as_dict(part) for part in dealt(spans, [0, 3, 0, 1, 0])] == [
        {},
        {(0, 2, 1): 0.5},
        {},
        {(0, 1, 0): 0.75},
        {},
    ]


def test_spans_of_words_are_dealt_out_as_spans_of_tokens():
    """The first document has white space before and within its entity."""
    spans = Spans(np.array([2, 0]), np.array([3, 2]), np.array([1, 0]), np.array([0.5, 0.75]))
    dealt_out = spans.deal_out([2, 1], np.array([1, 3, 0]))
    assert list(map(as_dict, dealt_out)) == [{(1, 4, 0): 0.75}, {(0, 1, 1): 0.5}]


def test_tags_are_written_as_they_are_read():
    tags = torch.tensor([0, 1, 2, 2, 1, 5, 6, 0, 3])
    assert torch.equal(tags_of_spans(*span_bounds(tags), len(tags)), tags)


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


@pytest.mark.parametrize("labels", [1, 8, 30])
@pytest.mark.parametrize("lengths", [[1000], [700, 3, 129], [5] * 20 + [400], [300] * 40])
def test_a_text_that_is_cut_is_read_as_a_whole_one(
    labels: int, lengths: List[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = torch.Generator().manual_seed(0)
    scores = torch.randn((sum(lengths), 2 * labels + 1), generator=chance) * 3
    forbidden = torch.rand(scores.shape, generator=chance) < 0.3
    forbidden[:, 0] = False
    scores = scores.masked_fill(forbidden, -math.inf)
    cut = Lattice(scores, torch.tensor(lengths))
    tags, spans, shares = cut.best(), cut.spans_above(0.05), cut.tag_probabilities()
    monkeypatch.setattr(strips, "WHOLE", max(lengths))
    whole = Lattice(scores, torch.tensor(lengths))
    assert torch.equal(tags, whole.best())
    torch.testing.assert_close(shares, whole.tag_probabilities(), rtol=0, atol=1e-9)
    for found, expected in zip(spans, whole.spans_above(0.05), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=60), st.integers(0, 40))
def test_texts_are_cut_into_equal_parts_if_they_stand_out(lengths: List[int], labels: int) -> None:
    texts = torch.tensor(lengths)
    parts = strips.parts_of(texts, labels)
    cut = strips.lengths_of_parts(texts, parts)
    assert [sum(own.tolist()) for own in cut.split(parts.tolist())] == lengths
    assert all(own.max() - own.min() <= 1 for own in cut.split(parts.tolist()))
    assert (parts > 1).sum() * labels * (labels + 1) <= strips.ROWS_AT_ONCE
    if len(lengths) == 1 and lengths[0] > strips.WHOLE and labels <= 25:
        assert cut.max() <= strips.STRIP


def test_where_there_are_no_words_nothing_is_found():
    lattice = Lattice(torch.zeros(0, len(SCHEME)), torch.zeros(0, dtype=torch.int64))
    assert lattice.best().tolist() == []
    assert as_dict(lattice.spans_of(lattice.best())) == {}
    assert as_dict(lattice.spans_above(0.01)) == {}


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


@given(st.lists(TEXT_SCORES, min_size=1, max_size=4))
def test_sureness_is_the_probability_of_a_text_per_word(texts):
    lattice = lattice_of(texts)
    alone = [lattice_of([text]) for text in texts]
    expected = [
        math.exp(one.log_likelihood(one.best()).item() / len(text))
        for one, text in zip(alone, texts, strict=True)
    ]
    assert lattice.sureness(lattice.best()).tolist() == pytest.approx(expected)


@given(st.lists(text_scores(SMALL, 4), min_size=1, max_size=3), st.sampled_from([0.0, math.inf]))
def test_what_is_unknown_of_a_text_is_what_enumeration_finds(texts, forbidden):
    for scores in texts:
        scores[0][1] -= forbidden  # one tag may be impossible
    lattice = lattice_of(texts)
    unknown = lattice.unknown(lattice.best())
    doubts = iter(unknown.doubt.tolist())
    for text, scores in enumerate(texts):
        paths = [path for path in product(range(len(SMALL)), repeat=len(scores)) if is_legal(path, SMALL)]
        weights = np.array([math.exp(path_score(scores, path)) for path in paths])
        p = weights / weights.sum()
        assert unknown.entropy[text].item() == pytest.approx(-(p[p > 0] * np.log(p[p > 0])).sum(), abs=1e-6)
        assert unknown.log_best[text].item() == pytest.approx(math.log(p.max()), abs=1e-6)
        best = decode_batch([scores])[0]
        for place, tag in enumerate(best):
            same = sum(weight for path, weight in zip(paths, p, strict=True) if path[place] == tag)
            assert next(doubts) == pytest.approx(1 - same, abs=1e-6)


@given(st.lists(TEXT_SCORES, min_size=2, max_size=4))
def test_probabilities_in_a_batch_are_those_of_its_texts(texts):
    lengths = [len(text) for text in texts]
    together = dealt(lattice_of(texts).spans_above(0.05), lengths)
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


# Any spans


@given(st.integers(0, 2**31), st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_any_span_and_stretch_has_the_probability_that_enumeration_finds(
    seed: int, lengths: List[int]
) -> None:
    scores = torch.randn((sum(lengths), len(SMALL)), generator=torch.Generator().manual_seed(seed)) * 2
    lattice = Lattice(scores, torch.tensor(lengths))
    first = 0
    for text in scores.split(lengths):
        n = len(text)
        shares = enumerated(text.tolist(), SMALL)
        places = [(i, j, label) for i in range(n) for j in range(i + 1, n + 1) for label in range(2)]
        starts, stops, labels = np.array(places, dtype=np.int64).T
        found = lattice.probabilities_of(starts + first, stops + first, labels)
        assert found == pytest.approx([shares.get(place, 0.0) for place in places], abs=1e-6)
        touched = [
            sum(weight for path, weight in paths(text.tolist()) if any(path[i:j])) for i, j, _ in places
        ]
        outside = lattice.probabilities_outside(starts + first, stops + first)
        assert outside == pytest.approx([1 - share for share in touched], abs=1e-6)
        first += n


def paths(scores: List[List[float]]) -> List[Tuple[Tuple[int, ...], float]]:
    """All legal sequences with their probabilities."""
    weights = {
        path: math.exp(path_score(scores, path))
        for path in product(range(len(SMALL)), repeat=len(scores))
        if is_legal(path, SMALL)
    }
    total = sum(weights.values())
    return [(path, weight / total) for path, weight in weights.items()]


def test_no_spans_have_no_probabilities() -> None:
    none = np.zeros(0, dtype=np.int64)
    lattice = Lattice(torch.zeros(2, 5), torch.tensor([2]))
    assert not len(lattice.probabilities_of(none, none, none))
    assert not len(lattice.probabilities_outside(none, none))
