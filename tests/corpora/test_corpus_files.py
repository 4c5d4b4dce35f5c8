import errno
import os
import stat
import zipfile
from pathlib import Path
from typing import Iterator

import pytest

from posattn_spacy.corpora.files import content_md5, list_folder, naming_obstacles, read_bytes
from posattn_spacy.corpora.sentences import CorpusError
from posattn_spacy.writing import replacing


@pytest.fixture(params=[0o022, 0o027, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


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


def test_replacing_makes_files_of_the_mode_that_the_user_has_set(tmp_path: Path, umask: int) -> None:
    with replacing(tmp_path / "file.txt") as temporary:
        temporary.write_text("new")
    (tmp_path / "other.txt").touch()
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("file.txt", "other.txt")]
    assert modes[0] == modes[1] == 0o666 & ~umask


def test_content_md5_of_a_folder_depends_on_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("a")
    first = content_md5(tmp_path)
    (tmp_path / "train.csv").rename(tmp_path / "dev.csv")
    second = content_md5(tmp_path)
    (tmp_path / "dev.csv").write_text("b")
    assert len({first, second, content_md5(tmp_path)}) == 3


def test_content_md5_takes_an_archive_without_a_table_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "train.conll").write_text("a O\n")
    with zipfile.ZipFile(tmp_path / "notes.zip", "w") as archive:
        archive.writestr("notes.txt", "about")
    before = content_md5(tmp_path)
    (tmp_path / "notes.zip").write_bytes(b"no archive")
    assert content_md5(tmp_path) != before


def test_read_bytes_error_on_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "own.csv").mkdir()
    with pytest.raises(CorpusError, match=r"own\.csv cannot be read: Is a directory\. Check the path"):
        read_bytes(tmp_path / "own.csv")


def test_list_folder_error_on_what_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert list_folder(tmp_path) == [tmp_path / "file"]
    with pytest.raises(CorpusError, match=r"file cannot be read: Not a directory\. Check the path"):
        list_folder(tmp_path / "file")


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, r"no room left on the disk\. Make some, or write to another disk\."),
        (errno.EDQUOT, r"no room left on the disk"),
        (errno.EACCES, r"Permission denied\. Write to another folder, or change who may write"),
        (errno.EROFS, r"Read-only file system\. Write to another folder"),
        (errno.ENAMETOOLONG, r"File name too long\. Write to another folder"),
    ],
)
def test_naming_obstacles_says_what_is_in_the_way(number: int, said: str) -> None:
    with (
        pytest.raises(CorpusError, match=rf"^out cannot be written: .*{said}"),
        naming_obstacles(Path("out")),
    ):
        raise OSError(number, os.strerror(number))
