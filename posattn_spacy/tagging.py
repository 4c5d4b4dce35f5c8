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

    def at(self, places: np.ndarray) -> "Spans":
        """Turn spans of words into spans of tokens.

        places (np.ndarray): (words,) int64 token of each word.
        RETURNS (Spans): The same spans; they begin and end with a word.
        """
        return self._replace(starts=places[self.starts], stops=places[self.stops - 1] + 1)

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


class Steps:
    """The rows of a batch step by step: the first of every text, the second of every text, and so on.

    Longer texts come first within a step, so that those which go on are at its beginning, and nothing is
    padded.

    lengths (Tensor): (batch,) rows per text, each at least 1.
    """

    def __init__(self, lengths: Tensor) -> None:
        numbers = torch.arange(len(lengths), device=lengths.device)
        self.last = lengths.cumsum(0) - 1  # (batch,) the last row of each text
        self.first = self.last - lengths + 1
        self.text = torch.repeat_interleave(numbers, lengths)  # (rows,) text of each row
        place = torch.arange(len(self.text), device=lengths.device) - self.first[self.text]
        rank = torch.empty_like(numbers)
        rank[lengths.argsort(descending=True, stable=True)] = numbers
        counts = torch.bincount(place)
        starts = counts.cumsum(0) - counts
        self.slots = starts[place] + rank[self.text]  # (rows,) where each row stands among the steps
        self.bounds = list(zip(starts.tolist(), (starts + counts).tolist(), strict=True))

    def __len__(self) -> int:
        return len(self.bounds)

    def pack(self, rows: Tensor) -> Tensor:
        """Put rows in the order of the steps."""
        return torch.empty_like(rows).index_copy_(0, self.slots, rows)

    def unpack(self, steps: Tensor) -> Tensor:
        """Put rows in the order of the texts again."""
        return steps.index_select(0, self.slots)


class Sums(NamedTuple):
    """The log-weights of all that may stand before and after a token, by forward-backward.

    before (Tensor): (rows,) of all sequences of the tokens before each one.
    entity (Tensor): (rows, labels) of all sequences up to each token that end within an entity of the label.
    after (Tensor): (rows,) of all sequences of the tokens behind each one that do not start with an `I-`.
    rest (Tensor): (rows, labels) of all that may follow a token that is within an entity of the label.
    whole (Tensor): (rows,) of all sequences of each token's text.
    """

    before: Tensor
    entity: Tensor
    after: Tensor
    rest: Tensor
    whole: Tensor


class Lattice:
    """The distribution over the legal tag sequences of each text of a batch.

    The weight of a sequence is the exponential of the sum of its tags' scores. Time and memory are linear in
    the rows, whatever the longest text is. All is done and returned on the CPU: a GPU takes longer for many
    small steps, and some have no double precision.

    scores (Tensor): (rows, tags), the texts one after another; -inf forbids a tag, but never `O`.
    lengths (Tensor): (batch,) tokens per text, each at least 1.
    """

    def __init__(self, scores: Tensor, lengths: Tensor) -> None:
        # Normalising changes no probability; together with double precision it keeps long sums exact enough.
        self._scores = F.log_softmax(scores.cpu().double(), dim=1)
        self._steps = Steps(lengths.cpu())

    def best(self) -> Tensor:
        """Find the most probable sequence of every text, by Viterbi's algorithm.

        RETURNS (Tensor): (rows,) int64 tags.
        """
        outside, begin, inside = self._packed
        states = torch.empty_like(self._steps.slots)  # 0 outside, 1 + label within an entity
        continued = torch.zeros(len(begin), begin.shape[1] + 1, dtype=torch.bool, device=begin.device)
        before, entity = self._nothing_yet()
        for start, stop in self._steps.bounds:
            here, n = slice(start, stop), stop - start
            opened, extended = begin[here] + before[:n, None], inside[here] + entity[:n]
            continued[here, 1:] = extended > opened
            entity = torch.maximum(opened, extended)
            ways = torch.cat([(outside[here] + before[:n])[:, None], entity], dim=1)
            before, states[here] = ways.max(dim=1)
        return self._steps.unpack(self._path(states, continued))

    def _path(self, states: Tensor, continued: Tensor) -> Tensor:
        """Follow the best states back from the end of each text: (rows,) tags, step by step."""
        path, bounds = torch.empty_like(states), self._steps.bounds
        state = states[:0]
        for t in reversed(range(len(bounds))):
            start, stop = bounds[t]
            state = torch.cat([state, states[start + len(state) : stop]])  # the texts that end here
            extends = continued[start:stop].gather(1, state[:, None]).squeeze(1)
            path[start:stop] = torch.where(state > 0, 2 * state - 1 + extends, 0)
            if t:
                previous = bounds[t - 1][0]
                state = torch.where(extends, state, states[previous : previous + len(state)])
        return path

    def spans_of(self, tags: Tensor) -> Spans:
        """Find the probability of each span of a legal sequence: that of all sequences with this very span.

        tags (Tensor): (rows,) int64 tags.
        RETURNS (Spans): The spans, in order, their tokens counted over the whole batch.
        """
        starts, stops, labels = span_bounds(tags)
        sums = self._sums
        own = F.pad(self._scores.gather(1, tags[:, None]).squeeze(1).cumsum(0), (1, 0))
        weights = sums.before[starts] + sums.after[stops - 1] - sums.whole[starts]
        return _on_cpu(starts, stops, labels, weights + own[stops] - own[starts])

    def spans_above(self, threshold: float) -> Spans:
        """Find every span that is at least so probable, overlapping ones too.

        Entities are followed from token to token only for as long as they are probable enough to reach
        there, so the work grows with what is found, not with the square of the length.

        threshold (float): The least probability, above 0.
        RETURNS (Spans): The spans, their tokens counted over the whole batch.
        """
        sums, begin, inside = self._sums, self._scores[:, 1::2], self._scores[:, 2::2]
        floor = math.log(threshold)
        last = self._steps.last[self._steps.text]
        weights = begin + (sums.before - sums.whole)[:, None]
        start, label = (weights + sums.rest >= floor).nonzero(as_tuple=True)
        weight, stop, found = weights[start, label], start, []
        while len(start):
            whole = weight + sums.after[stop]
            found.append(_where(whole >= floor, start, stop + 1, label, whole))
            start, stop, label, weight = _where(stop < last[start], start, stop, label, weight)
            stop = stop + 1
            weight = weight + inside[stop, label]
            goes_on = weight + sums.rest[stop, label] >= floor
            start, stop, label, weight = _where(goes_on, start, stop, label, weight)
        if not found:
            return Spans.none()
        return _on_cpu(*(torch.cat(parts) for parts in zip(*found, strict=True)))

    def tag_probabilities(self) -> Tensor:
        """RETURNS (Tensor): (rows, tags) float64, the probability of each token's tags."""
        before, entity, after, rest, whole = self._sums
        previous = F.pad(entity[:-1], (0, 0, 1, 0), value=-math.inf)
        previous[self._steps.first] = -math.inf
        outside = before + self._scores[:, 0] + after
        begin = before[:, None] + self._scores[:, 1::2] + rest
        inside = previous + self._scores[:, 2::2] + rest
        weights = torch.cat([outside[:, None], torch.stack([begin, inside], dim=2).flatten(1)], dim=1)
        return (weights - whole[:, None]).exp()

    def log_likelihood(self, tags: Tensor) -> Tensor:
        """Find how probable a legal sequence of every text is.

        tags (Tensor): (rows,) int64 tags.
        RETURNS (Tensor): Scalar, the sum of the texts' log-probabilities.
        """
        return self._scores.gather(1, tags[:, None]).sum() - self._sums.whole[self._steps.last].sum()

    @cached_property
    def _packed(self) -> Tuple[Tensor, Tensor, Tensor]:
        """(rows,) scores of `O`, (rows, labels) of `B-` and (rows, labels) of `I-`, step by step."""
        scores = self._steps.pack(self._scores)
        return scores[:, 0].contiguous(), scores[:, 1::2].contiguous(), scores[:, 2::2].contiguous()

    def _nothing_yet(self) -> Tuple[Tensor, Tensor]:
        """What stands before the first token of each text: (batch,) nothing, (batch, labels) no entity."""
        outside, begin, _ = self._packed
        n = len(self._steps.first)
        return outside.new_zeros(n), begin.new_full((n, begin.shape[1]), -math.inf)

    @cached_property
    def _sums(self) -> Sums:
        before, entity, upto = self._forward()
        after, rest = self._backward()
        before, entity, upto, after, rest = map(self._steps.unpack, (before, entity, upto, after, rest))
        return Sums(before, entity, after, rest, upto[self._steps.last][self._steps.text])

    def _forward(self) -> Tuple[Tensor, Tensor, Tensor]:
        """Sum up what stands before each token, what ends within an entity, and all up to it, in steps."""
        outside, begin, inside = self._packed
        before, upto, entity = torch.empty_like(outside), torch.empty_like(outside), torch.empty_like(begin)
        sofar, within = self._nothing_yet()
        for start, stop in self._steps.bounds:
            here, n = slice(start, stop), stop - start
            before[here] = sofar[:n]
            within = torch.logaddexp(begin[here] + sofar[:n, None], inside[here] + within[:n])
            entity[here] = within
            sofar = torch.cat([(outside[here] + sofar[:n])[:, None], within], dim=1).logsumexp(1)
            upto[here] = sofar
        return before, entity, upto

    def _backward(self) -> Tuple[Tensor, Tensor]:
        """Sum up what may follow each token, and what may follow within an entity, in steps."""
        outside, begin, inside = self._packed
        after, rest = torch.zeros_like(outside), torch.zeros_like(begin)  # what they are at a text's end
        for t in reversed(range(len(self._steps) - 1)):
            (start, _), (following, stop) = self._steps.bounds[t : t + 2]
            there, here = slice(following, stop), slice(start, start + stop - following)
            ways = [(outside[there] + after[there])[:, None], begin[there] + rest[there]]
            after[here] = torch.cat(ways, dim=1).logsumexp(1)
            rest[here] = torch.logaddexp(after[here, None], inside[there] + rest[there])
        return after, rest


def _where(keep: Tensor, *fields: Tensor) -> Tuple[Tensor, ...]:
    return tuple(field[keep] for field in fields)


def _on_cpu(starts: Tensor, stops: Tensor, labels: Tensor, log_probabilities: Tensor) -> Spans:
    probabilities = log_probabilities.exp().clamp(max=1.0).float()
    return Spans(*(field.cpu().numpy() for field in (starts, stops, labels, probabilities)))
