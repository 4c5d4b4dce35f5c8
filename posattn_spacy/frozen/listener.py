"""Listening to a frozen transformer: features come in as they are, and nothing goes back.

The stock listener pools, concatenates and sends a gradient back; on frozen features of one row per token
that costs more than the head itself (DESIGN.md 3).
"""

from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np
from spacy.attrs import ORTH
from spacy.tokens import Doc
from spacy_transformers.data_classes import FullTransformerBatch, TransformerData
from spacy_transformers.layers import TransformerListener
from thinc.api import Model
from thinc.types import Floats2d

from ..rows import Rows
from ..texts import read_words
from .data import token_rows, word_rows
from .upstream import features_of, require_features

Features = Model[List[Doc], List[Floats2d]]


class FrozenListener(TransformerListener):
    """A listener that takes one row per token from a frozen transformer.

    It is found by the `transformer` component like any other listener, and `spacy debug model` knows it by
    the name it inherits.

    upstream_name (str): Name of the transformer component, or "*" for any.
    """

    def __init__(self, upstream_name: str) -> None:
        super().__init__(upstream_name)
        self._func = listener_forward
        self.attrs["frozen"] = True
        # Set by a layer that takes the rows of words alone, in any type, and those of long documents unmade.
        self.attrs["as_stored"] = False

    @classmethod
    def get_batch_id(cls, inputs: List[Doc]) -> int:
        """Sum up the hashes of a batch's words, to the same number as a stock listener, but faster.

        inputs (List[Doc]): The batch.
        RETURNS (int): The sum, of any size.
        """
        hashes = np.concatenate([np.zeros(0, np.uint64), *(doc.to_array(ORTH) for doc in inputs)])
        high, low = hashes >> np.uint64(32), hashes & np.uint64(0xFFFFFFFF)
        return (int(high.sum()) << 32) + int(low.sum())


def build_frozen_listener_v1(upstream: str = "*") -> Features:
    """Build a layer that receives its features from a frozen transformer earlier in the pipeline.

    upstream (str): Name of the transformer component, or "*" for any.
    RETURNS (Model[List[Doc], List[Floats2d]]): One (tokens, width) array per document.
    """
    return FrozenListener(upstream)


def build_frozen_tok2vec_v1(transformer: Model[List[Doc], FullTransformerBatch]) -> Features:
    """Build a layer that owns its frozen transformer; what a replaced listener becomes.

    transformer (Model[List[Doc], FullTransformerBatch]): A `posattn-spacy.FrozenTransformer.v1`.
    RETURNS (Model[List[Doc], List[Floats2d]]): One (tokens, width) array per document.
    """
    dims = {"nO": transformer.get_dim("nO") if transformer.has_dim("nO") else None}
    return Model(
        "frozen-tok2vec",
        tok2vec_forward,
        init=init_tok2vec,
        layers=[transformer],
        dims=dims,
        attrs={"frozen": True, "as_stored": False},
    )


def listener_forward(
    model: FrozenListener, docs: List[Doc], is_train: bool
) -> Tuple[List[Rows], Callable[[Any], List[Doc]]]:
    """Hand over what the transformer sent for this batch, or what hangs on the documents."""
    data: Sequence[Optional[TransformerData]]
    if is_train and model._batch_id is not None:
        model.verify_inputs(docs)
        data = model._outputs or []
    else:
        data = listened_data(model, docs)
        if is_train:
            require_features(docs, model)
    rows = listened_rows(model, docs, data)

    def backprop(d_rows: Any) -> List[Doc]:
        model.receive(None, None, None)  # lets go of the batch
        return []

    return rows, backprop


def tok2vec_forward(
    model: Features, docs: List[Doc], is_train: bool
) -> Tuple[List[Rows], Callable[[Any], List[Doc]]]:
    """Run the owned transformer on the documents."""
    return listened_rows(model, docs, listened_data(model, docs)), lambda d_rows: []


def listened_data(model: Features, docs: List[Doc]) -> Sequence[Optional[TransformerData]]:
    """Ask for what a transformer makes of documents.

    model (Model[List[Doc], List[Floats2d]]): A frozen listener, or the layer that takes its place.
    docs (List[Doc]): The documents.
    RETURNS (Sequence[Optional[TransformerData]]): What hangs on each of them, or the owned transformer gives.
    """
    if isinstance(model, FrozenListener):
        return [features_of(doc) for doc in docs]
    return model.layers[0].predict(docs).doc_data


def listened_rows(
    model: Features, docs: Sequence[Doc], data: Sequence[Optional[TransformerData]]
) -> List[Rows]:
    """Read rows out of what a transformer made of documents.

    Zeros stand for documents that no transformer has seen: layers above are initialized with such.

    model (Model[List[Doc], List[Floats2d]]): As of `listened_data`.
    docs (Sequence[Doc]): The documents.
    data (Sequence[Optional[TransformerData]]): What `listened_data` gave.
    RETURNS (List[Rows]): One (tokens, width) array per document, or the rows of its words if they are wanted
        as stored.
    """
    as_stored = model.attrs["as_stored"]
    read = word_rows if as_stored else token_rows
    return [
        read(doc, item) if len(doc) and item is not None else _zeros(model, doc, as_stored)
        for doc, item in zip(docs, data, strict=True)
    ]


def _zeros(model: Features, doc: Doc, as_stored: bool) -> Floats2d:
    rows = len(read_words([doc])[0].places) if as_stored else len(doc)
    return model.ops.alloc2f(rows, model.get_dim("nO"))


def init_tok2vec(model: Features, X: Any = None, Y: Any = None) -> None:
    """Initialize the owned transformer and take over its width."""
    model.layers[0].initialize()
    model.set_dim("nO", model.layers[0].get_dim("nO"))


def replace_listener(
    transformer: Model[List[Doc], FullTransformerBatch], listener: Model, tok2vec: Any
) -> Features:
    """Make the layer that takes a listener's place; called by `nlp.replace_listeners`."""
    if not isinstance(listener, FrozenListener):
        raise ValueError(
            "A listener of spacy-transformers can't be replaced by a frozen transformer. Let the component "
            "listen through 'posattn-spacy.FrozenListener.v1'."
        )
    return build_frozen_tok2vec_v1(transformer)


def replace_listener_config(
    transformer_config: Dict[str, Any], listener_config: Dict[str, Any]
) -> Dict[str, Any]:
    """Make the config of the layer that takes a listener's place."""
    return {
        "@architectures": "posattn-spacy.FrozenTok2Vec.v1",
        "transformer": dict(transformer_config),
    }
