"""The machine, and the bounds it sets: matrix products, and the encoder's forward pass alone."""

import time
from typing import Iterator, List, Tuple

import spacy
import torch
from spacy.tokens import Doc
from spacy.util import load_config, registry
from torch import Tensor

from posattn_spacy.frozen.architecture import FrozenModel, huggingface, kept_layers, pieces_at_once
from posattn_spacy.frozen.pieces import Padded, SpecialTokens, WordPieces, batch_by_length, max_pieces
from posattn_spacy.precision import bfloat16_is_fast, precision

from .workload import Figures, Workload, count_words

SHAPES = {"square": (2048, 2048, 2048), "feed_forward": (1024, 384, 1536)}


def matrix_product(workload: Workload) -> Figures:
    """Measure the rate of matrix products, square and as in the encoder's feed-forward layer.

    RETURNS (Figures): 10⁹ floating-point operations per second, in float32, and in bfloat16 if that is fast.
    """
    device = workload.device
    types = [torch.float32, *([torch.bfloat16] if bfloat16_is_fast(device) else [])]
    return {
        f"{str(dtype).removeprefix('torch.')}_{name}_gflops": _product_rate(*shape, dtype, device)
        for dtype in types
        for name, shape in SHAPES.items()
    }


def wait_for(device: torch.device) -> None:
    """Wait until a device has done what it was given to do; the CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _product_rate(
    rows: int, inner: int, columns: int, dtype: torch.dtype, device: torch.device, seconds: float = 1.0
) -> float:
    a, b = (torch.randn(shape).to(device, dtype) for shape in ((rows, inner), (inner, columns)))
    for _ in range(3):
        a @ b
    wait_for(device)
    repeats, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        a @ b
        wait_for(device)
        repeats += 1
    return 2 * rows * inner * columns * repeats / (time.perf_counter() - started) / 1e9


def frozen_encoder(workload: Workload) -> FrozenModel:
    """RETURNS (FrozenModel): The encoder of the workload, as our config has it."""
    config = load_config(workload.config, overrides=workload.overrides(), interpolate=True)
    encoder = registry.resolve({"model": config["components"]["transformer"]["model"]})["model"]
    encoder.initialize()
    return encoder


def raw_forward(workload: Workload) -> Figures:
    """Measure Hugging Face's forward pass alone: tokenised before, last hidden state, nothing copied."""
    return _forward_rate(workload, mixed=False)


def raw_forward_bfloat16(workload: Workload) -> Figures:
    """Measure the same in mixed precision, where that is fast."""
    return _forward_rate(workload, mixed=True)


def _forward_rate(workload: Workload, mixed: bool) -> Figures:
    device = workload.device
    encoder, docs = frozen_encoder(workload), workload.dev_docs(spacy.blank("xx"))
    transformer, _ = huggingface(encoder)
    transformer.eval()
    batches = [(ids.to(device), attended.to(device)) for ids, attended in _piece_batches(encoder, docs)]
    with torch.inference_mode(), precision(device, mixed):
        for ids, attended in batches[:: max(1, len(batches) // 4)]:
            transformer(ids, attention_mask=attended)
        wait_for(device)
        started = time.perf_counter()
        for ids, attended in batches:
            transformer(ids, attention_mask=attended)
        wait_for(device)
        seconds = time.perf_counter() - started
    pieces = sum(int(attended.sum()) for _, attended in batches)
    padded = sum(ids.numel() for ids, _ in batches)
    return {"words_per_s": count_words(docs) / seconds, "padding": 1 - pieces / padded}


def _piece_batches(encoder: FrozenModel, docs: List[Doc]) -> Iterator[Tuple[Tensor, Tensor]]:
    """The same batches of ids and attention masks that our own pass over documents makes."""
    transformer, tokenizer = huggingface(encoder)
    special = SpecialTokens.of(tokenizer)
    pieces = WordPieces.of(tokenizer, [[token.text for token in doc] for doc in docs])
    limit = max_pieces(transformer, tokenizer) - len(special)
    windows = pieces.windows([len(doc) for doc in docs], limit)
    limit = pieces_at_once(encoder.attrs["batch_pieces"], max(kept_layers(encoder)), transformer.device.type)
    for batch in batch_by_length(windows, len(special), limit):
        ids, attended, _ = Padded.of(batch, special)
        yield torch.from_numpy(ids), torch.from_numpy(attended)
