"""What a component learns from: the losses of its looks and their gradients (DESIGN.md 2.8 and 2.10)."""

import math
from typing import NamedTuple, Optional, Tuple, cast

import torch
from spacy.errors import Errors
from thinc.api import torch2xp, xp2torch
from thinc.types import Floats2d

from .decoding import filled_lengths
from .gold import GoldBatch
from .head import TokenScores
from .losses import Known, TaggingLoss, loss_and_gradient


class Objective(NamedTuple):
    """The losses of a batch.

    loss (TaggingLoss): That of the head that reads all features.
    first (Optional[TaggingLoss]): That of the first look, if there is one.
    gradient (TokenScores): The gradient of their sum.
    """

    loss: TaggingLoss
    first: Optional[TaggingLoss]
    gradient: TokenScores


def objective(
    scores: TokenScores,
    gold: GoldBatch,
    name: str,
    positional_weight: float,
    tag_weights: Optional[torch.Tensor] = None,
) -> Objective:
    """Compare what the looks say of a batch with its gold annotation.

    scores (TokenScores): What they say.
    gold (GoldBatch): The annotation.
    name (str): The component's name, for errors.
    positional_weight (float): Weight λ of the positional loss.
    tag_weights (Optional[Tensor]): (tags,) weights of the categorical loss; all 1 if not given.
    RETURNS (Objective): The losses.
    RAISES (ValueError): If a score or a loss is not finite.
    RAISES (Contradiction): If what is known of a document can't all be so.
    """
    loss, gradient = _of_one(scores, gold, name, positional_weight, tag_weights)
    if scores.first is None:
        return Objective(loss, None, gradient)
    first, of_first = _of_one(scores.first, gold, name, positional_weight, tag_weights)
    return Objective(loss, first, gradient._replace(first=of_first))


def known_of(gold: GoldBatch) -> Known:
    """RETURNS (Known): What gold annotation says of tags."""
    excluded = None if gold.excluded is None else torch.from_numpy(gold.excluded)
    return Known(torch.from_numpy(gold.tags), excluded, gold.wrong)


def _of_one(
    scores: TokenScores,
    gold: GoldBatch,
    name: str,
    positional_weight: float,
    tag_weights: Optional[torch.Tensor],
) -> Tuple[TaggingLoss, TokenScores]:
    """Loss and gradient of one look."""
    tags, logits = xp2torch(scores.tags), xp2torch(scores.positions)
    if not torch.isfinite(tags).all():
        raise ValueError(Errors.E940)
    device = tags.device
    loss, d_tags, d_logits = loss_and_gradient(
        tags,
        logits,
        known_of(gold),
        torch.from_numpy(gold.positions).to(device),
        filled_lengths(scores),
        positional_weight,
        None if tag_weights is None else tag_weights.to(device),
    )
    if not math.isfinite(loss.total):
        raise ValueError(Errors.E910.format(name=name))
    gradient = scores._replace(
        tags=cast(Floats2d, torch2xp(d_tags)), positions=cast(Floats2d, torch2xp(d_logits))
    )
    return loss, gradient
