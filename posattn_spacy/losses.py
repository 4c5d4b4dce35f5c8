"""The loss in torch: categorical and positional (DESIGN.md 2.8)."""

from dataclasses import dataclass
from typing import Tuple

import torch
from torch import Tensor
from torch.nn import functional as F

MISSING = -1


@dataclass(frozen=True)
class TaggingLoss:
    """The two parts of the loss, each the mean over the tokens that have a gold tag.

    categorical (float): Cross-entropy of the tag scores, in nats per token.
    positional (float): Binary cross-entropy of the gate and of the two edges, summed over the
        three, in nats per token; not yet weighted.
    total (float): `categorical + weight · positional`.
    """

    categorical: float
    positional: float
    total: float


def categorical_loss(scores: Tensor, tags: Tensor) -> Tensor:
    """Mean cross-entropy over the tokens with a gold tag.

    scores (Tensor): (rows, tags).
    tags (Tensor): (rows,) gold tag of each row, `MISSING` where there is none.
    RETURNS (Tensor): Scalar, 0 if no row has a gold tag.
    """
    total = F.cross_entropy(scores, tags, ignore_index=MISSING, reduction="sum")
    return total / (tags != MISSING).sum().clamp(min=1)


def positional_loss(logits: Tensor, targets: Tensor, known: Tensor) -> Tensor:
    """Mean over the known tokens of the binary cross-entropy of gate, start and end.

    logits (Tensor): (rows, 3) logits of inside, start and end.
    targets (Tensor): (rows, 3), 0 or 1.
    known (Tensor): (rows,) bool, False where the gold tag is missing.
    RETURNS (Tensor): Scalar, 0 if no row is known.
    """
    per_row = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(1)
    return torch.where(known, per_row, 0.0).sum() / known.sum().clamp(min=1)


def loss_and_gradient(
    scores: Tensor, logits: Tensor, tags: Tensor, targets: Tensor, positional_weight: float
) -> Tuple[TaggingLoss, Tensor, Tensor]:
    """Compare a batch with its gold annotation.

    scores (Tensor): (rows, tags) tag scores.
    logits (Tensor): (rows, 3) logits of inside, start and end.
    tags (Tensor): (rows,) gold tags, `MISSING` where there is none.
    targets (Tensor): (rows, 3) gold of inside, start and end, 0 or 1.
    positional_weight (float): The weight λ of the positional loss.
    RETURNS (Tuple[TaggingLoss, Tensor, Tensor]): The loss, and its gradient with respect to
        `scores` and `logits`.
    """
    scores, logits = scores.detach().requires_grad_(), logits.detach().requires_grad_()
    with torch.enable_grad():
        categorical = categorical_loss(scores, tags)
        positional = positional_loss(logits, targets, tags != MISSING)
        total = categorical + positional_weight * positional
    d_scores, d_logits = torch.autograd.grad(total, (scores, logits))
    loss = TaggingLoss(*(float(part.detach()) for part in (categorical, positional, total)))
    return loss, d_scores, d_logits
