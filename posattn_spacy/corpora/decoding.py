"""From the bytes of a file to its lines, with an account of what is no text."""

import codecs
import re
from typing import List, Optional

from .repairs import REPLACED_BYTES, ZERO_BYTES, Repairs
from .sentences import CorpusError

# UTF-32's mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8"),
)
_UNDECODABLE = re.compile("[\udc80-\udcff]")
# Unix, Windows, old Macs, and Windows files that went through Windows twice. No other character ends a
# line: str.splitlines would also split words with U+2028 or a form feed in them.
_LINE_END = re.compile(r"\r*\n|\r")
_OTHER_ENCODING = "Pass the file's encoding with --encoding (utf-8, cp1252, utf-16, gb18030 ...)"


def marked_encoding(data: bytes) -> Optional[str]:
    """RETURNS (Optional[str]): The encoding whose byte-order mark a file begins with; None without one."""
    return next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)


def split_lines(text: str) -> List[str]:
    """RETURNS (List[str]): The lines of a text, whichever system it was written on."""
    return _LINE_END.split(text)


def decode(data: bytes, encoding: Optional[str], repairs: Repairs) -> str:
    """Decode the content of a file.

    data (bytes): The content.
    encoding (Optional[str]): Its encoding; None for what the byte-order mark says, or else UTF-8.
    repairs (Repairs): The account of the file's faults; a repaired byte becomes U+FFFD, a zero is left out.
    RETURNS (str): The text, without a byte-order mark.
    RAISES (CorpusError): If the encoding is unknown or does not fit.
    """
    marked = marked_encoding(data)
    encoding = encoding or marked or "utf-8"
    try:
        name = codecs.lookup(encoding).name
        if marked is not None and not name.startswith(marked):
            raise repairs.error(
                1,
                f"the file begins with the byte-order mark of {marked}, so it is not {encoding}",
                "Leave --encoding out",
            )
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
            _line_of(text, undecodable.start()),
            f"byte 0x{byte:02x} is not {encoding}",
            _OTHER_ENCODING,
            REPLACED_BYTES,
            n_replaced,
        )
    return _without_zeros(text, repairs).removeprefix("\ufeff")


def _without_zeros(text: str, repairs: Repairs) -> str:
    n_zeros = text.count("\0")
    if not n_zeros:
        return text
    if n_zeros > len(text) / 4:  # of Latin text in UTF-16 every other byte is zero
        order = "be" if text.startswith("\0") else "le"
        raise repairs.error(
            1,
            "every other byte is zero, as in UTF-16 without a byte-order mark",
            f"Pass --encoding utf-16-{order}",
        )
    repairs.add(
        _line_of(text, text.index("\0")),
        "a zero byte, which no text has: the file is damaged",
        "Write the file anew",
        ZERO_BYTES,
        n_zeros,
    )
    return text.replace("\0", "")


def _line_of(text: str, position: int) -> int:
    return len(split_lines(text[:position]))
