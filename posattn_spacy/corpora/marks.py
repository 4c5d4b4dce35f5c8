"""Texts with marked stretches, as annotation tools have them."""

from dataclasses import dataclass, field
from typing import List, NamedTuple, Optional, Tuple


class Mark(NamedTuple):
    """A marked stretch of a text.

    start (int): First character.
    end (int): One past the last.
    label (str): Its label.
    text (Optional[str]): What stands there, as the tool has it.
    rest (Tuple[Tuple[int, int], ...]): Further pieces of the same entity.
    """

    start: int
    end: int
    label: str
    text: Optional[str] = None
    rest: Tuple[Tuple[int, int], ...] = ()


@dataclass
class MarkedText:
    """A text with its marks.

    id (str): What it is called in messages, such as "record 3".
    text (str): The text.
    marks (List[Mark]): The entities.
    wrong (List[Mark]): Stretches that are known to be no entities of their label.
    tokens (Optional[List[str]]): Its tokens, as the tool has them.
    spaces (Optional[List[bool]]): Whether a space follows each of them.
    complete (bool): Whether what is not marked is no entity; else nothing is known of it.
    """

    id: str
    text: str
    marks: List[Mark]
    wrong: List[Mark] = field(default_factory=list)
    tokens: Optional[List[str]] = None
    spaces: Optional[List[bool]] = None
    complete: bool = True


@dataclass
class MarkedTexts:
    """The texts of a file.

    texts (List[MarkedText]): The texts.
    notes (List[str]): What the user should know of the reading, one sentence each.
    """

    texts: List[MarkedText]
    notes: List[str]
