"""Checks of annotated documents: what of them can't be learned."""

from typing import Iterator, List, Sequence

import numpy as np
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
    survey = survey_examples(examples, 0)
    where = f", for instance in {survey.where}" if survey.where else ""
    return judged(
        not survey.misaligned,
        f"{survey.misaligned:,} of {survey.entities:,} entities do not fit the tokens{where}.",
        "Set gold_preproc = true in the corpus reader, to learn from the annotated tokens.",
    )


def documents_are_annotated(examples: Sequence[Example]) -> Finding:
    """RETURNS (Finding): Whether all documents say what is an entity in them, and what is none."""
    bare = [each for each in examples if len(each.reference) and not _is_annotated(each)]
    return judged(
        not bare,
        f"{len(bare):,} of {len(examples):,} documents have no entity annotation at all{_places(bare)}.",
        "Their tokens are left out of the loss. Annotate them, with O where there is no entity.",
    )


def _is_annotated(example: Example) -> bool:
    return bool(example.reference.has_annotation("ENT_IOB"))


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
    long = [examples[i] for i in np.flatnonzero(pieces > limit).tolist()]
    return judged(
        not long,
        f"{len(long):,} of {len(examples):,} documents are longer than the {limit} word pieces that the "
        f"encoder reads at once{_places(long)}. They are read through windows; nothing is cut off.",
        "Put a sentencizer before the transformer, so that it reads sentence by sentence.",
    )


def _places(examples: Sequence[Example]) -> str:
    shown: List[str] = [example.reference.text[:60] for example in examples[:SHOWN]]
    return f", for instance {shown}" if shown else ""
