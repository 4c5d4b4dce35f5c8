"""Tag schemes: recognise IOB1, IOB2 and BILUO (or BIOES, BMES) tags, and turn them all into IOB2."""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Iterable, List, Optional, Sequence, Tuple

from .repairs import ORPHANS, UNCLOSED, Repairs
from .sentences import RawRows, Repair


class Scheme(Enum):
    """How tags mark where an entity begins and ends."""

    IOB1 = "IOB1"
    IOB2 = "IOB2"
    BILUO = "BILUO"


@dataclass(frozen=True)
class Fault:
    """One tag that breaks its scheme: where, why, and what its repair is called, if it has one."""

    index: int
    problem: str
    repair: Optional[Repair]


OPEN = "-"  # spaCy's tag of a word of which nothing is known
# IOBES writes E(nd) and S(ingle) for what BILUO calls L(ast) and U(nit); BMES writes M(iddle), too.
_SAME_AS = {"E": "L", "S": "U", "M": "I"}
_BILUO_ALONE = frozenset("LUESM")
_PREFIXES = {
    Scheme.IOB1: frozenset("BI"),
    Scheme.IOB2: frozenset("BI"),
    Scheme.BILUO: frozenset("BILU"),
}

_TAG = re.compile(r"[BILUESM]-.+")
_MORE_TAGS = re.compile(r"[ |,;+](O|[BILUESM]-[^ |,;+]+)([ |,;+]|$)")
_ODD_SEPARATOR = re.compile(r"[BILUESM][_/:|.+].+")
_PREFIX_LAST = re.compile(r".+[-_/][BILUESM]")
_BARE = frozenset("BILUESM")


def detect_scheme(sentences: Iterable[Sequence[str]]) -> Scheme:
    """Recognise the scheme of a corpus by its tags.

    sentences (Iterable[Sequence[str]]): The tags of every sentence.
    RETURNS (Scheme): BILUO if a tag says where an entity ends; IOB1 if entities start with I- and
        B- is used only where IOB1 allows it; else IOB2.
    """
    starts_with_i = needless_b = False
    for tags in sentences:
        previous = None
        for tag in tags:
            prefix, label = _split(tag)
            if label and tag.partition("-")[0] in _BILUO_ALONE:
                return Scheme.BILUO
            starts_with_i |= prefix == "I" and previous != label
            needless_b |= prefix == "B" and previous != label
            previous = label
    return Scheme.IOB1 if starts_with_i and not needless_b else Scheme.IOB2


def to_iob2(tags: Sequence[str], scheme: Scheme) -> Tuple[List[str], List[Fault]]:
    """Turn the tags of one sentence into IOB2, finding all that break their scheme.

    tags (Sequence[str]): One tag per word.
    scheme (Scheme): The scheme the tags are written in.
    RETURNS (Tuple[List[str], List[Fault]]): Valid IOB2 tags, `OPEN` where nothing is known, and the faults
        met on the way; a tag that cannot be read at all counts as "O" there.
    """
    output: List[str] = []
    faults: List[Fault] = []
    current: Optional[str] = None  # the type of the entity that may go on
    unclosed = False  # whether BILUO still owes it a last tag
    for i, tag in enumerate(tags):
        prefix, label = _split(tag)
        if tag not in ("O", OPEN) and not (looks_like_tag(tag) and prefix in _PREFIXES[scheme]):
            faults.append(Fault(i, f'"{tag}" is no {scheme.value} tag', repair=None))
            prefix, label = "O", None
        goes_on = label is not None and label == current and prefix in ("I", "L")
        if unclosed and not goes_on:
            faults.append(Fault(i - 1, f'"{tags[i - 1]}" is not followed by its end', UNCLOSED))
        if prefix in ("I", "L") and not goes_on and scheme is not Scheme.IOB1:
            faults.append(Fault(i, f'"{tag}" continues no entity of its type', ORPHANS))
        outside = OPEN if tag == OPEN else "O"
        output.append(outside if label is None else f"{'I' if goes_on else 'B'}-{label}")
        unclosed = scheme is Scheme.BILUO and prefix in ("B", "I")
        current = label if unclosed or scheme is not Scheme.BILUO else None
    if unclosed:
        faults.append(Fault(len(tags) - 1, f'"{tags[-1]}" is not followed by its end', UNCLOSED))
    return output, faults


def normalise(groups: Sequence[RawRows], scheme: Scheme, repairs: Repairs) -> List[List[str]]:
    """Turn the tags of a file into IOB2.

    groups (Sequence[RawRows]): Its sentences.
    scheme (Scheme): The scheme of its tags.
    repairs (Repairs): The account of its faults.
    RETURNS (List[List[str]]): IOB2 tags of every sentence.
    RAISES (CorpusError): If a tag breaks the scheme and is not to be, or cannot be, repaired.
    """
    output = []
    for rows in groups:
        tags, faults = to_iob2(rows.tags, scheme)
        for fault in faults:
            line = rows.lines[fault.index]
            if fault.repair is None:
                hint = _hint(rows.tags[fault.index], (tag for group in groups for tag in group.tags))
                raise repairs.error(
                    line,
                    fault.problem,
                    f"Write O, or a prefix, a hyphen and the entity type, such as B-geo. {hint}If this is "
                    "not the tag at all, choose its column (in columned text with --tag-column)",
                )
            repairs.add(line, fault.problem, "Correct the tag", fault.repair)
        output.append(tags)
    return output


def looks_like_tag(cell: str) -> bool:
    """RETURNS (bool): Whether a cell can be a tag of any of the schemes."""
    if cell == "O":
        return True
    return _TAG.fullmatch(cell) is not None and cell.isprintable() and not _MORE_TAGS.search(cell)


def _hint(tag: str, tags: Iterable[str]) -> str:
    """Say what a wrong tag is likely to be, as a sentence; nothing if it may be anything."""
    if tag == "0":
        return "This is the digit zero, not the letter O. "
    if not tag.isprintable():
        codes = " ".join(f"U+{ord(character):04X}" for character in tag if not character.isprintable())
        return f"There are invisible characters in it ({codes}). "
    if looks_like_tag(tag.strip("\"'")):
        return "Leave the quotation marks out. "
    if _MORE_TAGS.search(tag):
        return "There are several tags in it: an entity can't be in another one. "
    if _TAG.fullmatch(tag.upper()) or tag == "o":
        return "Prefixes and O are capital letters. "
    if _ODD_SEPARATOR.fullmatch(tag):
        return "Between prefix and type there is a hyphen. "
    if _PREFIX_LAST.fullmatch(tag):
        return "The prefix stands before the type. "
    others = {other for other in tags if other != "O"}
    if others <= _BARE:
        return "No tag of the file has a type: write one behind each B and I. "
    if not any(_TAG.fullmatch(other) for other in others):
        return "No tag of the file has a prefix: write I- before each but O. "
    return ""


def _split(tag: str) -> Tuple[str, Optional[str]]:
    prefix, _, label = tag.partition("-")
    return _SAME_AS.get(prefix, prefix), label or None
