"""Rows of a long document that are made only when they are read, so that they are never all in memory."""

from threading import Lock
from typing import Any, Callable, Dict, Tuple, Union, cast
from weakref import ref

import numpy as np
from thinc.api import get_array_module, to_numpy
from thinc.types import Floats2d

LONG = 1024  # words, above which the rows of a document are made when they are read
BLOCK = 4096  # words whose rows are made together
KEPT = 2**15  # words whose rows are kept, those of the blocks that were made last


class LazyRows:
    """One row for each word of a long document, made block by block.

    They are read from front to back, so each is made about once.

    bounds (np.ndarray): (blocks + 1,) int64 words between which the blocks lie, from 0 to all of them.
    make (Callable[[int, int], Floats2d]): Makes the rows of the words from one of these bounds to the next.
    keeper (Keeper): Says which blocks are kept, of all documents that share it.
    """

    def __init__(self, bounds: np.ndarray, make: Callable[[int, int], Floats2d], keeper: "Keeper") -> None:
        self.bounds = bounds
        self._make = make
        self._keeper = keeper
        self._blocks: Dict[int, Any] = {}

    def __len__(self) -> int:
        return int(self.bounds[-1])

    def __getitem__(self, words: slice) -> Any:
        """RETURNS (Floats2d): The rows of a range of words."""
        start, stop, _ = words.indices(len(self))
        first, last = np.searchsorted(self.bounds, [start, max(start, stop - 1)], side="right") - 1
        parts = []
        for i in range(first, last + 1):
            low, high = self.bounds[i : i + 2].tolist()
            parts.append(self._block(i)[max(start - low, 0) : min(stop, high) - low])
        return parts[0] if len(parts) == 1 else get_array_module(parts[0]).concatenate(parts)

    def _block(self, i: int) -> Any:
        block = self._blocks.get(i)
        if block is None:
            block = self._blocks[i] = self._make(*self.bounds[i : i + 2].tolist())
            self._keeper.keep(self, i)
        return block

    def words_of(self, i: int) -> int:
        """RETURNS (int): The number of words of a block."""
        return int(self.bounds[i + 1] - self.bounds[i])

    def let_go(self, i: int) -> None:
        """Forget a block, which is made anew if it is read again."""
        self._blocks.pop(i, None)

    def __deepcopy__(self, memo: Any) -> "LazyRows":
        return self  # the model that makes the rows is not copied with a document

    def __reduce__(self) -> Tuple[Any, ...]:
        return to_numpy, (all_rows(self),)  # nor written with one: in another process there is none


class Keeper:
    """Bounds how many blocks of long documents are kept together, however many documents there are.

    The blocks belong to the documents, and go with them.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: Dict[Tuple[ref[LazyRows], int], None] = {}  # in the order in which they were made

    def __reduce__(self) -> Tuple[Any, ...]:
        return Keeper, ()  # a copy of a model has documents of its own

    def keep(self, rows: LazyRows, i: int) -> None:
        """Take note of a block that was made, and let go of those that are too many.

        rows (LazyRows): The rows of a document.
        i (int): Number of the block, which is kept in any case.
        """
        with self._lock:
            newest = (ref(rows), i)
            self._kept.pop(newest, None)
            self._kept[newest] = None
            words = 0
            for key in reversed(list(self._kept)):
                owner = key[0]()
                words += 0 if owner is None else owner.words_of(key[1])
                if owner is None or (words > KEPT and key != newest):
                    del self._kept[key]
                    if owner is not None:
                        owner.let_go(key[1])


Rows = Union[Floats2d, LazyRows]


def all_rows(rows: Rows) -> Any:
    """RETURNS (Floats2d): Rows, all of them made."""
    return rows[:] if isinstance(rows, LazyRows) else rows


def of_words(rows: Floats2d, places: np.ndarray) -> Floats2d:
    """RETURNS (Floats2d): Of one row for each token, those of the words; `places` are their tokens."""
    return rows if len(places) == len(rows) else cast(Any, rows)[places]


def of_tokens(rows: Floats2d, places: np.ndarray, tokens: int) -> Floats2d:
    """RETURNS (Floats2d): One row for each of a number of tokens, zeros for those that are no words."""
    if len(places) == tokens:
        return rows
    spread = get_array_module(rows).zeros((tokens, rows.shape[1]), dtype=rows.dtype)
    spread[places] = rows
    return cast(Floats2d, spread)
