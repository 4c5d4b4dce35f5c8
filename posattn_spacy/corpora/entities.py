"""Gold entities that can't be learned as they are: with white space at their edges, or across sentences."""

from typing import List, Optional

from spacy.tokens import Doc, Span

from ..blanks import is_blank


def blank_edged(doc: Doc) -> List[Span]:
    """Find entities that begin or end in white space or invisible characters.

    spaCy's `debug data` calls them invalid, and its `ner` can't learn them.

    doc (Doc): The document.
    RETURNS (List[Span]): The entities, those of white space alone among them.
    """
    return [ent for ent in doc.ents if is_blank(ent[0].text) or is_blank(ent[-1].text)]


def without_blanks(ent: Span) -> Optional[Span]:
    """Take white space off the edges of an entity.

    ent (Span): The entity.
    RETURNS (Optional[Span]): The same from its first to its last word; None if it has none.
    """
    words = [token.i for token in ent if not is_blank(token.text)]
    if not words:
        return None
    return Span(ent.doc, words[0], words[-1] + 1, label=ent.label, kb_id=ent.kb_id, span_id=ent.id)


def trim_blanks(doc: Doc) -> None:
    """Take white space off the edges of all entities, and leave out those of white space alone.

    doc (Doc): The document, which is changed; tokens that are in no entity any more are outside.
    """
    faulty = blank_edged(doc)
    if not faulty:
        return
    ends = {(ent.start, ent.end) for ent in faulty}
    sound = [ent for ent in doc.ents if (ent.start, ent.end) not in ends]
    trimmed = [ent for ent in map(without_blanks, faulty) if ent is not None]
    kept = {token.i for ent in trimmed for token in ent}
    freed = [token.i for ent in faulty for token in ent if token.i not in kept]
    doc.set_ents([*sound, *trimmed], outside=[doc[i : i + 1] for i in freed], default="unmodified")


def crossing(doc: Doc) -> List[Span]:
    """Find entities with the beginning of a sentence inside.

    doc (Doc): The document.
    RETURNS (List[Span]): The entities; none where no sentences are marked.
    """
    return [ent for ent in doc.ents if any(token.is_sent_start for token in ent[1:])]
