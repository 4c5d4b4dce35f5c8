"""Files: checksums, csv members of zip archives, and what keeps them from being written."""

import errno
import hashlib
import io
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, List

from .sentences import CorpusError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)


def read_bytes(path: Path) -> bytes:
    """Read a file, or the one csv file inside a zip archive.

    path (Path): The file.
    RETURNS (bytes): The content.
    RAISES (CorpusError): If it cannot be read, or an archive holds no csv file or several.
    """
    data = _read_file(path)
    if path.suffix.lower() != ".zip":
        return data
    try:
        return _zip_member(data, path)
    except CorpusError:
        raise
    except Exception as error:  # zipfile has one for every way to be damaged, or encrypted
        raise CorpusError(
            f"{path} is no intact zip archive ({error}). Fetch it again, or unpack it and pass what is in it."
        ) from error


def list_folder(folder: Path) -> List[Path]:
    """List a folder.

    folder (Path): The folder.
    RETURNS (List[Path]): What is in it, in the order of names.
    RAISES (CorpusError): If it cannot be read.
    """
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise CorpusError(f"{folder} cannot be read: {error.strerror}. Check the path.") from error


def content_md5(path: Path) -> str:
    """Compute the MD5 of what a corpus holds, so that an archive and its csv file have the same.

    path (Path): A file, an archive or a folder.
    RETURNS (str): 32 hexadecimal digits; of the archive itself if it cannot be opened.
    RAISES (CorpusError): If there is nothing to read.
    """
    if path.is_dir():
        files = [file for file in list_folder(path) if file.is_file()]
        return md5(b"".join(f"{file.name} {content_md5(file)}\n".encode() for file in files))
    try:
        return md5(read_bytes(path))
    except CorpusError:
        return md5(_read_file(path))


def md5(data: bytes) -> str:
    """Compute the MD5 of bytes, as hexadecimal digits; it identifies files, it protects nothing."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@contextmanager
def naming_obstacles(place: Path) -> Iterator[None]:
    """Say what keeps files from being written, in place of the system's error.

    place (Path): The file or folder that is written to.
    RAISES (CorpusError): If the block raises an OSError.
    """
    try:
        yield
    except OSError as error:
        raise CorpusError(f"{place} cannot be written: {_obstacle(place, error)}.") from error


def _obstacle(place: Path, error: OSError) -> str:
    in_the_way = [path for path in (place, *place.parents) if path.exists() and not path.is_dir()]
    if error.errno in _NO_ROOM:
        return "there is no room left on the disk. Make some, or write to another disk"
    if error.errno in _NOT_ALLOWED:
        return f"{error.strerror}. Write to another folder, or change who may write to this one"
    if error.errno in (errno.EEXIST, errno.ENOTDIR) and in_the_way:
        return f"{in_the_way[0]} is a file, where a folder is needed. Write to another folder"
    if error.errno == errno.EISDIR:
        return f"{error.filename} is a folder, where a file is needed. Write to another folder"
    return f"{error.strerror or error}. Write to another folder"


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror}. Check the path.") from error


def _zip_member(data: bytes, path: Path) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = [name for name in archive.namelist() if not name.startswith("__MACOSX/")]
        tables = [name for name in names if name.lower().endswith(".csv")]
        if len(tables) != 1:
            found = ", ".join(tables or names[:5]) or "nothing"
            raise CorpusError(
                f"{path} must hold exactly one csv file, but holds: {found}. "
                "Unpack it and pass the file or folder that is meant."
            )
        return archive.read(tables[0])
