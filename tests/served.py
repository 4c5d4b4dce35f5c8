"""Pipelines of all kinds, trained a little, as services have them."""

from pathlib import Path
from typing import Any, Callable, List, Tuple

import spacy
from spacy.language import Language

from pipelines import (
    LEXICAL,
    add_head,
    frozen_pipeline,
    plain_pipeline,
    stock_pipeline,
    train,
    train_on_stock,
)

NAME = "posattn_ner"
Encoder = Callable[[str], Path]


def shipped(encoder: Encoder) -> Language:
    """As it is shipped: sentencizer, frozen transformer, head with a lexical channel, cleaner."""
    nlp = frozen_pipeline(encoder("bert"), lexical=LEXICAL)
    nlp.add_pipe("sentencizer", first=True)
    nlp.add_pipe("doc_cleaner")
    train(nlp, 20, drop=0.5)
    return nlp


def replaced(encoder: Encoder) -> Language:
    nlp = frozen_pipeline(encoder("roberta"), lexical=LEXICAL)
    train(nlp, 20, drop=0.5)
    nlp.replace_listeners("transformer", NAME, ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    return nlp


def without_transformer(encoder: Encoder) -> Language:
    nlp = plain_pipeline(lexical=LEXICAL)
    train(nlp, 60, drop=0.3)
    return nlp


def on_tok2vec(encoder: Encoder) -> Language:
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec")
    add_head(nlp, {"@architectures": "spacy.Tok2VecListener.v1", "width": 96})
    train(nlp, 20, drop=0.5)
    return nlp


def on_stock(encoder: Encoder) -> Language:
    nlp = stock_pipeline(encoder("bert"))
    train_on_stock(nlp, 20)
    return nlp


def replaced_stock(encoder: Encoder) -> Language:
    nlp = on_stock(encoder)
    nlp.replace_listeners("transformer", NAME, ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    return nlp


PIPELINES = [shipped, replaced, without_transformer, on_tok2vec, on_stock, replaced_stock]


def seen(doc: Any) -> Tuple[List[Tuple[int, int, str]], bytes]:
    """Entities and their probabilities, to the last bit."""
    found = [(ent.start, ent.end, ent.label_) for ent in doc.ents]
    return found, doc.spans[NAME].attrs["scores"].tobytes()
