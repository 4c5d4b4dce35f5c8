"""Tags, spans and constrained decoding."""

import math
from itertools import pairwise, product
from typing import List, Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from posattn_spacy.tagging import Span, TagScheme, viterbi

SCHEME = TagScheme(["geo", "org", "per"])


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
    return spans, position + draw(st.integers(0, 3))


# Integers keep sums exact, so that ties are ties; -inf forbids a tag.
SCORE = st.integers(-8, 8).map(float) | st.just(-math.inf)
SCORE_ROW = st.lists(SCORE, min_size=len(SCHEME), max_size=len(SCHEME))
TEXT_SCORES = st.lists(SCORE_ROW, min_size=1, max_size=6)


def may_follow(before: str | None, tag: str) -> bool:
    """IOB2 in plain words: I-x continues an x, all else is free. `before` is None at the start of a text."""
    if tag[0] != "I":
        return True
    return before is not None and before[0] in "BI" and before[2:] == tag[2:]


def is_legal(tags: Sequence[int], scheme: TagScheme) -> bool:
    names = [None, *(scheme.tags[tag] for tag in tags)]
    return all(may_follow(before, tag) for before, tag in pairwise(names))


def path_score(scores: List[List[float]], tags: Sequence[int]) -> float:
    return sum(row[tag] for row, tag in zip(scores, tags, strict=True))


def decode_batch(texts: Sequence[List[List[float]]], scheme: TagScheme) -> List[List[int]]:
    rows = torch.tensor([row for text in texts for row in text])
    lengths = [len(text) for text in texts]
    return [tags.tolist() for tags in viterbi(rows, torch.tensor(lengths), scheme).split(lengths)]


def test_tags_are_outside_then_begin_and_inside_of_each_label():
    assert TagScheme(["geo", "per"]).tags == ("O", "B-geo", "I-geo", "B-per", "I-per")


@given(spans_and_length())
def test_spans_survive_the_round_trip_through_tags(spans_length):
    spans, length = spans_length
    assert SCHEME.decode(SCHEME.encode(spans, length)) == spans


@given(TEXT_SCORES)
def test_tags_survive_the_round_trip_through_spans(scores):
    (tags,) = decode_batch([scores], SCHEME)
    assert SCHEME.encode(SCHEME.decode(np.array(tags)), len(tags)).tolist() == tags


@pytest.mark.parametrize("n_labels", [1, 2, 4])
def test_transitions_are_those_of_iob2(n_labels):
    scheme = TagScheme([f"x{i}" for i in range(n_labels)])
    assert scheme.allowed_start().tolist() == [may_follow(None, tag) for tag in scheme.tags]
    assert scheme.allowed().tolist() == [
        [may_follow(before, after) for after in scheme.tags] for before in scheme.tags
    ]


@given(st.lists(TEXT_SCORES, min_size=1, max_size=4))
def test_viterbi_never_returns_an_illegal_sequence(texts):
    for tags in decode_batch(texts, SCHEME):
        assert is_legal(tags, SCHEME)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_viterbi_is_legal_on_long_texts_of_real_numbers(seed, length):
    scores = torch.randn((length, len(SCHEME)), generator=torch.Generator().manual_seed(seed)) * 5
    assert is_legal(viterbi(scores, torch.tensor([length]), SCHEME).tolist(), SCHEME)


@given(st.lists(st.lists(SCORE, min_size=5, max_size=5), min_size=1, max_size=4))
def test_viterbi_finds_what_enumeration_finds(scores):
    scheme = TagScheme(["geo", "per"])
    (found,) = decode_batch([scores], scheme)
    paths = product(range(len(scheme)), repeat=len(scores))
    best = max(path_score(scores, path) for path in paths if is_legal(path, scheme))
    assert path_score(scores, found) == best


@given(st.lists(TEXT_SCORES, min_size=2, max_size=5))
def test_viterbi_on_a_batch_equals_viterbi_one_by_one(texts):
    assert decode_batch(texts, SCHEME) == [decode_batch([text], SCHEME)[0] for text in texts]
