"""`posattn-spacy.PosAttnTagger.v1`: thinc glue between lists of arrays and the torch head."""

import io
from dataclasses import asdict
from typing import Any, Callable, List, NamedTuple, Optional, Tuple, cast

import numpy as np
import torch
from spacy.tokens import Doc
from thinc.api import Model, PyTorchShim, PyTorchWrapper_v3, get_torch_default_device, torch2xp, xp2torch
from thinc.types import ArgsKwargs, Floats2d, Ints1d
from torch import Tensor

from .attention import MASK_MODES, HeadConfig, MaskMode, PositionalTagger

SETTINGS = "components.posattn_ner.model"


class TokenScores(NamedTuple):
    """What the model says about the tokens of a batch, the documents one after another.

    tags (Floats2d): (tokens, tags) tag scores.
    positions (Floats2d): (tokens, 3) logits of inside (the gate), start and end of an entity.
    lengths (Ints1d): (documents,) tokens per document; may be 0.
    """

    tags: Floats2d
    positions: Floats2d
    lengths: Ints1d


Tok2Vec = Model[List[Doc], List[Floats2d]]
Tagger = Model[List[Doc], TokenScores]


def build_posattn_tagger_v1(
    tok2vec: Tok2Vec,
    mask: MaskMode = "soft",
    pad_ratio: float = 0.7,
    hidden_width: int = 256,
    n_heads: int = 4,
    depth: int = 1,
    max_distance: int = 32,
    mixed_precision: bool = False,
    nO: Optional[int] = None,
) -> Tagger:
    """Build the tagger of DESIGN.md 2: gate, `[PAD]` mask, positional attention, tag scores.

    Dropout takes the rate of the update (`training.dropout`).

    tok2vec (Model[List[Doc], List[Floats2d]]): Gives one row per token, usually the listener of a frozen
        transformer.
    mask (str): "soft" weighs keys by the gate, "pad" replaces the tokens with the lowest gate by the
        encoder's [PAD], "hard" leaves them out of the attention altogether, "none" attends to all.
    pad_ratio (float): Share of a text's tokens that "pad" and "hard" mask, at least 0 and below 1.
    hidden_width (int): Width of the head.
    n_heads (int): Attention heads; divides `hidden_width`.
    depth (int): Number of attention blocks.
    max_distance (int): Distance, in tokens, from which on relative positions are not told apart.
    mixed_precision (bool): Whether to multiply matrices in bfloat16 on hardware that is faster at it.
    nO (Optional[int]): Number of tags; set by the component.
    RETURNS (Model[List[Doc], TokenScores]): The model.
    RAISES (ValueError): If a setting is out of its range.
    """
    _check_settings(mask, pad_ratio, hidden_width, n_heads, depth, max_distance)
    head: Model = PyTorchWrapper_v3(
        None,  # type: ignore[arg-type]  # built by `init`, when the widths are known
        convert_inputs=_convert_inputs,
        convert_outputs=_convert_outputs,
        serialize_model=_serialize,
        deserialize_model=_deserialize,
    )
    if "as_stored" in tok2vec.attrs:
        tok2vec.attrs["as_stored"] = True  # the head takes features of any type
    head.attrs["dropout_rate"] = 0.0
    head.attrs["input_gradient"] = not tok2vec.attrs.get("frozen")
    model: Tagger = Model(
        "posattn_tagger",
        forward,
        init=init,
        layers=[tok2vec, head],
        refs={"tok2vec": tok2vec, "output_layer": head},
        dims={"nO": nO},
        attrs={
            "mask": mask,
            "pad_ratio": pad_ratio,
            "hidden_width": hidden_width,
            "n_heads": n_heads,
            "depth": depth,
            "max_distance": max_distance,
            "mixed_precision": mixed_precision,
        },
    )
    return model


def _check_settings(
    mask: str, pad_ratio: float, hidden_width: int, n_heads: int, depth: int, max_distance: int
) -> None:
    if mask not in MASK_MODES:
        raise ValueError(f"{SETTINGS}.mask = {mask!r}: choose one of {', '.join(MASK_MODES)}.")
    if not 0 <= pad_ratio < 1:
        raise ValueError(
            f"{SETTINGS}.pad_ratio = {pad_ratio}: it is the share of tokens to mask, at least 0 and "
            "below 1, since a text must keep a token."
        )
    if n_heads < 1 or hidden_width < 1 or hidden_width % n_heads:
        raise ValueError(
            f"{SETTINGS}.hidden_width = {hidden_width} is not divisible by n_heads = {n_heads}: each "
            "head takes an equal share of the width."
        )
    if depth < 0 or max_distance < 1:
        raise ValueError(
            f"{SETTINGS}: depth = {depth} must be at least 0 and max_distance = {max_distance} at least 1."
        )


def init(model: Tagger, X: Optional[List[Doc]] = None, Y: Any = None) -> None:
    """Build the torch head, once the widths of features and tags are known.

    The number of tags, `nO`, is set by the component beforehand.
    """
    tok2vec = model.get_ref("tok2vec")
    tok2vec.initialize(X=X)
    width = _input_width(tok2vec, X)
    attrs = model.attrs
    config = HeadConfig(
        input_width=width,
        n_tags=model.get_dim("nO"),
        hidden_width=attrs["hidden_width"],
        n_heads=attrs["n_heads"],
        depth=attrs["depth"],
        max_distance=attrs["max_distance"],
        mask=attrs["mask"],
        pad_ratio=attrs["pad_ratio"],
        mixed_precision=attrs["mixed_precision"],
    )
    head = model.get_ref("output_layer")
    head.shims[0]._model = PositionalTagger(config).to(get_torch_default_device())
    head.set_dim("nI", width, force=True)
    head.set_dim("nO", config.n_tags, force=True)


def _input_width(tok2vec: Tok2Vec, X: Optional[List[Doc]]) -> int:
    listener = tok2vec.maybe_get_ref("listener")
    for node in (tok2vec, listener):
        if node is not None and node.has_dim("nO"):
            return node.get_dim("nO")
    if not X:
        raise ValueError("The width of the features is unknown: initialize with sample documents.")
    return tok2vec.predict(X)[0].shape[1]


def set_pad_embedding(model: Tagger, embedding: np.ndarray) -> None:
    """Give the head what the encoder makes of its `[PAD]` token, for the mask "pad".

    With layers between encoder and head, `[PAD]` stays a vector of zeros.

    model (Model[List[Doc], TokenScores]): The initialized tagger.
    embedding (np.ndarray): (features,) float32.
    """
    head = model.get_ref("output_layer").shims[0]._model
    if head.pad_embedding.shape == embedding.shape:
        head.pad_embedding.copy_(torch.from_numpy(embedding))


def is_initialized(model: Tagger) -> bool:
    """RETURNS (bool): Whether the torch head has been built or loaded."""
    return model.get_ref("output_layer").shims[0]._model is not None


def forward(
    model: Tagger, docs: List[Doc], is_train: bool
) -> Tuple[TokenScores, Callable[[TokenScores], List[Doc]]]:
    """Score the tokens of a batch of which at least one document has tokens."""
    tok2vec, head = model.layers
    features, backprop_tok2vec = tok2vec(docs, is_train)
    scores, backprop_head = head(features, is_train)

    def backprop(d_scores: TokenScores) -> List[Doc]:
        return backprop_tok2vec(backprop_head(d_scores))

    return scores, backprop


def _torch_shim(model: Model) -> PyTorchShim:
    return cast(PyTorchShim, model.shims[0])


def _convert_inputs(
    model: Model, features: List[Floats2d], is_train: bool
) -> Tuple[ArgsKwargs, Callable[[ArgsKwargs], List[Floats2d]]]:
    """Lay the documents' rows one after another, and give the gradient back in the same pieces."""
    shim = _torch_shim(model)
    lengths = [len(rows) for rows in features]
    rows = xp2torch(
        _joined(model, features),
        requires_grad=is_train and model.attrs["input_gradient"],
        device=shim.device,
    )
    filled = torch.tensor([n for n in lengths if n], device=shim.device)
    if is_train:
        shim._model.set_dropout(model.attrs["dropout_rate"])

    def backprop(d_inputs: ArgsKwargs) -> List[Floats2d]:
        if not model.attrs["input_gradient"]:
            return []
        d_rows = cast(Floats2d, torch2xp(d_inputs.args[0]))
        return model.ops.unflatten(d_rows, model.ops.asarray1i(lengths))

    return ArgsKwargs(args=(rows, filled), kwargs={}), backprop


def _joined(model: Model, features: List[Floats2d]) -> Floats2d:
    """The documents' rows one after another; not copied if that is how they lie in memory."""
    arrays = [rows for rows in cast(List[Any], features) if isinstance(rows, np.ndarray)]
    whole = arrays[0].base if len(arrays) == len(features) else None
    if isinstance(whole, np.ndarray) and whole.ndim == 2 and len(whole) == sum(map(len, arrays)):
        starts = np.cumsum([0, *(rows.nbytes for rows in arrays)]) + whole.ctypes.data
        if all(rows.ctypes.data == start for rows, start in zip(arrays, starts, strict=False) if len(rows)):
            return cast(Floats2d, whole)
    return model.ops.flatten(features)


def _convert_outputs(
    model: Model, inputs_outputs: Tuple[List[Floats2d], Tuple[Tensor, Tensor]], is_train: bool
) -> Tuple[TokenScores, Callable[[TokenScores], ArgsKwargs]]:
    """Name the head's outputs, and hand their gradients to autograd."""
    features, outputs = inputs_outputs
    tags, positions = (cast(Floats2d, torch2xp(output)) for output in outputs)
    lengths = model.ops.asarray1i([len(rows) for rows in features])

    def backprop(d_scores: TokenScores) -> ArgsKwargs:
        device = _torch_shim(model).device
        gradients = tuple(xp2torch(d, device=device) for d in (d_scores.tags, d_scores.positions))
        return ArgsKwargs(args=(outputs,), kwargs={"grad_tensors": gradients})

    return TokenScores(tags, positions, lengths), backprop


def _serialize(head: Optional[PositionalTagger]) -> bytes:
    """Write shape and weights, so that the head can be rebuilt from nothing else."""
    if head is None:
        return b""
    buffer = io.BytesIO()
    torch.save({"config": asdict(head.config), "state": head.state_dict()}, buffer)
    return buffer.getvalue()


def _deserialize(
    head: Optional[PositionalTagger], data: bytes, device: torch.device
) -> Optional[PositionalTagger]:
    """Rebuild the head that `_serialize` wrote."""
    if not data:
        return None
    saved = torch.load(io.BytesIO(data), map_location=device, weights_only=True)
    head = PositionalTagger(HeadConfig(**saved["config"]))
    head.load_state_dict(saved["state"])
    return head.to(device)
