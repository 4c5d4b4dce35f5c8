"""White space and invisible characters: what is no word (DESIGN.md 1)."""

import re

# Unicode's Default_Ignorable_Code_Point, and control characters.
_INVISIBLE = (
    "\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# Those of them that belong to no spelling. Joiners, for instance, do: in Persian and in emoji.
_NEVER_SPELT = "\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff0-\ufff8"
_BLANK = re.compile(rf"[\s{_INVISIBLE}]*")
_GLUED = re.compile(rf"^[{_INVISIBLE}]+|[{_INVISIBLE}]+$|[{_NEVER_SPELT}]+")


def is_blank(word: str) -> bool:
    """RETURNS (bool): Whether a word is white space and invisible characters alone."""
    return _BLANK.fullmatch(word) is not None


def visible(word: str) -> str:
    """Take the invisible characters off a word, as encoder and lexical channel see it.

    word (str): The word.
    RETURNS (str): Without invisible characters at its edges, and without those inside that belong to no
        spelling, such as a soft hyphen; the word itself if there are none.
    """
    if word.isascii() and word.isprintable():
        return word
    return _GLUED.sub("", word)
