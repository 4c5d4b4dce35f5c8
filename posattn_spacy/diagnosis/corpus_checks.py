"""Checks of annotated documents: what of them can't be learned."""

from typing import Any, Iterator, List, Optional, Sequence, Union

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import Model

from ..component import PositionalNER
from ..corpora.entities import blank_edged, crossing
from ..evaluation import piped_batches
from ..frozen.architecture import FrozenModel, huggingface
from ..frozen.pieces import SpecialTokens, WordPieces, max_pieces
from ..gold import count_labels, describe_spans, span_keys, survey_examples
from ..texts import read_words, split_texts
from .findings import Finding, is_rare, judged

SHOWN = 3  # documents


def check_corpus(
    nlp: Language,
    pipe: PositionalNER,
    encoders: Sequence[FrozenModel],
    examples: Sequence[Example],
    docs: Optional[Sequence[Doc]] = None,
) -> Iterator[Finding]:
    """Check annotated documents.

    nlp (Language): The pipeline.
    pipe (PositionalNER): The component that learns from them.
    encoders (Sequence[FrozenModel]): The frozen transformers of its pipeline.
    examples (Sequence[Example]): The documents.
    docs (Optional[Sequence[Doc]]): The documents as they are stored: spaCy's reader may have cut the examples
        at sentences. The examples' references if not given.
    YIELDS (Finding): The findings.
    """
    stored = [example.reference for example in examples] if docs is None else docs
    yield entities_fit_the_tokens(examples)
    yield from check_edges(stored)
    yield documents_are_annotated(examples)
    yield spans_are_entities(stored)
    yield labels_are_known(pipe, examples)
    for encoder in encoders:
        batches = piped_batches(nlp, _owner(nlp, encoder), examples)
        texts = [text for _, docs in batches for text in _texts(docs)]
        yield texts_are_short_enough(encoder, texts)


def _texts(docs: Sequence[Doc]) -> List[List[str]]:
    """The words of the texts that the encoder reads."""
    texts = split_texts(read_words(docs))
    return [[docs[0].vocab.strings[orth] for orth in text.orths.tolist()] for text in texts]


def _owner(nlp: Language, encoder: FrozenModel) -> Any:
    """The component in whose model an encoder is."""
    components = [component for _, component in nlp.pipeline if isinstance(_model(component), Model)]
    return next(each for each in components if any(node is encoder for node in _model(each).walk()))


def _model(component: Any) -> Any:
    return getattr(component, "model", None)


def entities_fit_the_tokens(examples: Sequence[Example]) -> Finding:
    """RETURNS (Finding): Whether entities begin and end where tokens do."""
    return judge_fit(
        examples,
        "do not fit the tokens",
        "Set gold_preproc = true in the corpus reader, to learn from the annotated tokens.",
    )


def judge_fit(examples: Sequence[Example], fault: str, remedy: str) -> Finding:
    """Find entities with an edge inside a token.

    examples (Sequence[Example]): The documents.
    fault (str): What such entities do.
    remedy (str): What to do about it.
    RETURNS (Finding): Whether there are none.
    """
    survey = survey_examples(examples, 0)
    where = f", for instance in {survey.where}" if survey.where else ""
    return judged(
        is_rare(survey.misaligned, survey.entities),
        f"{survey.misaligned:,} of {survey.entities:,} entities {fault}{where}.",
        remedy,
    )


def check_edges(docs: Sequence[Doc]) -> Iterator[Finding]:
    """Check where entities begin and end.

    docs (Sequence[Doc]): The documents as they are stored.
    YIELDS (Finding): The findings.
    """
    total = count_labels(docs).total()
    yield _edges_are(
        total,
        [ent for doc in docs for ent in blank_edged(doc)],
        "begin or end in white space",
        "They are learned and scored without it, but spaCy's own `ner` and `debug data` do not take them. "
        "`python -m spacy posattn convert` takes it off, for a .spacy file, too.",
    )
    yield _edges_are(
        total,
        [ent for doc in docs for ent in crossing(doc)],
        "cross the beginning of a sentence",
        "They are hardly found, as texts are read sentence by sentence, and with gold_preproc = true not "
        "even learned. Take the marks off: is_sent_start = False for all tokens of an entity but the first.",
    )


def _edges_are(total: int, faulty: Sequence[Span], fault: str, remedy: str) -> Finding:
    return judged(
        is_rare(len(faulty), total),
        f"{len(faulty):,} of {total:,} entities {fault}{named(faulty)}.",
        remedy,
    )


def documents_are_annotated(examples: Sequence[Example]) -> Finding:
    """RETURNS (Finding): Whether all documents say what is an entity in them, and what is none."""
    docs = [example.reference for example in examples]
    bare = [doc for doc in docs if len(doc) and not doc.has_annotation("ENT_IOB")]
    return judged(
        is_rare(len(bare), len(docs)),
        f"{len(bare):,} of {len(docs):,} documents have no entity annotation at all{named(bare)}.",
        "Their tokens are left out of the loss. Annotate them, with O where there is no entity.",
    )


def spans_are_entities(docs: Sequence[Doc]) -> Finding:
    """RETURNS (Finding): Whether documents without entities have spans that may be meant as such."""
    spanned = [doc for doc in docs if not doc.ents and span_keys([doc])]
    return judged(
        is_rare(len(spanned), len(docs)),
        f"{len(spanned):,} of {len(docs):,} documents have no entity, but spans{named(spanned)}.",
        describe_spans(span_keys(spanned)).strip(),
    )


def labels_are_known(pipe: PositionalNER, examples: Sequence[Example]) -> Finding:
    """RETURNS (Finding): Whether the component can predict all labels that are annotated."""
    labels = set(count_labels(example.reference for example in examples))
    unknown = sorted(labels - set(pipe.labels))
    return judged(
        not unknown,
        f"{len(unknown)} of {len(labels)} labels are unknown to '{pipe.name}'{': ' * bool(unknown)}"
        f"{', '.join(unknown)}.",
        f"Train with all labels: give them in [initialize.components.{pipe.name}.labels].",
    )


def texts_are_short_enough(encoder: FrozenModel, texts: Sequence[Sequence[str]]) -> Finding:
    """RETURNS (Finding): Whether the encoder reads texts, given as words, in one piece or through windows."""
    transformer, tokenizer = huggingface(encoder)
    limit = max_pieces(transformer, tokenizer) - len(SpecialTokens.of(tokenizer))
    counts = WordPieces.of(tokenizer, texts).counts
    ends = np.cumsum([0, *map(len, texts)])
    pieces = np.diff(np.concatenate([[0], np.cumsum(counts)])[ends])
    long = [" ".join(texts[i]) for i in np.flatnonzero(pieces > limit).tolist()]
    return judged(
        is_rare(len(long), len(texts)),
        f"{len(long):,} of {len(texts):,} texts are longer than the {limit} word pieces that the "
        f"encoder reads at once{named(long)}. They are read through windows, without losing a word.",
        "Put a sentencizer before the transformer, so that it reads sentence by sentence.",
    )


def named(docs: Sequence[Union[Doc, Span, str]]) -> str:
    """RETURNS (str): How the first of some documents begin, as the end of a sentence; nothing of none."""
    shown = [(doc if isinstance(doc, str) else doc.text)[:60] for doc in docs[:SHOWN]]
    return f", for instance {shown}" if shown else ""
