"""Telling encoders and texts apart: the names under which features are stored."""

import json
from hashlib import blake2b
from typing import Any

import torch

from ..saving import add_tensors
from ..texts import Text
from .pieces import Pooling, max_pieces

# What the weights don't tell about a model. The epsilon of its layer normalisation is left out: a saved
# pipeline has 0.0 in place of 1e-12, which changes no feature that matters.
CONFIG = ("model_type", "num_attention_heads", "hidden_act", "position_embedding_type")
ENCODING = 1  # how words become rows (pieces.py): windows, pooling; counts up when that changes


def encoder_fingerprint(
    transformer: Any, tokenizer: Any, product: torch.dtype = torch.float32, pooling: Pooling = "mean"
) -> str:
    """Sum up everything that decides what an encoder makes of a text.

    transformer (PreTrainedModel): The encoder.
    tokenizer (PreTrainedTokenizerFast): Its tokenizer.
    product (torch.dtype): The type in which it multiplies matrices.
    pooling (str): What becomes of a word's pieces.
    RETURNS (str): The same for the same weights, tokenizer, window, precision and pooling, in every process.
    """
    digest = blake2b(digest_size=16)
    settings = json.loads(tokenizer.backend_tokenizer.to_str())
    settings.pop("truncation"), settings.pop("padding")  # what the last call left behind
    limit = max_pieces(transformer, tokenizer)
    config = [getattr(transformer.config, name, None) for name in CONFIG]
    digest.update(json.dumps([ENCODING, limit, config, settings], sort_keys=True).encode())
    if product != torch.float32:
        digest.update(str(product).encode())
    if pooling != "mean":
        digest.update(pooling.encode())
    add_tensors(digest, transformer.state_dict())
    return digest.hexdigest()


def text_key(text: Text) -> bytes:
    """Make the key under which a text's features are stored.

    It depends on the words alone, of which spaCy keeps a 64-bit hash that is the same everywhere: the encoder
    sees neither spaces nor annotation.

    text (Text): The text.
    RETURNS (bytes): 16 bytes.
    """
    digest = blake2b(text.orths.tobytes(), digest_size=16)
    if len(text) < len(text.orths):
        digest.update(f"{text.start} {text.stop}".encode())
    return digest.digest()
