"""What there is to see of a document, as plain data."""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence

import numpy as np
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import xp2torch
from torch import Tensor

from ..attention import Layout, PositionalTagger, keep_mask
from ..component import PositionalNER, Prediction
from ..diagnosis.probes import Attention, watched_attention
from ..evaluation import piped_batches
from ..model import torch_head
from ..tagging import Spans
from ..texts import text_lengths

PERCENT = 100


class Entity(NamedTuple):
    """An entity of a sentence.

    start (int): First token.
    stop (int): One past the last token.
    label (str): Entity type.
    score (Optional[float]): How sure it is, from 0 to 1; None if nobody says.
    """

    start: int
    stop: int
    label: str
    score: Optional[float]


class Sentence(NamedTuple):
    """A document as it is shown.

    tokens (List[str]): Its tokens.
    entities (List[Entity]): Predicted entities.
    gold (Optional[List[Entity]]): Gold entities, if they are known.
    gate (Optional[List[int]]): How far the gate holds each token to be inside an entity, in percent.
    attention (Optional[List[List[int]]]): Where each token looks, in percent, mean over the heads of the last
        block.
    """

    tokens: List[str]
    entities: List[Entity]
    gold: Optional[List[Entity]] = None
    gate: Optional[List[int]] = None
    attention: Optional[List[List[int]]] = None

    def as_json(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): The same as plain lists and dictionaries."""
        entities = {
            name: None if spans is None else [span._asdict() for span in spans]
            for name, spans in (("entities", self.entities), ("gold", self.gold))
        }
        return {**self._asdict(), **entities}


def doc_sentence(doc: Doc, gold: Optional[Doc] = None) -> Sentence:
    """Make what there is to see of an annotated document alone.

    doc (Doc): The document.
    gold (Optional[Doc]): The same with its gold entities.
    RETURNS (Sentence): Tokens and entities.
    """
    scores = _scores(doc)
    entities = [Entity(e.start, e.end, e.label_, scores.get((e.start, e.end, e.label_))) for e in doc.ents]
    return Sentence([token.text for token in doc], entities, None if gold is None else _gold(gold))


def _gold(doc: Doc) -> List[Entity]:
    return [Entity(ent.start, ent.end, ent.label_, None) for ent in doc.ents]


def _scores(doc: Doc) -> Dict[Any, float]:
    """How sure the entities of a document are, by the span groups that say so."""
    return {
        (span.start, span.end, span.label_): float(score)
        for group in doc.spans.values()
        for span, score in zip(group, group.attrs.get("scores", []), strict=False)
    }


def examined_sentences(nlp: Language, pipe: PositionalNER, examples: Sequence[Example]) -> List[Sentence]:
    """Make all there is to see of documents, gate and attention too.

    nlp (Language): The pipeline.
    pipe (PositionalNER): Its component.
    examples (Sequence[Example]): The documents; those without tokens are left out, and none is changed.
    RETURNS (List[Sentence]): The sentences; gate and attention are None for a model that has none, as is a
        gate that nothing trained.
    """
    return [
        _examined(pipe, example, doc)
        for batch, docs in piped_batches(nlp, pipe, examples)
        for example, doc in zip(batch, docs, strict=True)
    ]


def _examined(pipe: PositionalNER, example: Example, doc: Doc) -> Sentence:
    head = torch_head(pipe.model)
    if not isinstance(head, PositionalTagger):
        pipe.set_annotations([doc], pipe.predict([doc]))
        return doc_sentence(doc, example.reference)
    with watched_attention(head) as seen:
        scores = pipe.model.predict([doc])
    lattice = pipe.lattice([doc], scores)
    pipe.set_annotations([doc], [Prediction(lattice.spans_of(lattice.best()), Spans.none())])
    gate = xp2torch(scores.positions)[:, 0].cpu()
    layout = Layout.from_lengths(torch.from_numpy(text_lengths([doc])))
    learned = head.config.mask != "none" or pipe.cfg["positional_weight"] > 0
    return doc_sentence(doc, example.reference)._replace(
        gate=_percent(gate.sigmoid()) if learned else None,
        attention=_percent(attention_matrix(seen[-1], gate, layout, head)) if seen else None,
    )


def attention_matrix(block: Attention, gate: Tensor, layout: Layout, head: PositionalTagger) -> Tensor:
    """Find where each token of a batch looks.

    block (Attention): The attention weights of a block.
    gate (Tensor): (tokens,) gate logits.
    layout (Layout): The texts that the tokens belong to.
    head (PositionalTagger): The head.
    RETURNS (Tensor): (tokens, tokens) mean over its heads, from query to key; 0 between texts, and for
        what the mask leaves out.
    """
    weights, place = block.weights.float().mean(1).cpu(), block.layout.cpu()
    packed = len(place.slots) < len(layout.slots)
    kept = keep_mask(gate, layout, head.config.pad_ratio) if packed else torch.ones_like(gate).bool()
    text, time = place.slots // place.time, place.slots % place.time
    own = weights[text[:, None], time[:, None], time[None]] * (text[:, None] == text[None])
    matrix = torch.zeros(len(gate), len(gate))
    matrix[torch.outer(kept, kept)] = own.flatten()
    return matrix


def _percent(shares: Tensor) -> Any:
    return np.rint(PERCENT * shares.numpy()).astype(int).tolist()
