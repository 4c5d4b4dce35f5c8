"""Natural spacing: where a list of words needs spaces so that the text reads as it was written."""

import re
from typing import List, Sequence, Tuple

# Words that stand close to the word before them: punctuation, closing brackets and quotes ...
_STOPS = (".", ",", ";", ":", "!", "?", "..", "...", "\u2026")
_CLOSERS = (")", "]", "}", "\u201d", "\u2019", "''", "-RRB-", "-RSB-", "-RCB-")
_CLOSING = frozenset([*_STOPS, *_CLOSERS])
# ... and the endings that treebank tokenisation splits off. A word such as "'80s" is not one.
_ENDING = re.compile(r"['\u2019](s|ll|ve|re|m|d)|n['\u2019]t", re.IGNORECASE)
# Words that stand close to the word after them.
_OPENING = frozenset(["(", "[", "{", "\u201c", "\u2018", "``", "-LRB-", "-LSB-", "-LCB-"])
_CURRENCY = frozenset(["$", "#", "\u00a3", "\u20ac", "\u00a5"])
# "A $ 5 bill" has an article before the sign, so "A" is left out.
_DOLLAR_PREFIXES = frozenset(["US", "C", "NZ", "HK"])
# Hyphen and en dash join numbers: "2008-9", "13th-15th centuries"; elsewhere they stand apart.
_DASHES = frozenset(["-", "\u2013"])
_NUMBER = re.compile(r"\d[\d.,]*(st|nd|rd|th)?")
_INITIAL = re.compile(r"[A-Z]")
_FULL_STOPS = frozenset([".", "?", "!", "\u2026", "..."])
# "Chavez ' visit" and "workers ' party" are genitives, "was ' regrettable '" opens a quotation.
_GENITIVE = re.compile(r".*\w[sxz]", re.IGNORECASE)
_NO_GENITIVE = frozenset(
    ["as", "does", "has", "his", "is", "its", "plus", "says", "this", "thus", "us", "was", "yes"]
)

# Han and Kana, with what is written beside them, take no spaces at all ...
_UNSPACED = re.compile(
    "[\u2e80-\u312f\u31a0-\u4dbf\u4e00-\u9fff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff9f\uffe0-\uffef"
    "\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)
# ... except in Korean. Thai, Lao, Tibetan, Burmese and Khmer take them between phrases, and beside others.
_HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff]")
_PHRASED = re.compile("[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u1a20-\u1aaf\ua9e0-\ua9ff\uaa60-\uaa7f]")


def space_after(words: Sequence[str]) -> List[bool]:
    """Say after which words a space follows, so that the joined text reads naturally.

    words (Sequence[str]): The words of one sentence; they are never changed.
    RETURNS (List[bool]): One value per word; False for the last.
    """
    close_before, close_after = _quotes(words)
    touching = _touching(words)
    for i, word in enumerate(words):
        before = words[i - 1] if i else ""
        after = words[i + 1] if i + 1 < len(words) else ""
        close_before[i] |= _leans_left(word, before)
        close_after[i] |= _leans_right(word, after) or touching[i]
        if _is_tight(before, word, after):
            close_before[i] = close_after[i] = True
    # Nothing follows the last word, and nothing is as close as can be.
    close_before.append(True)
    return [not (close_after[i] or close_before[i + 1]) for i in range(len(words))]


def is_spaced(word: str) -> bool:
    """RETURNS (bool): Whether the script that a word ends in takes spaces, between sentences at least."""
    return not _UNSPACED.match(word[-1:])


def unspaced_share(text: str) -> float:
    """RETURNS (float): The share of characters whose scripts have no spaces between words."""
    n_unspaced = len(_UNSPACED.findall(text)) + len(_PHRASED.findall(text))
    return n_unspaced / max(1, len(text))


def _touching(words: Sequence[str]) -> List[bool]:
    """Say after which words no space follows, as their script takes none there."""
    text = "".join(words)
    if text.isascii():
        return [False] * len(words)
    has_unspaced = _UNSPACED.search(text) is not None and not _HANGUL.search(text)
    # Where each character is a row of its own, those of Latin words and numbers are, too.
    by_character = has_unspaced and all(len(word) == 1 for word in words if _UNSPACED.search(word))
    touching = []
    for word, after in zip(words, [*words[1:], ""], strict=True):
        edges = word[-1:], after[:1]
        touching.append(
            (has_unspaced and any(map(_UNSPACED.match, edges)))
            or all(map(_PHRASED.match, edges))
            or (by_character and len(word) == len(after) == 1)
        )
    return touching


def _leans_left(word: str, before: str) -> bool:
    if word in _CLOSING or _ENDING.fullmatch(word):
        return True
    if word.startswith("%"):
        return before[-1:].isdigit() or before[:1].isdigit()
    return word == "$" and before in _DOLLAR_PREFIXES


def _leans_right(word: str, after: str) -> bool:
    return word in _OPENING or (word in _CURRENCY and after[:1].isdigit())


def _is_tight(before: str, word: str, after: str) -> bool:
    """Say whether a joining word takes no space on either side: "HIV/AIDS", "2008-9", "S&P"."""
    if not (before and after):
        return False
    if word in _DASHES:
        return bool(_NUMBER.fullmatch(before) and _NUMBER.fullmatch(after))
    if word == "&":
        return bool(_INITIAL.fullmatch(before) and _INITIAL.fullmatch(after))
    return word == "/"


def _quotes(words: Sequence[str]) -> Tuple[List[bool], List[bool]]:
    """Find the straight quotes that close (lean left) and those that open (lean right)."""
    closing = [False] * len(words)
    opening = [False] * len(words)
    last_single = max((i for i, word in enumerate(words) if word == "'"), default=-1)
    open_double = open_single = False
    for i, word in enumerate(words):
        before = words[i - 1] if i else ""
        if word == '"':
            # A quotation may run over several sentences: the last word can only close one.
            opens = not open_double and (i == 0 or i + 1 < len(words))
            open_double = opens
        elif word == "'":
            opens = not open_single and _opens_single(before, i < last_single)
            # Some quotations that begin with a double quote end with a single one.
            if not open_single and before in _FULL_STOPS:
                open_double = False
            open_single = opens
        else:
            continue
        opening[i] = opens
        closing[i] = not opens
    return closing, opening


def _opens_single(before: str, has_partner: bool) -> bool:
    if not before:
        return True
    if before in _FULL_STOPS or not has_partner:
        return False
    return before.lower() in _NO_GENITIVE or not _GENITIVE.fullmatch(before)
