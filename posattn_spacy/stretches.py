"""Stretches: what of the texts of a batch goes through the attention together, so that memory is bounded.

A text of up to `LONGEST` words is a stretch; a longer one is cut into stretches that overlap by half, and
each word is scored by the one in which it has most context (DESIGN.md 1).
"""

from typing import Iterator, List, NamedTuple, Optional

import numpy as np

from .windows import Windows, overlapping

LONGEST = 128  # words of a stretch
CELLS = 1 << 20  # of the padded attention matrices of a group, per head
SECTION = 1 << 14  # words whose features are in memory at a time


class Stretches(Windows):
    """Windows over the words of a batch, each of which is scored by the window it is taken from."""

    __slots__ = ()

    @property
    def lengths(self) -> np.ndarray:
        """RETURNS (np.ndarray): (stretches,) int64 words of each."""
        return self.stops - self.starts

    def select(self, chosen: np.ndarray) -> "Stretches":
        """RETURNS (Stretches): Those with the given indices, in their order."""
        return Stretches(*(field[chosen] for field in self))


def cut_texts(lengths: np.ndarray) -> Stretches:
    """Cut texts into stretches.

    lengths (np.ndarray): (texts,) int64 words of each text.
    RETURNS (Stretches): The stretches, in the order of the words.
    """
    ends = np.cumsum(lengths)
    offsets = ends - lengths
    if not len(lengths) or lengths.max() <= LONGEST:
        return Stretches(offsets, ends, offsets, ends)
    parts = [
        [field + offset for field in overlapping(length, LONGEST)]
        for offset, length in zip(offsets.tolist(), lengths.tolist(), strict=True)
    ]
    return Stretches(*(np.concatenate(fields) for fields in zip(*parts, strict=True)))


def sections(stretches: Stretches) -> Iterator[Stretches]:
    """Deal stretches out to sections of the batch, in order, of at most `SECTION` words each.

    stretches (Stretches): The stretches, in the order of the words.
    YIELDS (Stretches): Those of one section after another.
    """
    section = np.cumsum(stretches.lengths) // (SECTION + 1)
    cuts = np.flatnonzero(np.diff(section)) + 1
    for fields in zip(*(np.split(field, cuts) for field in stretches), strict=True):
        yield Stretches(*fields)


class Group(NamedTuple):
    """Stretches of like length, whose padded attention matrices fit into `CELLS`.

    lengths (np.ndarray): (stretches,) int64 words of each.
    rows (Optional[np.ndarray]): (rows,) int64 the section's words that are read, one stretch after another;
        None for all of them, as they are.
    scored (Optional[np.ndarray]): Indices of those rows whose scores are taken; None for all of them.
    """

    lengths: np.ndarray
    rows: Optional[np.ndarray]
    scored: Optional[np.ndarray]


def groups(section: Stretches) -> List[Group]:
    """Group the stretches of a section by length.

    section (Stretches): The stretches.
    RETURNS (List[Group]): The groups. Where one is enough, it has the stretches in the order of the words.
    """
    lengths = section.lengths
    whole = (section.firsts == section.starts).all() and (section.lasts == section.stops).all()
    if whole and _cells(lengths) <= CELLS:
        return [Group(lengths, None, None)]
    found, order = [], np.argsort(-lengths, kind="stable")
    while len(order):
        size = max(1, CELLS // int(lengths[order[0]]) ** 2)
        found.append(_group(section, order[:size]))
        order = order[size:]
    return found


def scored_words(section: Stretches, found: List[Group]) -> Optional[np.ndarray]:
    """Say which words the scores of a section's groups belong to.

    section (Stretches): The section.
    found (List[Group]): Its groups.
    RETURNS (Optional[np.ndarray]): (words,) int64 the place of each of the section's words among the scores
        that are taken, group by group; None if they are in the order of the words.
    """
    if found[0].rows is None:
        return None
    taken = np.concatenate([group.rows[group.scored] for group in found])  # type: ignore[index]
    return np.argsort(taken, kind="stable")


def _cells(lengths: np.ndarray) -> int:
    return len(lengths) * int(lengths.max()) ** 2


def _group(section: Stretches, chosen: np.ndarray) -> Group:
    starts, stops, firsts, lasts = section.select(chosen)
    lengths = stops - starts
    of_row = np.repeat(np.arange(len(lengths)), lengths)
    words = np.arange(lengths.sum()) - (np.cumsum(lengths) - lengths - starts)[of_row]
    scored = np.flatnonzero((words >= firsts[of_row]) & (words < lasts[of_row]))
    return Group(lengths, words - section.starts[0], scored)
