"""What becomes of the faults of a file: an error at the first one, or an account of all repairs."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Counter as CounterType

from .sentences import CorpusError, Repair

EMPTY_WORDS = Repair("rows without a word, dropped", "row without a word, dropped")
SHORT_ROWS = Repair("rows with missing columns, dropped", "row with missing columns, dropped")
RAGGED_ROWS = Repair(
    "rows with another number of columns, dropped", "row with another number of columns, dropped"
)
MISSING_TAGS = Repair("rows without a tag, read as O", "row without a tag, read as O")
REPLACED_BYTES = Repair(
    "bytes that could not be decoded, replaced", "byte that could not be decoded, replaced"
)
ZERO_BYTES = Repair("zero bytes, left out", "zero byte, left out")
REPEATED_IDS = Repair(
    "sentence numbers used twice, kept as two sentences", "sentence number used twice, kept as two sentences"
)
MISSING_IDS = Repair(
    "first rows without a sentence number, numbered", "first row without a sentence number, numbered"
)
ORPHANS = Repair(
    "tags that continue no entity, made the start of one",
    "tag that continues no entity, made the start of one",
)
UNCLOSED = Repair("entities without a last tag, closed", "entity without a last tag, closed")
OVERLAPS = Repair("spans that overlap longer ones, left out", "span that overlaps a longer one, left out")


@dataclass
class Repairs:
    """The account of one file.

    path (Path): The file.
    wanted (bool): Whether faults are to be repaired and counted. If not, the first one is an error.
    counts (Counter[Repair]): How often what was repaired.
    place (str): What is counted to say where a fault is.
    """

    path: Path
    wanted: bool
    counts: CounterType[Repair] = field(default_factory=Counter)
    place: str = "line"

    def add(self, number: int, problem: str, remedy: str, repair: Repair, n: int = 1) -> None:
        """Count a repair, if repairs are wanted.

        number (int): The line (or document) of the fault, counted from 1.
        problem (str): What is wrong, without a full stop.
        remedy (str): What the user can do instead of a repair, without a full stop.
        repair (Repair): What the repair is called in the account.
        n (int): How many such faults there are.
        RAISES (CorpusError): If repairs are not wanted.
        """
        if not self.wanted:
            raise self.error(number, problem, f"{remedy}, or pass --repair ({repair.many})")
        self.counts[repair] += n

    def error(self, number: int, problem: str, remedy: str) -> CorpusError:
        """Build the error for a fault that cannot be repaired; arguments as above."""
        return CorpusError(f"{self.path}, {self.place} {number}: {problem}. {remedy}.")
