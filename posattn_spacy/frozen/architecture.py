"""`posattn-spacy.FrozenTransformer.v1`: a transformer that is run once and never trained (DESIGN.md 3).

The architecture goes under the stock `transformer` factory of spacy-transformers, in whose data classes it
answers, so that listeners, packaging and `doc._.trf_data` work as they do there.
"""

from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple, Union, cast

import numpy as np
import torch
from spacy.strings import StringStore
from spacy.tokens import Doc
from spacy_transformers.data_classes import (
    FullTransformerBatch,
    HFObjects,
    TransformerData,
)
from spacy_transformers.layers.hf_shim import HFShim
from thinc.api import Model, torch2xp
from thinc.types import Floats2d
from torch import Tensor

from ..precision import precision
from ..rows import BLOCK, LONG, Keeper, LazyRows, Rows
from ..texts import Text, Words, read_words, split_texts
from .blocks import block_bounds, texts_between
from .data import FrozenData
from .listener import replace_listener, replace_listener_config
from .loading import load_encoder, resolve_layers
from .pending import PendingBatch, PendingRows, TextEncoder
from .pieces import POOLINGS, Pooling, encode_pieces
from .shim import FrozenShim, FrozenTransformer

FrozenModel = Model[List[Doc], FullTransformerBatch]
LOOKED_UP = 4  # times as many pieces go together where they are looked up and no layer is run
GPU_PIECES = 1 << 15  # that a GPU takes together at least: the setting is for the caches of a processor


class FrozenBatch(FullTransformerBatch):
    """The output of a frozen transformer: one row per spaCy token, nothing to send back."""

    def unsplit_by_doc(self, arrays: List[List[Any]]) -> "FrozenBatch":
        """Take the gradients of a stock listener, which end here: the encoder is frozen."""
        return self


def build_frozen_transformer_v1(
    name: str,
    layers: Union[int, List[int], None] = None,
    batch_pieces: int = 4096,
    mixed_precision: bool = False,
    pooling: Pooling = "mean",
    tokenizer_config: Optional[Dict[str, Any]] = None,
) -> FrozenModel:
    """Build a transformer that is run without a graph, has no gradient and is never updated.

    It needs neither `frozen_components` nor `annotating_components`. Texts go in as spaCy's tokens, sentence
    by sentence where a document has them marked, else as a whole; long ones through overlapping windows.

    name (str): Folder of a Hugging Face encoder, or its name on the hub.
    layers (Union[int, List[int], None]): Hidden states to keep, side by side. A number takes that many, or
        as many as there are, evenly spaced from the embeddings to the last layer's output; a list names
        them, 0 being the embeddings, 1 the first layer's output and -1 the last one's. All by default.
    batch_pieces (int): Word pieces per forward pass, padding included.
    mixed_precision (bool): Whether to multiply matrices in bfloat16 on hardware that is faster at it.
    pooling (str): What becomes of a token's word pieces: their "mean", or the "first" or "last" one alone.
    tokenizer_config (Optional[Dict[str, Any]]): Settings for the Hugging Face tokenizer.
    RETURNS (Model[List[Doc], FullTransformerBatch]): The model; its width `nO` is known once it is
        initialized or loaded.
    RAISES (ValueError): If there is no such pooling, or no piece fits into a pass.
    """
    if batch_pieces < 1:
        raise ValueError(f"components.transformer.model.batch_pieces = {batch_pieces}: give at least 1.")
    if pooling not in POOLINGS:
        raise ValueError(
            f"components.transformer.model.pooling = {pooling!r}: choose one of {', '.join(POOLINGS)}."
        )
    objects = HFObjects(None, None, None, {"use_fast": True, **(tokenizer_config or {})}, {})
    return FrozenTransformer(
        "frozen-transformer",
        forward,
        init=init,
        dims={"nO": None},
        shims=[FrozenShim(objects)],
        attrs={
            "name": name,
            "layers": layers,
            "batch_pieces": batch_pieces,
            "mixed_precision": mixed_precision,
            "pooling": pooling,
            "tokenizer_config": tokenizer_config,
            "encode": encode_texts,  # a feature store puts itself in its place
            "keeper": Keeper(),
            "frozen": True,
            "replace_listener": replace_listener,
            "replace_listener_cfg": replace_listener_config,
        },
    )


def huggingface(model: FrozenModel) -> Tuple[Any, Any]:
    """Get the encoder and its tokenizer out of a frozen transformer or a stock `TransformerModel`.

    model (Model[List[Doc], FullTransformerBatch]): The initialized model.
    RETURNS (Tuple[PreTrainedModel, PreTrainedTokenizerFast]): The Hugging Face objects.
    RAISES (ValueError): If the model has not been initialized.
    """
    for node in model.walk():
        for shim in node.shims:
            if isinstance(shim, HFShim) and shim._hfmodel.transformer is not None:
                return shim._hfmodel.transformer, shim._hfmodel.tokenizer
    raise ValueError(
        "The transformer has no encoder yet: initialize the pipeline (nlp.initialize() or `spacy train`), "
        "load a trained one with spacy.load, or source the transformer from one. "
        "A transformer that is listed in frozen_components is never initialized."
    )


def pad_embedding(model: FrozenModel) -> np.ndarray:
    """What the encoder makes of its own `[PAD]` token, in the shape of a token's features.

    model (Model[List[Doc], FullTransformerBatch]): An initialized frozen or stock transformer.
    RETURNS (np.ndarray): (nO,) float32, the kept layers side by side.
    """
    transformer, tokenizer = huggingface(model)
    frozen = model.attrs.get("frozen", False)
    layers = kept_layers(model) if frozen else [transformer.config.num_hidden_layers]
    mixed = model.attrs.get("mixed_precision", False)
    with evaluating(transformer), torch.inference_mode(), precision(transformer.device, mixed):
        ids = torch.tensor([[tokenizer.pad_token_id]], device=transformer.device)
        seen = torch.ones_like(ids)
        hidden = transformer(ids, attention_mask=seen, output_hidden_states=True).hidden_states
        states = torch.cat([hidden[layer][0, 0] for layer in layers])
    return states.float().cpu().numpy()


@contextmanager
def evaluating(module: Any) -> Iterator[None]:
    """Put a torch module into evaluation mode for a while: a stock transformer may be in training.

    module (nn.Module): The module.
    """
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)


def init(model: FrozenModel, X: Any = None, Y: Any = None) -> None:
    """Load the encoder and set the model's width; done once."""
    if model.has_dim("nO"):
        return
    shim = cast(FrozenShim, model.shims[0])
    shim.set_encoder(*load_encoder(model.attrs["name"], shim._hfmodel._init_tokenizer_config))
    config = shim._model.config
    layers = resolve_layers(model.attrs["layers"], config.num_hidden_layers)
    model.set_dim("nO", len(layers) * config.hidden_size)


def encode_texts(model: FrozenModel, texts: Sequence[Text], strings: StringStore) -> Tensor:
    """Run the encoder over texts.

    model (FrozenModel): The initialized model.
    texts (Sequence[Text]): The texts.
    strings (StringStore): Where their words are known.
    RETURNS (Tensor): (words, nO) float32, the texts one after another.
    """
    n_words, n_layers, width = sum(map(len, texts)), len(kept_layers(model)), model.get_dim("nO")
    rows = torch.empty((n_words, n_layers, width // n_layers), device=huggingface(model)[0].device)
    encode_texts_into(model, texts, strings, rows.transpose(0, 1))
    return rows.flatten(1)


def encode_texts_into(
    model: FrozenModel,
    texts: Sequence[Text],
    strings: StringStore,
    out: Tensor,
    layers: Optional[List[int]] = None,
) -> None:
    """Run the encoder over texts, and put what it makes of them somewhere.

    model (FrozenModel): The initialized model.
    texts (Sequence[Text]): The texts.
    strings (StringStore): Where their words are known.
    out (Tensor): (layers, words, width) of any type, filled.
    layers (Optional[List[int]]): The hidden states to put there; those that are kept if not given.
    RAISES (OverflowError): If a number is not finite in the type of `out`.
    """
    layers = kept_layers(model) if layers is None else layers
    shim, (_, tokenizer) = cast(FrozenShim, model.shims[0]), huggingface(model)
    transformer = shim.depths.upto(max(layers))
    lengths = [len(text.orths) for text in texts]
    n_read = sum(lengths)
    with_context = n_read > out.shape[1]
    rows = out.new_empty((out.shape[0], n_read, out.shape[2])) if with_context else out
    attrs = model.attrs
    with precision(transformer.device, attrs["mixed_precision"]):
        encode_pieces(
            transformer,
            tokenizer,
            shim.piece_table.pieces(np.concatenate([text.orths for text in texts]), strings),
            lengths,
            layers,
            pieces_at_once(attrs["batch_pieces"], max(layers), transformer.device.type),
            rows,
            attrs["pooling"],
        )
    if with_context:
        parts = rows.split(lengths, dim=1)
        asked = [part[:, text.start : text.stop] for part, text in zip(parts, texts, strict=True)]
        out.copy_(torch.cat(asked, dim=1))


def pieces_at_once(batch_pieces: int, layers: int, device: str) -> int:
    """Say how many word pieces go through the encoder together.

    batch_pieces (int): The setting.
    layers (int): How many layers are run.
    device (str): The kind of device, such as "cpu".
    RETURNS (int): The number of pieces, padding included.
    """
    if device != "cpu":
        return max(batch_pieces, GPU_PIECES)
    return batch_pieces * (1 if layers else LOOKED_UP)


def kept_layers(model: FrozenModel) -> List[int]:
    """RETURNS (List[int]): The hidden states that an initialized frozen transformer keeps."""
    return resolve_layers(model.attrs["layers"], huggingface(model)[0].config.num_hidden_layers)


def forward(
    model: FrozenModel, docs: List[Doc], is_train: bool
) -> Tuple[FullTransformerBatch, Callable[[Any], List[Doc]]]:
    """Encode documents: in training now, else when they are asked for; long ones when their rows are read."""
    words = read_words(docs)
    strings = docs[0].vocab.strings
    make = document_rows if is_train or not can_wait(model) else pending_rows
    each = zip(make(model, words, strings), words, docs, strict=True)
    batch = _as_batch([FrozenData(rows, own, len(doc)) for rows, own, doc in each])
    if is_train:
        leave_features(docs, batch)
    return batch, _no_backprop


def leave_features(docs: Sequence[Doc], batch: FullTransformerBatch) -> None:
    """Leave features on the documents of an update, for listeners that the transformer does not know.

    It looks for them when it is initialized, when components that are sourced to be trained on are disabled.

    docs (Sequence[Doc]): The documents, which spaCy copies for each update.
    batch (FullTransformerBatch): The features.
    """
    if Doc.has_extension("trf_data"):
        for doc, data in zip(docs, batch.doc_data, strict=True):
            doc._.trf_data = data


def document_rows(model: FrozenModel, words: Sequence[Words], strings: StringStore) -> Sequence[Rows]:
    """Encode documents, short ones now and together, long ones when their rows are read.

    model (FrozenModel): The initialized model.
    words (Sequence[Words]): The words of each document.
    strings (StringStore): Where they are known.
    RETURNS (Sequence[Rows]): (words, nO) for each document.
    """
    is_long = [len(own.orths) > LONG for own in words]
    short = [own for own, long in zip(words, is_long, strict=True) if not long]
    rows = iter(encode_documents(model, short, strings))
    return [
        rows_when_read(model, own, strings) if long else next(rows)
        for own, long in zip(words, is_long, strict=True)
    ]


def encode_documents(model: FrozenModel, words: Sequence[Words], strings: StringStore) -> List[Floats2d]:
    """Encode documents together.

    model (FrozenModel): The initialized model.
    words (Sequence[Words]): The words of each document.
    strings (StringStore): Where they are known.
    RETURNS (List[Floats2d]): (words, nO) for each document, parts of one array.
    """
    texts = split_texts(words)
    if not texts:
        return [model.ops.alloc2f(0, model.get_dim("nO")) for _ in words]
    rows = cast(Floats2d, torch2xp(model.attrs["encode"](model, texts, strings)))
    stops = np.cumsum([len(each.orths) for each in words]).tolist()
    return [rows[start:stop] for start, stop in pairwise([0, *stops])]


def can_wait(model: FrozenModel) -> bool:
    """Say whether it is of use to know hidden state 0 of a text before the others.

    model (FrozenModel): The initialized model.
    RETURNS (bool): Whether hidden state 0 stands first among those that are kept, takes no layer to make, and
        no feature store has all of them.
    """
    layers = kept_layers(model)
    waits = model.attrs["encode"] is encode_texts and layers[0] == 0 and len(layers) > 1
    return waits and cast(FrozenShim, model.shims[0]).depths.reaches(0)


def first_state_width(encoder: Optional[Model]) -> int:
    """RETURNS (int): Width of hidden state 0, if a transformer keeps it first of several and makes it without
    running a layer; else 0.
    """
    if encoder is None or not encoder.attrs.get("frozen"):
        return 0
    init(encoder)  # one within the model that listens is set up with it, else
    layers = kept_layers(encoder)
    is_first = layers[0] == 0 and len(layers) > 1 and cast(FrozenShim, encoder.shims[0]).depths.reaches(0)
    return encoder.get_dim("nO") // len(layers) if is_first else 0


def pending_rows(model: FrozenModel, words: Sequence[Words], strings: StringStore) -> Sequence[PendingRows]:
    """Let documents be encoded together when one of them is asked for, or text by text.

    model (FrozenModel): The initialized model.
    words (Sequence[Words]): The words of each document.
    strings (StringStore): Where they are known.
    RETURNS (Sequence[PendingRows]): (words, nO) for each document.
    """
    batch = PendingBatch(text_encoder(model), partial(document_rows, model, words, strings))
    return [PendingRows(batch, i) for i in range(len(words))]


def text_encoder(model: FrozenModel) -> TextEncoder:
    """RETURNS (TextEncoder): How texts are encoded by themselves."""
    return TextEncoder(model, partial(_first_states, model), partial(_all_states, model))


def _first_states(model: FrozenModel, texts: Sequence[Text], strings: StringStore) -> Floats2d:
    width = model.get_dim("nO") // len(kept_layers(model))
    rows = torch.empty((sum(map(len, texts)), width), device=huggingface(model)[0].device)
    encode_texts_into(model, texts, strings, rows[None], [0])
    return cast(Floats2d, torch2xp(rows))


def _all_states(model: FrozenModel, texts: Sequence[Text], strings: StringStore) -> Floats2d:
    return cast(Floats2d, torch2xp(model.attrs["encode"](model, texts, strings)))


def rows_when_read(model: FrozenModel, words: Words, strings: StringStore) -> Rows:
    """Let a long document be encoded block by block, when its rows are read.

    model (FrozenModel): The initialized model.
    words (Words): The words of the document.
    strings (StringStore): Where they are known.
    RETURNS (Rows): (words, nO).
    """

    def make(start: int, stop: int) -> Floats2d:
        texts = texts_between(words, start, stop)
        return cast(Floats2d, torch2xp(model.attrs["encode"](model, texts, strings)))

    return LazyRows(block_bounds(words.lengths, BLOCK), make, model.attrs["keeper"])


def _no_backprop(d_output: Any) -> List[Doc]:
    return []


def _as_batch(data: Sequence[FrozenData]) -> FrozenBatch:
    """Wrap what was made of each document in spacy-transformers' data classes."""
    batch = FullTransformerBatch.empty(0)
    each = [item if item.n_tokens else TransformerData.empty() for item in data]
    return FrozenBatch(batch.spans, batch.wordpieces, batch.model_output, batch.align, each)
