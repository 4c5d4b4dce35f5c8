"""Documents as annotation tools take them: text, entities with their scores, and tokens."""

from typing import Any, Dict, List, NamedTuple, Optional

from spacy.tokens import Doc

from ..confidence import all_confidences
from ..partial import ANNOTATED_FOR, INCORRECT, unknown_stretches
from .fields import other_fields
from .schemes import OPEN

NOTE = "posattn_note"  # in `Doc.user_data`


class ExportedEntity(NamedTuple):
    """An entity of a text.

    start (int): First character.
    end (int): One past the last.
    label (str): Its label.
    score (Optional[float]): Its probability, if it was predicted.
    """

    start: int
    end: int
    label: str
    score: Optional[float]


class ExportedToken(NamedTuple):
    """A token of a text.

    text (str): The token.
    start (int): First character.
    has_space (bool): Whether a space follows.
    begins (bool): Whether a sentence begins here.
    tag (str): Its IOB2 tag; `OPEN` where nothing is known.
    """

    text: str
    start: int
    has_space: bool
    begins: bool
    tag: str


class Stretch(NamedTuple):
    """A stretch of a text.

    start (int): First character.
    end (int): One past the last.
    label (str): What is said of it.
    """

    start: int
    end: int
    label: str


class Exported(NamedTuple):
    """A document to be written.

    text (str): Its text.
    entities (List[ExportedEntity]): Its entities, in order.
    tokens (List[ExportedToken]): Its tokens.
    predicted (bool): Whether a pipeline has found them, and nobody has annotated it yet.
    missing (List[Stretch]): Where no entity is annotated, not even as absent.
    annotated_for (List[Stretch]): Where it was annotated for single labels, if not for all.
    incorrect (List[Stretch]): What is known to be no entity of its label.
    note (str): What else is to be said of it; mostly nothing.
    fields (Dict[str, Any]): What else its tool or file has of it, such as its id.
    """

    text: str
    entities: List[ExportedEntity]
    tokens: List[ExportedToken]
    predicted: bool
    missing: List[Stretch]
    annotated_for: List[Stretch]
    incorrect: List[Stretch]
    note: str
    fields: Dict[str, Any]

    @property
    def is_bare(self) -> bool:
        """RETURNS (bool): Whether nobody and nothing has annotated it."""
        nothing_known = all(token.tag == OPEN for token in self.tokens)
        return nothing_known and not (self.predicted or self.annotated_for or self.incorrect)


def exported_entities(doc: Doc) -> List[ExportedEntity]:
    """Take the entities from a document, those that a component has found with their scores.

    doc (Doc): The document.
    RETURNS (List[ExportedEntity]): Its entities, in order.
    """
    scores = all_confidences(doc)
    entities = []
    for ent in doc.ents:
        place = ent.start_char, ent.end_char, ent.label_
        score = scores.get(place)
        entities.append(ExportedEntity(*place, None if score is None else round(float(score), 4)))
    return entities


def exported(doc: Doc, predicted: bool = False) -> Exported:
    """Take from a document what is written of it.

    doc (Doc): The document; entities that a component has found have their scores, and what is to be said of
        it stands in its `user_data`, under `NOTE`.
    predicted (bool): Whether a pipeline has found its entities; so it is where one of them has a score.
    RETURNS (Exported): What is written.
    """
    entities = exported_entities(doc)
    tokens = [
        ExportedToken(
            token.text,
            token.idx,
            bool(token.whitespace_),
            bool(token.is_sent_start) or token.i == 0,
            f"{token.ent_iob_}-{token.ent_type_}" if token.ent_type_ else token.ent_iob_ or OPEN,
        )
        for token in doc
    ]
    return Exported(
        doc.text,
        entities,
        tokens,
        predicted or any(entity.score is not None for entity in entities),
        [Stretch(doc[i].idx, doc[j - 1].idx + len(doc[j - 1]), "") for i, j in unknown_stretches(doc)],
        _stretches(doc, ANNOTATED_FOR),
        _stretches(doc, INCORRECT),
        str(doc.user_data.get(NOTE, "")),
        other_fields(doc),
    )


def _stretches(doc: Doc, group: str) -> List[Stretch]:
    spans = doc.spans.get(group, ())
    return [Stretch(span.start_char, span.end_char, span.label_) for span in spans]
