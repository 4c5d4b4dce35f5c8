"""The trained head in torch: layer mix, gate, `[PAD]` mask and positional attention (DESIGN.md 2).

Token vectors of a batch travel *flat*: one row per token, the texts of the batch one after another, so
that no matrix product is spent on padding. Only the attention itself lays them out as (batch, time).
"""

import math
from dataclasses import dataclass, replace
from typing import Literal, Optional, Tuple, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layout import Layout
from .precision import filled, precision, product_type

MaskMode = Literal["soft", "pad", "hard", "none"]
MASK_MODES: Tuple[str, ...] = get_args(MaskMode)
ABSENT = 6.0  # by which the logits of tags that are new to a head are below that of `O`
NEIGHBOUR_BIAS = 4.0  # of a head's own neighbour among the attention logits, at first


@dataclass(frozen=True)
class HeadConfig:
    """The shape of a `PositionalTagger`; everything needed to build it anew.

    input_width (int): Width of a token's features, all kept encoder layers side by side.
    n_tags (int): Number of tag scores per token.
    hidden_width (int): Width inside the head.
    n_heads (int): Attention heads; divides the hidden width.
    depth (int): Number of attention blocks.
    max_distance (int): Relative positions are clipped at this distance, in tokens.
    mask (str): What keeps tokens from being attended to: one of `MASK_MODES`.
    pad_ratio (float): Share of a text's tokens that `pad` and `hard` turn into `[PAD]`.
    lexical_width (int): Width of what the lexical channel says of a token; 0 without one.
    mixed_precision (bool): Whether to run in bfloat16 on hardware that is faster at it.
    """

    input_width: int
    n_tags: int
    hidden_width: int
    n_heads: int
    depth: int
    max_distance: int
    mask: MaskMode
    pad_ratio: float
    lexical_width: int = 0
    mixed_precision: bool = False


def keep_mask(gate: Tensor, layout: Layout, pad_ratio: float) -> Tensor:
    """Choose the tokens that do *not* become `[PAD]`: those with the highest gate (DESIGN.md 2.5).

    gate (Tensor): (rows,) gate logits.
    layout (Layout): The texts the rows belong to.
    pad_ratio (float): Share of each text's tokens that becomes `[PAD]`, rounded down, never all.
    RETURNS (Tensor): (rows,) bool.
    """
    lengths = torch.bincount(layout.slots // layout.time, minlength=layout.batch)
    shares = lengths.cpu().double() * pad_ratio  # not all GPUs have double precision
    n_pad = torch.minimum(shares.long().to(lengths.device), lengths - 1)
    order = layout.pad(gate.detach(), filler=math.inf).argsort(dim=1, stable=True)
    ranks = torch.empty_like(order).scatter_(
        1, order, torch.arange(layout.time, device=gate.device).expand_as(order)
    )
    return layout.unpad(ranks >= n_pad[:, None])


def dropout(x: Tensor, rate: float) -> Tensor:
    """Set each element to 0 with probability `rate`, and scale the others so that the mean stays.

    The rate is rounded to a 256th, so that one random number serves for eight elements: drawing them
    otherwise takes longer on a CPU than what is done with them. It is an argument everywhere, and no state of
    a module, so that a prediction in another thread knows nothing of a training.

    x (Tensor): Any shape.
    rate (float): From 0, which draws nothing, to below 1.
    RETURNS (Tensor): The same shape.
    """
    dropped = round(256 * rate)
    if not dropped:
        return x
    words = torch.empty(x.numel() // 8 + 1, dtype=torch.int64, device=x.device).random_(-(2**63), None)
    random_bytes = words.view(torch.uint8)[: x.numel()].view(x.shape)
    return x * (random_bytes >= dropped).to(x.dtype).mul_(256 / (256 - dropped))


class LayerMix(nn.Module):
    """A learned mix of encoder layers with one matrix per layer, `Σ W_l · x_l` (DESIGN.md 2.1).

    The layers come side by side, so the sum is one matrix product. They are normalised together. Dropout
    takes the same features from all tokens of a batch, which on the matrix costs next to nothing.
    """

    def __init__(self, input_width: int, width: int) -> None:
        super().__init__()
        self.matrices = nn.Linear(input_width, width)

    def forward(self, features: Tensor, drop: float = 0.0) -> Tensor:
        """(rows, layers · encoder width) → (rows, width)."""
        if features.dtype == torch.float16:  # as stored; to bfloat16 at once takes a CPU twice as long
            features = features.float()
        features = features.to(product_type(self.matrices.weight))
        weight = self.matrices.weight
        weight = weight * dropout(torch.ones_like(weight[:1]), drop)
        return F.linear(F.layer_norm(features, features.shape[1:]), weight, self.matrices.bias)


def neighbour_bias(n_heads: int, max_distance: int) -> Tensor:
    """Make the bias of relative positions with which training begins: each head looks at one neighbour.

    n_heads (int): Attention heads, for the token before, the one after, the second before, and so on.
    max_distance (int): Distance at which positions are clipped.
    RETURNS (Tensor): (heads, 2 · max_distance + 1), by distance from query to key.
    """
    heads = torch.arange(n_heads)
    distance = (heads // 2 + 1).clamp(max=max_distance) * (2 * (heads % 2) - 1)
    bias = torch.zeros(n_heads, 2 * max_distance + 1)
    bias[heads, distance + max_distance] = NEIGHBOUR_BIAS
    return bias


class AttentionBlock(nn.Module):
    """Multi-head attention with relative positions and a per-key bias, then a feed-forward layer.

    DESIGN.md 2.6: each part is followed by a residual connection and layer normalisation.
    """

    def __init__(self, width: int, n_heads: int, max_distance: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.max_distance = max_distance
        self.query_key_value = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.distance_bias = nn.Parameter(neighbour_bias(n_heads, max_distance))
        self.softmax = nn.Softmax(dim=2)  # a module, so that a hook can watch the weights
        self.attention_norm = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.feed_forward_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, key_bias: Tensor, layout: Layout, drop: float = 0.0) -> Tensor:
        """Let every row attend to the rows of its own text.

        x (Tensor): (rows, width).
        key_bias (Tensor): (rows,) added to the logits of every query for this key; -inf takes the
            key out. At least one key of a text must stay.
        layout (Layout): The texts the rows belong to.
        drop (float): The dropout rate.
        RETURNS (Tensor): (rows, width).
        """
        rows, x = len(x), filled(x, self.output.weight)
        heads = layout.pad(self.query_key_value(x)[:rows]).unflatten(2, (3, self.n_heads, -1))
        # Each (batch · heads, time, width / heads)
        query, key, value = heads.permute(2, 0, 3, 1, 4).flatten(1, 2)
        bias = self._position_bias(layout) + layout.pad(key_bias, -math.inf)[:, None, None]
        bias = bias.flatten(0, 1).to(query.dtype)
        # torch's own function takes twice as long where the bias is learned.
        logits = torch.baddbmm(bias, query, key.transpose(1, 2), alpha=query.shape[2] ** -0.5)
        mixed = torch.bmm(self.softmax(logits), value).unflatten(0, (-1, self.n_heads))
        mixed = filled(layout.unpad(mixed.transpose(1, 2).flatten(2)), self.output.weight)
        x = self.attention_norm(x + dropout(self.output(mixed), drop))
        return self.feed_forward_norm(x + dropout(self.feed_forward(x), drop))[:rows]

    def _position_bias(self, layout: Layout) -> Tensor:
        """(1 or batch, heads, time, time) learned bias of each clipped distance."""
        positions = layout.positions
        distance = positions[:, None, :] - positions[:, :, None]  # (1 or batch, query, key)
        index = distance.clamp(-self.max_distance, self.max_distance) + self.max_distance
        return self.distance_bias[:, index].transpose(0, 1)


class PositionalTagger(nn.Module):
    """Scores tags for every token of a batch of texts (DESIGN.md 2, from layer mix to head)."""

    pad_embedding: Tensor

    def __init__(self, config: HeadConfig) -> None:
        super().__init__()
        width = config.hidden_width
        self.config = config
        self.mix = LayerMix(config.input_width, width)
        self.lexical = nn.Linear(config.lexical_width, width, bias=False) if config.lexical_width else None
        self.token_norm = nn.LayerNorm(width)
        self.gate = nn.Linear(width, 1)
        self.blocks = nn.ModuleList(
            AttentionBlock(width, config.n_heads, config.max_distance) for _ in range(config.depth)
        )
        self.tags = nn.Linear(width, config.n_tags)
        self.edges = nn.Linear(width, 2)
        self.register_buffer("pad_embedding", torch.zeros(config.input_width))

    def forward(
        self, features: Tensor, lengths: Tensor, words: Optional[Tensor] = None, drop: float = 0.0
    ) -> Tuple[Tensor, Tensor]:
        """Score a batch.

        features (Tensor): (rows, input width), the texts one after another.
        lengths (Tensor): (batch,) tokens per text, each at least 1.
        words (Optional[Tensor]): (rows, lexical width) from the lexical channel, if there is one.
        drop (float): The dropout rate.
        RETURNS (Tuple[Tensor, Tensor]): Tag scores (rows, tags), and logits (rows, 3) of "inside an
            entity" (the gate), "an entity starts here" and "an entity ends here".
        """
        with precision(features.device, self.config.mixed_precision):
            z = self.project(features, words, drop).to(self.gate.weight.dtype)
        gate = self.gate(z).squeeze(1)
        with precision(features.device, self.config.mixed_precision):
            h = self.attend(z, gate, Layout.from_lengths(lengths), drop)
        h = dropout(h.to(z.dtype), drop)
        return self.tags(h), torch.cat([gate[:, None], self.edges(h)], dim=1)

    def widened(self, n_tags: int) -> "PositionalTagger":
        """Make a head that knows more tags, and says of the others nearly what this one does.

        Those that are new come with the weights of `O`, but so much less that no text has them before they
        are learned.

        n_tags (int): Number of tags.
        RETURNS (PositionalTagger): The head, on the same device.
        """
        wider = PositionalTagger(replace(self.config, n_tags=n_tags)).to(self.tags.weight.device)
        state = self.state_dict()
        new = n_tags - self.config.n_tags
        weight, bias = state["tags.weight"], state["tags.bias"]
        state["tags.weight"] = torch.cat([weight, weight[:1].expand(new, -1)])
        state["tags.bias"] = torch.cat([bias, (bias[:1] - ABSENT).expand(new)])
        wider.load_state_dict(state)
        return wider

    def project(self, features: Tensor, words: Optional[Tensor] = None, drop: float = 0.0) -> Tensor:
        """Make the head's token vectors of encoder features and lexical channel (DESIGN.md 2.3).

        features (Tensor): (rows, input width).
        words (Optional[Tensor]): (rows, lexical width); None adds nothing.
        drop (float): The dropout rate.
        RETURNS (Tensor): (rows, hidden).
        """
        mixed = self.mix(filled(features, self.gate.weight), drop)
        if self.lexical is not None and words is not None:
            mixed = mixed + self.lexical(filled(words, self.gate.weight))
        return self.token_norm(F.gelu(mixed))[: len(features)]

    def attend(self, z: Tensor, gate: Tensor, layout: Layout, drop: float = 0.0) -> Tensor:
        """Apply the mask and the attention blocks (DESIGN.md 2.5 and 2.6).

        z (Tensor): (rows, hidden) token vectors.
        gate (Tensor): (rows,) gate logits.
        layout (Layout): The texts the rows belong to.
        drop (float): The dropout rate.
        RETURNS (Tensor): (rows, hidden).
        """
        mode = self.config.mask
        if mode == "none":
            return self._blocks(z, torch.zeros_like(gate), layout, drop)
        if mode == "soft":
            return self._blocks(z, F.logsigmoid(gate), layout, drop)
        keep = keep_mask(gate, layout, self.config.pad_ratio)
        key_bias = _straight_through(gate)
        if mode == "hard":
            packed = self._blocks(z[keep], key_bias[keep], layout.pack(keep), drop)
            return z.index_copy(0, keep.nonzero().squeeze(1), packed)
        pad = self.project(self.pad_embedding[None], drop=drop)
        z = torch.where(keep[:, None], z, pad)
        return self._blocks(z, key_bias.masked_fill(~keep, -math.inf), layout, drop)

    def _blocks(self, x: Tensor, key_bias: Tensor, layout: Layout, drop: float) -> Tensor:
        for block in self.blocks:
            x = block(x, key_bias, layout, drop)
        return x


def _straight_through(gate: Tensor) -> Tensor:
    """A key bias that reads log 1 = 0 forward while its gradient is that of the gate's probability."""
    probability = gate.sigmoid()
    return torch.log1p(probability - probability.detach())
