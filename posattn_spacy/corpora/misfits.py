"""Marks of annotation tools that fit no tokens, or each other: counted, and each of them named."""

from dataclasses import dataclass, field
from typing import Dict, List, NamedTuple

SHOWN = 10  # of each kind, in what is printed


class Kind(NamedTuple):
    """A way in which marks do not fit.

    name (str): What is wrong with such marks.
    left (str): What becomes of them.
    repaired (str): What becomes of them with --repair.
    remedy (str): What to do in the tool.
    """

    name: str
    left: str
    repaired: str
    remedy: str


_OPEN = "their tokens are left without annotation"
SHIFTED = Kind("begin or end within a token", _OPEN, "widened to whole tokens", "Mark whole words")
OVERLAPPING = Kind(
    "overlap others", _OPEN, "left out, the longer ones are kept", "Keep one of those that overlap"
)
EMPTY = Kind("are empty, or white space alone", "left out", "left out", "Take the mark away")
BEYOND = Kind(
    "reach beyond the end of their text", _OPEN, "cut off there", "Mark anew: the text has changed since"
)
SPLIT = Kind("have several pieces", _OPEN, _OPEN, "Mark each piece, or all from the first to the last")
CONTRADICTORY = Kind("were both accepted and rejected", _OPEN, _OPEN, "Answer anew, or choose one annotator")
UNLIKE = Kind(
    "do not stand where they should",
    _OPEN,
    _OPEN,
    "Export anew: the text, its line ends or its characters have changed since",
)


class Misfit(NamedTuple):
    """A mark that does not fit.

    place (str): What its text is called.
    text (str): What it marks.
    label (str): Its label.
    """

    place: str
    text: str
    label: str


@dataclass
class Misfits:
    """The account of a file.

    repaired (bool): Whether they are to be repaired.
    found (Dict[Kind, List[Misfit]]): All of them.
    """

    repaired: bool
    found: Dict[Kind, List[Misfit]] = field(default_factory=dict)

    def add(self, kind: Kind, place: str, text: str, label: str) -> None:
        """Count a mark that does not fit; arguments as of `Misfit`."""
        self.found.setdefault(kind, []).append(Misfit(place, " ".join(text.split()), label))

    def told(self, n_marks: int) -> List[str]:
        """Say what does not fit, and what became of it.

        n_marks (int): How many marks there are.
        RETURNS (List[str]): A sentence or two for each kind.
        """
        return [self._told(kind, found, n_marks) for kind, found in self.found.items()]

    def _told(self, kind: Kind, found: List[Misfit], n_marks: int) -> str:
        first = "; ".join(f"{place}: {text!r:.80} ({label})" for place, text, label in found[:SHOWN])
        others = f"; and {len(found) - SHOWN:,} more" * (len(found) > SHOWN)
        way = f", or pass --repair ({kind.repaired})" * (kind.left != kind.repaired)
        said = kind.repaired if self.repaired else f"{kind.left}. {kind.remedy}{way}"
        return f"Marks that {kind.name}: {len(found):,} of {n_marks:,}, {said}. {first}{others}."

    def to_json(self) -> List[Dict[str, str]]:
        """RETURNS (List[Dict[str, str]]): All of them, for corpus.json."""
        return [
            {"problem": kind.name, "document": place, "text": text, "label": label, "remedy": kind.remedy}
            for kind, found in self.found.items()
            for place, text, label in found
        ]
