"""Documents as annotation tools take them: text, entities with their scores, and tokens."""

from typing import List, NamedTuple, Optional

from spacy.tokens import Doc

from ..confidence import all_confidences

NOTE = "posattn_note"


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
    tag (str): Its IOB2 tag; "-" where nothing is known.
    """

    text: str
    start: int
    has_space: bool
    begins: bool
    tag: str


class Exported(NamedTuple):
    """A document to be written.

    text (str): Its text.
    entities (List[ExportedEntity]): Its entities, in order.
    tokens (List[ExportedToken]): Its tokens.
    note (str): What else is to be said of it; mostly nothing.
    """

    text: str
    entities: List[ExportedEntity]
    tokens: List[ExportedToken]
    note: str = ""

    @property
    def is_scored(self) -> bool:
        """RETURNS (bool): Whether any of its entities was predicted."""
        return any(entity.score is not None for entity in self.entities)


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


def exported(doc: Doc) -> Exported:
    """Take from a document what is written of it.

    doc (Doc): The document; entities that a component has found have their scores, and what is to be said of
        it stands in its `user_data`, under `NOTE`.
    RETURNS (Exported): Text, entities, tokens and note.
    """
    tokens = [
        ExportedToken(
            token.text,
            token.idx,
            bool(token.whitespace_),
            bool(token.is_sent_start) or token.i == 0,
            f"{token.ent_iob_}-{token.ent_type_}" if token.ent_type_ else token.ent_iob_ or "-",
        )
        for token in doc
    ]
    return Exported(doc.text, exported_entities(doc), tokens, str(doc.user_data.get(NOTE, "")))
