"""Windows over what is too long to be read at once, and ranges of what lies one after another."""

from typing import NamedTuple

import numpy as np


class Windows(NamedTuple):
    """Windows over a sequence; each item is taken from the one in which it has most context.

    starts (np.ndarray): (windows,) int64 first item of each.
    stops (np.ndarray): (windows,) int64 one past the last item.
    firsts (np.ndarray): (windows,) int64 first item that is taken from it.
    lasts (np.ndarray): (windows,) int64 one past the last item that is taken from it.
    """

    starts: np.ndarray
    stops: np.ndarray
    firsts: np.ndarray
    lasts: np.ndarray


def overlapping(length: int, limit: int) -> Windows:
    """Cut a sequence into windows that overlap by half.

    length (int): Items of the sequence, at least 1.
    limit (int): Items of the longest window.
    RETURNS (Windows): The windows, in order; what is taken from them makes up the sequence exactly once.
    """
    if length <= limit:
        starts = np.zeros(1, dtype=np.int64)
    else:
        starts = np.append(np.arange(0, length - limit, max(limit // 2, 1)), length - limit)
    stops = np.minimum(starts + limit, length)
    # Two neighbours share the items from the later one's start to the earlier one's end: half each.
    borders = (starts[1:] + stops[:-1]) // 2
    return Windows(starts, stops, np.append(0, borders), np.append(borders, length))


def ranges(starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Write out ranges of whole numbers.

    starts (np.ndarray): (ranges,) int64 first number of each.
    sizes (np.ndarray): (ranges,) int64 how many it has, which may be none.
    RETURNS (np.ndarray): (sum of the sizes,) int64 the numbers, one range after another.
    """
    return np.repeat(starts - (sizes.cumsum() - sizes), sizes) + np.arange(sizes.sum())
