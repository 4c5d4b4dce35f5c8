from typing import Set

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posattn_spacy.corpora.splits import FILE_ORDER, PARTS, RANDOM42, file_order, make_splits

SIZES = st.integers(4, 400)


def test_file_order_has_the_published_sizes() -> None:
    split = file_order(47_958)
    assert [len(split[part]) for part in PARTS] == [33_570, 7_194, 7_194]
    assert [i for part in PARTS for i in split[part]] == list(range(47_958))


def test_random42_is_the_published_recipe() -> None:
    ids = [f"Sentence: {i + 1}" for i in range(47_959)]
    split = make_splits(ids)[RANDOM42]
    assert [len(split[part]) for part in PARTS] == [34_530, 3_837, 9_592]
    by_string = sorted(ids)
    first = numpy.random.RandomState(42).permutation(47_959)[:9_592]
    assert [ids[i] for i in split["test"]] == [by_string[i] for i in first]


@given(SIZES, st.booleans())
@settings(deadline=None)
def test_make_splits_puts_every_sentence_into_one_part(n: int, is_cut: bool) -> None:
    cut_off = n - 1 if is_cut else None
    for split in make_splits([f"Sentence: {i + 1}" for i in range(n)], cut_off).values():
        indices = [i for part in PARTS for i in split[part]]
        assert sorted(indices) == list(range(n - is_cut))


@given(SIZES)
@settings(deadline=None)
def test_make_splits_shuffles_the_cut_off_sentence_with_the_others(n: int) -> None:
    ids = [f"Sentence: {i + 1}" for i in range(n)]
    whole, cut = make_splits(ids)[RANDOM42], make_splits(ids, n - 1)[RANDOM42]
    for part in PARTS:
        assert cut[part] == [i for i in whole[part] if i != n - 1]


@pytest.mark.parametrize("n", [4, 20, 1000])
def test_splits_have_the_shares_they_promise(n: int) -> None:
    splits = make_splits([str(i) for i in range(n)])
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
        return {order[i] for i in make_splits(order)[RANDOM42]["test"]}

    assert names(ids) == names(ids[::-1])
