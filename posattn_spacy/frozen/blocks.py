"""Blocks of a long document, which are encoded one at a time (DESIGN.md 3)."""

from typing import List

import numpy as np

from ..texts import Text, Words

CONTEXT = 512  # words on either side with which part of a text is read: more than half an encoder's window


def block_bounds(lengths: np.ndarray, size: int) -> np.ndarray:
    """Divide a document into blocks, between texts where they are short enough.

    lengths (np.ndarray): (texts,) int64 words of each text.
    size (int): Words of a block, at most.
    RETURNS (np.ndarray): (blocks + 1,) int64 words between which the blocks lie.
    """
    ends = np.cumsum(lengths)
    bounds = [0]
    while bounds[-1] < ends[-1]:
        limit = bounds[-1] + size
        last = np.searchsorted(ends, limit, side="right") - 1  # the last text that ends within the block
        fits = last >= 0 and ends[last] > bounds[-1]
        bounds.append(int(ends[last]) if fits else limit)
    return np.array(bounds)


def texts_between(words: Words, start: int, stop: int) -> List[Text]:
    """Take the texts of a block.

    words (Words): The words of the document.
    start (int): First word of the block.
    stop (int): One past the last.
    RETURNS (List[Text]): The texts; of those that go beyond the block, the part that is in it, with some
        context.
    """
    ends = np.cumsum(words.lengths)
    first, last = np.searchsorted(ends, [start, stop - 1], side="right").tolist()
    texts = []
    for i in range(first, last + 1):
        begin, end = int(ends[i] - words.lengths[i]), int(ends[i])
        inside = max(begin, start), min(end, stop)
        read = max(begin, inside[0] - CONTEXT), min(end, inside[1] + CONTEXT)
        if inside == (begin, end):
            read = inside
        texts.append(Text(words.orths[read[0] : read[1]], inside[0] - read[0], inside[1] - read[0]))
    return texts
