"""Flat batches, a row per token, and the padded (batch, time) grid that attention needs them in."""

from typing import NamedTuple

import torch
from torch import Tensor


class Layout(NamedTuple):
    """Where the rows of a flat batch stand in a padded (batch, time) grid.

    batch (int): Number of texts.
    time (int): Length of the longest text, in rows.
    slots (Tensor): (rows,) index of each row in the flattened grid.
    positions (Tensor): (1, time) or (batch, time) token positions, from which distances are taken.
    """

    batch: int
    time: int
    slots: Tensor
    positions: Tensor

    @classmethod
    def from_lengths(cls, lengths: Tensor) -> "Layout":
        """Lay out texts whose tokens are all there.

        lengths (Tensor): (batch,) tokens per text, each at least 1.
        RETURNS (Layout): Positions are shared by all texts: 0, 1, 2, …
        """
        batch, time = len(lengths), int(lengths.max())
        slots = _offsets(lengths, time) + _ranks(lengths)
        return cls(batch, time, slots, torch.arange(time, device=lengths.device)[None])

    def cpu(self) -> "Layout":
        """RETURNS (Layout): The same with its indices on the CPU."""
        return self._replace(slots=self.slots.cpu(), positions=self.positions.cpu())

    def pack(self, keep: Tensor) -> "Layout":
        """Lay out the kept rows alone, each with the position it had before.

        keep (Tensor): (rows,) bool, at least one True per text.
        RETURNS (Layout): A layout of `keep.sum()` rows.
        """
        kept = self.slots[keep]
        lengths = torch.bincount(kept // self.time, minlength=self.batch)
        time = int(lengths.max())
        slots = _offsets(lengths, time) + _ranks(lengths)
        positions = kept.new_zeros(self.batch * time).index_copy(0, slots, kept % self.time)
        return Layout(self.batch, time, slots, positions.view(self.batch, time))

    def pad(self, rows: Tensor, filler: float = 0.0) -> Tensor:
        """Spread flat rows over the grid: (rows, …) → (batch, time, …)."""
        grid = rows.new_full((self.batch * self.time, *rows.shape[1:]), filler)
        return grid.index_copy(0, self.slots, rows).view(self.batch, self.time, *rows.shape[1:])

    def unpad(self, grid: Tensor) -> Tensor:
        """Collect flat rows from the grid: (batch, time, …) → (rows, …)."""
        return grid.flatten(0, 1).index_select(0, self.slots)


def _offsets(lengths: Tensor, time: int) -> Tensor:
    """(rows,) index of the first grid slot of each row's text."""
    return torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device) * time, lengths)


def _ranks(lengths: Tensor) -> Tensor:
    """(rows,) place of each row within its own text."""
    starts = torch.repeat_interleave(lengths.cumsum(0) - lengths, lengths)
    return torch.arange(len(starts), device=lengths.device) - starts
