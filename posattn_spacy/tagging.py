"""Tags, and the spans that they stand for; no spaCy, no thinc (DESIGN.md 2.9)."""

from itertools import pairwise
from typing import List, NamedTuple, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


class TagScheme:
    """The IOB2 tags of a list of labels.

    Tag 0 is `O`; label `i` has the tags `2i + 1` (`B-`) and `2i + 2` (`I-`).

    labels (Sequence[str]): Entity types, in the order of their tags.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self.tags = ("O", *(f"{prefix}-{label}" for label in labels for prefix in "BI"))

    def __len__(self) -> int:
        return len(self.tags)


class Spans(NamedTuple):
    """Labelled spans of one or more texts.

    starts (np.ndarray): (spans,) int64 first token.
    stops (np.ndarray): (spans,) int64 one past the last token.
    labels (np.ndarray): (spans,) int64 index of the label.
    probabilities (np.ndarray): (spans,) float32, each from 0 to 1.
    """

    starts: np.ndarray
    stops: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray

    @classmethod
    def none(cls) -> "Spans":
        """RETURNS (Spans): No spans."""
        whole = np.zeros(0, dtype=np.int64)
        return cls(whole, whole, whole, np.zeros(0, dtype=np.float32))

    @classmethod
    def unlabelled(cls, starts: np.ndarray, lengths: np.ndarray) -> "Spans":
        """RETURNS (Spans): Spans of (spans,) int64 `lengths`, whose labels and probabilities say nothing."""
        return cls(starts, starts + lengths, np.zeros_like(starts), np.ones(len(starts), np.float32))

    def select(self, keep: np.ndarray) -> "Spans":
        """RETURNS (Spans): The spans for which `keep`, (spans,) bool, holds."""
        return Spans(*(field[keep] for field in self))

    def at(self, places: np.ndarray) -> "Spans":
        """Turn spans of words into spans of tokens.

        places (np.ndarray): (words,) int64 token of each word.
        RETURNS (Spans): The same spans; they begin and end with a word.
        """
        return self._replace(starts=places[self.starts], stops=places[self.stops - 1] + 1)

    @classmethod
    def joined(cls, parts: Sequence["Spans"]) -> "Spans":
        """RETURNS (Spans): The spans of all parts."""
        return cls(*map(np.concatenate, zip(cls.none(), *parts, strict=True)))

    def deal_out(self, lengths: Sequence[int], places: np.ndarray) -> List["Spans"]:
        """Deal the spans of a batch's words out to its documents.

        lengths (Sequence[int]): Words of each document, which are counted on from one to the next; may be 0.
        places (np.ndarray): (words,) int64 token of each word, counted from 0 in each document.
        RETURNS (List[Spans]): The spans of each document's tokens, in order of their beginnings.
        """
        if not len(self.starts):
            return [self] * len(lengths)
        order = np.argsort(self.starts, kind="stable")
        bounds = np.searchsorted(self.starts[order], np.cumsum(lengths)).tolist()
        dealt = self.select(order).at(places)
        return [Spans(*(field[i:j] for field in dealt)) for i, j in pairwise([0, *bounds])]


def span_bounds(tags: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    """Read the spans from legal tag sequences.

    tags (Tensor): (rows,) int64 tags, the texts one after another; every `I-x` follows `B-x` or `I-x` of its
        own text.
    RETURNS (Tuple[Tensor, Tensor, Tensor]): (spans,) int64 each: first row, one past the last, and label.
    """
    inside = (tags > 0) & (tags % 2 == 0)
    starts = (tags % 2 == 1).nonzero().squeeze(1)
    stops = (~F.pad(inside[1:], (0, 1))).nonzero().squeeze(1) + 1  # rows that no I- follows
    stops = stops[torch.searchsorted(stops, starts + 1)]
    return starts, stops, tags[starts] // 2


def tags_of(starts: Tensor, stops: Tensor, labels: Tensor, rows: int) -> Tensor:
    """Write spans as tags.

    starts (Tensor): (spans,) int64 first row of each; no two spans share one.
    stops (Tensor): (spans,) int64 one past the last.
    labels (Tensor): (spans,) int64 index of the label.
    rows (int): Number of rows.
    RETURNS (Tensor): (rows,) int64 tags.
    """
    steps = torch.zeros(rows + 1, dtype=torch.int64)
    steps.index_add_(0, starts, 2 * labels + 2)
    steps.index_add_(0, stops, -2 * labels - 2)
    tags = steps.cumsum(0)[:-1]
    tags[starts] -= 1
    return tags


def covered(spans: Spans, rows: int) -> np.ndarray:
    """RETURNS (np.ndarray): (rows,) bool, which of so many rows lie within a span."""
    steps = np.bincount(spans.starts, minlength=rows + 1) - np.bincount(spans.stops, minlength=rows + 1)
    return steps.cumsum()[:-1] > 0
