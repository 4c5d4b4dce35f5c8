"""`posattn-spacy.PosAttnTagger`: thinc glue between lists of arrays and the torch head."""

import zlib
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any, Callable, ContextManager, Dict, Iterator, List, NamedTuple, Optional, Tuple, cast

import numpy as np
import torch
from spacy.tokens import Doc
from thinc.api import Model, PyTorchShim, get_torch_default_device, xp2torch
from thinc.types import Floats2d

from .attention import HeadConfig, MaskMode, PositionalTagger
from .configured import ConfiguredModel
from .head import SETTINGS, HeadInputs, TokenScores, build_head, check_shape, new_shim
from .rows import BLOCK, LONG, Keeper, LazyRows, Rows, of_tokens, of_words
from .texts import Words, read_words

Tok2Vec = Model[List[Doc], List[Floats2d]]
Tagger = Model[List[Doc], TokenScores]
Head = Model[HeadInputs, TokenScores]
SHAPE = ("mask", "pad_ratio", "hidden_width", "n_heads", "depth", "max_distance")


class TaggerModel(ConfiguredModel[List[Doc], TokenScores]):
    """The tagger; its torch heads, too, do what the config says."""

    def from_dict(self, msg: Dict[str, Any]) -> "TaggerModel":
        """Load weights; see `ConfiguredModel`."""
        super().from_dict(msg)
        head = torch_head(self)
        if head is not None:
            settings = {name: self.attrs[name] for name in ("mask", "pad_ratio", "mixed_precision")}
            head.config = replace(head.config, **settings)
        first = first_torch_head(self)
        if first is not None:
            first.config = replace(first.config, mixed_precision=self.attrs["mixed_precision"])
        return self


class Parts(NamedTuple):
    """The layers of a tagger; a copied model has layers, but no references.

    tok2vec (Tok2Vec): Gives the features.
    lexical (Optional[Tok2Vec]): The lexical channel.
    head (Head): Reads all features.
    first (Optional[Head]): Reads the first hidden state alone; None if it is not set up.
    """

    tok2vec: Tok2Vec
    lexical: Optional[Tok2Vec]
    head: Head
    first: Optional[Head]

    @classmethod
    def of(cls, model: Tagger) -> "Parts":
        """RETURNS (Parts): The layers of a tagger."""
        layers: List[Any] = list(model.layers)
        first = layers.pop() if model.attrs["first_width"] else None
        head = layers.pop()
        lexical = layers.pop() if len(layers) > 1 else None
        return cls(layers[0], lexical, head, first if first is not None and first.has_dim("nI") else None)


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
    shape = (mask, pad_ratio, hidden_width, 0, n_heads, depth, max_distance)
    return build_posattn_tagger_v2(tok2vec, lexical, *shape, mixed_precision, nO)


def build_posattn_tagger_v2(
    tok2vec: Tok2Vec,
    lexical: Optional[Tok2Vec] = None,
    mask: MaskMode = "none",
    pad_ratio: float = 0.7,
    hidden_width: int = 256,
    first_width: int = 256,
    n_heads: int = 4,
    depth: int = 1,
    max_distance: int = 32,
    mixed_precision: bool = False,
    nO: Optional[int] = None,
) -> Tagger:
    """Build the tagger of `posattn-spacy.PosAttnTagger.v1` with a second head beside it, for the first look.

    The first look reads hidden state 0 of a frozen transformer and the lexical channel, masks nothing, and so
    knows of a text what can be known before the encoder has run (DESIGN.md 2.10). It learns beside the other
    head, which learns just what it learns without. Where there is no hidden state 0 to read, because the
    transformer is another or does not keep it first, there is no such head.

    first_width (int): Width of the first look's head, divisible by `n_heads`; 0 for none. The other arguments
        are those of version 1.
    RETURNS (Model[List[Doc], TokenScores]): The model.
    RAISES (ValueError): If a setting is out of its range.
    """
    if first_width % max(n_heads, 1) or first_width < 0:
        raise ValueError(
            f"{SETTINGS}.first_width = {first_width} is not divisible by n_heads = {n_heads}: each head "
            "takes an equal share of the width. 0 makes no first look."
        )
    check_shape(mask, pad_ratio, hidden_width, n_heads, depth, max_distance)
    if "as_stored" in tok2vec.attrs:
        tok2vec.attrs["as_stored"] = True  # the head takes features of any type, of words alone
    head = build_head(input_gradient=not tok2vec.attrs.get("frozen"))
    first = build_head(False, first_state=True) if first_width else None
    model: Tagger = TaggerModel(
        "posattn_tagger",
        forward,
        init=init,
        layers=[layer for layer in (tok2vec, lexical, head, first) if layer is not None],
        refs={"tok2vec": tok2vec, "lexical": lexical, "output_layer": head, "first_look": first},
        dims={"nO": nO},
        attrs={
            "mask": mask,
            "pad_ratio": pad_ratio,
            "hidden_width": hidden_width,
            "first_width": first_width,
            "n_heads": n_heads,
            "depth": depth,
            "max_distance": max_distance,
            "mixed_precision": mixed_precision,
        },
    )
    return model


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
    config = HeadConfig(
        input_width=width,
        n_tags=model.get_dim("nO"),
        lexical_width=0 if lexical is None else _output_width(lexical, X),
        mixed_precision=model.attrs["mixed_precision"],
        **{name: model.attrs[name] for name in SHAPE},
    )
    _set_head(model.get_ref("output_layer"), config)
    first = model.maybe_get_ref("first_look")
    if first is not None and first.has_dim("nI"):
        own = {"input_width": first.get_dim("nI"), "hidden_width": model.attrs["first_width"]}
        with _drawing_apart(get_torch_default_device()):
            _set_head(first, replace(config, **own, mask="none"))


def _drawing_apart(device: torch.device) -> ContextManager[None]:
    """Within it, what is drawn by chance on a device changes nothing of what is drawn afterwards."""
    return torch.random.fork_rng([device] if device.type == "cuda" else [])


def _set_head(layer: Head, config: HeadConfig) -> None:
    layer.shims[0]._model = PositionalTagger(config).to(get_torch_default_device())
    layer.set_dim("nI", config.input_width, force=True)
    layer.set_dim("nO", config.n_tags, force=True)


def add_tags(model: Tagger, n_tags: int) -> None:
    """Let a trained tagger know more tags.

    model (Model[List[Doc], TokenScores]): The tagger.
    n_tags (int): Number of tags from now on; the new ones come last.
    """
    for layer, head in torch_heads(model).items():
        layer.shims[0] = new_shim(head.widened(n_tags))  # optimizers know shims by their numbers, and shapes
        layer.set_dim("nO", n_tags, force=True)
    model.set_dim("nO", n_tags, force=True)


def set_first_state(model: Tagger, width: int) -> None:
    """Say of which width hidden state 0 is, before the model is initialized.

    model (Model[List[Doc], TokenScores]): The tagger.
    width (int): Its width; 0 if it can't be read, so that there is no first look.
    """
    first = model.maybe_get_ref("first_look")
    if first is not None:
        first.set_dim("nI", cast(int, width or None), force=True)
        first.shims[0]._model = None


def _known_width(layer: Optional[Tok2Vec]) -> Optional[int]:
    """The width of a layer's rows; None if it does not say."""
    if layer is None:
        return 0
    for node in (layer, layer.maybe_get_ref("listener")):
        if node is not None and node.has_dim("nO"):
            return node.get_dim("nO")
    return None


def _output_width(tok2vec: Tok2Vec, X: Optional[List[Doc]]) -> int:
    known = _known_width(tok2vec)
    if known is not None:
        return known
    if not X:
        raise ValueError("The width of the features is unknown: initialize with sample documents.")
    return tok2vec.predict(X)[0].shape[1]


def torch_head(model: Tagger) -> Optional[PositionalTagger]:
    """RETURNS (Optional[PositionalTagger]): The torch head; None before it is built, or for another model."""
    shims = model.get_ref("output_layer").shims
    return shims[0]._model if shims else None


def first_torch_head(model: Tagger) -> Optional[PositionalTagger]:
    """RETURNS (Optional[PositionalTagger]): That of the first look, if there is one and it is built."""
    first = model.maybe_get_ref("first_look")
    return None if first is None else first.shims[0]._model


def torch_heads(model: Tagger) -> Dict[Head, PositionalTagger]:
    """RETURNS (Dict[Head, PositionalTagger]): Those that are built, by their layers, the first look last."""
    found = {"output_layer": torch_head(model), "first_look": first_torch_head(model)}
    return {model.get_ref(name): head for name, head in found.items() if head is not None}


def signature(model: Tagger) -> int:
    """RETURNS (int): A checksum of the weights of the torch heads, to know them by; 0 without any."""
    checksum = 0
    for head in filter(lambda head: isinstance(head, PositionalTagger), torch_heads(model).values()):
        for name, weight in sorted(head.state_dict().items()):
            numbers = weight.detach().cpu().contiguous().view(torch.uint8).numpy()
            checksum = zlib.crc32(numbers, zlib.crc32(name.encode(), checksum))
    return checksum


def require_widths(model: Tagger) -> None:
    """Insist that the parts of a loaded tagger take what the others give.

    model (Model[List[Doc], TokenScores]): The tagger.
    RAISES (ValueError): If they do not.
    """
    head = torch_head(model)
    if not isinstance(head, PositionalTagger):
        return
    config, output = head.config, model.get_ref("output_layer")
    pairs = {
        "features": (config.input_width, output.get_dim("nI")),
        "features of its layers": (config.input_width, _known_width(model.get_ref("tok2vec"))),
        "numbers of the lexical channel": (
            config.lexical_width,
            _known_width(model.maybe_get_ref("lexical")),
        ),
        "tags": (config.n_tags, output.get_dim("nO")),
        "tags of the model": (config.n_tags, model.get_dim("nO")),
    }
    first = first_torch_head(model)
    if first is not None:
        layer = model.get_ref("first_look")
        pairs |= {
            "features of the first look": (first.config.input_width, layer.get_dim("nI")),
            "numbers of the words of the first look": (
                first.config.lexical_width,
                config.lexical_width,
            ),
            "tags of the first look": (first.config.n_tags, config.n_tags),
        }
        if first.config.input_width > config.input_width:
            raise ValueError("the first look is made for more features than there are")
    for name, (own, other) in pairs.items():
        if other is not None and own != other:
            raise ValueError(f"its head is made for {own} {name}, and there are {other}")


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
    """Let the torch heads work with averaged weights for a while.

    thinc's own method looks for them under other keys than its optimizer keeps them under, and so leaves
    torch as it is.

    model (Model[List[Doc], TokenScores]): The tagger.
    averages (Dict[Any, Any]): What an optimizer has as `averages`.
    """
    weights = {
        (layer.shims[0].id, name): weight
        for layer, head in torch_heads(model).items()
        for name, weight in head.named_parameters()
        if (layer.shims[0].id, name) in averages
    }
    own = {key: weight.detach().clone() for key, weight in weights.items()}
    with torch.no_grad():
        for key, weight in weights.items():
            weight.copy_(xp2torch(averages[key]))
    try:
        yield
    finally:
        with torch.no_grad():
            for key, weight in weights.items():
                weight.copy_(own[key])


def is_initialized(model: Tagger) -> bool:
    """RETURNS (bool): Whether the head has been built or loaded."""
    return bool(model.get_ref("output_layer").has_dim("nI"))


def forward(
    model: Tagger, docs: List[Doc], is_train: bool
) -> Tuple[TokenScores, Callable[[TokenScores], List[Doc]]]:
    """Score the words of a batch; in training, both looks do."""
    return _score(model, docs, is_train, is_train)


def predict_both(model: Tagger, docs: List[Doc]) -> TokenScores:
    """Score the words of documents with both looks.

    model (Model[List[Doc], TokenScores]): The initialized tagger.
    docs (List[Doc]): The documents.
    RETURNS (TokenScores): The scores, with those of the first look if there is one.
    """
    return model.predict(docs) if first_torch_head(model) is None else _score(model, docs, False, True)[0]


def _score(
    model: Tagger, docs: List[Doc], is_train: bool, with_first: bool
) -> Tuple[TokenScores, Callable[[TokenScores], List[Doc]]]:
    words = read_words(docs)
    if not any(map(len, docs)):  # which the layers below can't handle
        ops, n_tags = model.ops, model.get_dim("nO")
        empty = TokenScores(
            ops.alloc2f(0, n_tags), ops.alloc2f(0, 3), ops.alloc1i(len(docs)), np.zeros(0, dtype=np.int64)
        )
        return empty, lambda d_scores: docs
    tok2vec, lexical, head, first = Parts.of(model)
    features, backprop_tok2vec = _word_rows(tok2vec, docs, words, is_train)
    written, backprop_lexical = _word_rows(lexical, docs, words, is_train) if lexical else (None, None)
    inputs = HeadInputs(features, written, words)
    scores, backprop_head = head(inputs, is_train)
    backprop_first = None
    if with_first and first is not None:
        device = cast(PyTorchShim, first.shims[0]).device
        with _drawing_apart(device) if is_train else nullcontext():  # the other head learns as without it
            of_first, backprop_first = first(inputs, is_train)
        scores = scores._replace(first=of_first)

    def backprop(d_scores: TokenScores) -> List[Doc]:
        d_features, d_written = backprop_head(d_scores)
        if backprop_first is not None and d_scores.first is not None:
            backprop_first(d_scores.first)
        if backprop_lexical is not None:
            backprop_lexical(d_written)
        return backprop_tok2vec(d_features)

    return scores, backprop


def head_inputs(model: Tagger, docs: List[Doc]) -> HeadInputs:
    """Make what the head reads of documents, for those who want to look at it.

    model (Model[List[Doc], TokenScores]): The initialized tagger.
    docs (List[Doc]): The documents, at least one of which has tokens.
    RETURNS (HeadInputs): Features, lexical channel and words.
    """
    tok2vec, lexical, _, _ = Parts.of(model)
    words = read_words(docs)
    features, _ = _word_rows(tok2vec, docs, words, False)
    return HeadInputs(features, written_rows(lexical, docs, words), words)


def written_rows(lexical: Optional[Tok2Vec], docs: List[Doc], words: List[Words]) -> Optional[List[Rows]]:
    """Ask a lexical channel about the words of documents.

    lexical (Optional[Tok2Vec]): The channel.
    docs (List[Doc]): The documents.
    words (List[Words]): Their words.
    RETURNS (Optional[List[Rows]]): (words, width) for each document; None without a channel.
    """
    return None if lexical is None else _word_rows(lexical, docs, words, False)[0]


def _word_rows(
    layer: Tok2Vec, docs: List[Doc], words: List[Words], is_train: bool
) -> Tuple[List[Rows], Callable[[List[Floats2d]], List[Doc]]]:
    """Run a layer that gives one row per token, and take those of the words."""
    if not is_train and layer.attrs.get("per_token") and any(len(own.places) > LONG for own in words):
        return _rows_when_read(layer, docs, words), lambda d_rows: []
    given, backprop_layer = layer(docs, is_train)
    if layer.attrs.get("as_stored"):
        return cast(List[Rows], given), backprop_layer  # the frozen listener sees words alone
    rows = [of_words(array, own.places) for array, own in zip(given, words, strict=True)]

    def backprop(d_rows: List[Floats2d]) -> List[Doc]:
        each = zip(d_rows, given, words, strict=bool(d_rows))  # none for a layer without a gradient
        return backprop_layer([of_tokens(d, own.places, len(array)) for d, array, own in each])

    return cast(List[Rows], rows), backprop


def _rows_when_read(layer: Tok2Vec, docs: List[Doc], words: List[Words]) -> List[Rows]:
    """Run a layer that sees each token by itself, on long documents bit by bit."""

    def lazy(doc: Doc, places: np.ndarray) -> LazyRows:
        def make(start: int, stop: int) -> Floats2d:
            own = places[start:stop]
            span = doc[own[0] : own[-1] + 1]
            return of_words(layer.predict([span])[0], own - own[0])  # type: ignore[list-item]

        return LazyRows(np.append(np.arange(0, len(places), BLOCK), len(places)), make, keeper)

    keeper = Keeper()
    short = [doc for doc, own in zip(docs, words, strict=True) if len(own.places) <= LONG]
    made = iter(layer.predict(short) if short else [])
    return [
        lazy(doc, own.places) if len(own.places) > LONG else of_words(next(made), own.places)
        for doc, own in zip(docs, words, strict=True)
    ]
