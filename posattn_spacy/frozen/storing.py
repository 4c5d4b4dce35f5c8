"""An encoder and its tokenizer as bytes that hold no code, and back (torch and transformers only)."""

import json
from hashlib import blake2b
from inspect import signature
from pathlib import Path
from typing import Any, Container, Dict, Optional, Tuple

import srsly
from tokenizers import Tokenizer
from torch import Tensor
from transformers import CONFIG_MAPPING, AutoModel, PreTrainedTokenizerFast

from ..saving import (
    TORCH_SAVE,
    add_tensors,
    require_fit,
    require_whole,
    sealed,
    tensors_from_bytes,
    tensors_to_bytes,
    torch_saved,
)
from .loading import prepare
from .pieces import SpecialTokens, max_pieces

SPECIAL = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
# What a config may say of the way a model is run, or of code to be fetched for that; none of it is kept.
NOT_KEPT = ("auto_map", "dtype", "torch_dtype", "quantization_config")
INPUTS = ("input_ids", "token_type_ids", "attention_mask")  # those that an encoder may take
NO_LIMIT = int(1e30)  # of a tokenizer without one


def encoder_to_bytes(transformer: Any, tokenizer: Any) -> bytes:
    """Write an encoder and its tokenizer; the same ones always give the same bytes.

    transformer (PreTrainedModel): The encoder.
    tokenizer (PreTrainedTokenizerFast): Its tokenizer.
    RETURNS (bytes): msgpack, with the weights as safetensors and all else as JSON.
    """
    config, backend, settings = _texts(transformer, tokenizer)
    state = tensors_to_bytes(transformer.state_dict())
    return sealed({"config": config, "state": state, "tokenizer": backend, "settings": settings})


def encoder_digest(transformer: Any, tokenizer: Any) -> bytes:
    """Sum up what `encoder_to_bytes` would write, in a fraction of the time.

    transformer (PreTrainedModel): The encoder.
    tokenizer (PreTrainedTokenizerFast): Its tokenizer.
    RETURNS (bytes): 16 bytes.
    """
    digest = blake2b(repr(_texts(transformer, tokenizer)).encode(), digest_size=16)
    add_tensors(digest, transformer.state_dict())
    return digest.digest()


def _texts(transformer: Any, tokenizer: Any) -> Tuple[str, str, str]:
    """Config, tokenizer, and what is said of it beside, as they are written."""
    special = {name: str(token) for name in SPECIAL if (token := getattr(tokenizer, name, None))}
    settings = {"model_max_length": tokenizer.model_max_length, **special}
    return (
        json.dumps(_kept(json.loads(transformer.config.to_json_string(use_diff=False)))),
        tokenizer.backend_tokenizer.to_str(),
        json.dumps(settings, sort_keys=True),
    )


def encoder_from_bytes(data: bytes) -> Optional[Tuple[Any, Any]]:
    """Read what `encoder_to_bytes` wrote, or version 0.1.0 with spacy-transformers.

    data (bytes): The bytes.
    RETURNS (Optional[Tuple[PreTrainedModel, PreTrainedTokenizerFast]]): Encoder and tokenizer, ready for use
        on the CPU; None if there were none yet.
    RAISES (Exception): If they are damaged, of whatever kind the libraries raise.
    """
    if not data:
        return None
    message = srsly.msgpack_loads(data)
    if not message["config"]:
        return None
    if isinstance(message["tokenizer"], dict):
        config, state, backend, settings = _old_parts(message)
    else:
        require_whole(message)
        config, settings = json.loads(message["config"]), json.loads(message["settings"])
        if _kept(config) != config:
            raise ValueError("its config says how it is run, or names code, which none of ours does")
        state, backend = tensors_from_bytes(message["state"]), message["tokenizer"]
    transformer = _transformer(config, state)
    tokenizer = _tokenizer(backend, settings, signature(transformer.forward).parameters)
    prepare(tokenizer, transformer)
    _require_match(transformer, tokenizer)
    return transformer, tokenizer


def _old_parts(message: Dict[str, Any]) -> Tuple[Dict[str, Any], Dict[str, Tensor], str, Dict[str, Any]]:
    """What spacy-transformers wrote: weights with `torch.save`, and the files of the tokenizer's folder."""
    if not message["state"].startswith(TORCH_SAVE):
        raise ValueError("its weights are not as torch saves them")
    files = message["tokenizer"]
    for name in files:
        if Path(name).name != name:
            raise ValueError(f"a file of its tokenizer is named {name!r}, which leads out of its folder")
    settings: Dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        settings.update(json.loads(files.get(name, b"{}")))
    return message["config"], torch_saved(message["state"]), files["tokenizer.json"].decode(), settings


def _kept(config: Dict[str, Any]) -> Dict[str, Any]:
    """A config without what says how a model is run; in the configs within it, too."""
    return {
        name: _kept(value) if isinstance(value, dict) else value
        for name, value in config.items()
        if not (str(name).startswith("_") or str(name).endswith("_implementation") or name in NOT_KEPT)
    }


def _transformer(config: Dict[str, Any], state: Dict[str, Tensor]) -> Any:
    """Build an encoder of weights that have the shapes of its config."""
    kind = config["model_type"]
    if kind not in CONFIG_MAPPING:
        raise ValueError(f"transformers knows no encoder of type {kind!r}")
    kept = _kept(config)

    def build() -> Any:
        return AutoModel.from_config(CONFIG_MAPPING[kind].from_dict(kept))

    require_fit(build, state)
    transformer = build()
    transformer.requires_grad_(False)
    transformer.load_state_dict(state, assign=True)  # keeps their type
    return transformer


def _tokenizer(backend: str, settings: Dict[str, Any], inputs: Container[str]) -> Any:
    """Build a tokenizer from what the tokenizers library wrote, whatever class was around it."""
    kept: Dict[str, Any] = {"model_max_length": int(settings.get("model_max_length", NO_LIMIT))}
    for name in SPECIAL:
        token = settings.get(name)
        if token is not None:
            kept[name] = str(token["content"] if isinstance(token, dict) else token)
    tokenizer: Any = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(backend),
        add_prefix_space=True,  # else the class would change what the backend says of spaces
        model_input_names=[name for name in INPUTS if name in inputs],
        **kept,
    )
    if tokenizer.pad_token_id is None:
        raise ValueError("its tokenizer has no padding token")
    return tokenizer


def _require_match(transformer: Any, tokenizer: Any) -> None:
    """Insist that an encoder has a vector for each piece, and room for at least one."""
    n_vectors = len(transformer.get_input_embeddings().weight)
    n_pieces = tokenizer.backend_tokenizer.get_vocab_size(with_added_tokens=False)
    if n_pieces > n_vectors:
        raise ValueError(f"its tokenizer has {n_pieces} pieces, but it has vectors for {n_vectors}")
    special = SpecialTokens.of(tokenizer)
    if max(*special.before, *special.after, special.pad, 0) >= n_vectors:
        raise ValueError("its tokenizer has special tokens for which it has no vectors")
    if max_pieces(transformer, tokenizer) <= len(special):
        raise ValueError(f"its tokenizer takes no more than {tokenizer.model_max_length} pieces")
