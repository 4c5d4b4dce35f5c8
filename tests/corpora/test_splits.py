from typing import Dict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posattn_spacy.corpora.sentences import CorpusError
from posattn_spacy.corpora.splits import PARTS, cut_off_end, file_order

SIZES = st.integers(4, 400)


def test_file_order_has_the_published_sizes() -> None:
    split = file_order([str(i) for i in range(47_959)], 47_958)
    assert [len(split[part]) for part in PARTS] == [33_570, 7_194, 7_194]
    assert [i for part in PARTS for i in split[part]] == list(range(47_958))


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
