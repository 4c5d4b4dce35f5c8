"""Sequences in which some spans are no entities; no spaCy, no thinc (DESIGN.md 2.8)."""

import math
from typing import Tuple

import numpy as np
import torch
from torch import Tensor

from .tagging import Spans

IMPOSSIBLE = -1e30  # a log-weight that stands for none, since -inf has no gradient


def weights_without(scores: Tensor, lengths: Tensor, wrong: Spans) -> Tuple[Tensor, Tensor]:
    """Add up the weights of all legal sequences in which some spans are no entities.

    Such a span may still be part of an entity, have one within it, or be one of another label. So where it
    ends, an entity of its label may go on as it likes, but only end if it began elsewhere. It goes row by
    row, which is for few texts.

    scores (Tensor): (rows, tags) float64, the texts one after another; -inf forbids a tag.
    lengths (Tensor): (batch,) rows per text, each at least 1.
    wrong (Spans): The spans, whose rows are counted over the batch.
    RETURNS (Tuple[Tensor, Tensor]): (batch,) logarithm of the sums, -inf where there is no sequence, and its
        gradient with respect to the scores, (rows, tags): how probable each tag is in those sequences.
    """
    rows = scores.clamp(min=IMPOSSIBLE).requires_grad_()
    with torch.enable_grad():
        weights = _log_weights(rows, lengths, wrong)
        (gradient,) = torch.autograd.grad(weights.sum(), rows)
    weights = weights.detach()
    return weights.masked_fill(weights < IMPOSSIBLE / 2, -math.inf), gradient


def _log_weights(scores: Tensor, lengths: Tensor, wrong: Spans) -> Tensor:
    """(batch,) log-weights, with their graph."""
    first, n_labels = lengths.cumsum(0) - lengths, scores.shape[1] // 2
    ends, group = np.unique(wrong.stops * n_labels + wrong.labels, return_inverse=True)
    last, label = torch.from_numpy(ends // n_labels - 1), torch.from_numpy(ends % n_labels)
    text = torch.searchsorted(first, last, right=True) - 1  # (ends,) of spans that end together
    starts = torch.from_numpy(wrong.starts)
    begun = torch.zeros(len(ends), int(lengths.max()), dtype=torch.bool)  # where spans of each end begin
    begun[torch.from_numpy(group), starts - first[text[group]]] = True
    before = scores.new_zeros(len(lengths))
    entity = scores.new_full((len(lengths), n_labels), IMPOSSIBLE)
    others = scores.new_full((len(ends),), IMPOSSIBLE)  # entities that began elsewhere
    for place in range(begun.shape[1]):
        there = place < lengths
        row = scores[torch.where(there, first + place, first)]
        begin, inside = row[:, 1::2] + before[:, None], row[:, 2::2]
        entity = torch.logaddexp(begin, inside + entity)
        elsewhere = begin[text, label].masked_fill(begun[:, place], IMPOSSIBLE)
        others = torch.logaddexp(elsewhere, inside[text, label] + others)
        here = (last - first[text] == place).nonzero().squeeze(1)
        ending = entity.index_put((text[here], label[here]), others[here])
        upto = torch.cat([row[:, :1] + before[:, None], ending], dim=1).logsumexp(1)
        before = torch.where(there, upto, before)
    return before
