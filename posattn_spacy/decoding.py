"""From the scores of a batch's words to the spans of its documents."""

from typing import Iterable, Iterator, List, NamedTuple, Optional, Sequence

import numpy as np
import torch
from spacy.tokens import Doc
from thinc.api import to_numpy, xp2torch

from .annotation import taken_tokens, taken_words
from .head import TokenScores
from .lattice import Lattice
from .tagging import Spans
from .texts import read_words


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


class Taken(NamedTuple):
    """Words of which an entity that was there before is, or stands before them.

    outside (np.ndarray): (words,) bool: they get no tag but `O`.
    apart (np.ndarray): (words,) bool: they continue no entity.
    """

    outside: np.ndarray
    apart: np.ndarray

    @classmethod
    def of(cls, docs: Sequence[Doc], places: Iterable[np.ndarray], overwrite: bool) -> Optional["Taken"]:
        """Find them in documents.

        docs (Sequence[Doc]): The documents.
        places (Iterable[np.ndarray]): For each, the token of each word; not asked for if nothing is taken.
        overwrite (bool): Whether what is there gives way, so that nothing is taken.
        RETURNS (Optional[Taken]): The words, over all documents; None if nothing is taken.
        """
        taken = [taken_tokens(doc, overwrite) for doc in docs]
        if not any(each.any() for each in taken):
            return None
        return cls(*map(np.concatenate, zip(*map(taken_words, taken, places), strict=True)))

    def at(self, words: np.ndarray) -> "Taken":
        """RETURNS (Taken): The same of some words, (words,) int64."""
        return Taken(self.outside[words], self.apart[words])

    def forbid(self, scores: torch.Tensor) -> None:
        """Take away the tags that the words can't have; `scores`, (words, tags), are changed."""
        scores[torch.from_numpy(self.outside), 1:] = -torch.inf
        scores[torch.from_numpy(self.apart), 2::2] = -torch.inf


def lattice_of(docs: Sequence[Doc], scores: TokenScores, temperature: float, overwrite: bool) -> Lattice:
    """Make the distribution over tag sequences that scores stand for.

    docs (Sequence[Doc]): The documents; what is taken in them stays outside of entities.
    scores (TokenScores): What the model says about their words.
    temperature (float): By which the scores are divided, above 0.
    overwrite (bool): Whether what is there gives way, so that nothing is taken.
    RETURNS (Lattice): The distribution.
    """
    tag_scores = xp2torch(scores.tags).cpu() / temperature
    taken = Taken.of(docs, _places(scores), overwrite)
    if taken is not None:
        taken.forbid(tag_scores)
    return Lattice(tag_scores, filled_lengths(scores))


def token_spans(spans: Spans, scores: TokenScores) -> List[Spans]:
    """Deal spans of a batch's words out to its documents.

    spans (Spans): The spans, whose words are counted over the batch.
    scores (TokenScores): What the model says about the batch.
    RETURNS (List[Spans]): The spans of each document's tokens.
    """
    return spans.deal_out(to_numpy(scores.lengths), scores.places)


def whole_texts(docs: Sequence[Doc]) -> List[Spans]:
    """RETURNS (List[Spans]): The texts of each document; labels and probabilities say nothing."""
    return [
        Spans.unlabelled(words.lengths.cumsum() - words.lengths, words.lengths).at(words.places)
        for words in read_words(docs)
    ]


def _places(scores: TokenScores) -> Iterator[np.ndarray]:
    """(words,) int64 token of each word, document by document; found out when they are asked for."""
    yield from np.split(scores.places, np.cumsum(to_numpy(scores.lengths))[:-1])


def filled_lengths(scores: TokenScores) -> torch.Tensor:
    """RETURNS (Tensor): (texts,) int64 words of the documents that have any."""
    lengths = xp2torch(scores.lengths).long()
    return lengths[lengths > 0]
