"""Checks of annotated documents: what of them can't be learned."""

from typing import Iterator, List, Sequence

import numpy as np
from spacy.tokens import Doc
from spacy.training import Example

from ..component import PositionalNER
from ..frozen.encode import SpecialTokens, WordPieces, max_pieces
from ..frozen.encoder import FrozenModel, huggingface
from ..gold import survey_examples
from .findings import Finding, judged

SHOWN = 3  # documents


def check_corpus(
    pipe: PositionalNER, encoders: Sequence[FrozenModel], examples: Sequence[Example]
) -> Iterator[Finding]:
    """Check annotated documents.

    pipe (PositionalNER): The component that learns from them.
    encoders (Sequence[FrozenModel]): The frozen transformers of its pipeline.
    examples (Sequence[Example]): The documents.
    YIELDS (Finding): The findings.
    """
    yield entities_fit_the_tokens(examples)
    yield documents_are_annotated(examples)
    yield labels_are_known(pipe, examples)
    for encoder in encoders:
        yield texts_are_short_enough(encoder, examples)


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
        not survey.misaligned,
        f"{survey.misaligned:,} of {survey.entities:,} entities {fault}{where}.",
        remedy,
    )


def documents_are_annotated(examples: Sequence[Example]) -> Finding:
    """RETURNS (Finding): Whether all documents say what is an entity in them, and what is none."""
    docs = [example.reference for example in examples]
    bare = [doc for doc in docs if len(doc) and not doc.has_annotation("ENT_IOB")]
    return judged(
        not bare,
        f"{len(bare):,} of {len(examples):,} documents have no entity annotation at all{named(bare)}.",
        "Their tokens are left out of the loss. Annotate them, with O where there is no entity.",
    )


def labels_are_known(pipe: PositionalNER, examples: Sequence[Example]) -> Finding:
    """RETURNS (Finding): Whether the component can predict all labels that are annotated."""
    labels = {ent.label_ for example in examples for ent in example.reference.ents}
    unknown = sorted(labels - set(pipe.labels))
    return judged(
        not unknown,
        f"{len(unknown)} of {len(labels)} labels are unknown to '{pipe.name}'{': ' * bool(unknown)}"
        f"{', '.join(unknown)}.",
        f"Train with all labels: give them in [initialize.components.{pipe.name}.labels].",
    )


def texts_are_short_enough(encoder: FrozenModel, examples: Sequence[Example]) -> Finding:
    """RETURNS (Finding): Whether the encoder reads texts in one piece, or through windows."""
    transformer, tokenizer = huggingface(encoder)
    limit = max_pieces(transformer, tokenizer) - len(SpecialTokens.of(tokenizer))
    texts = [[token.text for token in example.predicted] for example in examples]
    counts = WordPieces.of(tokenizer, texts).counts
    ends = np.cumsum([0, *map(len, texts)])
    pieces = np.diff(np.concatenate([[0], np.cumsum(counts)])[ends])
    long = [examples[i].reference for i in np.flatnonzero(pieces > limit).tolist()]
    return judged(
        not long,
        f"{len(long):,} of {len(examples):,} documents are longer than the {limit} word pieces that the "
        f"encoder reads at once{named(long)}. They are read through windows; nothing is cut off.",
        "Put a sentencizer before the transformer, so that it reads sentence by sentence.",
    )


def named(docs: Sequence[Doc]) -> str:
    """RETURNS (str): How the first of some documents begin, as the end of a sentence; nothing of none."""
    shown: List[str] = [doc.text[:60] for doc in docs[:SHOWN]]
    return f", for instance {shown}" if shown else ""
