"""A trained pipeline goes on learning: new annotation, and new labels, in seconds."""

from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import filter_spans

from ..annotated import bare_copy
from ..calibration import only_pipe
from ..gold import count_labels
from ..partial import ANNOTATED_FOR, is_annotated, restrict
from .effort import Effort, short_training
from .trainer import before_saving, configure, evaluate, reader_of, train

# Of what is known already: at a higher rate, weights that were found over many passes are lost.
MORE = Effort(40_000, 1, 4, 5e-4)
NEW_LABELS = Effort(200_000, 2, 50, 1e-3)


class Updated(NamedTuple):
    """What came of an update.

    added (List[str]): The labels that are new to the pipeline.
    replaced (int): How many old documents have the text of a new one, and gave way to it.
    rehearsed (int): In how many documents the pipeline's own entities stood in for those of its labels.
    steps (int): Updates of the weights.
    before (Dict[str, Any]): Scores on dev before; empty without dev.
    after (Dict[str, Any]): The same afterwards.
    """

    added: List[str]
    replaced: int
    rehearsed: int
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
    texts = {doc.text for doc in new}
    kept = [doc for doc in old if doc.text not in texts]
    added = [label for label in found if label not in known]
    config = nlp.config.interpolate()
    only = config["corpora"]["train"].get("annotated_for")
    if added:
        restrict(kept, only or known)
        restrict(new, added if not set(found) & set(known) else [*(only or known), *added])
    elif only is not None:
        restrict(new, only)  # now, so that what it says nothing of can be rehearsed
    rehearsed = 0 if old else _rehearse(nlp, new, known)
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
    return Updated(added, len(old) - len(kept), rehearsed, steps, before, after)


@contextmanager
def _schedule(nlp: Language, overrides: Dict[str, Any], seed: int) -> Iterator[None]:
    """Let training be another than the config's for a while."""
    before = nlp.config.copy()
    try:
        configure(nlp, {**overrides, "training.seed": seed})
        yield
    finally:
        nlp.config = before


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
