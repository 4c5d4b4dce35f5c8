"""A trained pipeline goes on learning: new annotation, and new labels, in seconds."""

from contextlib import contextmanager
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import filter_spans

from ..annotated import bare_copy, text_key
from ..calibration import only_pipe
from ..gold import count_labels
from ..partial import ANNOTATED_FOR, is_annotated, restrict, runs
from .effort import Effort, short_training
from .trainer import before_saving, configure, evaluate, reader_of, train

# Of what is known already: at a higher rate, weights that were found over many passes are lost.
MORE = Effort(40_000, 1, 4, 5e-4)
NEW_LABELS = Effort(200_000, 2, 50, 1e-3)


class Updated(NamedTuple):
    """What came of an update.

    added (List[str]): The labels that are new to the pipeline.
    replaced (int): How many old documents have the text of a new one, with other entities, and gave way.
    rehearsed (int): In how many documents the pipeline's own entities stood in for those of its labels.
    left_open (int): How many of these lie across the edge of an annotated one, so that it is not known
        whether their other words have their label.
    steps (int): Updates of the weights.
    before (Dict[str, Any]): Scores on dev before; empty without dev.
    after (Dict[str, Any]): The same afterwards.
    """

    added: List[str]
    replaced: int
    rehearsed: int
    left_open: int
    steps: int
    before: Dict[str, Any]
    after: Dict[str, Any]


def update(
    nlp: Language, new: Sequence[Doc], old: Sequence[Doc], dev: Sequence[Doc], *, seed: int = 0
) -> Updated:
    """Teach a trained pipeline what was annotated since.

    Its weights, labels, lexical channel and temperature are what it begins with. Where labels are new,
    documents say nothing of those that they were not annotated for.

    nlp (Language): The pipeline, with a `posattn_ner`; its config stays as it is.
    new (Sequence[Doc]): Documents that were annotated since. Where all their entities are of new labels, they
        count as annotated for these alone. They are changed.
    old (Sequence[Doc]): What the pipeline was trained on. They are changed. One with the text of a new one
        gives way to it: it was corrected. Without any, the pipeline's own entities stand in for what new
        documents were not annotated for.
    dev (Sequence[Doc]): What to evaluate on before and afterwards, and to fit temperature and second look to;
        it chooses no weights, for which it would have to be large.
    seed (int): Seed of the training.
    RETURNS (Updated): What came of it.
    RAISES (ValueError): If there is not one `posattn_ner`, or nothing is annotated in the new documents.
    """
    _, pipe = only_pipe(nlp)
    known, found = list(pipe.labels), list(count_labels(new))
    if not any(map(is_annotated, new)):
        raise ValueError("No entity is annotated in the new documents: there is nothing to learn.")
    texts = {text_key(doc.text): _entities(doc) for doc in new}
    pairs = [(doc, texts.get(text_key(doc.text))) for doc in old]
    kept = [doc for doc, now in pairs if now is None]
    replaced = sum(now not in (None, _entities(doc)) for doc, now in pairs)
    added = [label for label in found if label not in known]
    config = nlp.config.interpolate()
    only = config["corpora"]["train"].get("annotated_for")
    if added:
        restrict(kept, only or known)
        restrict(new, added if not set(found) & set(known) else [*(only or known), *added])
    elif only is not None:
        restrict(new, only)  # now, so that what it says nothing of can be rehearsed
    rehearsed, left_open = (0, 0) if old else _rehearse(nlp, new, known)
    judged = list(reader_of(config, "dev", dev)(nlp))
    before = evaluate(nlp, judged) if dev else {}
    for label in added:
        pipe.add_label(label)
    examples = list(reader_of(config, "train", [*kept, *new])(nlp))  # all passes see the same
    with _schedule(nlp, short_training(nlp.config, examples, NEW_LABELS if added else MORE), seed):
        steps = train(nlp, lambda nlp: examples, name="learning").steps
    after: Dict[str, Any] = {}
    if dev:
        pipe.evaluated.begin()  # so that dev is scored once, for this and for what is fitted
        after = evaluate(nlp, judged)
        before_saving(nlp, lambda nlp: judged)
    return Updated(added, replaced, rehearsed, left_open, steps, before, after)


@contextmanager
def _schedule(nlp: Language, overrides: Dict[str, Any], seed: int) -> Iterator[None]:
    """Let training be another than the config's for a while."""
    before = nlp.config.copy()
    try:
        configure(nlp, {**overrides, "training.seed": seed})
        yield
    finally:
        nlp.config = before


def _rehearse(nlp: Language, docs: Sequence[Doc], labels: Sequence[str]) -> Tuple[int, int]:
    """Let a pipeline annotate documents for its labels, where they were not annotated for these.

    nlp (Language): The pipeline.
    docs (Sequence[Doc]): The documents, which are changed. Their own entities stay.
    labels (Sequence[str]): The labels of the pipeline.
    RETURNS (Tuple[int, int]): How many documents were, and how many of the pipeline's entities lie across
        the edge of annotated ones. They give way; whether their other words have their label is not known.
    """
    bare = [doc for doc in docs if set(labels) - _annotated_for(doc, labels)]
    own = (bare_copy(doc, nlp.vocab) for doc in bare)
    left_open = 0
    for doc, predicted in zip(bare, nlp.pipe(own), strict=True):
        given = {token.i for ent in doc.ents for token in ent}
        missing = set(labels) - _annotated_for(doc, labels)
        found = [
            span
            for ent in predicted.ents  # whose tokens may be others by now
            if ent.label_ in missing and (span := _same_place(doc, ent)) is not None
        ]
        kept = filter_spans(span for span in found if given.isdisjoint(range(span.start, span.end)))
        doc.set_ents([*doc.ents, *kept], default="unmodified")
        touching = [span for span in found if span not in kept]
        doc.spans[ANNOTATED_FOR] = [*doc.spans[ANNOTATED_FOR], *_known_for(doc, missing, touching)]
        left_open += sum(not given.issuperset(range(span.start, span.end)) for span in touching)
    return len(bare), left_open


def _known_for(doc: Doc, labels: Iterable[str], left_open: Sequence[Span]) -> Iterator[Span]:
    """Where a document that was annotated for other labels is so for some more, but for spans of these."""
    annotated = np.zeros(len(doc), dtype=bool)
    for span in doc.spans[ANNOTATED_FOR]:
        annotated[span.start : span.end] = True
    for label in sorted(labels):
        known = annotated.copy()
        for span in left_open:
            if span.label_ == label:
                known[span.start : span.end] = False
        yield from (Span(doc, start, stop, label=label) for start, stop in runs(known))


def _same_place(doc: Doc, ent: Span) -> Optional[Span]:
    """The tokens of a document in which an entity of another one with the same text lies."""
    return doc.char_span(ent.start_char, ent.end_char, label=ent.label_, alignment_mode="expand")


def _entities(doc: Doc) -> List[Tuple[str, str]]:
    """Words and labels of a document's entities, whatever its white space."""
    return [(text_key(ent.text), ent.label_) for ent in doc.ents]


def _annotated_for(doc: Doc, labels: Sequence[str]) -> set[str]:
    """Which of some labels a document was annotated for."""
    if ANNOTATED_FOR not in doc.spans:
        return set(labels)
    return {span.label_ for span in doc.spans[ANNOTATED_FOR]} & set(labels)
