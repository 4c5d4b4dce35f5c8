"""What a component's model says about annotated documents, apart from what it writes to them."""

from itertools import islice
from typing import Any, Iterable, Iterator, List, NamedTuple, Optional, Tuple, cast

import numpy as np
import torch
from spacy.language import Language
from spacy.pipeline.pipe import Pipe
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import resolve_dot_names
from thinc.api import xp2torch
from torch import Tensor

from .component import PositionalNER
from .head import TokenScores
from .losses import MISSING, categorical_loss
from .model import predict_both
from .texts import read_words

BATCH_TOKENS = 1 << 13


class ScoredBatch(NamedTuple):
    """What a component's model says about a batch, and what is right.

    scores (Tensor): (rows, tags) tag scores of the words, the documents one after another.
    lengths (Tensor): (documents,) words per document, each at least 1; with a first look, per text.
    tags (Tensor): (rows,) gold tags, `MISSING` where there is none.
    first (Optional[Tensor]): (rows, tags) what the first look says, if there is one.
    """

    scores: Tensor
    lengths: Tensor
    tags: Tensor
    first: Optional[Tensor] = None

    def of_first(self) -> "ScoredBatch":
        """RETURNS (ScoredBatch): What the first look says, which there is, in place of the second."""
        return self._replace(scores=cast(Tensor, self.first), first=None)


def dev_examples(nlp: Language, docs: int) -> List[Example]:
    """Read the beginning of the corpus that a pipeline is evaluated on while it is trained.

    nlp (Language): The pipeline, with its training config.
    docs (int): How many documents, at most.
    RETURNS (List[Example]): The examples.
    """
    config = nlp.config.interpolate()
    (corpus,) = resolve_dot_names(config, [config["training"]["dev_corpus"]])
    return list(islice(corpus(nlp), docs))


def piped_batches(
    nlp: Language, pipe: Pipe, examples: Iterable[Example]
) -> Iterator[Tuple[List[Example], List[Doc]]]:
    """Run a pipeline up to a component, without touching the examples.

    nlp (Language): The pipeline.
    pipe (Pipe): One of its components, which is not run.
    examples (Iterable[Example]): The examples; those without tokens are left out.
    YIELDS (Tuple[List[Example], List[Doc]]): A batch, and what the components before made of its documents.
    """
    place = [component for _, component in nlp.pipeline].index(pipe)
    upstream = [component for _, component in nlp.pipeline[:place]]
    filled = (example for example in examples if len(example.predicted))
    for batch in _batches(filled):
        docs = [example.predicted.copy() for example in batch]
        for component in upstream:
            piped = component.pipe(docs) if isinstance(component, Pipe) else map(component, docs)
            docs = list(cast(Any, piped))
        yield batch, docs


def _batches(examples: Iterable[Example]) -> Iterator[List[Example]]:
    """Consecutive examples of at most `BATCH_TOKENS` tokens together, or a longer one alone."""
    batch: List[Example] = []
    tokens = 0
    for example in examples:
        if batch and tokens + len(example.predicted) > BATCH_TOKENS:
            yield batch
            batch, tokens = [], 0
        batch.append(example)
        tokens += len(example.predicted)
    if batch:
        yield batch


def scored_batches(nlp: Language, pipe: PositionalNER, examples: Iterable[Example]) -> Iterator[ScoredBatch]:
    """Run a pipeline as far as a component's model, without touching the examples.

    nlp (Language): The pipeline.
    pipe (PositionalNER): One of its components.
    examples (Iterable[Example]): The examples; those without tokens are left out.
    YIELDS (ScoredBatch): The scores, batch by batch.
    """
    for batch, docs in piped_batches(nlp, pipe, examples):
        yield from _scored(pipe, batch, docs, predict_both(pipe.model, docs))


def last_evaluated(pipe: PositionalNER, docs: int) -> List[ScoredBatch]:
    """Take what a component has said of dev since its weights changed last.

    pipe (PositionalNER): The component.
    docs (int): Of how many documents, at most.
    RETURNS (List[ScoredBatch]): The scores; none if it has not been evaluated with these weights.
    """
    found: List[ScoredBatch] = []
    seen = 0
    for examples, scores in pipe.evaluated.batches or []:
        if seen < docs:
            found += _scored(pipe, examples, [example.predicted for example in examples], scores)
        seen += len(examples)
    return found


def _scored(
    pipe: PositionalNER, examples: List[Example], docs: List[Doc], scores: TokenScores
) -> Iterator[ScoredBatch]:
    """Put gold tags beside scores, if there are any."""
    rows = xp2torch(scores.tags).cpu()
    if not len(rows):
        return
    tags = torch.from_numpy(pipe.gold_of(examples).tags)
    if scores.first is None:
        lengths = xp2torch(scores.lengths).long().cpu()
        yield ScoredBatch(rows, lengths[lengths > 0], tags, None)
    else:
        texts = np.concatenate([words.lengths for words in read_words(docs)])
        yield ScoredBatch(rows, torch.from_numpy(texts), tags, xp2torch(scores.first.tags).cpu())


def mean_loss(batches: Iterable[ScoredBatch]) -> Optional[float]:
    """Mean negative log-likelihood of the gold tags, in nats per token.

    batches (Iterable[ScoredBatch]): The scores.
    RETURNS (Optional[float]): The loss; None if there is no gold tag.
    """
    total = n_tokens = 0.0
    for scores, lengths, tags, _ in batches:
        known = int((tags != MISSING).sum())
        loss, _ = categorical_loss(scores, tags, lengths)
        total += float(loss) * known
        n_tokens += known
    return total / n_tokens if n_tokens else None
