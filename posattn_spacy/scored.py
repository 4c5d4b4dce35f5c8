"""What a component's model says about documents, with what is right."""

from typing import NamedTuple, Optional, cast

import numpy as np
import torch
from thinc.api import xp2torch
from torch import Tensor

from .decoding import filled_lengths
from .gold import GoldBatch
from .head import TokenScores
from .objective import known_of


class ScoredBatch(NamedTuple):
    """What a component's model says about a batch, and what is right.

    scores (Tensor): (rows, tags) tag scores of the words, the documents one after another.
    lengths (Tensor): (documents,) words per document, each at least 1; with a first look, per text.
    tags (Tensor): (rows,) gold tags, `MISSING` where there is none.
    first (Optional[Tensor]): (rows, tags) what the first look says, if there is one.
    excluded (Optional[Tensor]): (rows, labels) bool, the labels that a word without a gold tag is known not
        to have.
    """

    scores: Tensor
    lengths: Tensor
    tags: Tensor
    first: Optional[Tensor] = None
    excluded: Optional[Tensor] = None

    @classmethod
    def of(cls, scores: TokenScores, texts: np.ndarray, gold: GoldBatch) -> "ScoredBatch":
        """Put gold annotation beside scores.

        scores (TokenScores): What a model says about documents, at least one of them with words.
        texts (np.ndarray): (texts,) int64 words of their texts.
        gold (GoldBatch): What is known of their words.
        RETURNS (ScoredBatch): Both, on the CPU.
        """
        rows, known = xp2torch(scores.tags).cpu(), known_of(gold)
        if scores.first is None:
            return cls(rows, filled_lengths(scores).cpu(), known.tags, excluded=known.excluded)
        first = xp2torch(scores.first.tags).cpu()
        return cls(rows, torch.from_numpy(texts), known.tags, first, known.excluded)

    def of_first(self) -> "ScoredBatch":
        """RETURNS (ScoredBatch): What the first look says, which there is, in place of the second."""
        return self._replace(scores=cast(Tensor, self.first), first=None)
