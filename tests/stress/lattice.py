"""Illegal tag sequences among many decodes."""

import math
from typing import List

import torch

from posattn_spacy.lattice import Lattice
from posattn_spacy.tagging import TagScheme
from sequences import is_legal

from .running import Found, Outcome, Setting

DECODES = 1000  # of an item
LABELS = [1, 2, 3, 8, 18]
LONGEST = 24
# Far apart, close together, often equal, large, so large that sums lose all else, all the same.
KINDS = ["normal", "close", "equal", "large", "extreme", "flat"]


def lattice(setting: Setting) -> Outcome:
    """Decode random scores, some of them forbidden, and look at every tag sequence in plain words."""
    items = math.ceil(setting.reach / DECODES)
    tally = setting.go_through(items, decode)
    counts = tally.counts
    return Outcome(int(counts["decodes"]), not counts["illegal"], {**counts})


def decode(item: int) -> Found:
    """Decode one batch."""
    chance = torch.Generator().manual_seed(item)
    scheme = TagScheme([f"label{i}" for i in range(LABELS[item % len(LABELS)])])
    lengths = torch.randint(1, LONGEST + 1, (DECODES,), generator=chance)
    scores = torch.randn((int(lengths.sum()), len(scheme)), generator=chance)
    scores = scaled(scores, KINDS[item // len(LABELS) % len(KINDS)])
    share = torch.rand((), generator=chance)  # of what is forbidden, but never O
    forbidden = torch.rand(scores.shape, generator=chance) < share * (item % 2)
    forbidden[:, 0] = False
    tags = Lattice(scores.masked_fill(forbidden, -math.inf), lengths).best()
    legal = [is_legal(text, scheme) for text in split(tags, lengths)]
    taken = forbidden.gather(1, tags[:, None]).sum()
    return Found({"decodes": DECODES, "tokens": len(tags), "illegal": legal.count(False) + int(taken)})


def scaled(scores: torch.Tensor, kind: str) -> torch.Tensor:
    """Make scores of a kind out of normal ones."""
    if kind == "equal":
        return scores.round()
    return scores * {"normal": 5.0, "close": 1e-6, "large": 1e4, "extreme": 1e30, "flat": 0.0}[kind]


def split(tags: torch.Tensor, lengths: torch.Tensor) -> List[List[int]]:
    return [text.tolist() for text in tags.split(lengths.tolist())]
