"""Small pipelines and a toy corpus that the tests of the component share.

The pipelines are of no language: to make the tokenizer of one takes longer than most tests.
"""

from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import pytest
import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Optimizer
from torch.nn import functional as F

from posattn_spacy import attention
from posattn_spacy.frozen.architecture import huggingface

Corpus = Sequence[Tuple[str, Dict[str, Any]]]

TRAIN_DATA: Corpus = [
    ("Alice Smith visited Berlin .", {"entities": [(0, 11, "per"), (20, 26, "geo")]}),
    ("Families of soldiers joined in London .", {"entities": [(31, 37, "geo")]}),
    ("Bob Jones of Peru spoke", {"entities": [(0, 9, "per"), (13, 17, "geo")]}),
    ("The Games cost $ 5 million", {"entities": []}),
]
TEXTS = [text for text, _ in TRAIN_DATA]
MASKS = ["soft", "pad", "hard", "none"]

# With all its parts, which the defaults leave out.
TAGGER = {
    "@architectures": "posattn-spacy.PosAttnTagger.v2",
    "mask": "soft",
    "hidden_width": 32,
    "first_width": 16,
    "n_heads": 4,
}
WEIGHT = 0.25  # of the positional loss
HASH_EMBED = {
    "@architectures": "spacy.HashEmbedCNN.v2",
    "pretrained_vectors": None,
    "width": 32,
    "depth": 2,
    "embed_size": 200,
    "window_size": 1,
    "maxout_pieces": 3,
    "subword_features": True,
}
MULTI_HASH_EMBED = {
    "@architectures": "spacy.MultiHashEmbed.v2",
    "width": 16,
    "attrs": ["NORM", "PREFIX", "SUFFIX", "SHAPE"],
    "rows": [200, 100, 100, 100],
    "include_static_vectors": False,
}
LEXICAL = {
    "@architectures": "posattn-spacy.LexicalEmbed.v1",
    "width": 8,
    "attrs": ["NORM", "SHAPE"],
    "rows": [200, 100],
}
FROZEN_LISTENER = {"@architectures": "posattn-spacy.FrozenListener.v1"}
STOCK_LISTENER = {
    "@architectures": "spacy-transformers.TransformerListener.v1",
    "grad_factor": 1.0,
    "pooling": {"@layers": "reduce_mean.v1"},
}
LISTENERS = {"ours": FROZEN_LISTENER, "stock": STOCK_LISTENER}


def make_examples(nlp: Language, data: Corpus = TRAIN_DATA) -> List[Example]:
    return [Example.from_dict(nlp.make_doc(text), annotation) for text, annotation in data]


def add_head(
    nlp: Language, tok2vec: Dict[str, Any], *, settings: Optional[Dict[str, Any]] = None, **model: Any
):
    """Add a small `posattn_ner` whose model takes `model`, and the component `settings`."""
    model = {**TAGGER, "tok2vec": tok2vec, **model}
    config = {"positional_weight": WEIGHT, "model": model, **(settings or {})}
    return nlp.add_pipe("posattn_ner", config=config)


def plain_pipeline(*, settings: Optional[Dict[str, Any]] = None, **model: Any) -> Language:
    """A pipeline without a transformer."""
    nlp = spacy.blank("xx")
    add_head(nlp, HASH_EMBED, settings=settings, **model)
    return nlp


def frozen_architecture(encoder: Path, **model: Any) -> Dict[str, Any]:
    return {"@architectures": "posattn-spacy.FrozenTransformer.v1", "name": str(encoder), **model}


def add_frozen_transformer(nlp: Language, encoder: Path, **model: Any):
    return nlp.add_pipe("transformer", config={"model": frozen_architecture(encoder, **model)})


def add_stock_transformer(nlp: Language, encoder: Path):
    model = {
        "@architectures": "spacy-transformers.TransformerModel.v3",
        "name": str(encoder),
        "get_spans": {"@span_getters": "spacy-transformers.doc_spans.v1"},
        "tokenizer_config": {"use_fast": True},
    }
    return nlp.add_pipe("transformer", config={"model": model})


def frozen_pipeline(
    encoder: Path,
    *,
    listener: Dict[str, Any] = FROZEN_LISTENER,
    layers: Optional[List[int]] = None,
    **model: Any,
) -> Language:
    """A pipeline of a frozen transformer and a head that listens to it."""
    nlp = spacy.blank("xx")
    add_frozen_transformer(nlp, encoder, layers=layers)
    add_head(nlp, listener, **model)
    return nlp


def stock_pipeline(encoder: Path) -> Language:
    """A stock transformer, and a head on a stock listener."""
    nlp = spacy.blank("xx")
    add_stock_transformer(nlp, encoder)
    add_head(nlp, STOCK_LISTENER)
    return nlp


def train(nlp: Language, steps: int, data: Corpus = TRAIN_DATA, **update: Any) -> Dict[str, float]:
    """Initialize a pipeline and update it `steps` times on all of `data`; return the last losses."""
    examples = make_examples(nlp, data)
    optimizer: Optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.003
    losses: Dict[str, float] = {}
    for _ in range(steps):
        losses = nlp.update(examples, sgd=optimizer, losses={}, **update)
    return losses


def saved_pipeline(folder: Path, steps: int = 40) -> Path:
    """RETURNS (Path): The folder, with a trained pipeline that has no encoder."""
    nlp = plain_pipeline()
    train(nlp, steps)
    nlp.to_disk(folder)
    return folder


def train_on_stock(nlp: Language, steps: int) -> List[Example]:
    """Train the head as `spacy train` does with the transformer under frozen and annotating components."""
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.003
    for _ in range(steps):
        nlp.update(examples, sgd=optimizer, exclude=["transformer"], annotates=["transformer"])
    return examples


def fill_up(monkeypatch: pytest.MonkeyPatch, multiple: int) -> None:
    """Let heads put zeros behind their rows up to a multiple, as they do in bfloat16."""
    monkeypatch.setattr(attention, "filled", lambda rows, _: F.pad(rows, (0, 0, 0, -len(rows) % multiple)))


def encoder_weights(nlp: Language) -> Dict[str, bytes]:
    encoder, _ = huggingface(nlp.get_pipe("transformer").model)
    return {name: weight.numpy().tobytes() for name, weight in encoder.state_dict().items()}


def entities(nlp: Language, texts: Sequence[str] = TEXTS) -> List[List[Tuple[int, int, str]]]:
    """What a pipeline finds in texts: start and end in characters, and label."""
    return [[(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents] for doc in nlp.pipe(texts)]


GOLD = [annotation["entities"] for _, annotation in TRAIN_DATA]


def initialized(nlp: Language, data: Corpus = TRAIN_DATA) -> List[Example]:
    """Initialize a pipeline on examples, and return them."""
    examples = make_examples(nlp, data)
    nlp.initialize(lambda: examples)
    return examples


def head_parameters(nlp: Language) -> Dict[str, torch.Tensor]:
    head = nlp.get_pipe("posattn_ner").model.get_ref("output_layer").shims[0]._model
    return {name: parameter.detach().clone() for name, parameter in head.named_parameters()}


def misaligned_examples(nlp: Language) -> List[Example]:
    """An example whose only entity ends inside a predicted token."""
    words = ["New", "York", "is", "large"]
    reference = Doc(nlp.vocab, words=words, ents=["B-geo", "O", "O", "O"])
    return [Example(Doc(nlp.vocab, words=["New York", "is", "large"]), reference)]
