from pathlib import Path
from typing import List

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posattn_spacy.corpora.decoding import decode, marked_encoding, split_lines
from posattn_spacy.corpora.repairs import REPLACED_BYTES, ZERO_BYTES, Repairs
from posattn_spacy.corpora.sentences import CorpusError

PATH = Path("file.txt")
TEXT = "Zo\u00eb\tB-PER\n\u5317\u4eac\tB-LOC\n"
LINES = st.lists(st.text(st.characters(exclude_characters="\r\n"), max_size=5), min_size=1, max_size=6)


@given(st.binary(max_size=40), st.sampled_from(["utf-8", "cp1252", "ascii"]))
@settings(deadline=None)
def test_decode_raises_or_counts_but_never_hides(data: bytes, encoding: str) -> None:
    if marked_encoding(data) or data.count(0) > len(data) / 5:
        return  # another encoding, which is said (below)
    repairs = Repairs(PATH, wanted=True)
    text = decode(data, encoding, repairs)
    if repairs.counts:
        with pytest.raises(CorpusError, match=r"file\.txt, line \d+: (byte 0x.. is not|a zero byte)"):
            decode(data, encoding, Repairs(PATH, wanted=False))
        assert text.count("\ufffd") >= repairs.counts[REPLACED_BYTES]
        assert "\0" not in text
    else:
        assert text == data.decode(encoding).removeprefix("\ufeff")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_decode_believes_the_byte_order_mark(encoding: str) -> None:
    assert decode(TEXT.encode(encoding), None, Repairs(PATH, False)) == TEXT


@pytest.mark.parametrize(
    "data", [b"\xfe\xff" + TEXT.encode("utf-16-be"), b"\x00\x00\xfe\xff" + TEXT.encode("utf-32-be")]
)
def test_decode_reads_either_order_of_bytes(data: bytes) -> None:
    assert decode(data, None, Repairs(PATH, False)) == TEXT


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_decode_takes_the_order_of_bytes_that_is_given(encoding: str) -> None:
    assert decode(TEXT.encode(encoding), encoding, Repairs(PATH, False)) == TEXT


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\r\r\n"])
@given(lines=LINES)
@settings(deadline=None)
def test_split_lines_finds_the_lines_of_every_system(end: str, lines: List[str]) -> None:
    assert split_lines(end.join(lines)) == lines


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_decode_counts_the_line_of_a_fault_in_every_system(end: bytes) -> None:
    with pytest.raises(CorpusError, match="line 3: byte 0xe9 is not utf-8"):
        decode(end.join([b"a", b"b", b"caf\xe9", b"d"]), None, Repairs(PATH, False))


def test_decode_leaves_zeros_out_if_repairs_are_wanted() -> None:
    repairs = Repairs(PATH, wanted=True)
    assert decode(b"a word\0 with two zeros\0", None, repairs) == "a word with two zeros"
    assert repairs.counts == {ZERO_BYTES: 2}


def test_repairs_are_said_in_the_right_number() -> None:
    assert ZERO_BYTES.said(1) == "1 zero byte, left out"
    assert ZERO_BYTES.said(1200) == "1,200 zero bytes, left out"
