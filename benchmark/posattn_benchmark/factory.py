"""The factories of baselines; spaCy imports it for every pipeline, so what is heavy comes with the call."""

from typing import TYPE_CHECKING

from spacy.language import Language

if TYPE_CHECKING:
    from .baselines import Lexicon
    from .crf import Crf
    from .hugging_face import TokenClassifier


@Language.factory("posattn_lexicon", assigns=["doc.ents", "token.ent_iob", "token.ent_type"])
def make_lexicon(nlp: Language, name: str) -> "Lexicon":
    """Make a component that gives every word the tag it has most often."""
    from .baselines import Lexicon

    return Lexicon(nlp.vocab, name)


@Language.factory("posattn_crf", assigns=["doc.ents", "token.ent_iob", "token.ent_type"])
def make_crf(nlp: Language, name: str) -> "Crf":
    """Make a component that tags words by a linear-chain CRF on hand-made features."""
    from .crf import Crf

    return Crf(nlp.vocab, name)


@Language.factory("posattn_hugging_face", assigns=["doc.ents", "token.ent_iob", "token.ent_type"])
def make_token_classifier(nlp: Language, name: str) -> "TokenClassifier":
    """Make a component that runs a token classifier of Hugging Face."""
    from .hugging_face import TokenClassifier

    return TokenClassifier(nlp.vocab, name)
