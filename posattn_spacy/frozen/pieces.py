"""Encode pre-split words with a frozen Hugging Face model (torch and transformers only).

Words are cut into word pieces, texts into windows the encoder can read, windows are batched by length,
and the hidden states of a word's pieces are pooled into one row per word.
"""

from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, Dict, Iterable, Iterator, List, Literal, NamedTuple, Sequence, Tuple, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..windows import overlapping, ranges

DEFAULT_MAX_PIECES = 512
LONGEST_WORD = 4096  # characters; a longer one, such as a file in base64, is read by its beginning
Pooling = Literal["mean", "first", "last"]
POOLINGS: Tuple[str, ...] = get_args(Pooling)


@dataclass(frozen=True)
class Window:
    """A stretch of one text's word pieces that goes through the encoder together.

    pieces (np.ndarray): (n,) piece ids, without special tokens.
    words (np.ndarray): (n,) row of each piece's word in the output; -1 where another window, in
        which the piece has more context, supplies it.
    shares (np.ndarray): (n,) float32, what each piece counts in the row of its word.
    """

    pieces: np.ndarray
    words: np.ndarray
    shares: np.ndarray


@dataclass(frozen=True)
class SpecialTokens:
    """The ids an encoder wants around every sequence, and the one it pads with."""

    before: List[int]
    after: List[int]
    pad: int

    @classmethod
    def of(cls, tokenizer: Any) -> "SpecialTokens":
        """Read them off a Hugging Face tokenizer."""
        probe = tokenizer.backend_tokenizer.encode(["a"], is_pretokenized=True)
        bare = [i for i, special in enumerate(probe.special_tokens_mask) if not special]
        return cls(probe.ids[: bare[0]], probe.ids[bare[-1] + 1 :], tokenizer.pad_token_id)

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
    out: Tensor,
    pooling: Pooling = "mean",
) -> None:
    """Run texts through the encoder once and pool its hidden states to words (DESIGN.md 3).

    transformer (PreTrainedModel): The encoder, in evaluation mode.
    tokenizer (PreTrainedTokenizerFast): Its tokenizer, one that takes pre-split words.
    texts (Sequence[Sequence[str]]): The words of each text.
    layers (Sequence[int]): Hidden states to keep, 0 being the embeddings.
    batch_pieces (int): Padded pieces per forward pass, at most, where a window does not exceed it.
    out (Tensor): (layers, words, width) of any type, filled: the texts one after another, each hidden state
        pooled over the word's pieces; zeros for a word without pieces.
    pooling (str): "mean" of the pieces, or the "first" or the "last" one alone.
    RAISES (OverflowError): If a number is not finite in the type of `out`.
    """
    pieces = WordPieces.of(tokenizer, texts)
    encode_pieces(transformer, tokenizer, pieces, list(map(len, texts)), layers, batch_pieces, out, pooling)


def encode_pieces(
    transformer: Any,
    tokenizer: Any,
    pieces: "WordPieces",
    lengths: Sequence[int],
    layers: Sequence[int],
    batch_pieces: int,
    out: Tensor,
    pooling: Pooling = "mean",
) -> None:
    """Do as `encode_words` with words that are cut into pieces already.

    pieces (WordPieces): The pieces, one text after another.
    lengths (Sequence[int]): Words of each text. The other arguments are those of `encode_words`.
    """
    with torch.inference_mode():
        special = SpecialTokens.of(tokenizer)
        limit = max_pieces(transformer, tokenizer) - len(special)
        windows = list(pieces.windows(lengths, limit, pooling))
        out[:, torch.from_numpy(np.flatnonzero(pieces.counts == 0)).to(out.device)] = 0
        for window in windows:
            if len(window.pieces) == limit:  # its words may have pieces in another window too
                words = np.unique(window.words[window.words >= 0])
                out[:, torch.from_numpy(words).to(out.device)] = 0
        bounds = [
            bound
            for batch in batch_by_length(windows, len(special), batch_pieces)
            for bound in _encode_batch(transformer, batch, special, layers, pieces.counts, out)
        ]
        _require_finite(bounds, out.dtype)


class WordPieces(NamedTuple):
    """The word pieces of texts, one text after another.

    ids (np.ndarray): (pieces,) their ids, without special tokens.
    counts (np.ndarray): (words,) how many of them each word has; may be 0.
    """

    ids: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, tokenizer: Any, texts: Sequence[Sequence[str]]) -> "WordPieces":
        """Cut the words of texts into pieces; each distinct word once, as it has the same ones everywhere.

        The tokenizer is only read, as several threads may do at once.
        """
        index: Dict[str, int] = {}
        occurrences = [index.setdefault(word, len(index)) for words in texts for word in words]
        return cls.laid_out(cut_words(tokenizer, list(index)), np.array(occurrences, dtype=np.int64))

    @classmethod
    def laid_out(cls, by_type: Sequence[List[int]], types: np.ndarray) -> "WordPieces":
        """Write words out.

        by_type (Sequence[List[int]]): The pieces of each distinct word.
        types (np.ndarray): (words,) int64 which of them each word is.
        RETURNS (WordPieces): The pieces of the words.
        """
        sizes = np.fromiter(map(len, by_type), dtype=np.int64, count=len(by_type))
        ids = np.fromiter(chain.from_iterable(by_type), dtype=np.int64, count=int(sizes.sum()))
        starts = np.cumsum(sizes) - sizes
        counts = sizes[types]
        return cls(ids[ranges(starts[types], counts)], counts)

    def windows(self, lengths: Sequence[int], limit: int, pooling: Pooling = "mean") -> Iterator[Window]:
        """Cut texts of `lengths` words into windows of at most `limit` pieces."""
        words = np.repeat(np.arange(len(self.counts)), self.counts)
        shares = self.shares(pooling)
        text_bounds = np.concatenate([[0], np.cumsum(self.counts)])[np.cumsum([0, *lengths])].tolist()
        for start, stop in pairwise(text_bounds):
            yield from cut(self.ids[start:stop], words[start:stop], shares[start:stop], limit)

    def shares(self, pooling: Pooling) -> np.ndarray:
        """RETURNS (np.ndarray): (pieces,) float32, what each piece counts in the row of its word."""
        counts = np.repeat(self.counts, self.counts)
        if pooling == "mean":
            return (1 / counts).astype(np.float32)
        stops = np.repeat(np.cumsum(self.counts), self.counts)
        places = np.arange(len(counts)) - (stops - counts)
        return (places == (0 if pooling == "first" else counts - 1)).astype(np.float32)


def cut_words(tokenizer: Any, words: Sequence[str]) -> List[List[int]]:
    """RETURNS (List[List[int]]): The ids of each word's pieces, without special tokens."""
    encodings = tokenizer.backend_tokenizer.encode_batch(
        [[word[:LONGEST_WORD]] for word in words], is_pretokenized=True, add_special_tokens=False
    )
    return [encoding.ids for encoding in encodings]


def cut(pieces: np.ndarray, rows: np.ndarray, shares: np.ndarray, limit: int) -> Iterator[Window]:
    """Cut one text into windows that overlap by half; each piece is read where it has most context.

    pieces (np.ndarray): (n,) piece ids.
    rows (np.ndarray): (n,) output row of each piece.
    shares (np.ndarray): (n,) what each piece counts in it.
    limit (int): Longest window, in pieces.
    YIELDS (Window): Windows whose supplied pieces make up the text exactly once.
    """
    if len(pieces) <= limit:
        if len(pieces):
            yield Window(pieces, rows, shares)
        return
    for start, stop, first, last in zip(*overlapping(len(pieces), limit), strict=True):
        window, positions = slice(start, stop), np.arange(start, stop)
        supplied = (positions >= first) & (positions < last)
        yield Window(pieces[window], np.where(supplied, rows[window], -1), shares[window])


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


class Padded(NamedTuple):
    """Windows as the encoder reads them, special tokens around each.

    ids (np.ndarray): (batch, time) int64 piece ids.
    attended (np.ndarray): (batch, time) int64, 1 for what to attend to.
    own (np.ndarray): (batch, time) bool, where the windows' own pieces are.
    """

    ids: np.ndarray
    attended: np.ndarray
    own: np.ndarray

    @classmethod
    def of(cls, batch: Sequence[Window], special: SpecialTokens) -> "Padded":
        """Lay out windows.

        batch (Sequence[Window]): The windows, the longest first.
        special (SpecialTokens): What goes around each, and behind the shorter ones.
        RETURNS (Padded): The windows.
        """
        lengths = np.array([[len(window.pieces)] for window in batch])
        place = np.arange(lengths[0, 0] + len(special)) - len(special.before)
        own = (place >= 0) & (place < lengths)
        ids = np.full(own.shape, special.pad)
        ids[own] = np.concatenate([window.pieces for window in batch])
        ids[:, : len(special.before)] = special.before
        ids[(place >= lengths) & (place < lengths + len(special.after))] = special.after * len(batch)
        return cls(ids, (place < lengths + len(special.after)).astype(np.int64), own)


def _encode_batch(
    transformer: Any,
    batch: Sequence[Window],
    special: SpecialTokens,
    layers: Sequence[int],
    counts: np.ndarray,
    out: Tensor,
) -> List[Tensor]:
    """Put the pooled pieces of a batch's words where they belong; (2,) lowest and highest of each layer."""
    ids, attended, own = Padded.of(batch, special)
    words, shares = np.full(ids.shape, -1), np.zeros(ids.shape, np.float32)
    words[own] = np.concatenate([window.words for window in batch])
    shares[own] = np.concatenate([window.shares for window in batch])
    hidden = transformer(
        torch.from_numpy(ids).to(out.device),
        attention_mask=torch.from_numpy(attended).to(out.device),
        output_hidden_states=True,
    ).hidden_states
    bags = _Bags.of(words, shares, counts, out.device)
    return [bags.put(hidden[layer].flatten(0, 1), rows) for layer, rows in zip(layers, out, strict=True)]


def _require_finite(bounds: Sequence[Tensor], dtype: torch.dtype) -> None:
    """Insist that numbers fit a type, of which (2,) some lowest and highest are given; it waits for a GPU."""
    if not bounds:
        return
    lowest, highest = torch.stack(list(bounds)).unbind(1)
    limit = torch.finfo(dtype).max
    if not -limit <= float(lowest.amin()) <= float(highest.amax()) <= limit:
        raise OverflowError(f"The encoder's features are not finite in {dtype}.")


class _Bags(NamedTuple):
    """The pieces of a batch, word by word.

    pieces (Tensor): (pieces,) where each piece stands in the flattened batch.
    shares (Tensor): (pieces,) what it counts in the row of its word.
    starts (Tensor): (words,) where each word's pieces begin in `pieces`.
    words (Tensor): (words,) row of each word.
    partial (Tensor): Indices of the words that have pieces in other batches too.
    """

    pieces: Tensor
    shares: Tensor
    starts: Tensor
    words: Tensor
    partial: Tensor

    @classmethod
    def of(cls, words: np.ndarray, shares: np.ndarray, counts: np.ndarray, device: torch.device) -> "_Bags":
        """Sort out a batch's (batch, time) words, of which `counts` has the number of pieces in all."""
        pieces = np.flatnonzero(words >= 0)
        targets = words.ravel()[pieces]
        starts = np.flatnonzero(np.diff(targets, prepend=-1))  # a word's pieces stand next to each other
        whole = np.diff(starts, append=len(targets)) == counts[targets[starts]]
        arrays = (pieces, shares.ravel()[pieces], starts, targets[starts], np.flatnonzero(~whole))
        return cls(*(torch.from_numpy(array).to(device) for array in arrays))

    def put(self, states: Tensor, rows: Tensor) -> Tensor:
        """Put the pooled (batch · time, width) states into (words, width) rows; (2,) lowest and highest."""
        states = states.float()
        pooled = F.embedding_bag(self.pieces, states, self.starts, mode="sum", per_sample_weights=self.shares)
        bounds = torch.stack(torch.aminmax(pooled))
        pooled = pooled.to(rows.dtype)
        if len(self.partial):
            pooled[self.partial] += rows[self.words[self.partial]]
        rows.index_copy_(0, self.words, pooled)
        return bounds
