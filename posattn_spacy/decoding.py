"""From the scores of a batch's words to the spans of its documents."""

from typing import List, NamedTuple, Optional, Sequence

import numpy as np
import torch
from spacy.tokens import Doc
from thinc.api import to_numpy, xp2torch

from .annotation import taken_tokens, taken_words
from .head import TokenScores
from .lattice import Lattice
from .tagging import Spans


class Prediction(NamedTuple):
    """What the component finds in a document.

    entities (Spans): Spans that do not overlap, in order.
    candidates (Spans): All spans that are probable enough, overlapping ones too; none unless asked for.
    twice (Spans): The texts that took a second look; their labels and probabilities say nothing.
    """

    entities: Spans
    candidates: Spans
    twice: Spans = Spans.none()

    @classmethod
    def none(cls) -> "Prediction":
        """RETURNS (Prediction): Nothing."""
        return cls(Spans.none(), Spans.none(), Spans.none())


class Choice(NamedTuple):
    """Which spans of a distribution are found.

    thresholds (np.ndarray): (labels,) the least probability of an entity of each label.
    candidates (Optional[float]): The least probability of a candidate; None for no candidates.
    """

    thresholds: np.ndarray
    candidates: Optional[float]

    def entities(self, lattice: Lattice, tags: torch.Tensor) -> Spans:
        """RETURNS (Spans): The spans of the best tags (rows,) of a distribution that are probable enough."""
        spans = lattice.spans_of(tags)
        return spans.select(spans.probabilities >= self.thresholds[spans.labels])

    def all_candidates(self, lattice: Lattice) -> Spans:
        """RETURNS (Spans): Its candidates."""
        return Spans.none() if self.candidates is None else lattice.spans_above(self.candidates)


def lattice_of(docs: Sequence[Doc], scores: TokenScores, temperature: float, overwrite: bool) -> Lattice:
    """Make the distribution over tag sequences that scores stand for.

    docs (Sequence[Doc]): The documents; what is taken in them stays outside of entities.
    scores (TokenScores): What the model says about their words.
    temperature (float): By which the scores are divided, above 0.
    overwrite (bool): Whether what is there gives way, so that nothing is taken.
    RETURNS (Lattice): The distribution.
    """
    tag_scores = xp2torch(scores.tags).cpu() / temperature
    taken = [taken_tokens(doc, overwrite) for doc in docs]
    if any(each.any() for each in taken):
        places = np.split(scores.places, np.cumsum(to_numpy(scores.lengths))[:-1])
        outside, apart = zip(*map(taken_words, taken, places), strict=True)
        tag_scores[torch.from_numpy(np.concatenate(outside)), 1:] = -torch.inf
        tag_scores[torch.from_numpy(np.concatenate(apart)), 2::2] = -torch.inf
    return Lattice(tag_scores, filled_lengths(scores))


def token_spans(spans: Spans, scores: TokenScores) -> List[Spans]:
    """Deal spans of a batch's words out to its documents.

    spans (Spans): The spans, whose words are counted over the batch.
    scores (TokenScores): What the model says about the batch.
    RETURNS (List[Spans]): The spans of each document's tokens.
    """
    lengths = to_numpy(scores.lengths)
    places = np.split(scores.places, np.cumsum(lengths)[:-1])
    return [own.at(place) for own, place in zip(spans.split(lengths), places, strict=True)]


def filled_lengths(scores: TokenScores) -> torch.Tensor:
    """RETURNS (Tensor): (texts,) int64 words of the documents that have any."""
    lengths = xp2torch(scores.lengths).long()
    return lengths[lengths > 0]
