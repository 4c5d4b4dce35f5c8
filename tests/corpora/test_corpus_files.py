import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posattn_spacy.corpora.decoding import decode
from posattn_spacy.corpora.files import content_md5, replacing
from posattn_spacy.corpora.repairs import REPLACED_BYTES, Repairs
from posattn_spacy.corpora.sentences import CorpusError


def test_replacing_leaves_nothing_behind_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file.txt"

    def fill_the_disk() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fill_the_disk()
    assert list(path.parent.iterdir()) == []


def test_replacing_keeps_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    with path.open() as reader:
        with replacing(path) as temporary:
            temporary.write_text("new")
            assert path.read_text() == "old"
        # Who has the old file open goes on reading it, never a mixture.
        assert reader.read() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["file.txt"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_content_md5_of_a_folder_depends_on_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("a")
    first = content_md5(tmp_path)
    (tmp_path / "train.csv").rename(tmp_path / "dev.csv")
    second = content_md5(tmp_path)
    (tmp_path / "dev.csv").write_text("b")
    assert len({first, second, content_md5(tmp_path)}) == 3


@given(st.binary(max_size=40), st.sampled_from(["utf-8", "cp1252", "ascii"]))
@settings(deadline=None)
def test_decode_raises_or_counts_but_never_hides(data: bytes, encoding: str) -> None:
    path = Path("file.txt")
    repairs = Repairs(path, wanted=True)
    text = decode(data, encoding, repairs)
    n_replaced = repairs.counts[REPLACED_BYTES]
    if n_replaced:
        with pytest.raises(CorpusError, match=rf"file\.txt, line \d+: byte 0x.. is not {encoding}"):
            decode(data, encoding, Repairs(path, wanted=False))
        assert text.count("\ufffd") >= n_replaced
    else:
        assert text == data.decode(encoding).removeprefix("\ufeff")
