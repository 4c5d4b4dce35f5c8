from typing import List, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from posattn_spacy.corpora.repairs import ORPHANS, UNCLOSED
from posattn_spacy.corpora.schemes import Scheme, detect_scheme, to_iob2

Span = Tuple[int, str]  # length in words and type; "" is outside
SPANS = st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["", "geo", "per-x"])), max_size=8)


def encode(spans: List[Span], scheme: Scheme, ends: Tuple[str, str] = ("L", "U")) -> List[str]:
    """Write spans as tags, independently of the code under test."""
    tags: List[str] = []
    for i, (length, label) in enumerate(spans):
        if not label:
            tags += ["O"] * length
            continue
        if scheme is Scheme.BILUO:
            last, unit = ends
            prefixes = [unit] if length == 1 else ["B", *["I"] * (length - 2), last]
        else:
            touches = i > 0 and spans[i - 1][1] == label
            first = "B" if scheme is Scheme.IOB2 or touches else "I"
            prefixes = [first, *["I"] * (length - 1)]
        tags += [f"{prefix}-{label}" for prefix in prefixes]
    return tags


@given(SPANS, st.sampled_from(Scheme), st.sampled_from([("L", "U"), ("E", "S")]))
@settings(deadline=None)
def test_to_iob2_gives_the_same_entities(spans: List[Span], scheme: Scheme, ends: Tuple[str, str]) -> None:
    tags, faults = to_iob2(encode(spans, scheme, ends), scheme)
    assert tags == encode(spans, Scheme.IOB2)
    assert not faults


@given(st.lists(SPANS, min_size=1, max_size=4), st.sampled_from(Scheme))
@settings(deadline=None)
def test_detect_scheme_never_changes_the_entities(corpus: List[List[Span]], scheme: Scheme) -> None:
    encoded = [encode(spans, scheme) for spans in corpus]
    detected = detect_scheme(encoded)
    for tags, spans in zip(encoded, corpus, strict=True):
        assert to_iob2(tags, detected) == (encode(spans, Scheme.IOB2), [])


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        (["B-geo", "I-geo", "O", "B-geo"], Scheme.IOB2),
        (["O", "O"], Scheme.IOB2),
        (["I-geo", "B-geo", "O", "I-per"], Scheme.IOB1),
        (["O", "S-geo"], Scheme.BILUO),
        (["B-geo", "E-geo"], Scheme.BILUO),
        # A needless B- rules IOB1 out, so the orphan is a fault of IOB2.
        (["B-geo", "O", "I-geo"], Scheme.IOB2),
    ],
)
def test_detect_scheme_recognises_each_scheme(tags: List[str], scheme: Scheme) -> None:
    assert detect_scheme([tags]) is scheme


TAG = st.sampled_from(["O", "B-a", "I-a", "L-a", "U-a", "B-b", "I-b", "L-b", "U-b", "E-a", "S-b"])


@given(st.lists(TAG, max_size=10), st.sampled_from(Scheme))
@settings(deadline=None)
def test_to_iob2_output_is_always_valid(tags: List[str], scheme: Scheme) -> None:
    output, _ = to_iob2(tags, scheme)
    assert len(output) == len(tags)
    assert to_iob2(output, Scheme.IOB2) == (output, [])
    assert all(output[start].startswith("B-") for _, start, _ in get_entities(output))


@pytest.mark.parametrize(
    ("tags", "scheme", "output", "faults"),
    [
        (["O", "I-a"], Scheme.IOB2, ["O", "B-a"], [(1, ORPHANS)]),
        (["B-a", "I-b"], Scheme.IOB2, ["B-a", "B-b"], [(1, ORPHANS)]),
        (["B-a", "O"], Scheme.BILUO, ["B-a", "O"], [(0, UNCLOSED)]),
        (["B-a", "I-a"], Scheme.BILUO, ["B-a", "I-a"], [(1, UNCLOSED)]),
        (["O", "L-a"], Scheme.BILUO, ["O", "B-a"], [(1, ORPHANS)]),
        (["U-a"], Scheme.IOB2, ["O"], [(0, None)]),
        (["NNP"], Scheme.IOB1, ["O"], [(0, None)]),
        (["B-"], Scheme.IOB2, ["O"], [(0, None)]),
        ([""], Scheme.IOB2, ["O"], [(0, None)]),
    ],
)
def test_to_iob2_names_each_fault(
    tags: List[str], scheme: Scheme, output: List[str], faults: List[Tuple[int, str]]
) -> None:
    found_output, found = to_iob2(tags, scheme)
    assert found_output == output
    assert [(fault.index, fault.repair) for fault in found] == faults
