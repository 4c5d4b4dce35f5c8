"""A head whose mask is told by the gold entities: what a perfect gate would give."""

from typing import Iterator, List, Sequence

import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import xp2torch
from torch import Tensor

from posattn_spacy.attention import PositionalTagger
from posattn_spacy.component import PositionalNER
from posattn_spacy.evaluation import piped_batches
from posattn_spacy.head import pieces_of
from posattn_spacy.model import head_inputs, torch_head

SURE = 20.0  # logit of a gate that knows


def predict_with_gold_mask(nlp: Language, pipe: PositionalNER, examples: Sequence[Example]) -> List[Example]:
    """Predict with the mask taken from the gold entities: what a perfect gate would give (DESIGN.md 2.5).

    For analysis alone; documents with tokens only.

    nlp (Language): The pipeline.
    pipe (PositionalNER): One of its components, whose model is a `posattn-spacy.PosAttnTagger`.
    examples (Sequence[Example]): The examples.
    RETURNS (List[Example]): The same references with new predictions.
    RAISES (ValueError): If the model is another one.
    """
    head = torch_head(pipe.model)
    if not isinstance(head, PositionalTagger):
        raise ValueError(f"'{pipe.name}' has no gate whose place gold could take.")
    predicted: List[Example] = []
    for batch, docs in piped_batches(nlp, pipe, examples):
        inside = torch.from_numpy(pipe.gold_of(batch).positions[:, :1])
        predicted.extend(_annotated(pipe, head, batch, docs, inside))
    return predicted


def _annotated(
    pipe: PositionalNER, head: PositionalTagger, batch: Sequence[Example], docs: List[Doc], inside: Tensor
) -> Iterator[Example]:
    """Decode a batch with a gate that knows which words are inside entities."""
    scores = pipe.model.predict(docs)
    tags = xp2torch(scores.tags)
    for piece in pieces_of(pipe.model.get_ref("output_layer"), head_inputs(pipe.model, docs)):
        told = SURE * (2 * inside[piece.words] - 1)
        with head.gate.register_forward_hook(lambda _, __, gate, told=told: told.to(gate)), torch.no_grad():
            found, _ = head(*piece.inputs)
        scored = slice(None) if piece.scored is None else torch.from_numpy(piece.scored)
        tags[piece.words[scored]] = found[scored]
    pipe.set_annotations(docs, pipe.decode(docs, scores))
    for example, doc in zip(batch, docs, strict=True):
        yield Example(doc, example.reference)
