"""Tags, their legal sequences and the probabilities of spans; no spaCy, no thinc (DESIGN.md 2.9).

In IOB2, `O` and any `B-x` may follow any tag, `I-x` only `B-x` and `I-x`. So what comes before an entity
weighs on it through one number and what comes after it through another, and both are found in one pass over
the text in each direction, in time linear in the number of labels.
"""

import math
from functools import cached_property
from typing import List, NamedTuple, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .attention import Layout


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

    def select(self, keep: np.ndarray) -> "Spans":
        """RETURNS (Spans): The spans for which `keep`, (spans,) bool, holds."""
        return Spans(*(field[keep] for field in self))

    def split(self, lengths: Sequence[int]) -> List["Spans"]:
        """Deal the spans of a batch out to its texts.

        lengths (Sequence[int]): Tokens per text, whose tokens are counted on from text to text; may be 0.
        RETURNS (List[Spans]): The spans of each text, whose tokens are counted from 0.
        """
        ends = np.cumsum(lengths)
        order = np.argsort(self.starts, kind="stable")
        bounds = np.searchsorted(self.starts[order], ends)
        fields = zip(*(np.split(field[order], bounds[:-1]) for field in self), strict=True)
        return [
            Spans(starts - offset, stops - offset, labels, probabilities)
            for (starts, stops, labels, probabilities), offset in zip(fields, ends - lengths, strict=True)
        ]


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


class Lattice:
    """The distribution over the legal tag sequences of each text of a batch.

    The weight of a sequence is the exponential of the sum of its tags' scores.

    scores (Tensor): (rows, tags), the texts one after another; -inf forbids a tag, but never `O`.
    lengths (Tensor): (batch,) tokens per text, each at least 1.
    """

    def __init__(self, scores: Tensor, lengths: Tensor) -> None:
        # Normalising changes no probability; together with double precision it keeps long sums exact enough.
        self._scores = F.log_softmax(scores.double(), dim=1)
        self._layout = Layout.from_lengths(lengths)
        grid = self._layout.pad(self._scores, -math.inf)
        # (batch, time); after its last token a text stays outside, at no cost.
        self._outside = self._layout.pad(self._scores[:, 0])
        self._begin, self._inside = grid[..., 1::2], grid[..., 2::2]  # (batch, time, labels)

    def best(self) -> Tensor:
        """Find the most probable sequence of every text, by Viterbi's algorithm.

        RETURNS (Tensor): (rows,) int64 tags.
        """
        before = torch.zeros_like(self._outside[:, 0])
        entity = torch.full_like(self._begin[:, 0], -math.inf)
        states, continued = [], []  # a state is 0 outside, 1 + label within an entity
        for t in range(self._layout.time):
            opened, extended = self._begin[:, t] + before[:, None], self._inside[:, t] + entity
            continued.append(F.pad(extended > opened, (1, 0)))
            entity = torch.maximum(opened, extended)
            before, state = torch.cat([(self._outside[:, t] + before)[:, None], entity], dim=1).max(dim=1)
            states.append(state)
        state, path = states[-1], []
        for t in reversed(range(self._layout.time)):
            extends = continued[t].gather(1, state[:, None]).squeeze(1)
            path.append(torch.where(state > 0, 2 * state - 1 + extends.long(), 0))
            state = torch.where(extends, state, states[t - 1])
        return self._layout.unpad(torch.stack(path[::-1], dim=1))

    def spans_of(self, tags: Tensor) -> Spans:
        """Find the probability of each span of a legal sequence: that of all sequences with this very span.

        tags (Tensor): (rows,) int64 tags.
        RETURNS (Spans): The spans, in order, their tokens counted over the whole batch.
        """
        starts, stops, labels = span_bounds(tags)
        before, _, after, _ = self._sums
        own = F.pad(self._scores.gather(1, tags[:, None]).squeeze(1).cumsum(0), (1, 0))
        text, place = self._places(starts)
        weights = before[text, place] + after[text, place + stops - starts] - before[text, -1]
        return _on_cpu(starts, stops, labels, weights + own[stops] - own[starts])

    def spans_above(self, threshold: float) -> Spans:
        """Find every span that is at least so probable, overlapping ones too.

        Entities are followed from token to token only for as long as they are probable enough to reach
        there, so the work grows with what is found, not with the square of the length.

        threshold (float): The least probability, above 0.
        RETURNS (Spans): The spans, their tokens counted over the whole batch.
        """
        before, _, after, rest = self._sums
        floor, time = math.log(threshold), self._layout.time
        weights = self._begin + (before[:, :-1] - before[:, -1:])[..., None]
        text, start, label = (weights + rest >= floor).nonzero(as_tuple=True)
        weight, width, found = weights[text, start, label], 1, []
        while len(text):
            whole = weight + after[text, start + width]
            ends = whole >= floor
            found.append(
                (text[ends], start[ends], torch.full_like(text[ends], width), label[ends], whole[ends])
            )
            text, start, label, weight = _where(start + width < time, text, start, label, weight)
            weight = weight + self._inside[text, start + width, label]
            goes_on = weight + rest[text, start + width, label] >= floor
            text, start, label, weight = _where(goes_on, text, start, label, weight)
            width += 1
        if not found:
            return Spans.none()
        text, start, widths, label, weight = (torch.cat(parts) for parts in zip(*found, strict=True))
        rows = self._rows(text, start)
        return _on_cpu(rows, rows + widths, label, weight)

    def tag_probabilities(self) -> Tensor:
        """RETURNS (Tensor): (rows, tags) float64, the probability of each token's tags."""
        before, entity, after, rest = self._sums
        before, whole = before[:, :-1], before[:, -1:]
        outside = before + self._outside + after[:, 1:]
        begin = before[..., None] + self._begin + rest
        inside = F.pad(entity[:, :-1], (0, 0, 1, 0), value=-math.inf) + self._inside + rest
        weights = torch.cat([outside[..., None], torch.stack([begin, inside], dim=3).flatten(2)], dim=2)
        return self._layout.unpad((weights - whole[..., None]).exp())

    def log_likelihood(self, tags: Tensor) -> Tensor:
        """Find how probable a legal sequence of every text is.

        tags (Tensor): (rows,) int64 tags.
        RETURNS (Tensor): Scalar, the sum of the texts' log-probabilities.
        """
        return self._scores.gather(1, tags[:, None]).sum() - self._sums[0][:, -1].sum()

    @cached_property
    def _sums(self) -> Tuple[Tensor, Tensor, Tensor, Tensor]:
        """The log-weights of all that may stand before and after a token, by forward-backward.

        (batch, time + 1) of all sequences of the tokens before each place, the last of which is the whole;
        (batch, time, labels) of all sequences up to each token that end within an entity of the label;
        (batch, time + 1) of all sequences from each place on that do not start with an `I-`;
        (batch, time, labels) of all that may follow a token that is within an entity of the label.
        """
        time = self._layout.time
        before = [torch.zeros_like(self._outside[:, 0])]
        entity = [torch.full_like(self._begin[:, 0], -math.inf)]
        for t in range(time):
            opened, extended = self._begin[:, t] + before[-1][:, None], self._inside[:, t] + entity[-1]
            entity.append(torch.logaddexp(opened, extended))
            outside = self._outside[:, t] + before[-1]
            before.append(torch.cat([outside[:, None], entity[-1]], dim=1).logsumexp(1))
        after = [torch.zeros_like(before[0])]
        rest = [torch.zeros_like(entity[0])]
        for t in reversed(range(time)):
            outside = self._outside[:, t] + after[-1]
            after.append(torch.cat([outside[:, None], self._begin[:, t] + rest[-1]], dim=1).logsumexp(1))
            rest.append(torch.logaddexp(after[-1][:, None], self._inside[:, t] + rest[-1]))
        sums = before, entity[1:], after[::-1], rest[-2::-1]
        before_, entity_, after_, rest_ = (torch.stack(part, dim=1) for part in sums)
        return before_, entity_, after_, rest_

    def _places(self, rows: Tensor) -> Tuple[Tensor, Tensor]:
        """Text and place within it of each row."""
        slots = self._layout.slots[rows]
        return slots // self._layout.time, slots % self._layout.time

    def _rows(self, text: Tensor, place: Tensor) -> Tensor:
        """Row of each place in a text."""
        return torch.searchsorted(self._layout.slots, text * self._layout.time + place)


def _where(keep: Tensor, *fields: Tensor) -> Tuple[Tensor, ...]:
    return tuple(field[keep] for field in fields)


def _on_cpu(starts: Tensor, stops: Tensor, labels: Tensor, log_probabilities: Tensor) -> Spans:
    probabilities = log_probabilities.exp().clamp(max=1.0).float()
    return Spans(*(field.cpu().numpy() for field in (starts, stops, labels, probabilities)))
