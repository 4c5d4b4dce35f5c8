"""Rows of a long document that are made only when they are read, so that they are never all in memory."""

from typing import Any, Callable, Dict, Tuple, Union, cast

import numpy as np
from thinc.api import get_array_module
from thinc.types import Floats2d

LONG = 1024  # words, above which the rows of a document are made when they are read
BLOCK = 4096  # words whose rows are made together
KEPT = 2**15  # words whose rows the long documents of a batch keep together


class Blocks:
    """Blocks of rows that were made of the long documents of a batch; those read last are kept."""

    def __init__(self) -> None:
        self._blocks: Dict[Tuple[int, int], Any] = {}

    def get(self, key: Tuple[int, int], make: Callable[[], Floats2d]) -> Any:
        """Read a block.

        key (Tuple[int, int]): What the block is known by: the document's `id`, and its own number.
        make (Callable[[], Floats2d]): Makes it, if it is not kept.
        RETURNS (Floats2d): (words, width) its rows.
        """
        block = self._blocks.pop(key, None)  # one step at a time, as threads may read documents of a batch
        rows = make() if block is None else block
        self._blocks[key] = rows
        kept = 0
        for other, each in reversed(list(self._blocks.items())):
            kept += len(each)
            if kept > KEPT and each is not rows:
                self._blocks.pop(other, None)
        return rows

    def __len__(self) -> int:
        return len(self._blocks)


class LazyRows:
    """One row for each word of a long document, made block by block.

    They are read from front to back, so each is made about once.

    bounds (np.ndarray): (blocks + 1,) int64 words between which the blocks lie, from 0 to all of them.
    make (Callable[[int, int], Floats2d]): Makes the rows of the words from one of these bounds to the next.
    blocks (Blocks): Where those are kept that were made, shared by the documents of a batch.
    """

    def __init__(self, bounds: np.ndarray, make: Callable[[int, int], Floats2d], blocks: Blocks) -> None:
        self.bounds = bounds
        self._make = make
        self._blocks = blocks

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
        start, stop = self.bounds[i : i + 2].tolist()
        return self._blocks.get((id(self), i), lambda: self._make(start, stop))

    def __deepcopy__(self, memo: Any) -> "LazyRows":
        return self  # the model that makes the rows is not copied with a document


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
