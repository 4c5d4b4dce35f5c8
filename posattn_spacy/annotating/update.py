"""A trained pipeline goes on learning: new annotation, and new labels, in seconds."""

from contextlib import contextmanager
from math import ceil
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import filter_spans, set_dot_to_object
from thinc.api import Config

from ..annotated import bare_copy
from ..calibration import only_pipe
from ..gold import count_labels
from ..partial import ANNOTATED_FOR, annotate_for
from ..schedule import measure_pass, schedule_of
from ..starting.fitted import LARGE, SMALL_BATCH
from .trainer import before_saving, evaluate, reader_of, train

LEAST_PASSES = 2
LEAST_WORDS = 60_000  # tokens that are learned from, however few there are
RATE = 1e-3  # half of that with which new weights begin


class Updated(NamedTuple):
    """What came of an update.

    added (List[str]): The labels that are new to the pipeline.
    rehearsed (int): In how many documents the pipeline's own entities stood in for those of its labels.
    steps (int): Updates of the weights.
    before (Dict[str, Any]): Scores on dev before; empty without dev.
    after (Dict[str, Any]): The same afterwards.
    kept (bool): Whether the weights are those of before, since dev liked them better.
    """

    added: List[str]
    rehearsed: int
    steps: int
    before: Dict[str, Any]
    after: Dict[str, Any]
    kept: bool


def update(
    nlp: Language, new: Sequence[Doc], old: Sequence[Doc], dev: Sequence[Doc], *, seed: int = 0
) -> Updated:
    """Teach a trained pipeline what was annotated since.

    Its weights, labels, lexical channel and temperature are what it begins with. Where labels are new,
    documents say nothing of those that they were not annotated for.

    nlp (Language): The pipeline, with a `posattn_ner`; its config stays as it is.
    new (Sequence[Doc]): Documents that were annotated since. Where all their entities are of new labels, they
        count as annotated for these alone. They are changed.
    old (Sequence[Doc]): What the pipeline was trained on. They are changed. Without any, the pipeline's own
        entities stand in for what new documents were not annotated for.
    dev (Sequence[Doc]): What to evaluate on and to fit temperature and second look to. Where no label is new
        and it likes the old weights better, these stay.
    seed (int): Seed of the training.
    RETURNS (Updated): What came of it.
    RAISES (ValueError): If there is not one `posattn_ner`, or no entity in the new documents.
    """
    _, pipe = only_pipe(nlp)
    known, found = list(pipe.labels), list(count_labels(new))
    if not found:
        raise ValueError("No entity is annotated in the new documents: there is nothing to learn.")
    added = [label for label in found if label not in known]
    if added:
        for docs, labels in ((old, known), (new, added if not set(found) & set(known) else [*known, *added])):
            for doc in docs:
                if ANNOTATED_FOR not in doc.spans:
                    annotate_for(doc, labels)
    rehearsed = 0 if old else _rehearse(nlp, new, known)
    config = nlp.config.interpolate()
    judge = reader_of(config, "dev", dev) if dev else None
    score, before = evaluate(nlp, judge) if judge else (0.0, {})
    own = None if added else pipe.to_bytes(exclude=["vocab"])
    for label in added:
        pipe.add_label(label)
    examples = list(reader_of(config, "train", [*old, *new])(nlp))  # all passes see the same
    with _quick(nlp, examples, seed):
        steps = train(nlp, lambda nlp: examples, name="learning").steps
    if judge is None:
        return Updated(added, rehearsed, steps, before, {}, kept=False)
    pipe.evaluated.begin()  # so that dev is scored once, for this and for what is fitted
    new_score, after = evaluate(nlp, judge)
    if own is not None and new_score < score:
        pipe.from_bytes(own, exclude=["vocab"])
        return Updated(added, rehearsed, steps, before, before, kept=True)
    before_saving(nlp)
    return Updated(added, rehearsed, steps, before, after, kept=False)


@contextmanager
def _quick(nlp: Language, examples: Sequence[Example], seed: int) -> Iterator[None]:
    """Let training be short for a while, since it begins with weights that know most."""
    before = nlp.config.copy()
    try:
        nlp.config = _short(before, examples, seed)
        yield
    finally:
        nlp.config = before


def _short(config: Config, examples: Sequence[Example], seed: int) -> Config:
    """A config of few updates, with a rate that does not take the weights too far away."""
    quick = config.copy()
    training = quick["training"]
    training["seed"] = seed
    size = measure_pass(quick, examples)
    if size.words < LARGE and training["batcher"].get("size", 0) > SMALL_BATCH:
        training["batcher"]["size"] = SMALL_BATCH
        size = measure_pass(quick, examples)
    passes = max(LEAST_PASSES, ceil(LEAST_WORDS / size.words))
    overrides: Dict[str, Any] = schedule_of(quick, passes * size.batches, 1)
    overrides["training.optimizer.learn_rate.initial_rate"] = RATE
    for key, value in overrides.items():
        set_dot_to_object(quick, key, value)
    return quick


def _rehearse(nlp: Language, docs: Sequence[Doc], labels: Sequence[str]) -> int:
    """Let a pipeline annotate documents for its labels, where they were not annotated for these.

    nlp (Language): The pipeline.
    docs (Sequence[Doc]): The documents, which are changed. Their own entities stay.
    labels (Sequence[str]): The labels of the pipeline.
    RETURNS (int): How many documents were.
    """
    bare = [doc for doc in docs if set(labels) - _annotated_for(doc, labels)]
    own = (bare_copy(doc, nlp.vocab) for doc in bare)
    for doc, predicted in zip(bare, nlp.pipe(own), strict=True):
        given = list(doc.ents)
        missing = set(labels) - _annotated_for(doc, labels)
        found = [
            span
            for ent in predicted.ents
            if ent.label_ in missing
            and (span := doc.char_span(ent.start_char, ent.end_char, label=ent.label_)) is not None
        ]
        kept = [
            span for span in found if not any(span.start < ent.end and ent.start < span.end for ent in given)
        ]
        doc.set_ents(filter_spans([*given, *kept]), default="unmodified")
        group = list(doc.spans[ANNOTATED_FOR])
        stretches = sorted({(span.start, span.end) for span in group})
        group += [Span(doc, *stretch, label=label) for label in sorted(missing) for stretch in stretches]
        doc.spans[ANNOTATED_FOR] = group
    return len(bare)


def _annotated_for(doc: Doc, labels: Sequence[str]) -> set[str]:
    """Which of some labels a document was annotated for."""
    if ANNOTATED_FOR not in doc.spans:
        return set(labels)
    return {span.label_ for span in doc.spans[ANNOTATED_FOR]} & set(labels)
