"""What becomes of the faults of a file: an error at the first one, or an account of all repairs."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Counter as CounterType

from .sentences import CorpusError

EMPTY_WORDS = "rows without a word, dropped"
SHORT_ROWS = "rows with missing columns, dropped"
REPLACED_BYTES = "bytes that could not be decoded, replaced"
REPEATED_IDS = "sentence numbers used twice, kept as two sentences"
MISSING_IDS = "first rows without a sentence number, numbered"
ORPHANS = "tags that continue no entity, made the start of one"
UNCLOSED = "entities without a last tag, closed"


@dataclass
class Repairs:
    """The account of one file.

    path (Path): The file.
    wanted (bool): Whether faults are to be repaired and counted. If not, the first one is an error.
    counts (Counter[str]): How often what was repaired.
    """

    path: Path
    wanted: bool
    counts: CounterType[str] = field(default_factory=Counter)

    def add(self, line: int, problem: str, remedy: str, repair: str, n: int = 1) -> None:
        """Count a repair, if repairs are wanted.

        line (int): The line of the fault, counted from 1.
        problem (str): What is wrong, without a full stop.
        remedy (str): What the user can do instead of a repair, without a full stop.
        repair (str): What the repair is called in the account.
        n (int): How many such faults there are.
        RAISES (CorpusError): If repairs are not wanted.
        """
        if not self.wanted:
            raise self.error(line, problem, f"{remedy}, or pass --repair ({repair})")
        self.counts[repair] += n

    def error(self, line: int, problem: str, remedy: str) -> CorpusError:
        """Build the error for a fault that cannot be repaired; arguments as above."""
        return CorpusError(f"{self.path}, line {line}: {problem}. {remedy}.")
