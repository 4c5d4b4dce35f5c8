"""Training on batches in spaCy's own loop, without evaluating."""

from typing import Any, Dict, Iterator, List, Tuple

from spacy.language import Language
from spacy.training import Example
from spacy.training.loop import train_while_improving
from spacy.util import registry

Batches = Iterator[Tuple[int, List[Example]]]  # epoch and batch


def train(
    nlp: Language, settings: Dict[str, Any], batches: Batches, frozen: Tuple[str, ...] = ()
) -> Tuple[int, int]:
    """Train a pipeline on batches.

    nlp (Language): The initialized pipeline.
    settings (Dict[str, Any]): The resolved block `[training]` of a config.
    batches (Batches): What to train on.
    frozen (Tuple[str, ...]): Components that annotate and are not trained.
    RETURNS (Tuple[int, int]): How many words and steps that were.
    """
    loop = train_while_improving(
        nlp,
        settings["optimizer"],
        batches,
        lambda: (0.0, {}),
        dropout=settings["dropout"],
        eval_frequency=10**9,
        accumulate_gradient=settings["accumulate_gradient"],
        patience=0,
        max_steps=0,
        exclude=list(frozen),
        annotating_components=list(frozen),
        before_update=settings["before_update"],
    )
    words = [sum(len(example) for example in batch) for batch, _, _ in loop]
    return sum(words), len(words)


def train_once(nlp: Language, examples: List[Example]) -> None:
    """Train a pipeline on examples once, as its config has it.

    nlp (Language): The initialized pipeline.
    examples (List[Example]): The examples.
    """
    settings = registry.resolve(nlp.config.interpolate()["training"])
    train(nlp, settings, ((0, batch) for batch in settings["batcher"](examples)))
