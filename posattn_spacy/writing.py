"""Writing files so that they are there as a whole or not at all, and never over what somebody needs."""

import errno
import os
import secrets
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Iterator, Optional

# What file systems answer that can't do it for a folder.
_NOT_FOR_FOLDERS = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)


class UnwritableError(OSError):
    """A place in which nothing can be written."""


def require_writable(path: Path) -> None:
    """Insist that a file can be written, before there is anything to write.

    path (Path): The file, or a file in the folder, to be; folders on the way there may be missing.
    RAISES (UnwritableError): If it can't.
    """
    if path.is_dir():
        raise UnwritableError(f"{path} can't be written: there is a folder of that name. Give another name.")
    there = next(folder for folder in path.absolute().parents if folder.exists())
    if not there.is_dir():
        raise UnwritableError(f"{path} can't be written: {there} is no folder. Give another place.")
    if not os.access(there, os.W_OK | os.X_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise UnwritableError(
            f"{path} can't be written: you have no permission to write in {there}. Give another place, or "
            "change the permissions."
        )


def make_way(path: Path) -> Optional[Path]:
    """Give a file that is there already a name of its own: `steps.jsonl` becomes `steps.1.jsonl`.

    path (Path): The file that is to be written anew.
    RETURNS (Optional[Path]): The new name; None if nothing was there.
    """
    if not path.exists():
        return None
    names = (path.with_name(f"{path.stem}.{number}{path.suffix}") for number in count(1))
    free = next(name for name in names if not name.exists())
    path.rename(free)
    return free


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file so that it is there as a whole or not at all.

    path (Path): The file to be.
    YIELDS (Path): A temporary file beside it, which takes its name when the block ends well.
    """
    if path.is_dir():  # found now rather than when all is written
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    # Not from tempfile, which makes files that nobody else may read.
    temporary.touch(exist_ok=False)
    try:
        yield temporary
        _settle(temporary)  # or it may have its name, and nothing in it, after the power was lost
        temporary.replace(path)
        _settle(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _settle(path: Path) -> None:
    """Let a file, or the names in a folder, be on the disk."""
    if path.is_dir() and os.name != "posix":
        return  # elsewhere folders can't be opened
    opened = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(opened)
    except OSError as error:
        if not (path.is_dir() and error.errno in _NOT_FOR_FOLDERS):
            raise
    finally:
        os.close(opened)
