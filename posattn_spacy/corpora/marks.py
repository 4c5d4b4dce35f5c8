"""Texts with marked stretches, as annotation tools have them."""

from dataclasses import dataclass, field
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple


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
    annotated_for (List[Mark]): Where it was annotated for single labels, if not for all: there what is not
        marked is no entity of that label.
    missing (List[Mark]): Stretches of which nothing else is known.
    only (List[str]): The labels for which the whole text was annotated, if not for all.
    fields (Dict[str, Any]): What else the tool has of it, such as its id.
    """

    id: str
    text: str
    marks: List[Mark]
    wrong: List[Mark] = field(default_factory=list)
    tokens: Optional[List[str]] = None
    spaces: Optional[List[bool]] = None
    complete: bool = True
    annotated_for: List[Mark] = field(default_factory=list)
    missing: List[Mark] = field(default_factory=list)
    only: List[str] = field(default_factory=list)
    fields: Dict[str, Any] = field(default_factory=dict)

    @property
    def is_bare(self) -> bool:
        """RETURNS (bool): Whether nothing is marked in it."""
        return not (self.marks or self.wrong)


def without_entities(texts: Sequence[MarkedText], remedy: str) -> List[str]:
    """Tell of texts in which nothing is marked: it may be that nobody has looked at them.

    texts (Sequence[MarkedText]): The texts.
    remedy (str): How those that nobody has looked at are left out, without a full stop.
    RETURNS (List[str]): A sentence or two, if there are any.
    """
    bare = sum(text.is_bare for text in texts)
    if not bare:
        return []
    return [
        f"Texts in which nothing is marked: {bare:,} of {len(texts):,}. They are learned as texts that "
        f"have none. If nobody has looked at them, leave them out: {remedy}."
    ]


@dataclass
class MarkedTexts:
    """The texts of a file.

    texts (List[MarkedText]): The texts.
    notes (List[str]): What the user should know of the reading, one sentence each.
    """

    texts: List[MarkedText]
    notes: List[str]
