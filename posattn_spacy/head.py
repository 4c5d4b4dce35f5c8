"""The thinc layer around the torch head: rows of a batch's words in, scores out, in bounded memory.

The torch module is called here and not by thinc's own wrapper, which switches it between training and
evaluation in every prediction: threads that share a pipeline would get in each other's way.
"""

from dataclasses import asdict
from functools import partial
from typing import Any, Callable, Iterator, List, NamedTuple, Optional, Tuple, cast

import numpy as np
import torch
from thinc.api import Model, Optimizer, PyTorchShim, torch2xp, xp2torch
from thinc.types import Floats2d, Ints1d
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from .attention import MASK_MODES, HeadConfig, PositionalTagger
from .rows import LazyRows, Rows
from .saving import head_from_bytes, head_to_bytes, rebuilt, require_fit
from .stretches import Group, Stretches, cut_texts, groups, scored_words, sections
from .texts import Words

SETTINGS = "components.posattn_ner.model"


class TokenScores(NamedTuple):
    """What the model says about the words of a batch, the documents one after another.

    tags (Floats2d): (words, tags) tag scores.
    positions (Floats2d): (words, 3) logits of inside (the gate), start and end of an entity.
    lengths (Ints1d): (documents,) words per document; may be 0.
    places (np.ndarray): (words,) int64 token of each word within its document; white space is no word.
    first (Optional[TokenScores]): What the first look says, where there is one and both are asked.
    """

    tags: Floats2d
    positions: Floats2d
    lengths: Ints1d
    places: np.ndarray
    first: Optional["TokenScores"] = None


class HeadInputs(NamedTuple):
    """What the head reads.

    features (List[Rows]): The features of each document's words.
    written (Optional[List[Rows]]): What the lexical channel says of them, if there is one.
    words (List[Words]): The words of each document.
    """

    features: List[Rows]
    written: Optional[List[Rows]]
    words: List[Words]


Gradients = Tuple[List[Floats2d], List[Floats2d]]


class HeadShim(PyTorchShim):
    """Holds a torch head, or nothing: until its shape is known, and for good where there is no first look."""

    def finish_update(self, optimizer: Optimizer) -> None:
        """Let an optimizer change the weights, if there are any."""
        if self._model is not None:
            super().finish_update(optimizer)

    def to_device(self, device_type: str, device_id: int) -> None:
        """Move the head to another device, if there is one."""
        if self._model is not None:
            super().to_device(device_type, device_id)


def new_shim(head: Optional[PositionalTagger]) -> HeadShim:
    """RETURNS (HeadShim): A shim with a torch head in it, or nothing yet."""
    return HeadShim(head, serialize_model=_serialize, deserialize_model=_deserialize)


def build_head(input_gradient: bool, first_state: bool = False) -> Model[HeadInputs, TokenScores]:
    """Build the layer; its torch module is put in when its shape is known, or when it is loaded.

    input_gradient (bool): Whether the features have a gradient; those of a frozen encoder have none.
    first_state (bool): Whether it reads the first of several hidden states alone, as many numbers as it has
        inputs, and gives no gradient back, not to the lexical channel either.
    RETURNS (Model[HeadInputs, TokenScores]): The layer.
    """
    return Model(
        "pytorch",
        forward,
        shims=[new_shim(None)],
        dims={"nI": None, "nO": None},
        attrs={"dropout_rate": 0.0, "input_gradient": input_gradient, "first_state": first_state},
    )


def forward(
    model: Model[HeadInputs, TokenScores], inputs: HeadInputs, is_train: bool
) -> Tuple[TokenScores, Callable[[TokenScores], Gradients]]:
    """Score the words of a batch, section by section; the backward pass gives their rows' gradients."""
    shim = cast(PyTorchShim, model.shims[0])
    head: PositionalTagger = shim._model
    to_features = is_train and model.attrs["input_gradient"]
    to_written = is_train and not model.attrs["first_state"]
    features = BatchRows(model, inputs.features, shim.device, to_features, _width_read(model))
    written = None if inputs.written is None else BatchRows(model, inputs.written, shim.device, to_written)
    texts = np.concatenate([each.lengths for each in inputs.words])
    drop = model.attrs["dropout_rate"] if is_train else 0.0
    with torch.set_grad_enabled(is_train):
        outputs = score(partial(score_section, head, features, written, drop), texts, head)
    tags, positions = (cast(Floats2d, torch2xp(output)) for output in outputs)
    lengths = model.ops.asarray1i([len(each.places) for each in inputs.words])
    places = np.concatenate([each.places for each in inputs.words])

    def backprop(d_scores: TokenScores) -> Gradients:
        if len(texts):
            given = tuple(xp2torch(d, device=shim.device) for d in (d_scores.tags, d_scores.positions))
            torch.autograd.backward(outputs, grad_tensors=given)
        d_features = features.gradients() if to_features else []
        return d_features, written.gradients() if written is not None and to_written else []

    return TokenScores(tags, positions, lengths, places), backprop


def _width_read(model: Model) -> Optional[int]:
    return model.get_dim("nI") if model.attrs["first_state"] else None


class BatchRows:
    """Rows of a batch's words on the device of the head; those of long documents are made when read.

    model (Model): The layer, for its ops.
    rows (List[Rows]): Rows of each document's words.
    device (torch.device): Where the head is.
    gradient (bool): Whether they get a gradient.
    width (Optional[int]): How many numbers of each row are read; all if not given, or if there are fewer.
    """

    def __init__(
        self,
        model: Model,
        rows: List[Rows],
        device: torch.device,
        gradient: bool,
        width: Optional[int] = None,
    ) -> None:
        self._width = width
        self._ops = model.ops
        self._rows = rows
        self._device = device
        self._ends = np.cumsum([len(each) for each in rows])
        lazy = any(isinstance(each, LazyRows) for each in rows)
        self._all: Optional[Tensor] = None
        if not lazy:
            joined = cast(Any, _joined(model, rows))[:, :width]
            self._all = xp2torch(joined, requires_grad=gradient, device=device)

    def read(self, start: int, stop: int) -> Tensor:
        """RETURNS (Tensor): The rows of a range of the batch's words."""
        if self._all is not None:
            return self._all if stop - start == len(self._all) else self._all[start:stop]
        first, last = np.searchsorted(self._ends, [start, stop - 1], side="right")
        offsets = np.append(0, self._ends)
        parts = [
            self._rows[i][slice(max(start - offsets[i], 0), stop - offsets[i])]
            for i in range(first, last + 1)
        ]
        read = [part[:, : self._width] for part in parts if len(part)]
        return xp2torch(self._ops.flatten(read), device=self._device)

    def gradients(self) -> List[Floats2d]:
        """RETURNS (List[Floats2d]): The gradient of each document's rows, once it is known."""
        rows = cast(Tensor, self._all)
        gradient = torch.zeros_like(rows) if rows.grad is None else rows.grad
        lengths = self._ops.asarray1i([len(each) for each in self._rows])
        return self._ops.unflatten(cast(Floats2d, torch2xp(gradient)), lengths)


def _joined(model: Model, rows: List[Rows]) -> Floats2d:
    """The documents' rows one after another; not copied if that is how they lie in memory."""
    arrays = [each for each in cast(List[Any], rows) if isinstance(each, np.ndarray)]
    whole = arrays[0].base if arrays and len(arrays) == len(rows) else None
    alike = isinstance(whole, np.ndarray) and all(
        (each.shape[1:], each.strides, each.dtype) == (whole.shape[1:], whole.strides, whole.dtype)
        for each in arrays
    )
    if isinstance(whole, np.ndarray) and alike and len(whole) == sum(map(len, arrays)):
        starts = np.cumsum([0, *(each.nbytes for each in arrays)]) + whole.ctypes.data
        if all(each.ctypes.data == start for each, start in zip(arrays, starts, strict=False) if len(each)):
            return cast(Floats2d, whole)
    return model.ops.flatten(cast(List[Floats2d], rows))


class Piece(NamedTuple):
    """What goes through the torch head at once.

    inputs (Tuple[Tensor, Tensor, Optional[Tensor]]): Features, lengths of stretches, and lexical channel.
    words (np.ndarray): (rows,) int64 the batch's words that the rows are of.
    scored (Optional[np.ndarray]): Indices of the rows whose scores are taken; None for all of them.
    """

    inputs: Tuple[Tensor, Tensor, Optional[Tensor]]
    words: np.ndarray
    scored: Optional[np.ndarray]


def pieces_of(model: Model[HeadInputs, TokenScores], inputs: HeadInputs) -> Iterator[Piece]:
    """Give what goes through the torch head piece by piece, for those who want to look at it.

    model (Model[HeadInputs, TokenScores]): The layer.
    inputs (HeadInputs): What it reads.
    YIELDS (Piece): The pieces.
    """
    device = cast(PyTorchShim, model.shims[0]).device
    features = BatchRows(model, inputs.features, device, False, _width_read(model))
    written = None if inputs.written is None else BatchRows(model, inputs.written, device, False)
    texts = np.concatenate([each.lengths for each in inputs.words])
    for section in sections(cut_texts(texts)) if len(texts) else ():
        yield from _pieces(section, groups(section), features, written)


def _pieces(
    section: Stretches, found: List[Group], features: BatchRows, written: Optional[BatchRows]
) -> Iterator[Piece]:
    start, stop = int(section.starts[0]), int(section.stops.max())
    rows = features.read(start, stop)
    of_writing = None if written is None else written.read(start, stop)
    for group in found:
        lengths = torch.from_numpy(group.lengths).to(rows.device)
        own = None if of_writing is None else _picked(of_writing, group.rows)
        places = np.arange(stop - start) if group.rows is None else group.rows
        yield Piece((_picked(rows, group.rows), lengths, own), start + places, group.scored)


def score(
    run: Callable[[Stretches], Tuple[Tensor, ...]], texts: np.ndarray, head: PositionalTagger
) -> Tuple[Tensor, ...]:
    """Score the words of texts.

    Where they make more than one section, gradients are found by running each section again, so that no more
    than one is in memory.

    run (Callable[[Stretches], Tuple[Tensor, ...]]): Scores a section.
    texts (np.ndarray): (texts,) int64 words of each text.
    head (PositionalTagger): The head.
    RETURNS (Tuple[Tensor, ...]): Tag scores (words, tags) and logits (words, 3), as the head makes them.
    """
    if not len(texts):
        weight = head.tags.weight
        return weight.new_zeros(0, head.config.n_tags), weight.new_zeros(0, 3)
    parts = list(sections(cut_texts(texts)))
    if len(parts) == 1:
        return run(parts[0])
    if torch.is_grad_enabled():
        scored = [checkpoint(run, part, use_reentrant=False) for part in parts]
    else:
        scored = [run(part) for part in parts]
    return tuple(map(torch.cat, zip(*scored, strict=True)))


def score_section(
    head: PositionalTagger,
    features: BatchRows,
    written: Optional[BatchRows],
    drop: float,
    section: Stretches,
) -> Tuple[Tensor, ...]:
    """Score the words of a section, in groups of stretches of like length.

    head (PositionalTagger): The head.
    features (BatchRows): The features of the batch's words.
    written (Optional[BatchRows]): What the lexical channel says of them.
    drop (float): The dropout rate.
    section (Stretches): The section.
    RETURNS (Tuple[Tensor, ...]): Tag scores (words, tags) and logits (words, 3) of the words that it scores.
    """
    found = groups(section)
    outputs = []
    for piece in _pieces(section, found, features, written):
        _require_width(piece.inputs[0], head.config.input_width)
        outputs.append([_picked(each, piece.scored) for each in head(*piece.inputs, drop)])
    order = scored_words(section, found)
    return tuple(
        parts[0] if order is None else _picked(torch.cat(parts), order)
        for parts in zip(*outputs, strict=True)
    )


def _require_width(rows: Tensor, width: int) -> None:
    if rows.shape[1] != width:
        raise ValueError(
            f"The head reads {width} features of a token, but the layer before it gives {rows.shape[1]}: "
            "they come from different pipelines. Take both from one pipeline, or train the head anew."
        )


def _picked(rows: Tensor, chosen: Optional[np.ndarray]) -> Tensor:
    return rows if chosen is None else rows[torch.from_numpy(chosen).to(rows.device)]


def check_shape(
    mask: str, pad_ratio: float, hidden_width: int, n_heads: int, depth: int, max_distance: int
) -> None:
    """Refuse settings that no head can have; for the arguments see `HeadConfig`.

    RAISES (ValueError): If one is out of its range.
    """
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


def _serialize(head: Optional[PositionalTagger]) -> bytes:
    """Write shape and weights, so that the head can be rebuilt from nothing else."""
    if head is None:
        return b""
    return head_to_bytes(asdict(head.config), head.state_dict())


def _deserialize(
    head: Optional[PositionalTagger], data: bytes, device: torch.device
) -> Optional[PositionalTagger]:
    """Rebuild the head that `_serialize` wrote."""
    if not data:
        return None
    saved, state = head_from_bytes(data)
    config = rebuilt(HeadConfig, saved)
    check_shape(
        config.mask,
        config.pad_ratio,
        config.hidden_width,
        config.n_heads,
        config.depth,
        config.max_distance,
    )
    require_fit(lambda: PositionalTagger(config), state)
    head = PositionalTagger(config)
    head.load_state_dict(state)
    return head.to(device)
