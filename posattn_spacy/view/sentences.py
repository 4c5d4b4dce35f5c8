"""What there is to see of a document, as plain data."""

from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import xp2torch
from torch import Tensor

from ..annotation import TWICE
from ..attention import PositionalTagger, keep_mask
from ..component import PositionalNER
from ..confidence import all_confidences
from ..diagnosis.probes import Attention, watched_attention
from ..evaluation import piped_batches
from ..head import pieces_of
from ..layout import Layout
from ..model import head_inputs, torch_head

PERCENT = 100
LONGEST_LOOK = 1024  # tokens of a document whose attention is shown


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


class Look(NamedTuple):
    """Where a token looks, among the tokens that are read with it.

    first (int): The first token of those.
    percents (List[int]): How much it looks at it and at those that follow; nothing if it looks nowhere.
    """

    first: int
    percents: List[int]


class ShownSentence(NamedTuple):
    """A document as it is shown.

    tokens (List[str]): Its tokens.
    entities (List[Entity]): Predicted entities.
    gold (Optional[List[Entity]]): Gold entities, if they are known.
    gate (Optional[List[int]]): How far the gate holds each token to be inside an entity, in percent.
    attention (Optional[List[Look]]): Where each token looks, mean over the heads of the last block; None for
        documents of more than `LONGEST_LOOK` tokens.
    twice (Optional[List[Tuple[int, int]]]): First token, and one past the last, of each text that took a
        second look; None if it is not known, or all do.
    """

    tokens: List[str]
    entities: List[Entity]
    gold: Optional[List[Entity]] = None
    gate: Optional[List[int]] = None
    attention: Optional[List[Look]] = None
    twice: Optional[List[Tuple[int, int]]] = None

    def as_json(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): The same as plain lists and dictionaries."""
        entities = {
            name: None if spans is None else [span._asdict() for span in spans]
            for name, spans in (("entities", self.entities), ("gold", self.gold))
        }
        looks = None if self.attention is None else [look._asdict() for look in self.attention]
        return {**self._asdict(), **entities, "attention": looks}


def doc_sentence(doc: Doc, gold: Optional[Doc] = None) -> ShownSentence:
    """Make what there is to see of an annotated document alone.

    doc (Doc): The document.
    gold (Optional[Doc]): The same with its gold entities.
    RETURNS (ShownSentence): Tokens and entities.
    """
    scores = all_confidences(doc)
    entities = [
        Entity(ent.start, ent.end, ent.label_, scores.get((ent.start_char, ent.end_char, ent.label_)))
        for ent in doc.ents
    ]
    tokens, shown_gold = [token.text for token in doc], None if gold is None else _gold(gold)
    return ShownSentence(tokens, entities, shown_gold, twice=_twice(doc))


def _twice(doc: Doc) -> Optional[List[Tuple[int, int]]]:
    """The texts that took a second look, where a component has shown them."""
    groups = [group for key, group in doc.spans.items() if key.endswith(TWICE)]
    return [(span.start, span.end) for group in groups for span in group] if groups else None


def _gold(doc: Doc) -> List[Entity]:
    return [Entity(ent.start, ent.end, ent.label_, None) for ent in doc.ents]


def examined_sentences(
    nlp: Language, pipe: PositionalNER, examples: Sequence[Example]
) -> List[ShownSentence]:
    """Make all there is to see of documents, gate and attention too.

    nlp (Language): The pipeline.
    pipe (PositionalNER): Its component.
    examples (Sequence[Example]): The documents; those without tokens are left out, and none is changed.
    RETURNS (List[ShownSentence]): The sentences; gate and attention are None for a model that has none, as is
        a gate that nothing trained.
    """
    return [
        _examined(pipe, example, doc)
        for batch, docs in piped_batches(nlp, pipe, examples)
        for example, doc in zip(batch, docs, strict=True)
    ]


def _examined(pipe: PositionalNER, example: Example, doc: Doc) -> ShownSentence:
    head = torch_head(pipe.model)
    if not isinstance(head, PositionalTagger):
        pipe.set_annotations([doc], pipe.predict([doc]))
        return doc_sentence(doc, example.reference)
    (prediction,) = predictions = pipe.predict([doc])
    pipe.set_annotations([doc], predictions)
    texts = prediction.twice
    twice = (
        None
        if pipe.look_threshold is None
        else list(zip(texts.starts.tolist(), texts.stops.tolist(), strict=True))
    )
    scores = pipe.model.predict([doc])  # what a second look sees, whether there was one or not
    gate = np.zeros(len(doc))
    gate[scores.places] = xp2torch(scores.positions)[:, 0].sigmoid().cpu().numpy()
    learned = head.config.mask != "none" or pipe.cfg["positional_weight"] > 0
    shown = len(head.blocks) > 0 and len(doc) <= LONGEST_LOOK
    return doc_sentence(doc, example.reference)._replace(
        gate=_percent(gate) if learned else None,
        attention=_looks(pipe, head, doc) if shown else None,
        twice=twice,
    )


def _looks(pipe: PositionalNER, head: PositionalTagger, doc: Doc) -> List[Look]:
    """Find where each token of a document looks, within the stretch that scores it."""
    looks = [Look(i, []) for i in range(len(doc))]
    inputs = head_inputs(pipe.model, [doc])
    places = inputs.words[0].places
    for piece in pieces_of(pipe.model.get_ref("output_layer"), inputs):
        with watched_attention(head) as seen, torch.no_grad():
            _, positions = head(*piece.inputs)
        layout = Layout.from_lengths(piece.inputs[1].cpu())
        for row, keys, shares in stretch_looks(seen[-1], positions[:, 0].cpu(), layout, head):
            if piece.scored is None or row in piece.scored:
                tokens = places[piece.words[keys]]
                spread = np.zeros(tokens[-1] + 1 - tokens[0])
                spread[tokens - tokens[0]] = shares
                looks[places[piece.words[row]]] = Look(int(tokens[0]), _percent(spread))
    return looks


def stretch_looks(
    block: Attention, gate: Tensor, layout: Layout, head: PositionalTagger
) -> Iterator[Tuple[int, np.ndarray, np.ndarray]]:
    """Find where each row of a piece looks.

    block (Attention): The attention weights of a block.
    gate (Tensor): (rows,) gate logits.
    layout (Layout): The stretches that the rows belong to.
    head (PositionalTagger): The head.
    YIELDS (Tuple[int, np.ndarray, np.ndarray]): A row, the rows of its stretch that the mask leaves, and how
        much it looks at each, mean over the heads; nothing for a row that the mask leaves out.
    """
    weights, place = block.weights.float().mean(1).cpu().numpy(), block.layout.cpu()
    packed = len(place.slots) < len(layout.slots)
    kept = keep_mask(gate, layout, head.config.pad_ratio) if packed else torch.ones_like(gate).bool()
    rows = kept.nonzero().squeeze(1).numpy()
    texts, times = (place.slots // place.time).numpy(), (place.slots % place.time).numpy()
    for row, text, time in zip(rows.tolist(), texts.tolist(), times.tolist(), strict=True):
        keys = rows[texts == text]
        yield row, keys, weights[text, time, : len(keys)]


def _percent(shares: np.ndarray) -> List[int]:
    return np.rint(PERCENT * shares).astype(int).tolist()
