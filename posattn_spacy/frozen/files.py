"""The files of a feature store: they lie in its folder, and are there as a whole or not at all."""

import os
import shutil
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Iterator, Optional

DATA, READERS, LOCK, SEEN = "data.mdb", "lock.mdb", "in-use", "checked"
READERS_BYTES = 1 << 16  # room for a thousand readers
SHOWN = 253  # characters
OTHER_FOLDER = "Choose another folder"
MOVE_AWAY = "Move it away, and it will be made anew"


class StoreError(ValueError):
    """A feature store can't be used; the message says where, why and what to do."""


def find_file(folder: Path, name: str) -> Optional[os.stat_result]:
    """Find a file of a store.

    folder (Path): Folder of the store.
    name (str): Name of the file.
    RETURNS (Optional[os.stat_result]): The file; None if there is none.
    RAISES (StoreError): If it leads out of the folder, or is no file.
    """
    try:
        found = os.lstat(folder / name)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(found.st_mode):
        raise StoreError(
            f"{folder / name} is a link or no file, and a feature store keeps to its folder. {OTHER_FOLDER}."
        )
    return found


def has_data(folder: Path) -> bool:
    """RETURNS (bool): Whether a folder has a store, or something else; an empty file is none."""
    data = find_file(folder, DATA)
    return data is not None and data.st_size > 0


def may_write(folder: Path) -> bool:
    """Find out whether one may write to a store; where nobody may, it is read without a lock.

    folder (Path): Its folder.
    RETURNS (bool): Whether one may; also if there is none.
    RAISES (StoreError): If others may.
    """
    data = find_file(folder, DATA)
    if data is None:
        return True
    on_read_only_disk = hasattr(os, "statvfs") and os.statvfs(folder).f_flag & os.ST_RDONLY
    if on_read_only_disk or not data.st_mode & 0o222:
        return False
    if not os.access(folder / DATA, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise StoreError(
            f"You may not write to the feature store {folder}, but others may. It can be read once its owner "
            f"has made it one that nobody writes to (`chmod a-w` on its {DATA}), or from a copy of your own. "
            f"{OTHER_FOLDER}."
        )
    return True


@contextmanager
def replacing_data(folder: Path) -> Iterator[Path]:
    """Make the file of a store so that it is there as a whole or not at all, whatever comes between.

    folder (Path): Folder of the store, which nobody else may have open.
    YIELDS (Path): A folder to make it in; when the block ends well, it is put in its place.
    """
    new = folder / f"{DATA}.new"
    shutil.rmtree(new, ignore_errors=True)  # of a process that was killed
    new.mkdir(mode=0o700)
    try:
        yield new
        os.chmod(new / DATA, 0o600)
        with open(new / DATA, "r+b") as data:
            os.fsync(data.fileno())
        os.replace(new / DATA, folder / DATA)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def make_room_for_readers(folder: Path) -> None:
    """Fill LMDB's file of readers: writing to a hole in it, through a map, ends the process on a full disk.

    folder (Path): Folder of the store. Nobody may have it open, not even this process: it loses its locks on
        a file when it closes it.
    """
    readers = find_file(folder, READERS)
    if readers is None or readers.st_size < READERS_BYTES:
        with open(folder / READERS, "wb", opener=open_privately) as file:
            file.write(bytes(READERS_BYTES))


def note_data(folder: Path) -> None:
    """Write down what the file of a store is like now, if that can be.

    folder (Path): Folder of the store.
    """
    with (
        suppress(OSError, StoreError),
        open(folder / SEEN, "w", encoding="utf-8", opener=open_privately) as note,
    ):
        note.write(_describe(folder))


def is_noted(folder: Path) -> bool:
    """RETURNS (bool): Whether the file of a store is what it was when that was written down."""
    if find_file(folder, SEEN) is None or not has_data(folder):
        return False
    with open(folder / SEEN, encoding="utf-8", errors="replace") as note:
        return note.read(1 << 10) == _describe(folder)


def _describe(folder: Path) -> str:
    """What does not stay the same when a file is copied, changed or cut off."""
    data = os.stat(folder / DATA)
    return f"{data.st_ino} {data.st_size} {data.st_mtime_ns} {data.st_ctime_ns}"


def open_privately(name: str, flags: int) -> int:
    """Open a file, or make one that only its owner can read; never follow a link.

    name (str): Path of the file.
    flags (int): As `open` gives them.
    RETURNS (int): The descriptor.
    """
    return os.open(name, flags | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)


def printable(text: str) -> str:
    """RETURNS (str): The beginning of a text from elsewhere, without what moves a terminal's cursor."""
    return "".join(character if character.isprintable() else "?" for character in text[:SHOWN])
