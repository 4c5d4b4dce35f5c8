"""`posattn-spacy.FrozenTransformer.v1`: a transformer that is run once and never trained (DESIGN.md 3).

The architecture goes under the stock `transformer` factory of spacy-transformers, in whose data classes it
answers, so that listeners, packaging and `doc._.trf_data` work as they do there.
"""

import os
from itertools import pairwise
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union, cast

import numpy as np
import torch
from spacy.tokens import Doc
from spacy_transformers.data_classes import (
    FullTransformerBatch,
    HFObjects,
    TransformerData,
)
from spacy_transformers.layers.hf_shim import HFShim
from thinc.api import Model, get_torch_default_device, torch2xp
from thinc.types import Floats2d
from torch import Tensor
from transformers import AutoModel, AutoTokenizer

from ..configured import ConfiguredModel
from ..precision import precision
from ..texts import Text, split_texts
from .encode import POOLINGS, Pooling, encode_words
from .listener import FrozenData, replace_listener, replace_listener_config

FrozenModel = Model[List[Doc], FullTransformerBatch]


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
    RAISES (ValueError): If there is no such pooling.
    """
    if pooling not in POOLINGS:
        raise ValueError(
            f"components.transformer.model.pooling = {pooling!r}: choose one of {', '.join(POOLINGS)}."
        )
    objects = HFObjects(None, None, None, {"use_fast": True, **(tokenizer_config or {})}, {})
    return ConfiguredModel(
        "frozen-transformer",
        forward,
        init=init,
        dims={"nO": None},
        shims=[HFShim(objects)],
        attrs={
            "name": name,
            "layers": layers,
            "batch_pieces": batch_pieces,
            "mixed_precision": mixed_precision,
            "pooling": pooling,
            "tokenizer_config": tokenizer_config,
            "encode": encode_texts,  # a feature store puts itself in its place
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
    transformer.eval()
    with torch.inference_mode(), precision(transformer.device, model.attrs.get("mixed_precision", False)):
        ids = torch.tensor([[tokenizer.pad_token_id]], device=transformer.device)
        seen = torch.ones_like(ids)
        hidden = transformer(ids, attention_mask=seen, output_hidden_states=True).hidden_states
        states = torch.cat([hidden[layer][0, 0] for layer in layers])
    return states.float().cpu().numpy()


def init(model: FrozenModel, X: Any = None, Y: Any = None) -> None:
    """Load the encoder and set the model's width; done once."""
    if model.has_dim("nO"):
        return
    shim = cast(HFShim, model.shims[0])
    objects = _load(model.attrs["name"], shim._hfmodel._init_tokenizer_config)
    objects.transformer.requires_grad_(False)
    shim._hfmodel = objects
    shim._model = objects.transformer
    layers = _resolve_layers(model.attrs["layers"], objects.transformer.config.num_hidden_layers)
    model.set_dim("nO", len(layers) * objects.transformer.config.hidden_size)


def encode_texts(model: FrozenModel, texts: Sequence[Text]) -> Tensor:
    """Run the encoder over texts.

    model (FrozenModel): The initialized model.
    texts (Sequence[Text]): The texts.
    RETURNS (Tensor): (tokens, nO) float32, the texts one after another.
    """
    n_tokens, n_layers, width = sum(map(len, texts)), len(kept_layers(model)), model.get_dim("nO")
    rows = torch.empty((n_tokens, n_layers, width // n_layers), device=huggingface(model)[0].device)
    encode_texts_into(model, texts, rows.transpose(0, 1))
    return rows.flatten(1)


def encode_texts_into(model: FrozenModel, texts: Sequence[Text], out: Tensor) -> None:
    """Run the encoder over texts, and put what it makes of them somewhere.

    model (FrozenModel): The initialized model.
    texts (Sequence[Text]): The texts.
    out (Tensor): (layers, tokens, width) of any type, filled.
    RAISES (OverflowError): If a number is not finite in the type of `out`.
    """
    transformer, tokenizer = huggingface(model)
    transformer.eval()
    words = [[token.text for token in text] for text in texts]
    attrs = model.attrs
    with precision(transformer.device, attrs["mixed_precision"]):
        encode_words(
            transformer,
            tokenizer,
            words,
            kept_layers(model),
            attrs["batch_pieces"],
            out,
            attrs["pooling"],
        )


def kept_layers(model: FrozenModel) -> List[int]:
    """RETURNS (List[int]): The hidden states that an initialized frozen transformer keeps."""
    return _resolve_layers(model.attrs["layers"], huggingface(model)[0].config.num_hidden_layers)


def forward(
    model: FrozenModel, docs: List[Doc], is_train: bool
) -> Tuple[FullTransformerBatch, Callable[[Any], List[Doc]]]:
    """Encode a batch of documents; the same in training and in prediction."""
    rows = cast(Floats2d, torch2xp(model.attrs["encode"](model, split_texts(docs))))
    stops = np.cumsum([len(doc) for doc in docs]).tolist()
    batch = _as_batch([rows[start:stop] for start, stop in pairwise([0, *stops])])
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


def _no_backprop(d_output: Any) -> List[Doc]:
    return []


def _as_batch(features: Sequence[Floats2d]) -> FrozenBatch:
    """Wrap one array per document in spacy-transformers' data classes."""
    batch = FullTransformerBatch.empty(0)
    data = [FrozenData(rows) if len(rows) else TransformerData.empty() for rows in features]
    return FrozenBatch(batch.spans, batch.wordpieces, batch.model_output, batch.align, data)


def _load(name: str, tokenizer_config: Dict[str, Any]) -> HFObjects:
    """Load encoder and tokenizer, and see to it that the tokenizer takes pre-split words."""
    if name.startswith((".", os.sep, "assets")) and not os.path.isdir(name):
        raise ValueError(
            f"The encoder folder '{name}' (components.transformer.model.name) does not exist, seen "
            f"from {os.getcwd()}. In a project, `spacy project run encoder` makes it; elsewhere, name "
            "a folder that holds a Hugging Face encoder, or a model on the Hugging Face hub."
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, **tokenizer_config)
        if getattr(tokenizer, "add_prefix_space", True) is False:
            # Byte-pair encoders tell words from word parts by the space before them.
            tokenizer = AutoTokenizer.from_pretrained(name, **tokenizer_config, add_prefix_space=True)
        transformer = AutoModel.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"The encoder '{name}' (components.transformer.model.name) can't be loaded: it is neither "
            f"a folder with a Hugging Face encoder nor a model that can be fetched. {error}"
        ) from error
    if not tokenizer.is_fast:
        raise ValueError(
            f"The encoder '{name}' has no fast tokenizer, which is needed to tell which word a piece "
            "comes from. Choose an encoder that has a tokenizer.json."
        )
    if tokenizer.pad_token_id is None:
        raise ValueError(
            f"The tokenizer of the encoder '{name}' has no padding token. Name one of its tokens in "
            'components.transformer.model.tokenizer_config, for instance {"pad_token": "<pad>"}.'
        )
    # The shim writes this file back when it saves; a tokenizer.json alone has none.
    vocab_file = getattr(tokenizer, "vocab_file", None)
    vocab = Path(vocab_file).read_bytes() if vocab_file else b""
    return HFObjects(tokenizer, transformer.to(get_torch_default_device()), vocab, tokenizer_config, {})


def _resolve_layers(layers: Union[int, Sequence[int], None], n_hidden: int) -> List[int]:
    """Turn a choice of layers, by number or counted from either end, into indices of hidden states."""
    if layers is None:
        layers = n_hidden + 1
    if isinstance(layers, int):
        spaced = np.linspace(n_hidden, 0, min(max(layers, 0), n_hidden + 1))
        chosen = spaced.round().astype(int).tolist()[::-1]
    else:
        chosen = list(layers)
    wrong = [layer for layer in chosen if not -n_hidden - 1 <= layer <= n_hidden]
    if wrong or not chosen:
        raise ValueError(
            f"components.transformer.model.layers = {layers}: this encoder has the layers 0 (embeddings) "
            f"to {n_hidden}, or -1 (last) to {-n_hidden - 1}; choose at least one of them, or say how many."
        )
    return [layer % (n_hidden + 1) for layer in chosen]
