"""The torch head: gate, [PAD] mask, positional attention."""

import math
from dataclasses import replace
from typing import List, Tuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from pipelines import fill_up
from posattn_spacy.attention import (
    MASK_MODES,
    AttentionBlock,
    HeadConfig,
    LayerMix,
    Layout,
    PositionalTagger,
    dropout,
    keep_mask,
)

CONFIG = HeadConfig(
    input_width=12,
    n_tags=5,
    hidden_width=8,
    n_heads=2,
    depth=2,
    max_distance=3,
    mask="soft",
    pad_ratio=0.6,
    mixed_precision=False,
)
LENGTHS = [7, 1, 4, 10]


def make_head(**changes: object) -> PositionalTagger:
    """A head in evaluation mode whose distance biases are not the zeros they start from."""
    head = PositionalTagger(replace(CONFIG, **changes)).eval()
    for block in head.blocks:
        nn.init.normal_(block.distance_bias)
    nn.init.normal_(head.pad_embedding)
    return head


def with_mask(head: PositionalTagger, **changes: object) -> PositionalTagger:
    """A head of the same weights and another mask."""
    other = PositionalTagger(replace(head.config, **changes)).eval()
    other.load_state_dict(head.state_dict())
    return other


def random_text(length: int) -> Tuple[Tensor, Tensor]:
    return torch.randn(length, CONFIG.input_width), torch.tensor([length])


def one_text_attention(head: PositionalTagger, length: int) -> Tuple[Tensor, Tensor, Layout]:
    """Token vectors (leaves), gate logits (leaves) and layout of one random text."""
    z = torch.randn(length, head.config.hidden_width, requires_grad=True)
    gate = torch.randn(length, requires_grad=True)
    return z, gate, Layout.from_lengths(torch.tensor([length]))


# Layout


@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.data())
def test_packing_keeps_the_rows_and_their_positions(lengths, data):
    keep: List[bool] = []
    for length in lengths:
        kept = data.draw(st.lists(st.booleans(), min_size=length, max_size=length))
        kept[data.draw(st.integers(0, length - 1))] = True
        keep += kept
    mask = torch.tensor(keep)
    layout = Layout.from_lengths(torch.tensor(lengths))
    packed = layout.pack(mask)
    positions = torch.cat([torch.arange(length) for length in lengths])
    texts = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    assert torch.equal(packed.positions.flatten()[packed.slots], positions[mask])
    assert torch.equal(packed.slots // packed.time, texts[mask])
    assert packed.time == max(int(mask[texts == text].sum()) for text in range(len(lengths)))


@given(st.lists(st.integers(1, 6), min_size=1, max_size=5))
def test_padding_and_unpadding_give_the_rows_back(lengths):
    rows = torch.arange(sum(lengths) * 2.0).view(-1, 2)
    layout = Layout.from_lengths(torch.tensor(lengths))
    grid = layout.pad(rows, filler=-1.0)
    assert grid.shape == (len(lengths), max(lengths), 2)
    assert torch.equal(layout.unpad(grid), rows)
    for text, length in enumerate(lengths):
        assert (grid[text, length:] == -1).all()


# Batches


@pytest.mark.parametrize("mask", MASK_MODES)
def test_a_text_scores_the_same_alone_and_in_a_batch(mask):
    head = make_head(mask=mask)
    features = torch.randn(sum(LENGTHS), CONFIG.input_width)
    together = head(features, torch.tensor(LENGTHS))
    alone = [head(rows, torch.tensor([len(rows)])) for rows in features.split(LENGTHS)]
    for output, parts in zip(together, zip(*alone, strict=True), strict=True):
        torch.testing.assert_close(output, torch.cat(parts), rtol=0, atol=1e-5)


# The choice of [PAD] tokens


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=4),
    st.integers(0, 99).map(lambda percent: percent / 100),
    st.integers(0, 2**32 - 1),
)
def test_keep_mask_keeps_the_highest_gates_of_each_text(lengths, ratio, seed):
    gate = torch.randn(sum(lengths), generator=torch.Generator().manual_seed(seed))
    keep = keep_mask(gate, Layout.from_lengths(torch.tensor(lengths)), ratio)
    for gates, kept in zip(gate.split(lengths), keep.split(lengths), strict=True):
        n = len(gates)
        assert int(kept.sum()) == n - math.floor(n * ratio)
        assert kept.any()
        if not kept.all():
            assert gates[kept].min() >= gates[~kept].max()


@pytest.mark.parametrize("ratio", [0.999999, 1 - 1e-9])
def test_keep_mask_keeps_a_token_at_any_ratio_below_one(ratio):
    keep = keep_mask(torch.randn(12), Layout.from_lengths(torch.tensor([1, 4, 7])), ratio)
    assert [int(kept.sum()) for kept in keep.split([1, 4, 7])] == [1, 1, 1]


def test_keep_mask_breaks_ties_from_the_left():
    keep = keep_mask(torch.zeros(4), Layout.from_lengths(torch.tensor([4])), 0.5)
    assert keep.tolist() == [False, False, True, True]


# What each mask does to the attention


def test_none_ignores_the_gate():
    head = make_head(mask="none")
    z, gate, layout = one_text_attention(head, 9)
    torch.testing.assert_close(head.attend(z, gate, layout), head.attend(z, gate + torch.randn(9), layout))


def test_soft_depends_on_the_gate():
    head = make_head(mask="soft")
    z, gate, layout = one_text_attention(head, 9)
    assert not torch.allclose(head.attend(z, gate, layout), head.attend(z, gate.flip(0), layout), atol=1e-3)


def test_soft_with_equal_gates_is_none():
    head = make_head(mask="soft")
    z, _, layout = one_text_attention(head, 9)
    expected = with_mask(head, mask="none").attend(z, torch.zeros(9), layout)
    torch.testing.assert_close(head.attend(z, torch.full((9,), -2.5), layout), expected)


def test_soft_with_a_closed_gate_is_the_text_without_that_key():
    head = make_head(mask="soft", depth=1)
    z, _, layout = one_text_attention(head, 6)
    gate = torch.full((6,), 50.0)
    gate[2] = -1e4
    keep = torch.arange(6) != 2
    alone = with_mask(head, mask="none").blocks[0](z[keep], torch.zeros(5), layout.pack(keep))
    torch.testing.assert_close(head.attend(z, gate, layout)[keep], alone)


@pytest.mark.parametrize("mask", ["pad", "hard"])
def test_without_pad_tokens_the_mask_is_none(mask):
    head = make_head(mask=mask, pad_ratio=0.0)
    z, gate, layout = one_text_attention(head, 9)
    expected = with_mask(head, mask="none").attend(z, gate, layout)
    torch.testing.assert_close(head.attend(z, gate, layout), expected)


@pytest.mark.parametrize("mask", ["pad", "hard"])
def test_pad_tokens_get_no_gradient_through_the_attention(mask):
    head = make_head(mask=mask)
    z, gate, layout = one_text_attention(head, 9)
    keep = keep_mask(gate, layout, CONFIG.pad_ratio)
    assert 0 < int(keep.sum()) < 9
    (head.attend(z, gate, layout)[keep] * torch.randn(int(keep.sum()), CONFIG.hidden_width)).sum().backward()
    assert z.grad is not None
    assert gate.grad is not None
    assert torch.equal(z.grad[~keep], torch.zeros_like(z.grad[~keep]))
    assert torch.equal(gate.grad[~keep], torch.zeros_like(gate.grad[~keep]))
    assert (z.grad[keep].abs().sum(1) > 0).all()
    assert (gate.grad[keep] != 0).all()  # straight through


@pytest.mark.parametrize("mask", ["pad", "hard"])
def test_pad_tokens_cannot_change_the_other_tokens(mask):
    head = make_head(mask=mask)
    z, gate, layout = one_text_attention(head, 9)
    keep = keep_mask(gate, layout, CONFIG.pad_ratio)
    changed = torch.where(keep[:, None], z, torch.randn_like(z))
    before, after = (head.attend(x, gate, layout) for x in (z, changed))
    assert torch.equal(before[keep], after[keep])
    if mask == "pad":  # replaced, so that not even its own score depends on the token
        assert torch.equal(before[~keep], after[~keep])


def test_pad_takes_the_encoders_pad_embedding():
    head = make_head(mask="pad")
    z, gate, layout = one_text_attention(head, 9)
    keep = keep_mask(gate, layout, CONFIG.pad_ratio)
    before = head.attend(z, gate, layout)
    nn.init.normal_(head.pad_embedding)
    after = head.attend(z, gate, layout)
    assert torch.equal(before[keep], after[keep])
    assert (before[~keep] - after[~keep]).abs().sum(1).min() > 1e-3


def test_hard_scores_pad_tokens_from_their_own_vector():
    head = make_head(mask="hard")
    z, gate, layout = one_text_attention(head, 9)
    keep = keep_mask(gate, layout, CONFIG.pad_ratio)
    assert torch.equal(head.attend(z, gate, layout)[~keep], z[~keep])


def test_hard_equals_the_blocks_on_the_kept_tokens_alone():
    head = make_head(mask="hard")
    z, gate, layout = one_text_attention(head, 9)
    keep = keep_mask(gate, layout, CONFIG.pad_ratio)
    kept = keep.nonzero().squeeze(1)
    alone = Layout(1, len(kept), torch.arange(len(kept)), kept[None])  # original positions
    h = z[keep]
    for block in head.blocks:
        h = block(h, torch.zeros(len(kept)), alone)
    torch.testing.assert_close(head.attend(z, gate, layout)[keep], h)


def test_hard_equals_masking_the_keys_of_the_whole_text():
    head = make_head(mask="hard")
    z, gate, layout = one_text_attention(head, 9)
    keep = keep_mask(gate, layout, CONFIG.pad_ratio)
    h = z
    for block in head.blocks:
        h = block(h, torch.zeros(9).masked_fill(~keep, -math.inf), layout)
    torch.testing.assert_close(head.attend(z, gate, layout)[keep], h[keep])


@pytest.mark.parametrize("mask", ["soft", "pad", "hard"])
def test_the_gate_layer_learns_through_the_attention(mask):
    head = make_head(mask=mask)
    tags, _ = head(*random_text(9))
    (tags * torch.randn_like(tags)).sum().backward()
    assert head.gate.weight.grad is not None
    assert head.gate.weight.grad.abs().sum() > 0


def test_the_gate_layer_of_none_learns_from_the_positional_loss_only():
    head = make_head(mask="none")
    tags, positions = head(*random_text(9))
    tags.sum().backward(retain_graph=True)
    assert head.gate.weight.grad is None or not head.gate.weight.grad.any()
    positions[:, 0].sum().backward()
    assert head.gate.weight.grad is not None
    assert head.gate.weight.grad.any()


# Positions


def test_a_block_adds_to_what_comes_in():
    block = AttentionBlock(8, 2, 3).eval()
    for layer in (block.output, block.feed_forward[-1]):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    x, layout = torch.randn(6, 8), Layout.from_lengths(torch.tensor([6]))
    once = nn.functional.layer_norm(x, (8,))
    torch.testing.assert_close(block(x, torch.zeros(6), layout), nn.functional.layer_norm(once, (8,)))


def test_attention_depends_on_order():
    block = AttentionBlock(8, 2, 3).eval()
    nn.init.normal_(block.distance_bias)
    x, layout = torch.randn(6, 8), Layout.from_lengths(torch.tensor([6]))
    forwards = block(x, torch.zeros(6), layout)
    backwards = block(x.flip(0), torch.zeros(6), layout).flip(0)
    assert not torch.allclose(forwards, backwards, atol=1e-3)


def test_heads_begin_by_looking_at_one_neighbour_each():
    bias = AttentionBlock(10, n_heads=5, max_distance=2).distance_bias
    heads, columns = bias.nonzero(as_tuple=True)
    assert heads.tolist() == [0, 1, 2, 3, 4]
    assert (columns - 2).tolist() == [-1, 1, -2, 2, -2]  # clipped, like all distances


def test_untrained_attention_sees_the_token_before_in_its_first_head():
    block = AttentionBlock(8, n_heads=1, max_distance=3).eval()
    nn.init.zeros_(block.query_key_value.weight[:16])
    x, layout = torch.randn(4, 8), Layout.from_lengths(torch.tensor([4]))
    effects = []
    for i in range(4):
        changed = x.clone()
        changed[i] = torch.randn(8)
        effects.append((block(x, torch.zeros(4), layout) - block(changed, torch.zeros(4), layout))[3].norm())
    assert effects[2] > max(effects[0], effects[1])


def test_attention_depends_on_distances_only():
    block = AttentionBlock(8, 2, 3).eval()
    nn.init.normal_(block.distance_bias)
    x, layout = torch.randn(6, 8), Layout.from_lengths(torch.tensor([6]))
    moved = layout._replace(positions=layout.positions + 17)
    torch.testing.assert_close(block(x, torch.zeros(6), layout), block(x, torch.zeros(6), moved))


def test_distances_are_clipped():
    block = AttentionBlock(8, 2, max_distance=3).eval()
    nn.init.normal_(block.distance_bias)
    x, layout = torch.randn(2, 8), Layout.from_lengths(torch.tensor([2]))
    far, near, next_to = (
        block(x, torch.zeros(2), layout._replace(positions=torch.tensor([[0, distance]])))
        for distance in (9, 3, 1)
    )
    assert torch.equal(far, near)
    assert not torch.allclose(near, next_to, atol=1e-3)


def test_a_distance_to_the_left_is_not_one_to_the_right():
    block = AttentionBlock(8, 2, max_distance=3).eval()
    with torch.no_grad():
        block.distance_bias[:, 3 + 1] = 100.0  # every token attends to its right neighbour alone
    x, layout = torch.randn(4, 8), Layout.from_lengths(torch.tensor([4]))
    changed = x.clone()
    changed[2] = torch.randn(8)
    difference = (block(x, torch.zeros(4), layout) - block(changed, torch.zeros(4), layout)).abs().sum(1)
    assert difference[1] > 1e-3
    assert difference[0] == 0
    assert difference[3] > 0  # the last token has no right neighbour, and attends to all


# The whole head


def test_outputs_have_one_row_per_token():
    tags, positions = make_head()(torch.randn(sum(LENGTHS), CONFIG.input_width), torch.tensor(LENGTHS))
    assert tags.shape == (sum(LENGTHS), CONFIG.n_tags)
    assert positions.shape == (sum(LENGTHS), 3)


def test_the_first_positional_logit_is_the_gate():
    head = make_head()
    features, lengths = random_text(5)
    gate = head.gate(head.project(features)).squeeze(1)
    torch.testing.assert_close(head(features, lengths)[1][:, 0], gate)


@pytest.mark.parametrize("mask", MASK_MODES)
def test_gradient_of_the_head_equals_finite_differences(mask):
    head = make_head(mask=mask, depth=1).double()
    features = torch.randn(7, CONFIG.input_width, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([4, 3])
    z = head.project(features).detach().requires_grad_()
    gate = torch.randn(7, dtype=torch.float64)  # fixed: the choice of [PAD] tokens is no smooth function

    def attend(x: Tensor) -> Tensor:
        return head.attend(x, gate, Layout.from_lengths(lengths))

    assert torch.autograd.gradcheck(attend, (z,))
    if mask in ("soft", "none"):
        assert torch.autograd.gradcheck(lambda x: head(x, lengths), (features,))


def test_dropout_takes_the_given_rate_everywhere(monkeypatch: pytest.MonkeyPatch):
    rates: List[float] = []
    monkeypatch.setattr("posattn_spacy.attention.dropout", lambda x, rate: rates.append(rate) or x)
    make_head()(*random_text(6), drop=0.37)
    assert rates == [0.37] * 6  # layer mix, two for each of two blocks, tag head


@pytest.mark.parametrize("training", [True, False])
def test_the_rate_alone_decides_about_dropout_and_not_the_mode_of_the_module(training: bool):
    head = make_head()
    features, lengths = random_text(6)
    expected = head(features, lengths)
    head.train(training)
    for output, reference in zip(head(features, lengths), expected, strict=True):
        assert torch.equal(output, reference)
    assert not torch.equal(head(features, lengths, drop=0.5)[0], expected[0])


@pytest.mark.parametrize("rate", [0.0, 0.25, 0.3, 0.5])
def test_dropout_drops_its_share_and_keeps_the_mean(rate: float) -> None:
    x = torch.full((301, 1003), 2.0, requires_grad=True)
    y = dropout(x, rate)
    assert (y == 0).float().mean().item() == pytest.approx(rate, abs=0.005)
    assert y.mean().item() == pytest.approx(2, abs=0.02)
    assert len(y.detach().unique()) == (2 if rate else 1)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach() / 2)
    for dim in (0, 1):  # neither rows nor columns share their fate
        assert (y == 0).float().mean(dim).std() < 0.05
    assert dropout(x, 0.0) is x


def test_layer_mix_is_a_product_with_the_normalised_layers():
    mix = LayerMix(12, 5)
    x = torch.randn(7, 12) * 3 + 2
    normalised = (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True, correction=0)
    expected = normalised @ mix.matrices.weight.T + mix.matrices.bias
    torch.testing.assert_close(mix(x), expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(mix(torch.zeros(1, 12))[0], mix.matrices.bias)


def test_dropout_in_the_layer_mix_takes_the_same_features_from_all_tokens():
    mix = LayerMix(300, 5)
    x = torch.randn(7, 300)
    y = mix(x, 0.5)
    assert not torch.equal(mix(x, 0.5), y)
    (gradient,) = torch.autograd.grad(mix(x, 0.5).sum(), mix.matrices.weight)
    dropped = (gradient == 0).all(0)
    assert 100 < dropped.sum() < 200
    assert (gradient[:, ~dropped] != 0).all()


@pytest.mark.parametrize("mask", MASK_MODES)
def test_rows_that_fill_a_batch_up_change_nothing(monkeypatch: pytest.MonkeyPatch, mask: str) -> None:
    head, lengths = make_head(mask=mask), torch.tensor(LENGTHS)
    features, weights = torch.randn(sum(LENGTHS), CONFIG.input_width), torch.randn(sum(LENGTHS), 8)

    def learned() -> List[Tensor]:
        head.zero_grad()
        outputs = head(features, lengths)
        (torch.cat(outputs, dim=1) * weights).sum().backward()
        return [*outputs, *(parameter.grad for parameter in head.parameters() if parameter.grad is not None)]

    expected = learned()
    fill_up(monkeypatch, 16)
    torch.testing.assert_close(learned(), expected)
