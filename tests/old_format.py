"""What version 0.1.0 wrote: heads and encoders with `torch.save`, as bytes and in whole pipelines."""

import io
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator

import srsly
import torch


def torch_save(data: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(data, buffer)
    return buffer.getvalue()


def old_head(config: Dict[str, Any], state: Dict[str, torch.Tensor]) -> bytes:
    return torch_save({"config": config, "state": state})


def old_encoder(transformer: Any, tokenizer: Any) -> bytes:
    """As spacy-transformers 1.4 writes an encoder."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        files: Dict[str, Any] = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    message = {
        "config": transformer.config.to_dict(),
        "state": torch_save(transformer.state_dict()),
        "tokenizer": {"kwargs": {"use_fast": True}, **files},
        "_init_tokenizer_config": {},
        "_init_transformer_config": {},
    }
    return srsly.msgpack_dumps(message)


@contextmanager
def version_0_1(monkeypatch: Any) -> Iterator[None]:
    """Let pipelines be written as version 0.1.0 wrote them."""
    from posattn_spacy import head
    from posattn_spacy.frozen.shim import FrozenShim

    def to_bytes(self: Any) -> bytes:
        return old_encoder(self._hfmodel.transformer, self._hfmodel.tokenizer)

    with monkeypatch.context() as patch:
        patch.setattr(FrozenShim, "to_bytes", to_bytes)
        patch.setattr(head, "head_to_bytes", old_head)
        yield
