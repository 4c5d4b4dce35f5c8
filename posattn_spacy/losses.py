"""The loss and its gradient in torch: categorical and positional (DESIGN.md 2.8).

Both gradients are known in closed form, so nothing is recorded for autograd.
"""

from dataclasses import dataclass
from typing import Optional, Tuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .lattice import Lattice

MISSING = -1


@dataclass(frozen=True)
class TaggingLoss:
    """The two parts of the loss, each the mean over the tokens that have a gold tag.

    categorical (float): Negative log-likelihood of the gold sequences, in nats per token.
    positional (float): Binary cross-entropy of the gate and of the two edges, summed over the
        three, in nats per token; not yet weighted.
    total (float): `categorical + weight · positional`.
    """

    categorical: float
    positional: float
    total: float


def categorical_loss(
    scores: Tensor, tags: Tensor, lengths: Tensor, tag_weights: Optional[Tensor] = None
) -> Tuple[Tensor, Tensor]:
    """Find how improbable the gold sequences are among all legal ones, per token with a gold tag.

    Tokens without a gold tag cut a text in two. An entity whose first token has none is left out as well.

    scores (Tensor): (rows, tags), the texts one after another.
    tags (Tensor): (rows,) gold tags, `MISSING` where there is none.
    lengths (Tensor): (batch,) tokens per text, each at least 1.
    tag_weights (Optional[Tensor]): (tags,) how heavily a token with this gold tag weighs: by this factor its
        other tags count for more. 1 if not given, and 0 takes the token out of the loss.
    RETURNS (Tuple[Tensor, Tensor]): The loss, a scalar that is 0 if no row has a gold tag, and its gradient.
    """
    device = scores.device
    scores, tags, lengths = scores.cpu(), tags.cpu(), lengths.cpu()  # where the lattice is
    gradient = torch.zeros_like(scores)
    known = _known(tags)
    n_known = int(known.sum())
    if not n_known:
        return scores.new_zeros(()).to(device), gradient.to(device)
    gold = tags[known]
    own = F.one_hot(gold, scores.shape[1])
    rows = scores[known]
    if tag_weights is not None:  # the softmax-margin of Gimpel and Smith (2010)
        rows = torch.where(own > 0, rows, rows + tag_weights.cpu()[gold].log()[:, None])
    lattice = Lattice(rows, _lengths_between(known, lengths))
    gradient[known] = ((lattice.tag_probabilities() - own) / n_known).to(gradient.dtype)
    return (-lattice.log_likelihood(gold) / n_known).to(scores.dtype).to(device), gradient.to(device)


def _known(tags: Tensor) -> Tensor:
    """(rows,) bool: rows with a gold tag, but not the rest of an entity whose beginning is missing."""
    inside = (tags > 0) & (tags % 2 == 0)
    rows = torch.arange(len(tags), device=tags.device)
    head = torch.where(inside, 0, rows).cummax(0).values  # the last row that is no I-
    return (tags != MISSING) & (tags[head] != MISSING)


def _lengths_between(known: Tensor, lengths: Tensor) -> Tensor:
    """Lengths of the runs of known rows, none of which goes beyond its text."""
    starts = torch.zeros_like(known)
    starts[lengths.cumsum(0) - lengths] = True
    starts[1:] |= ~known[:-1]
    counts = torch.bincount(starts.cumsum(0)[known])
    return counts[counts > 0]


def positional_loss(logits: Tensor, targets: Tensor, known: Tensor) -> Tuple[Tensor, Tensor]:
    """Mean over the known tokens of the binary cross-entropy of gate, start and end.

    logits (Tensor): (rows, 3) logits of inside, start and end.
    targets (Tensor): (rows, 3), 0 or 1.
    known (Tensor): (rows,) bool, False where the gold tag is missing.
    RETURNS (Tuple[Tensor, Tensor]): The loss, a scalar that is 0 if no row is known, and its gradient.
    """
    share = known / known.sum().clamp(min=1)
    per_row = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(1)
    loss = torch.where(known, per_row * share, 0.0).sum()
    return loss, (logits.sigmoid() - targets) * share[:, None]


def loss_and_gradient(
    scores: Tensor,
    logits: Tensor,
    tags: Tensor,
    targets: Tensor,
    lengths: Tensor,
    positional_weight: float,
    tag_weights: Optional[Tensor] = None,
) -> Tuple[TaggingLoss, Tensor, Tensor]:
    """Compare a batch with its gold annotation.

    scores (Tensor): (rows, tags) tag scores.
    logits (Tensor): (rows, 3) logits of inside, start and end.
    tags (Tensor): (rows,) gold tags, `MISSING` where there is none.
    targets (Tensor): (rows, 3) gold of inside, start and end, 0 or 1.
    lengths (Tensor): (batch,) tokens per text, each at least 1.
    positional_weight (float): The weight λ of the positional loss.
    tag_weights (Optional[Tensor]): (tags,) weights of the categorical loss, see there.
    RETURNS (Tuple[TaggingLoss, Tensor, Tensor]): The loss, and its gradient with respect to
        `scores` and `logits`.
    """
    categorical, d_scores = categorical_loss(scores, tags, lengths, tag_weights)
    positional, d_logits = positional_loss(logits, targets, tags != MISSING)
    loss = TaggingLoss(
        float(categorical), float(positional), float(categorical + positional_weight * positional)
    )
    return loss, d_scores, positional_weight * d_logits
