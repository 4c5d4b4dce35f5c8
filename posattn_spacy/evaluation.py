"""What a component's model says about annotated documents, apart from what it writes to them."""

from itertools import islice
from typing import Any, Iterable, Iterator, List, Optional, Tuple, cast

from spacy.language import Language
from spacy.pipeline.pipe import Pipe
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import resolve_dot_names

from .component import PositionalNER
from .losses import Known, categorical_loss
from .model import predict_both
from .scored import ScoredBatch
from .texts import text_lengths

BATCH_TOKENS = 1 << 13


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
        scores = predict_both(pipe.model, docs)
        if len(scores.places):
            yield ScoredBatch.of(scores, text_lengths(docs), pipe.gold_of(batch))


def last_evaluated(pipe: PositionalNER, docs: int) -> List[ScoredBatch]:
    """Take what a component has said of dev since its weights changed last.

    pipe (PositionalNER): The component.
    docs (int): Of how many documents, at most.
    RETURNS (List[ScoredBatch]): The scores; none if it has not been evaluated with these weights.
    """
    found: List[ScoredBatch] = []
    seen = 0
    for n_docs, batch in pipe.evaluated.batches or []:
        if seen < docs:
            found.append(batch)
        seen += n_docs
    return found


def mean_loss(batches: Iterable[ScoredBatch]) -> Optional[float]:
    """Mean negative log-likelihood of the gold tags, in nats per token.

    batches (Iterable[ScoredBatch]): The scores.
    RETURNS (Optional[float]): The loss; None if there is no gold tag.
    """
    total = n_tokens = 0.0
    for batch in batches:
        known = Known(batch.tags, batch.excluded)
        n_known = int(known.somehow.sum())
        loss, _ = categorical_loss(batch.scores, known, batch.lengths)
        total += float(loss) * n_known
        n_tokens += n_known
    return total / n_tokens if n_tokens else None
