"""The categorical and the positional loss."""

import math
from typing import Tuple

import pytest
import torch
from torch import Tensor

from posattn_spacy.losses import (
    MISSING,
    TaggingLoss,
    categorical_loss,
    loss_and_gradient,
    positional_loss,
)

N_ROWS, N_TAGS = 6, 5


def batch() -> Tuple[Tensor, Tensor, Tensor, Tensor]:
    """Random scores and logits in float64, gold tags with two rows missing, random targets."""
    scores = torch.randn(N_ROWS, N_TAGS, dtype=torch.float64)
    logits = torch.randn(N_ROWS, 3, dtype=torch.float64)
    tags = torch.tensor([0, 1, MISSING, 2, MISSING, 4])
    return scores, logits, tags, torch.randint(0, 2, (N_ROWS, 3)).double()


def test_categorical_loss_is_the_mean_surprise_of_the_gold_tags():
    scores = torch.tensor([[0.0, math.log(3.0)], [0.0, 0.0]])
    expected = (-math.log(3 / 4) - math.log(1 / 2)) / 2
    assert categorical_loss(scores, torch.tensor([1, 0])).item() == pytest.approx(expected)


def test_positional_loss_sums_gate_start_and_end():
    logits = torch.tensor([[0.0, math.log(3.0), -math.log(3.0)]])
    expected = -math.log(1 / 2) - math.log(3 / 4) - math.log(1 / 4)
    loss = positional_loss(logits, torch.tensor([[1.0, 1.0, 1.0]]), torch.tensor([True]))
    assert loss.item() == pytest.approx(expected)


def test_missing_rows_count_neither_above_nor_below_the_line():
    scores, logits, tags, targets = batch()
    known = tags != MISSING
    whole, d_scores, d_logits = loss_and_gradient(scores, logits, tags, targets, 0.3)
    part, d_scores_part, d_logits_part = loss_and_gradient(
        scores[known], logits[known], tags[known], targets[known], 0.3
    )
    assert whole.total == pytest.approx(part.total)
    assert whole.categorical == pytest.approx(part.categorical)
    assert whole.positional == pytest.approx(part.positional)
    assert torch.equal(d_scores[~known], torch.zeros(2, N_TAGS, dtype=torch.float64))
    assert torch.equal(d_logits[~known], torch.zeros(2, 3, dtype=torch.float64))
    torch.testing.assert_close(d_scores[known], d_scores_part)
    torch.testing.assert_close(d_logits[known], d_logits_part)


def test_all_rows_missing_gives_no_loss_and_no_gradient():
    scores, logits, tags, targets = batch()
    loss, d_scores, d_logits = loss_and_gradient(scores, logits, torch.full_like(tags, MISSING), targets, 1.0)
    assert loss == TaggingLoss(0.0, 0.0, 0.0)
    assert not d_scores.any()
    assert not d_logits.any()


@pytest.mark.parametrize("weight", [0.0, 0.3, 2.0])
def test_total_weighs_the_positional_part_only(weight):
    loss, _, _ = loss_and_gradient(*batch(), weight)
    assert loss.positional > 0
    assert loss.total == pytest.approx(loss.categorical + weight * loss.positional)


@pytest.mark.parametrize("which", [0, 1])
def test_gradient_equals_finite_differences(which):
    inputs = batch()
    step = 1e-6
    gradient = loss_and_gradient(*inputs, 0.7)[1 + which]
    numeric = torch.zeros_like(gradient)
    for i in range(gradient.numel()):
        totals = []
        for sign in (1, -1):
            moved = [tensor.clone() for tensor in inputs]
            moved[which].view(-1)[i] += sign * step
            totals.append(loss_and_gradient(*moved, 0.7)[0].total)
        numeric.view(-1)[i] = (totals[0] - totals[1]) / (2 * step)
    torch.testing.assert_close(gradient, numeric, rtol=1e-6, atol=1e-8)


def test_loss_leaves_its_inputs_alone():
    scores, logits, tags, targets = batch()
    loss_and_gradient(scores, logits, tags, targets, 1.0)
    assert not scores.requires_grad
    assert not logits.requires_grad
