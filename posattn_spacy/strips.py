"""Going through the rows of many texts at once, a step at a time; no spaCy, no thinc (DESIGN.md 2.9).

What a lattice has to know of the rows on one side of a place is a *state*: the weight of all sequences there
are, and that of those within an entity of each label. A row turns one state into the next; it is linear in
the weights, so a strip of rows as a whole turns states into others, like a matrix. Thus a long text can be
gone through in strips side by side.
"""

import math
from typing import Callable, List, NamedTuple, Optional, Tuple

import torch
from torch import Tensor

WHOLE = 128  # rows, up to which no text is cut
STRIP = 64  # rows of a strip, at least half of which it has
ROWS_AT_ONCE = 768  # numbers with which a step takes hardly longer than with one


class Semiring(NamedTuple):
    """How log-weights of several sequences become one.

    add (Callable[[Tensor, Tensor], Tensor]): Of two.
    total (Callable[[Tensor], Tensor]): Of all along the last axis, which is kept.
    """

    add: Callable[[Tensor, Tensor], Tensor]
    total: Callable[[Tensor], Tensor]


SUM = Semiring(torch.logaddexp, lambda weights: weights.logsumexp(-1, keepdim=True))
MAX = Semiring(torch.maximum, lambda weights: weights.amax(-1, keepdim=True))


class Steps:
    """Rows step by step: the first of every strip, the second of every strip, and so on.

    Longer strips come first within a step, so that those which go on are at its beginning, and nothing is
    padded.

    lengths (Tensor): (strips,) rows of each, at least 1.
    """

    def __init__(self, lengths: Tensor) -> None:
        numbers = torch.arange(len(lengths))
        self.order = lengths.argsort(descending=True, stable=True)  # (strips,) the longest first
        self.rank = torch.empty_like(numbers).index_copy_(0, self.order, numbers)
        strip = torch.repeat_interleave(numbers, lengths)
        place = torch.arange(len(strip)) - (lengths.cumsum(0) - lengths)[strip]
        counts = torch.bincount(place)
        starts = counts.cumsum(0) - counts
        self.slots = starts[place] + self.rank[strip]  # (rows,) where each row stands among the steps
        self.bounds: List[Tuple[int, int]] = list(
            zip(starts.tolist(), (starts + counts).tolist(), strict=True)
        )

    def pack(self, rows: Tensor) -> Tensor:
        """RETURNS (Tensor): Rows in the order of the steps."""
        return torch.empty_like(rows).index_copy_(0, self.slots, rows)

    def unpack(self, steps: Tensor) -> Tensor:
        """RETURNS (Tensor): Rows in the order of the strips again."""
        return steps.index_select(0, self.slots)


class Strips:
    """Rows of tags' scores, in strips that are gone through side by side.

    Each strip is entered with one or more states: (strips, states, 1 + labels).

    scores (Tensor): (rows, tags) the strips one after another.
    lengths (Tensor): (strips,) rows of each, at least 1.
    """

    def __init__(self, scores: Tensor, lengths: Tensor) -> None:
        self.steps = Steps(lengths)
        scores = self.steps.pack(scores)[:, None]  # (rows, 1, tags): the same for each state
        self._outside = scores[..., :1].contiguous()
        self._begin = scores[..., 1::2].contiguous()
        self._inside = scores[..., 2::2].contiguous()

    def forward(self, ring: Semiring, entered: Tensor, seen: Optional[Tensor] = None) -> Tensor:
        """Go through the strips from their beginnings.

        ring (Semiring): How weights are added up.
        entered (Tensor): (strips, states, 1 + labels) before each strip: all that may stand there, and what
            ends within an entity of each label.
        seen (Optional[Tensor]): (rows, 1 + labels) filled with the first state behind each row, step by step.
        RETURNS (Tensor): (strips, states, 1 + labels) behind each strip.
        """
        state, left = entered[self.steps.order], []
        for start, stop in self.steps.bounds:
            here, n = slice(start, stop), stop - start
            if n < len(state):
                left.append(state[n:].clone())  # the strips that have ended; a view would keep all of them
            before, entity = state[:n, :, :1], state[:n, :, 1:]
            entity = ring.add(self._begin[here] + before, self._inside[here] + entity)
            upto = ring.total(torch.cat([self._outside[here] + before, entity], dim=2))
            state = torch.cat([upto, entity], dim=2)
            if seen is not None:
                seen[here] = state[:, 0]
        return torch.cat([state, *reversed(left)])[self.steps.rank]

    def backward(self, ring: Semiring, entered: Tensor, seen: Optional[Tensor] = None) -> Tensor:
        """Go through the strips from their ends.

        ring (Semiring): How weights are added up.
        entered (Tensor): (strips, states, 1 + labels) behind each strip: all that may stand there but what
            starts with an `I-`, and what may follow an entity of each label.
        seen (Optional[Tensor]): (rows, 1 + labels) filled with the first state behind each row, step by step.
        RETURNS (Tensor): (strips, states, 1 + labels) before each strip.
        """
        entered = entered[self.steps.order]
        state = entered[:0]
        for start, stop in reversed(self.steps.bounds):
            here = slice(start, stop)
            state = torch.cat([state, entered[len(state) : stop - start]])  # the strips that end here
            if seen is not None:
                seen[here] = state[:, 0]
            after, rest = state[..., :1], state[..., 1:]
            after = ring.total(torch.cat([self._outside[here] + after, self._begin[here] + rest], dim=2))
            rest = self._inside[here] + rest
            state = torch.cat([after, ring.add(after.expand_as(rest), rest)], dim=2)
        return state[self.steps.rank]


class Texts:
    """The rows of texts, the longest of which are gone through in strips side by side.

    scores (Tensor): (rows, tags) of the tags, the texts one after another.
    lengths (Tensor): (texts,) rows of each, at least 1.
    """

    def __init__(self, scores: Tensor, lengths: Tensor) -> None:
        self._size = scores.shape[0], (scores.shape[1] + 1) // 2
        parts = parts_of(lengths, self._size[1] - 1)
        self._last = parts.cumsum(0) - 1  # (texts,) last strip of each
        self._first = self._last - parts + 1
        strips = lengths_of_parts(lengths, parts)
        self._strips = Strips(scores, strips)
        self._parts = parts
        cut = torch.repeat_interleave(parts > 1, parts)  # (strips,)
        self._number = cut.cumsum(0) - 1  # of each strip among those of texts that were cut
        self._cut: Optional[Strips] = None
        if cut.any():
            rows = torch.repeat_interleave(cut, strips)
            # Where all are cut, as one long text is, their rows are there once.
            self._cut = self._strips if cut.all() else Strips(scores[rows], strips[cut])

    def forward(self, ring: Semiring) -> Tuple[Tensor, Tensor]:
        """Go through the texts from their beginnings.

        ring (Semiring): How weights are added up.
        RETURNS (Tuple[Tensor, Tensor]): (rows,) all sequences up to each row, and (rows, labels) those that
            end within an entity of each label.
        """
        return self._go(Strips.forward, ring, -math.inf, self._first, 1)

    def backward(self, ring: Semiring) -> Tuple[Tensor, Tensor]:
        """Go through the texts from their ends.

        ring (Semiring): How weights are added up.
        RETURNS (Tuple[Tensor, Tensor]): (rows,) all that may stand behind each row but what starts with an
            `I-`, and (rows, labels) what may follow an entity of each label.
        """
        return self._go(Strips.backward, ring, 0.0, self._last, -1)

    def _go(
        self, run: Callable[..., Tensor], ring: Semiring, entity: float, edge: Tensor, way: int
    ) -> Tuple[Tensor, Tensor]:
        """Go through the texts one way; `entity` is what a state says of entities at the edge of a text."""
        states = self._size[1]
        entered = torch.full((len(self._number), 1, states), entity, dtype=torch.float64)
        entered[..., 0] = 0.0
        if self._cut is not None:
            alone = torch.full((states, states), -math.inf, dtype=torch.float64).fill_diagonal_(0.0)
            units = alone.repeat(len(self._cut.steps.order), 1, 1)  # each part of a state alone
            self._carry(ring, run(self._cut, ring, units), entered, edge, way)
        seen = entered.new_empty(self._size)
        run(self._strips, ring, entered, seen)
        seen = self._strips.steps.unpack(seen)
        return seen[:, 0], seen[:, 1:]

    def _carry(self, ring: Semiring, through: Tensor, entered: Tensor, edge: Tensor, way: int) -> None:
        """Find the states with which strips inside of texts are entered.

        ring (Semiring): How weights are added up.
        through (Tensor): (cut strips, states, 1 + labels) what each part of a state becomes in a strip.
        entered (Tensor): (strips, 1, 1 + labels) those at the edges of texts are given, the others filled.
        edge (Tensor): (texts,) the strip at which each text is entered.
        way (int): 1 from the beginning to the end, or -1.
        """
        for i in range(1, int(self._parts.max())):
            here = edge[self._parts > i] + way * i
            before = here - way
            weights = entered[before].transpose(1, 2) + through[self._number[before]]
            entered[here] = ring.total(weights.transpose(1, 2)).transpose(1, 2)


def parts_of(lengths: Tensor, labels: int) -> Tensor:
    """Choose into how many strips each text is cut.

    A step costs the same time for one row as for some, and to go through a strip with every part of a state
    makes many rows of one. So no more texts are cut than make as many rows as that.

    lengths (Tensor): (texts,) rows of each.
    labels (int): Number of labels.
    RETURNS (Tensor): (texts,) strips of each.
    """
    some = ROWS_AT_ONCE // max(1, labels * (labels + 1))
    if not some:
        return torch.ones_like(lengths)
    others = lengths.sort(descending=True).values[some:]
    size = max(STRIP, int(others[0]) if len(others) else 0)
    return torch.where(lengths > max(WHOLE, size), -(-lengths // size), 1)


def lengths_of_parts(lengths: Tensor, parts: Tensor) -> Tensor:
    """RETURNS (Tensor): (strips,) rows of each of the equal parts of texts of `lengths`."""
    place = torch.arange(int(parts.sum())) - torch.repeat_interleave(parts.cumsum(0) - parts, parts)
    return torch.repeat_interleave(lengths // parts, parts) + (
        place < torch.repeat_interleave(lengths % parts, parts)
    )
