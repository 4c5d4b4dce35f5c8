"""Legal tag sequences, the best of them and the probabilities of spans; no spaCy, no thinc (DESIGN.md 2.9).

In IOB2, `O` and any `B-x` may follow any tag, `I-x` only `B-x` and `I-x`. So what comes before an entity
weighs on it through one number and what comes after it through another, and both are found in one pass over
the text in each direction, in time linear in the number of labels.
"""

import math
from functools import cached_property
from typing import NamedTuple, Tuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .avoiding import weights_without
from .strips import MAX, SUM, Texts
from .tagging import Spans, span_bounds, tags_of


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


class Unknown(NamedTuple):
    """What is not known of some texts.

    entropy (Tensor): (batch,) float64, of the distribution over each text's sequences, in nats.
    log_best (Tensor): (batch,) float64, log-probability of the given sequence of each.
    doubt (Tensor): (rows,) float64, probability that each token has another tag than in that sequence.
    """

    entropy: Tensor
    log_best: Tensor
    doubt: Tensor


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
        self._set_up(F.log_softmax(scores.cpu().double(), dim=1), lengths.cpu())

    def _set_up(self, scores: Tensor, lengths: Tensor) -> None:
        self._scores = scores
        self._lengths = lengths
        self._last = lengths.cumsum(0) - 1  # (batch,) the last row of each text
        self._first = self._last - lengths + 1
        self._text = torch.repeat_interleave(lengths)  # (rows,) text of each row

    @property
    def n_tags(self) -> int:
        """RETURNS (int): Number of tags."""
        return self._scores.shape[1]

    def select(self, texts: Tensor) -> "Lattice":
        """Take some of the texts, without doing anew what has been done for them.

        texts (Tensor): (batch,) bool.
        RETURNS (Lattice): The distribution over their sequences.
        """
        rows = texts[self._text]
        part = Lattice.__new__(Lattice)
        part._set_up(self._scores[rows], self._lengths[texts])
        if "_forward" in self.__dict__:
            part.__dict__["_forward"] = tuple(sums[rows] for sums in self._forward)
        return part

    def only(self, allowed: Tensor) -> "Lattice":
        """Take those sequences alone in which each tag is one of some; they keep their weights.

        allowed (Tensor): (rows, tags) bool. There may be texts without such a sequence.
        RETURNS (Lattice): The distribution over them.
        """
        part = Lattice.__new__(Lattice)
        part._set_up(self._scores.masked_fill(~allowed, -math.inf), self._lengths)
        return part

    def log_weights(self) -> Tensor:
        """RETURNS (Tensor): (batch,) float64, log of the weight of all sequences of each text together."""
        return self._forward[0][self._last]

    def log_weights_without(self, wrong: Spans) -> Tuple[Tensor, Tensor]:
        """Do as `log_weights` for the sequences in which some spans are no entities; see `weights_without`.

        wrong (Spans): The spans, whose rows are counted over the batch.
        RETURNS (Tuple[Tensor, Tensor]): (batch,) the log-weights, and (rows, tags) the probability of each
            tag in those sequences.
        """
        return weights_without(self._scores, self._lengths, wrong)

    def best(self) -> Tensor:
        """Find the most probable sequence of every text, by Viterbi's algorithm.

        RETURNS (Tensor): (rows,) int64 tags.
        """
        upto, entity = self._texts.forward(MAX)
        before = self._before(upto, 0.0)
        outside = self._scores[:, 0] + before
        states = torch.cat([outside[:, None], entity], dim=1).argmax(1)  # 0, or 1 + label of an entity
        begin = self._scores[:, 1::2] + before[:, None]
        goes_on = self._scores[:, 2::2] + self._before(entity, -math.inf) > begin
        rows = torch.arange(len(states))
        # Where the entities begin that go on to each row, of each label, and then of that of its best state.
        opened = rows[:, None].masked_fill(goes_on, 0).cummax(0).values
        opened = opened.gather(1, (states - 1).clamp_(min=0)[:, None]).squeeze(1)
        opened = torch.where(states > 0, opened, rows)
        ends = reached(self._last, torch.where(opened > self._first[self._text], opened - 1, rows))
        ends = ends[states[ends] > 0]
        return tags_of(opened[ends], ends + 1, states[ends] - 1, len(rows))

    def spans_of(self, tags: Tensor) -> Spans:
        """Find the probability of each span of a legal sequence: that of all sequences with this very span.

        tags (Tensor): (rows,) int64 tags.
        RETURNS (Spans): The spans, in order, their tokens counted over the whole batch.
        """
        starts, stops, labels = span_bounds(tags)
        sums = self._sums
        own = F.pad(self._scores.gather(1, tags[:, None]).squeeze(1).cumsum(0), (1, 0))
        weights = sums.before[starts] + sums.after[stops - 1] - sums.whole[starts]
        return _spans(starts, stops, labels, weights + own[stops] - own[starts])

    def probabilities_of(self, starts: np.ndarray, stops: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Find the probability of any spans: that of all sequences with this very one. No tag is forbidden.

        starts (np.ndarray): (spans,) int64 first row of each, counted over the batch.
        stops (np.ndarray): (spans,) int64 one past the last, in the same text.
        labels (np.ndarray): (spans,) int64 index of the label.
        RETURNS (np.ndarray): (spans,) float64.
        """
        if not len(starts):
            return np.zeros(0)
        first, end, label = map(torch.from_numpy, (starts, stops, labels))
        inside = F.pad(self._scores[:, 2::2].cumsum(0), (0, 0, 1, 0))  # of rows before each
        within = inside[end, label] - inside[first + 1, label] + self._scores[first, 2 * label + 1]
        sums = self._sums
        weights = within + sums.before[first] + sums.after[end - 1] - sums.whole[first]
        return weights.exp().clamp(max=1.0).numpy()

    def probabilities_outside(self, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
        """Find the probability that all rows of a stretch are outside of entities. No tag is forbidden.

        starts (np.ndarray): (stretches,) int64 first row of each, counted over the batch.
        stops (np.ndarray): (stretches,) int64 one past the last, in the same text.
        RETURNS (np.ndarray): (stretches,) float64.
        """
        if not len(starts):
            return np.zeros(0)
        first, end = map(torch.from_numpy, (starts, stops))
        outside, sums = F.pad(self._scores[:, 0].cumsum(0), (1, 0)), self._sums
        weights = outside[end] - outside[first] + sums.before[first] + sums.after[end - 1] - sums.whole[first]
        return weights.exp().clamp(max=1.0).numpy()

    def spans_above(self, threshold: float) -> Spans:
        """Find every span that is at least so probable, overlapping ones too.

        Entities are followed from token to token only for as long as they are probable enough to reach
        there, so the work grows with what is found, not with the square of the length.

        threshold (float): The least probability, above 0.
        RETURNS (Spans): The spans, their tokens counted over the whole batch.
        """
        sums, begin, inside = self._sums, self._scores[:, 1::2], self._scores[:, 2::2]
        floor = math.log(threshold)
        last = self._last[self._text]
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
        return _spans(*(torch.cat(parts) for parts in zip(*found, strict=True)))

    def tag_probabilities(self) -> Tensor:
        """RETURNS (Tensor): (rows, tags) float64, the probability of each token's tags."""
        before, entity, after, rest, whole = self._sums
        outside = before + self._scores[:, 0] + after
        begin = before[:, None] + self._scores[:, 1::2] + rest
        inside = self._before(entity, -math.inf) + self._scores[:, 2::2] + rest
        weights = torch.cat([outside[:, None], torch.stack([begin, inside], dim=2).flatten(1)], dim=1)
        return (weights - whole[:, None]).exp()

    def unknown(self, tags: Tensor) -> Unknown:
        """Find how much is open in each text, and where (DESIGN.md 2.12).

        tags (Tensor): (rows,) int64 a legal sequence of every text, such as the best.
        RETURNS (Unknown): Entropy, log-probability of that sequence, and doubt of each token.
        """
        p = self.tag_probabilities()
        own = tags[:, None]
        whole = self._forward[0][self._last]
        expected = (p * self._scores.masked_fill(p == 0, 0.0)).sum(1)
        given = self._scores.gather(1, own).squeeze(1)
        sums = torch.stack([expected, given])
        of_texts = sums.new_zeros(2, len(self._last)).index_add_(1, self._text, sums)
        entropy, log_best = (whole - of_texts[0]).clamp_(min=0), (of_texts[1] - whole).clamp_(max=0)
        return Unknown(entropy, log_best, (1 - p.gather(1, own).squeeze(1)).clamp_(min=0))

    def log_likelihood(self, tags: Tensor) -> Tensor:
        """Find how probable a legal sequence of every text is.

        tags (Tensor): (rows,) int64 tags.
        RETURNS (Tensor): Scalar, the sum of the texts' log-probabilities.
        """
        return self._scores.gather(1, tags[:, None]).sum() - self._forward[0][self._last].sum()

    def sureness(self, tags: Tensor) -> Tensor:
        """Find how probable a legal sequence of each text is, per word; it takes one pass over the texts.

        tags (Tensor): (rows,) int64 tags.
        RETURNS (Tensor): (batch,) float64, `p ** (1 / words)` of each text, from 0 to 1 (DESIGN.md 2.10).
        """
        own = self._scores.gather(1, tags[:, None]).squeeze(1)
        sums = own.new_zeros(len(self._last)).index_add_(0, self._text, own)
        return ((sums - self._forward[0][self._last]) / self._lengths).exp_().clamp_(max=1.0)

    def _before(self, rows: Tensor, nothing: float) -> Tensor:
        """The row before each one, and what stands for the row before the first of a text."""
        before = rows.roll(1, 0)
        before[self._first] = nothing
        return before

    @cached_property
    def _sums(self) -> Sums:
        upto, entity = self._forward
        after, rest = self._texts.backward(SUM)
        return Sums(self._before(upto, 0.0), entity, after, rest, upto[self._last][self._text])

    @cached_property
    def _texts(self) -> Texts:
        return Texts(self._scores, self._lengths)

    @cached_property
    def _forward(self) -> Tuple[Tensor, Tensor]:
        """All sequences up to each row, and those of them that end within an entity of each label."""
        return self._texts.forward(SUM)


def reached(starts: Tensor, following: Tensor) -> Tensor:
    """Follow rows from one to the next.

    starts (Tensor): (starts,) int64 rows with which to begin.
    following (Tensor): (rows,) int64 the row that follows each; itself at the end.
    RETURNS (Tensor): Rows that are come by, in order.
    """
    found = torch.zeros(len(following), dtype=torch.bool)
    found[starts] = True
    count = 0
    while int(found.sum()) > count:  # each time, twice as far
        count = int(found.sum())
        found[following[found]] = True
        following = following[following]
    return found.nonzero().squeeze(1)


def _where(keep: Tensor, *fields: Tensor) -> Tuple[Tensor, ...]:
    return tuple(field[keep] for field in fields)


def _spans(starts: Tensor, stops: Tensor, labels: Tensor, log_probabilities: Tensor) -> Spans:
    probabilities = log_probabilities.exp().clamp(max=1.0).float()
    return Spans(*(field.numpy() for field in (starts, stops, labels, probabilities)))
