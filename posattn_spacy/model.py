"""`posattn-spacy.PosAttnTagger.v1`: thinc glue between lists of arrays and the torch head."""

import io
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple, cast

import numpy as np
import torch
from spacy.tokens import Doc
from thinc.api import Model, PyTorchShim, PyTorchWrapper_v3, get_torch_default_device, torch2xp, xp2torch
from thinc.types import ArgsKwargs, Floats2d, Ints1d
from torch import Tensor

from .attention import MASK_MODES, HeadConfig, MaskMode, PositionalTagger
from .configured import ConfiguredModel
from .texts import text_lengths

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
# Features and lexical channel by document, and (texts,) lengths of what is read as one text.
HeadInputs = Tuple[List[Floats2d], Optional[List[Floats2d]], np.ndarray]


class TaggerModel(ConfiguredModel[List[Doc], TokenScores]):
    """The tagger; its torch head, too, does what the config says."""

    def from_dict(self, msg: Dict[str, Any]) -> "TaggerModel":
        """Load weights; see `ConfiguredModel`."""
        super().from_dict(msg)
        head = torch_head(self)
        if head is not None:
            settings = {name: self.attrs[name] for name in ("mask", "pad_ratio", "mixed_precision")}
            head.config = replace(head.config, **settings)
        return self


def build_posattn_tagger_v1(
    tok2vec: Tok2Vec,
    lexical: Optional[Tok2Vec] = None,
    mask: MaskMode = "none",
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
    lexical (Optional[Model[List[Doc], List[Floats2d]]]): Gives one more row per token, trained along with the
        head: what an uncased or frozen encoder has lost, such as case. Usually a
        `posattn-spacy.LexicalEmbed.v1`.
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
    model: Tagger = TaggerModel(
        "posattn_tagger",
        forward,
        init=init,
        layers=[tok2vec, head] if lexical is None else [tok2vec, lexical, head],
        refs={"tok2vec": tok2vec, "lexical": lexical, "output_layer": head},
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
    width = _output_width(tok2vec, X)
    lexical = model.maybe_get_ref("lexical")
    if lexical is not None:
        lexical.initialize(X=X)
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
        lexical_width=0 if lexical is None else _output_width(lexical, X),
        mixed_precision=attrs["mixed_precision"],
    )
    head = model.get_ref("output_layer")
    head.shims[0]._model = PositionalTagger(config).to(get_torch_default_device())
    head.set_dim("nI", width, force=True)
    head.set_dim("nO", config.n_tags, force=True)


def _output_width(tok2vec: Tok2Vec, X: Optional[List[Doc]]) -> int:
    listener = tok2vec.maybe_get_ref("listener")
    for node in (tok2vec, listener):
        if node is not None and node.has_dim("nO"):
            return node.get_dim("nO")
    if not X:
        raise ValueError("The width of the features is unknown: initialize with sample documents.")
    return tok2vec.predict(X)[0].shape[1]


def torch_head(model: Tagger) -> Optional[PositionalTagger]:
    """RETURNS (Optional[PositionalTagger]): The torch head; None before it is built, or for another model."""
    shims = model.get_ref("output_layer").shims
    return shims[0]._model if shims else None


def set_pad_embedding(model: Tagger, embedding: np.ndarray) -> None:
    """Give the head what the encoder makes of its `[PAD]` token, for the mask "pad".

    With layers between encoder and head, `[PAD]` stays a vector of zeros.

    model (Model[List[Doc], TokenScores]): The initialized tagger.
    embedding (np.ndarray): (features,) float32.
    """
    head = torch_head(model)
    if head is not None and head.pad_embedding.shape == embedding.shape:
        head.pad_embedding.copy_(torch.from_numpy(embedding))


@contextmanager
def use_averages(model: Tagger, averages: Dict[Any, Any]) -> Iterator[None]:
    """Let the torch head work with averaged weights for a while.

    thinc's own method looks for them under other keys than its optimizer keeps them under, and so leaves
    torch as it is.

    model (Model[List[Doc], TokenScores]): The tagger.
    averages (Dict[Any, Any]): What an optimizer has as `averages`.
    """
    head = torch_head(model)
    weights = {} if head is None else dict(head.named_parameters())
    keys = {name: (shim.id, name) for shim in model.get_ref("output_layer").shims for name in weights}
    averaged = {name: averages[key] for name, key in keys.items() if key in averages}
    own = {name: weights[name].detach().clone() for name in averaged}
    with torch.no_grad():
        for name, average in averaged.items():
            weights[name].copy_(xp2torch(average))
    try:
        yield
    finally:
        with torch.no_grad():
            for name, value in own.items():
                weights[name].copy_(value)


def is_initialized(model: Tagger) -> bool:
    """RETURNS (bool): Whether the head has been built or loaded."""
    return bool(model.get_ref("output_layer").has_dim("nI"))


def forward(
    model: Tagger, docs: List[Doc], is_train: bool
) -> Tuple[TokenScores, Callable[[TokenScores], List[Doc]]]:
    """Score the tokens of a batch."""
    if not any(map(len, docs)):  # which the layers below can't handle
        ops, n_tags = model.ops, model.get_dim("nO")
        empty = TokenScores(ops.alloc2f(0, n_tags), ops.alloc2f(0, 3), ops.alloc1i(len(docs)))
        return empty, lambda d_scores: docs
    tok2vec, *lexical, head = model.layers  # a copied model has layers, but no references
    features, backprop_tok2vec = tok2vec(docs, is_train)
    words, backprop_lexical = lexical[0](docs, is_train) if lexical else (None, None)
    scores, backprop_head = head((features, words, text_lengths(docs)), is_train)

    def backprop(d_scores: TokenScores) -> List[Doc]:
        d_features, d_words = backprop_head(d_scores)
        if backprop_lexical is not None:
            backprop_lexical(d_words)
        return backprop_tok2vec(d_features)

    return scores, backprop


def _torch_shim(model: Model) -> PyTorchShim:
    return cast(PyTorchShim, model.shims[0])


def _convert_inputs(
    model: Model, inputs: HeadInputs, is_train: bool
) -> Tuple[ArgsKwargs, Callable[[ArgsKwargs], Tuple[List[Floats2d], List[Floats2d]]]]:
    """Lay the documents' rows one after another, and give the gradients back in the same pieces."""
    features, words, of_texts = inputs
    shim = _torch_shim(model)
    lengths = [len(rows) for rows in features]
    rows = xp2torch(
        _joined(model, features),
        requires_grad=is_train and model.attrs["input_gradient"],
        device=shim.device,
    )
    args = [rows, torch.from_numpy(of_texts).to(shim.device)]
    if words is not None:
        args.append(xp2torch(_joined(model, words), requires_grad=is_train, device=shim.device))
    if is_train:
        shim._model.set_dropout(model.attrs["dropout_rate"])

    def pieces(gradient: Tensor) -> List[Floats2d]:
        return model.ops.unflatten(cast(Floats2d, torch2xp(gradient)), model.ops.asarray1i(lengths))

    def backprop(d_inputs: ArgsKwargs) -> Tuple[List[Floats2d], List[Floats2d]]:
        d_rows, _, *d_words = d_inputs.args
        d_features = pieces(d_rows) if model.attrs["input_gradient"] else []
        return d_features, pieces(d_words[0]) if d_words else []

    return ArgsKwargs(args=tuple(args), kwargs={}), backprop


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
    model: Model, inputs_outputs: Tuple[HeadInputs, Tuple[Tensor, Tensor]], is_train: bool
) -> Tuple[TokenScores, Callable[[TokenScores], ArgsKwargs]]:
    """Name the head's outputs, and hand their gradients to autograd."""
    (features, *_), outputs = inputs_outputs
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
