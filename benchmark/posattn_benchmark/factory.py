"""The factory of a baseline; spaCy imports it for every pipeline, so what is heavy comes with the call."""

from typing import TYPE_CHECKING

from spacy.language import Language

if TYPE_CHECKING:
    from .baselines import Lexicon


@Language.factory("posattn_lexicon", assigns=["doc.ents", "token.ent_iob", "token.ent_type"])
def make_lexicon(nlp: Language, name: str) -> "Lexicon":
    """Make a component that gives every word the tag it has most often."""
    from .baselines import Lexicon

    return Lexicon(nlp.vocab, name)
