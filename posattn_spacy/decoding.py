"""From the scores of a batch's words to the spans of its documents."""

from typing import List, NamedTuple, Sequence

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
    """

    entities: Spans
    candidates: Spans


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
