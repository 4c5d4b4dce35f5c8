"""The loss and its gradient in torch: categorical and positional (DESIGN.md 2.8).

Both gradients are known in closed form, so nothing is recorded for autograd.
"""

from dataclasses import dataclass
from typing import NamedTuple, Optional, Tuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .lattice import Lattice
from .tagging import Spans, covered

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


class Contradiction(ValueError):
    """What is known of a text can't all be so.

    text (int): Number of the text in its batch, from 0.
    """

    def __init__(self, text: int) -> None:
        super().__init__(f"No tag sequence of text {text} of the batch agrees with all that is known of it.")
        self.text = text


class Known(NamedTuple):
    """What is known of the words of a batch.

    tags (Tensor): (rows,) gold tags, `MISSING` where there is none.
    excluded (Optional[Tensor]): (rows, labels) bool, the labels that a word without a gold tag is known not
        to have; none if not given.
    wrong (Optional[Spans]): Spans that are known not to be entities of their label, whose rows are counted
        over the batch, at least one and each once.
    """

    tags: Tensor
    excluded: Optional[Tensor] = None
    wrong: Optional[Spans] = None

    def cpu(self) -> "Known":
        """RETURNS (Known): The same on the CPU."""
        return self._replace(
            tags=self.tags.cpu(), excluded=None if self.excluded is None else self.excluded.cpu()
        )

    @property
    def somehow(self) -> Tensor:
        """RETURNS (Tensor): (rows,) bool, whether anything is known of each."""
        somehow = self.tags != MISSING
        if self.excluded is not None:
            somehow |= self.excluded.any(1)
        if self.wrong is not None:
            somehow |= torch.from_numpy(covered(self.wrong, len(somehow)))
        return somehow

    def partly(self, lengths: Tensor) -> Tensor:
        """RETURNS (Tensor): (batch,) bool, whether more than one sequence of a text may agree."""
        open_rows = self.tags == MISSING
        if self.wrong is not None:
            open_rows |= torch.from_numpy(covered(self.wrong, len(open_rows)))
        texts = torch.repeat_interleave(lengths)
        return torch.bincount(texts[open_rows], minlength=len(lengths)) > 0

    def select(self, rows: Tensor) -> "Known":
        """RETURNS (Known): What is known of some of the texts, whose rows are (rows,) bool."""
        excluded = None if self.excluded is None else self.excluded[rows]
        if self.wrong is None:
            return Known(self.tags[rows], excluded)
        place = (rows.cumsum(0) - 1).numpy()
        starts, stops = place[self.wrong.starts], place[self.wrong.stops - 1] + 1
        return Known(self.tags[rows], excluded, self.wrong._replace(starts=starts, stops=stops))

    def allowed(self, n_tags: int) -> Tensor:
        """Say which tags the words may have.

        An entity that is known ends where it ends, so that no `I-` of its label follows.

        n_tags (int): Number of tags.
        RETURNS (Tensor): (rows, tags) bool.
        """
        missing = self.tags == MISSING
        allowed = F.one_hot(self.tags.clamp(min=0), n_tags).bool() | missing[:, None]
        if self.excluded is not None:
            allowed[:, 1:] &= ~(self.excluded & missing[:, None]).repeat_interleave(2, dim=1)
        behind = (missing[1:] & (self.tags[:-1] > 0)).nonzero().squeeze(1)
        allowed[behind + 1, 2 * ((self.tags[behind] + 1) // 2)] = False
        return allowed


def categorical_loss(
    scores: Tensor, known: Known, lengths: Tensor, tag_weights: Optional[Tensor] = None
) -> Tuple[Tensor, Tensor]:
    """Find how improbable what is known is among all legal sequences, per token of which something is known.

    That is the negative logarithm of the probability of all sequences that agree with it: of one, where each
    token has its gold tag.

    scores (Tensor): (rows, tags), the texts one after another.
    known (Known): What is known of the rows.
    lengths (Tensor): (batch,) tokens per text, each at least 1.
    tag_weights (Optional[Tensor]): (tags,) how heavily a token with this gold tag weighs: by this factor its
        other tags count for more. 1 if not given, and 0 takes the token out of the loss.
    RETURNS (Tuple[Tensor, Tensor]): The loss, a scalar that is 0 if nothing is known, and its gradient.
    RAISES (Contradiction): If no sequence of a text agrees with what is known of it.
    """
    device, rows = scores.device, scores.cpu()  # where the lattice is
    known, lengths = known.cpu(), lengths.cpu()
    n_known = int(known.somehow.sum())
    if not n_known:
        return scores.new_zeros(()), torch.zeros_like(scores)
    own = F.one_hot(known.tags.clamp(min=0), rows.shape[1])
    if tag_weights is not None:  # the softmax-margin of Gimpel and Smith (2010)
        raised = rows + tag_weights.cpu()[known.tags].log()[:, None]
        rows = torch.where((known.tags[:, None] == MISSING) | (own > 0), rows, raised)
    lattice = Lattice(rows, lengths)
    gradient = lattice.tag_probabilities()
    partly = known.partly(lengths)
    if not partly.any():
        log_probability, agreeing = lattice.log_likelihood(known.tags), own
    else:
        part = torch.repeat_interleave(partly, lengths)
        log_probability, agreeing = own.new_zeros((), dtype=torch.float64), own.double()
        if not partly.all():
            log_probability = lattice.select(~partly).log_likelihood(known.tags[~part])
        logs, agreeing[part] = _agreeing(
            lattice.select(partly), known.select(part), partly.nonzero().squeeze(1)
        )
        log_probability = log_probability + logs.sum()
    gradient = ((gradient - agreeing) / n_known).to(scores.dtype).to(device)
    return (-log_probability / n_known).to(scores.dtype).to(device), gradient


def _agreeing(lattice: Lattice, known: Known, places: Tensor) -> Tuple[Tensor, Tensor]:
    """Find how probable it is that a text is as far as known, and what its tags are if it is so.

    lattice (Lattice): The distribution over the sequences of texts.
    known (Known): What is known of their rows.
    places (Tensor): (texts,) their numbers in the batch.
    RETURNS (Tuple[Tensor, Tensor]): (texts,) logarithm, and (rows, tags) the probability of each tag then.
    """
    part = lattice.only(known.allowed(lattice.n_tags))
    without = None if known.wrong is None else part.log_weights_without(known.wrong)
    weights = part.log_weights() if without is None else without[0]
    for text in weights.isinf().nonzero().squeeze(1).tolist():
        raise Contradiction(int(places[text]))
    agreeing = part.tag_probabilities() if without is None else without[1]
    return weights - lattice.log_weights(), agreeing


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
    known: Known,
    targets: Tensor,
    lengths: Tensor,
    positional_weight: float,
    tag_weights: Optional[Tensor] = None,
) -> Tuple[TaggingLoss, Tensor, Tensor]:
    """Compare a batch with its gold annotation.

    scores (Tensor): (rows, tags) tag scores.
    logits (Tensor): (rows, 3) logits of inside, start and end.
    known (Known): What is known of the tags.
    targets (Tensor): (rows, 3) gold of inside, start and end, 0 or 1.
    lengths (Tensor): (batch,) tokens per text, each at least 1.
    positional_weight (float): The weight λ of the positional loss.
    tag_weights (Optional[Tensor]): (tags,) weights of the categorical loss, see there.
    RETURNS (Tuple[TaggingLoss, Tensor, Tensor]): The loss, and its gradient with respect to
        `scores` and `logits`.
    RAISES (Contradiction): If no sequence of a text agrees with what is known of it.
    """
    categorical, d_scores = categorical_loss(scores, known, lengths, tag_weights)
    positional, d_logits = positional_loss(logits, targets, (known.tags != MISSING).to(logits.device))
    loss = TaggingLoss(
        float(categorical), float(positional), float(categorical + positional_weight * positional)
    )
    return loss, d_scores, positional_weight * d_logits
