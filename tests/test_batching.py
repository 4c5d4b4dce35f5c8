"""Batches of texts of like length, in random order."""

import random
from typing import List

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.training.batchers import minibatch_by_padded_size

from posattn_spacy.batching import configure_batch_by_padded_v1


@given(st.lists(st.integers(1, 30)), st.integers(1, 60), st.integers(1, 20))
def test_batches_are_spacys_in_another_order(lengths: List[int], size: int, buffer: int) -> None:
    texts = [(i,) * n for i, n in enumerate(lengths)]
    batches = list(configure_batch_by_padded_v1(size, buffer)(iter(texts)))
    assert sorted(batches) == sorted(minibatch_by_padded_size(texts, size, buffer))


def test_long_texts_do_not_come_first() -> None:
    texts = ["a" * (1 + i % 40) for i in range(400)]
    random.seed(0)
    batches = list(configure_batch_by_padded_v1(80, 400)(texts))
    longest = [max(map(len, batch)) for batch in batches]
    assert longest != sorted(longest, reverse=True)
    random.seed(0)
    assert list(configure_batch_by_padded_v1(80, 400)(texts)) == batches
    assert list(configure_batch_by_padded_v1(80, 400)(texts)) != batches


@pytest.mark.parametrize(("size", "buffer"), [(0, 10), (10, 0)])
def test_sizes_are_positive(size: int, buffer: int) -> None:
    with pytest.raises(ValueError, match=r"training\.batcher: size = "):
        configure_batch_by_padded_v1(size, buffer)
