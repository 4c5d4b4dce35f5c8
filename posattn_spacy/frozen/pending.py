"""What a frozen transformer has been asked for, but has not made yet (DESIGN.md 3.2)."""

from threading import Lock
from typing import Any, Callable, List, NamedTuple, Optional, Sequence

from spacy.strings import StringStore
from thinc.types import Floats2d

from ..texts import Text, Words

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

    encoder (TextEncoder): By which they can be read text by text instead.
    strings (StringStore): Where their words are known.
    words (Sequence[Words]): The words of each document.
    make (Callable): Makes the rows of all of them.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        strings: StringStore,
        words: Sequence[Words],
        make: Callable[[Sequence[Words]], List[Floats2d]],
    ) -> None:
        self.encoder = encoder
        self.strings = strings
        self._words = words
        self._make = make
        self._rows: Optional[List[Floats2d]] = None
        self._lock = Lock()

    def rows(self, i: int) -> Floats2d:
        """RETURNS (Floats2d): (words, width) the rows of one of the documents."""
        with self._lock:
            if self._rows is None:
                self._rows = self._make(self._words)
            return self._rows[i]


class PendingRows(NamedTuple):
    """The rows of one of the documents of a batch.

    batch (PendingBatch): The batch.
    i (int): Which of them it is.
    """

    batch: PendingBatch
    i: int

    def made(self) -> Floats2d:
        """RETURNS (Floats2d): (words, width) the rows; those of the whole batch are made."""
        return self.batch.rows(self.i)
