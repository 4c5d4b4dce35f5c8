"""The categorical and the positional loss."""

import copy
import math
from itertools import product
from typing import Sequence, Tuple

import pytest
import torch
from torch import Tensor

from posattn_spacy.losses import (
    MISSING,
    Known,
    TaggingLoss,
    categorical_loss,
    loss_and_gradient,
    positional_loss,
)
from posattn_spacy.tagging import TagScheme
from sequences import is_legal

N_ROWS, N_TAGS = 7, 5
TAGS = torch.tensor([0, 1, 2, MISSING, 0, 3, 1])
LENGTHS = torch.tensor([5, 2])


def batch() -> Tuple[Tensor, Tensor, Known, Tensor, Tensor]:
    """Random scores and logits in float64, gold tags of two texts with one missing, random targets."""
    scores = torch.randn(N_ROWS, N_TAGS, dtype=torch.float64)
    logits = torch.randn(N_ROWS, 3, dtype=torch.float64)
    return scores, logits, Known(TAGS), torch.randint(0, 2, (N_ROWS, 3)).double(), LENGTHS


def surprise(scores: Tensor, gold: Sequence[int]) -> float:
    """Negative log-likelihood of a text's tags, by going through all legal sequences."""
    weights = {
        path: math.exp(sum(float(row[tag]) for row, tag in zip(scores, path, strict=True)))
        for path in product(range(N_TAGS), repeat=len(scores))
        if is_legal(path, TagScheme(["a", "b"]))
    }
    return -math.log(weights[tuple(gold)] / sum(weights.values()))


def test_categorical_loss_is_the_surprise_of_the_gold_sequences_per_token():
    scores, *_ = batch()
    gold = torch.tensor([0, 1, 2, 2, 0, 3, 1])
    expected = (surprise(scores[:5], [0, 1, 2, 2, 0]) + surprise(scores[5:], [3, 1])) / 7
    assert categorical_loss(scores, Known(gold), LENGTHS)[0].item() == pytest.approx(expected)


def test_tag_weights_make_other_tags_count_for_more():
    scores, *_ = batch()
    weights = torch.tensor([1.0, 3.0, 0.5, 5.0, 1.0], dtype=torch.float64)
    gold = [0, 1, 2, 0, 0]
    raised = scores[:5].clone()
    for row, tag in zip(raised, gold, strict=True):
        row[torch.arange(N_TAGS) != tag] += weights[tag].log()
    loss, _ = categorical_loss(scores[:5], Known(torch.tensor(gold)), torch.tensor([5]), weights)
    assert loss.item() == pytest.approx(surprise(raised, gold) / 5)
    ones = torch.ones(N_TAGS, dtype=torch.float64)
    for weighted, plain in zip(
        categorical_loss(scores, Known(TAGS), LENGTHS, ones),
        categorical_loss(scores, Known(TAGS), LENGTHS),
        strict=True,
    ):
        torch.testing.assert_close(weighted, plain)


def test_a_tag_without_weight_is_not_learned():
    scores, *_ = batch()
    weights = torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0], dtype=torch.float64)
    _, gradient = categorical_loss(scores, Known(torch.tensor([0, 1, 2, 0, 0, 3, 1])), LENGTHS, weights)
    assert gradient.any(dim=1).tolist() == [True, False, False, True, True, True, False]


def test_positional_loss_sums_gate_start_and_end():
    logits = torch.tensor([[0.0, math.log(3.0), -math.log(3.0)]])
    expected = -math.log(1 / 2) - math.log(3 / 4) - math.log(1 / 4)
    loss, _ = positional_loss(logits, torch.tensor([[1.0, 1.0, 1.0]]), torch.tensor([True]))
    assert loss.item() == pytest.approx(expected)


def test_missing_rows_have_no_positional_loss():
    _, logits, gold, targets, _ = batch()
    known = gold.tags != MISSING
    whole, gradient = positional_loss(logits, targets, known)
    part, gradient_of_part = positional_loss(logits[known], targets[known], known[known])
    torch.testing.assert_close(whole, part)
    torch.testing.assert_close(gradient[known], gradient_of_part)
    assert not gradient[~known].any()


def test_all_rows_missing_gives_no_loss_and_no_gradient():
    scores, logits, _, targets, lengths = batch()
    missing = torch.full_like(TAGS, MISSING)
    loss, d_scores, d_logits = loss_and_gradient(scores, logits, Known(missing), targets, lengths, 1.0)
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
            moved = copy.deepcopy(list(inputs))
            moved[which].view(-1)[i] += sign * step
            totals.append(loss_and_gradient(*moved, 0.7)[0].total)
        numeric.view(-1)[i] = (totals[0] - totals[1]) / (2 * step)
    torch.testing.assert_close(gradient, numeric, rtol=1e-6, atol=1e-8)


def test_loss_leaves_its_inputs_alone():
    inputs = batch()
    before = copy.deepcopy(inputs)
    loss_and_gradient(*inputs, 1.0)
    torch.testing.assert_close(inputs, before, rtol=0, atol=0)
