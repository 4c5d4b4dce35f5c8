"""Files: checksums, csv members of zip archives, decoding with an account."""

import hashlib
import re
import zipfile
from pathlib import Path

from ..writing import replacing as replacing  # by those who write corpora
from .known import GMB
from .repairs import REPLACED_BYTES, Repairs
from .sentences import CorpusError

_UNDECODABLE = re.compile("[\udc80-\udcff]")


def read_bytes(path: Path) -> bytes:
    """Read a file, or the one csv file inside a zip archive.

    path (Path): The file.
    RETURNS (bytes): The content.
    RAISES (CorpusError): If it cannot be read, or an archive holds no csv file or several.
    """
    try:
        return _zip_member(path) if path.suffix.lower() == ".zip" else path.read_bytes()
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror}. Check the path.") from error
    except zipfile.BadZipFile as error:
        raise CorpusError(f"{path} is no intact zip archive ({error}). Fetch it again.") from error


def content_md5(path: Path) -> str:
    """Compute the MD5 of what a corpus holds, so that an archive and its csv file have the same.

    path (Path): A file, an archive or a folder.
    RETURNS (str): 32 hexadecimal digits; of the archive itself if it cannot be opened.
    RAISES (CorpusError): If there is nothing to read.
    """
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file())
        return md5(b"".join(f"{file.name} {md5(read_bytes(file))}\n".encode() for file in files))
    try:
        return md5(read_bytes(path))
    except CorpusError:
        if not path.is_file():
            raise
        return md5(path.read_bytes())


def md5(data: bytes) -> str:
    """Compute the MD5 of bytes, as hexadecimal digits; it identifies files, it protects nothing."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def decode(data: bytes, encoding: str, repairs: Repairs) -> str:
    """Decode the content of a file.

    data (bytes): The content.
    encoding (str): Its encoding.
    repairs (Repairs): The account of the file's faults; a repaired byte becomes U+FFFD.
    RETURNS (str): The text, without a byte order mark.
    RAISES (CorpusError): If the encoding is unknown or does not fit.
    """
    try:
        text = data.decode(encoding, "surrogateescape")
    except LookupError as error:
        raise CorpusError(
            f'There is no encoding "{encoding}". Pass one that Python knows, such as '
            "--encoding utf-8 or --encoding cp1252."
        ) from error
    except UnicodeError as error:
        raise CorpusError(
            f"{repairs.path} is not {encoding} text ({error}). Pass the right one with --encoding."
        ) from error
    undecodable = _UNDECODABLE.search(text)
    if undecodable:
        byte = ord(undecodable.group()) - 0xDC00
        text, n_replaced = _UNDECODABLE.subn("\ufffd", text)
        repairs.add(
            text.count("\n", 0, undecodable.start()) + 1,
            f"byte 0x{byte:02x} is not {encoding}",
            "Pass the file's encoding with --encoding (utf-8, cp1252 ...)",
            REPLACED_BYTES,
            n_replaced,
        )
    return text.removeprefix("\ufeff")


def _zip_member(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if _is_csv(name)]
        # Kaggle's own archive holds a second csv file beside the corpus.
        chosen = GMB.file_name if GMB.file_name in names else names[0] if len(names) == 1 else None
        if chosen is None:
            found = ", ".join(names) or "none"
            raise CorpusError(
                f"{path} must hold exactly one csv file, but holds: {found}. "
                "Unpack it and pass the file that is meant."
            )
        return archive.read(chosen)


def _is_csv(name: str) -> bool:
    # An archive made on a Mac has a shadow of every file in a folder of this name.
    return name.lower().endswith(".csv") and not name.startswith("__MACOSX/")
