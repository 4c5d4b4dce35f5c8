"""Encode pre-split words with a frozen Hugging Face model (torch and transformers only).

Words are cut into word pieces, texts into windows the encoder can read, windows are batched by length,
and the hidden states of a word's pieces are averaged into one row per word.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Iterable, Iterator, List, Sequence

import numpy as np
import torch
from torch import Tensor

DEFAULT_MAX_PIECES = 512


@dataclass(frozen=True)
class Window:
    """A stretch of one text's word pieces that goes through the encoder together.

    pieces (np.ndarray): (n,) piece ids, without special tokens.
    words (np.ndarray): (n,) row of each piece's word in the output; -1 where another window, in
        which the piece has more context, supplies it.
    """

    pieces: np.ndarray
    words: np.ndarray


@dataclass(frozen=True)
class SpecialTokens:
    """The ids an encoder wants around every sequence, and the one it pads with."""

    before: List[int]
    after: List[int]
    pad: int

    @classmethod
    def of(cls, tokenizer: Any) -> "SpecialTokens":
        """Read them off a Hugging Face tokenizer."""
        probe = tokenizer(["a"], is_split_into_words=True, return_special_tokens_mask=True)
        bare = [i for i, special in enumerate(probe["special_tokens_mask"]) if not special]
        ids = probe["input_ids"]
        return cls(ids[: bare[0]], ids[bare[-1] + 1 :], tokenizer.pad_token_id)

    def __len__(self) -> int:
        return len(self.before) + len(self.after)


def max_pieces(transformer: Any, tokenizer: Any) -> int:
    """How many pieces, special tokens included, the encoder can read at once.

    transformer (PreTrainedModel): The encoder.
    tokenizer (PreTrainedTokenizerFast): Its tokenizer.
    RETURNS (int): The smaller of the tokenizer's limit and the number of position embeddings.
    """
    positions = getattr(transformer.config, "max_position_embeddings", None) or DEFAULT_MAX_PIECES
    # RoBERTa and its kin number positions from padding_idx + 1 and keep the rows before it unused.
    embeddings = getattr(transformer, "embeddings", None)
    unused = getattr(embeddings, "padding_idx", None)
    usable = positions - (unused + 1 if unused is not None else 0)
    return min(usable, tokenizer.model_max_length)


def encode_words(
    transformer: Any,
    tokenizer: Any,
    texts: Sequence[Sequence[str]],
    layers: Sequence[int],
    batch_pieces: int,
) -> List[Tensor]:
    """Run texts through the encoder once and pool its hidden states to words (DESIGN.md 3).

    transformer (PreTrainedModel): The encoder, in evaluation mode.
    tokenizer (PreTrainedTokenizerFast): Its tokenizer, one that takes pre-split words.
    texts (Sequence[Sequence[str]]): The words of each text.
    layers (Sequence[int]): Hidden states to keep, 0 being the embeddings.
    batch_pieces (int): Padded pieces per forward pass, at most, where a window does not exceed it.
    RETURNS (List[Tensor]): Per text (words, layers · width) in float32: the kept layers side by side,
        each the mean over the word's pieces; a word without pieces has a row of zeros.
    """
    lengths = [len(words) for words in texts]
    width = transformer.config.hidden_size * len(layers)
    device = next(transformer.parameters()).device
    with torch.inference_mode():
        rows = torch.zeros((sum(lengths), width), device=device)
        counts = torch.zeros(sum(lengths), device=device)
        special = SpecialTokens.of(tokenizer)
        limit = max_pieces(transformer, tokenizer) - len(special)
        windows = list(_windows(tokenizer, texts, limit))
        for batch in batch_by_length(windows, len(special), batch_pieces):
            _encode_batch(transformer, batch, special, layers, rows, counts)
        rows /= counts.clamp(min=1)[:, None]
    return list(rows.split(lengths))


def _windows(tokenizer: Any, texts: Sequence[Sequence[str]], limit: int) -> Iterator[Window]:
    """Cut the word pieces of every text into windows of at most `limit` pieces."""
    words = [list(text) for text in texts if len(text)]
    if not words:
        return
    encodings = tokenizer(
        words,
        is_split_into_words=True,
        add_special_tokens=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,  # warns about texts over the limit, which are windowed here
    ).encodings
    first_row = 0
    for text, encoding in zip(words, encodings, strict=True):
        pieces = np.asarray(encoding.ids, dtype=np.int64)
        rows = np.asarray(encoding.word_ids, dtype=np.int64) + first_row
        yield from cut(pieces, rows, limit)
        first_row += len(text)


def cut(pieces: np.ndarray, rows: np.ndarray, limit: int) -> Iterator[Window]:
    """Cut one text into windows that overlap by half; each piece is read where it has most context.

    pieces (np.ndarray): (n,) piece ids.
    rows (np.ndarray): (n,) output row of each piece.
    limit (int): Longest window, in pieces.
    YIELDS (Window): Windows whose supplied pieces make up the text exactly once.
    """
    n = len(pieces)
    if n <= limit:
        if n:
            yield Window(pieces, rows)
        return
    stride = max(limit // 2, 1)
    starts = [*range(0, n - limit, stride), n - limit]
    # Two neighbours share the pieces from the later one's start to the earlier one's end: half each.
    borders = [(start + previous + limit) // 2 for previous, start in pairwise(starts)]
    for start, first, last in zip(starts, [0, *borders], [*borders, n], strict=True):
        positions = np.arange(start, start + limit)
        supplied = (positions >= first) & (positions < last)
        window = slice(start, start + limit)
        yield Window(pieces[window], np.where(supplied, rows[window], -1))


def batch_by_length(windows: Iterable[Window], n_special: int, batch_pieces: int) -> Iterator[List[Window]]:
    """Group windows of like length, longest first, so that little is padded.

    windows (Iterable[Window]): The windows of all texts.
    n_special (int): Special tokens added to each.
    batch_pieces (int): Padded pieces per batch, at most; a single longer window is a batch by itself.
    YIELDS (List[Window]): The batches.
    """
    batch: List[Window] = []
    for window in sorted(windows, key=lambda window: -len(window.pieces)):
        longest = len(batch[0].pieces) if batch else len(window.pieces)
        if batch and (longest + n_special) * (len(batch) + 1) > batch_pieces:
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch


def _encode_batch(
    transformer: Any,
    batch: Sequence[Window],
    special: SpecialTokens,
    layers: Sequence[int],
    rows: Tensor,
    counts: Tensor,
) -> None:
    """Add the hidden states of a batch's pieces to the rows of their words, and count them."""
    time = len(batch[0].pieces) + len(special)
    ids = np.full((len(batch), time), special.pad)
    attended = np.zeros((len(batch), time), dtype=np.int64)
    words = np.full((len(batch), time), -1)
    for i, window in enumerate(batch):
        stop = len(special.before) + len(window.pieces)
        ids[i, : stop + len(special.after)] = [*special.before, *window.pieces, *special.after]
        attended[i, : stop + len(special.after)] = 1
        words[i, len(special.before) : stop] = window.words
    hidden = transformer(
        torch.from_numpy(ids).to(rows.device),
        attention_mask=torch.from_numpy(attended).to(rows.device),
        output_hidden_states=True,
    ).hidden_states
    target = torch.from_numpy(words).to(rows.device).flatten()
    supplied = (target >= 0).nonzero().squeeze(1)
    target = target[supplied]
    pieces = torch.cat([hidden[layer].flatten(0, 1)[supplied] for layer in layers], dim=1)
    rows.index_add_(0, target, pieces.to(rows.dtype))
    counts.index_add_(0, target, torch.ones_like(target, dtype=counts.dtype))
