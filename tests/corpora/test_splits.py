from typing import Dict, Set

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posattn_spacy.corpora.sentences import CorpusError
from posattn_spacy.corpora.splits import FILE_ORDER, PARTS, RANDOM42, cut_off_end, file_order, make_splits

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


SHARES = st.dictionaries(st.sampled_from(["dev", "test"]), st.floats(0.01, 0.45), min_size=1)


@given(SIZES, SHARES)
@settings(deadline=None)
def test_cut_off_end_takes_the_shares_off_the_end(n: int, shares: Dict[str, float]) -> None:
    split = cut_off_end(n, shares)
    assert list(split) == [part for part in PARTS if part == "train" or part in shares]
    assert [i for indices in split.values() for i in indices] == list(range(n))
    assert all(abs(len(split[part]) - share * n) <= 1 for part, share in shares.items())
    assert all(split.values())


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 10.0, float("nan")])
def test_cut_off_end_error_on_what_is_no_share(share: float) -> None:
    with pytest.raises(CorpusError, match=r"--dev-share is .*: give a number between 0 and 1, such as 0\.1"):
        cut_off_end(100, {"dev": share})


def test_cut_off_end_error_where_nothing_is_left() -> None:
    with pytest.raises(CorpusError, match=r"--dev-share leaves? nothing of train, which has 1 sentence"):
        cut_off_end(1, {"dev": 0.1})
