"""Tags, spans and exact constrained decoding, without spaCy and without thinc (DESIGN.md 2.9)."""

from typing import List, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor

from .attention import Layout

Span = Tuple[int, int, int]  # first token, one past the last token, index of the label


class TagScheme:
    """The IOB2 tags of a list of labels, and which tag may follow which.

    Tag 0 is `O`; label `i` has the tags `2i + 1` (`B-`) and `2i + 2` (`I-`).

    labels (Sequence[str]): Entity types, in the order of their tags.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self.tags = ("O", *(f"{prefix}-{label}" for label in labels for prefix in "BI"))

    def __len__(self) -> int:
        return len(self.tags)

    def allowed_start(self) -> Tensor:
        """RETURNS (Tensor): (tags,) bool: may a text begin with this tag?"""
        tags = torch.arange(len(self))
        return (tags == 0) | (tags % 2 == 1)

    def allowed(self) -> Tensor:
        """RETURNS (Tensor): (tags, tags) bool: may the column's tag follow the row's?"""
        tags = torch.arange(len(self))
        begins = self.allowed_start()
        same_label = (tags[:, None] + 1) // 2 == (tags[None, :] + 1) // 2
        return begins[None, :] | same_label  # I-x after B-x or I-x only; O has a "label" of its own

    def encode(self, spans: Sequence[Span], length: int) -> np.ndarray:
        """Write spans as tags.

        spans (Sequence[Span]): Spans that do not overlap.
        length (int): Number of tokens.
        RETURNS (np.ndarray): (length,) int64 tags.
        """
        tags = np.zeros(length, dtype=np.int64)
        for start, end, label in spans:
            tags[start] = 2 * label + 1
            tags[start + 1 : end] = 2 * label + 2
        return tags

    def decode(self, tags: np.ndarray) -> List[Span]:
        """Read the spans from a legal tag sequence.

        tags (np.ndarray): (length,) int tags in which every `I-x` follows `B-x` or `I-x`.
        RETURNS (List[Span]): The spans, in order.
        """
        inside = (tags > 0) & (tags % 2 == 0)
        starts = np.flatnonzero(tags % 2 == 1)
        stops = np.flatnonzero(~np.append(inside[1:], False)) + 1  # a token no I- follows
        ends = stops[np.searchsorted(stops, starts + 1)]
        return [
            (int(start), int(end), int(tags[start] // 2)) for start, end in zip(starts, ends, strict=True)
        ]


def viterbi(scores: Tensor, lengths: Tensor, scheme: TagScheme) -> Tensor:
    """Find the best legal tag sequence of every text of a batch, all texts at once.

    scores (Tensor): (rows, tags) scores, the texts one after another; -inf forbids a tag.
    lengths (Tensor): (batch,) tokens per text, each at least 1.
    scheme (TagScheme): The lattice: transitions it does not allow do not exist.
    RETURNS (Tensor): (rows,) int64 tags.
    """
    layout = Layout.from_lengths(lengths)
    grid = layout.pad(scores)  # (batch, time, tags)
    # The fillers after a text's last token score 0 and may follow anything: they change no best path.
    allowed = scheme.allowed().to(scores.device)
    blocked = torch.zeros_like(allowed, dtype=scores.dtype).masked_fill(~allowed, -torch.inf)
    best = grid[:, 0].masked_fill(~scheme.allowed_start().to(scores.device), -torch.inf)
    pointers = []
    for time in range(1, layout.time):
        reached, pointer = (best[:, :, None] + blocked).max(dim=1)
        best = reached + grid[:, time]
        pointers.append(pointer)
    tag = best.argmax(dim=1)
    path = [tag]
    for pointer in reversed(pointers):
        tag = pointer.gather(1, tag[:, None]).squeeze(1)
        path.append(tag)
    return layout.unpad(torch.stack(path[::-1], dim=1))
