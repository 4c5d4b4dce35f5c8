"""The two splits of the benchmark."""

from typing import Set

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from posattn_benchmark.gmb.splits import RANDOM42, SPLITS, random42

from posattn_spacy.corpora.splits import FILE_ORDER, PARTS

SIZES = st.integers(4, 400)


def test_random42_is_the_published_recipe() -> None:
    ids = [f"Sentence: {i + 1}" for i in range(47_959)]
    split = random42(ids)
    assert [len(split[part]) for part in PARTS] == [34_530, 3_837, 9_592]
    by_string = sorted(ids)
    first = numpy.random.RandomState(42).permutation(47_959)[:9_592]
    assert [ids[i] for i in split["test"]] == [by_string[i] for i in first]


@given(SIZES, st.booleans())
@settings(deadline=None)
def test_splits_put_every_sentence_into_one_part(n: int, is_cut: bool) -> None:
    cut_off = n - 1 if is_cut else None
    for split in SPLITS.values():
        parts = split([f"Sentence: {i + 1}" for i in range(n)], cut_off)
        indices = [i for part in PARTS for i in parts[part]]
        assert sorted(indices) == list(range(n - is_cut))


@given(SIZES)
@settings(deadline=None)
def test_random42_shuffles_the_cut_off_sentence_with_the_others(n: int) -> None:
    ids = [f"Sentence: {i + 1}" for i in range(n)]
    whole, cut = random42(ids), random42(ids, n - 1)
    for part in PARTS:
        assert cut[part] == [i for i in whole[part] if i != n - 1]


@pytest.mark.parametrize("n", [4, 20, 1000])
def test_splits_have_the_shares_they_promise(n: int) -> None:
    splits = {name: split([str(i) for i in range(n)], None) for name, split in SPLITS.items()}
    shares = {
        FILE_ORDER: {"train": 0.7, "dev": 0.15, "test": 0.15},
        RANDOM42: {"train": 0.72, "dev": 0.08, "test": 0.2},
    }
    for name, expected in shares.items():
        for part, share in expected.items():
            assert abs(len(splits[name][part]) - share * n) <= 1
            assert splits[name][part]


def test_random42_does_not_depend_on_file_order() -> None:
    ids = [f"Sentence: {i + 1}" for i in range(50)]

    def names(order: list) -> Set[str]:
        return {order[i] for i in random42(order)["test"]}

    assert names(ids) == names(ids[::-1])
