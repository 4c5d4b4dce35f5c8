"""What a frozen transformer has been asked for, but has not made yet (DESIGN.md 3)."""

from threading import Lock
from typing import Any, Callable, NamedTuple, Optional, Sequence

from spacy.strings import StringStore
from thinc.types import Floats2d

from ..rows import Rows
from ..texts import Text

Encode = Callable[[Sequence[Text], StringStore], Floats2d]


class TextEncoder(NamedTuple):
    """What a frozen transformer makes of texts, when somebody asks.

    model (Model): The transformer, by which one is told from another.
    first (Encode): Gives hidden state 0 alone, for which no layer is run.
    whole (Encode): Gives all hidden states that are kept, side by side.
    """

    model: Any
    first: Encode
    whole: Encode


class PendingBatch:
    """Documents whose rows are made together, when the first of them is asked for.

    encoder (TextEncoder): By which their texts can be encoded one by one instead.
    make (Callable): Makes the rows of all of them.
    """

    def __init__(self, encoder: TextEncoder, make: Callable[[], Sequence[Rows]]) -> None:
        self.encoder = encoder
        self._make = make
        self._rows: Optional[Sequence[Rows]] = None
        self._lock = Lock()

    def rows(self, i: int) -> Rows:
        """RETURNS (Rows): (words, width) the rows of one of the documents."""
        with self._lock:
            if self._rows is None:
                self._rows = self._make()
            return self._rows[i]


class PendingRows(NamedTuple):
    """The rows of one of the documents of a batch.

    batch (PendingBatch): The batch.
    i (int): Which of them it is.
    """

    batch: PendingBatch
    i: int

    def made(self) -> Rows:
        """RETURNS (Rows): (words, width) the rows; those of the whole batch are made."""
        return self.batch.rows(self.i)
