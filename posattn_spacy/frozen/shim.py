"""How a frozen encoder is written into a pipeline, and read from it."""

import json
from hashlib import blake2b
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Union, cast

from spacy_transformers.data_classes import HFObjects
from spacy_transformers.layers.hf_shim import HFShim
from thinc.api import Model, get_torch_default_device

from ..configured import ConfiguredModel
from ..saving import SavedError, reading
from ..writing import replacing
from .depth import Depths
from .loading import resolve_layers
from .piece_table import PieceTable
from .pieces import POOLINGS
from .storing import encoder_digest, encoder_from_bytes, encoder_to_bytes

SAVED = (str, int, list, dict, type(None))  # types of attributes that are saved
FILE = "A transformer's file 'model' (in the pipeline's folder: transformer/model)"


class Written(NamedTuple):
    """A file that was written.

    digest (bytes): Of what is in it.
    path (Path): Where it is.
    inode (int): Which file of the disk it is.
    size (int): In bytes.
    changed (int): When it was changed last, in nanoseconds.
    """

    digest: bytes
    path: Path
    inode: int
    size: int
    changed: int

    @classmethod
    def now(cls, digest: bytes, path: Path) -> "Written":
        """RETURNS (Written): What is at a path now, which there is."""
        found = path.stat()
        return cls(digest, path.absolute(), found.st_ino, found.st_size, found.st_mtime_ns)


class FrozenShim(HFShim):
    """Holds a frozen encoder and its tokenizer, and writes them without pickles.

    Version 0.1.0 wrote them as spacy-transformers does; that is read, too. What is found out about them while
    they are used is kept beside them.
    """

    depths: Depths
    piece_table: PieceTable
    written: Optional[Written] = None

    def set_encoder(self, transformer: Any, tokenizer: Any) -> None:
        """Take an encoder and its tokenizer, both ready for use.

        transformer (Optional[PreTrainedModel]): The encoder; None to have none.
        tokenizer (Optional[PreTrainedTokenizerFast]): Its tokenizer.
        """
        self._model = None if transformer is None else transformer.to(get_torch_default_device())
        self._hfmodel = HFObjects(tokenizer, self._model, b"", self._hfmodel._init_tokenizer_config, {})
        self.depths, self.piece_table = Depths(self._model), PieceTable(tokenizer)

    def to_bytes(self) -> bytes:
        """RETURNS (bytes): The encoder and its tokenizer; nothing if there is none yet."""
        objects = self._hfmodel
        if objects.transformer is None:
            return b""
        return encoder_to_bytes(objects.transformer, objects.tokenizer)

    def from_bytes(self, data: bytes) -> "FrozenShim":
        """Read what `to_bytes` wrote.

        data (bytes): The bytes.
        RETURNS (FrozenShim): Itself.
        RAISES (SavedError): If they are damaged, or not what they should be.
        """
        with reading("The encoder that is saved in the pipeline"):
            self.set_encoder(*(encoder_from_bytes(data) or (None, None)))
        return self


class FrozenTransformer(ConfiguredModel):
    """The model of a frozen transformer, which says what is wrong with a file that it can't be read from."""

    def to_disk(self, path: Union[Path, str]) -> None:
        """Write a file, as a whole or not at all, unless it has been written before and nothing has changed.

        While a pipeline is trained it is saved again and again, and what is frozen is most of it.

        path (Union[Path, str]): The file.
        """
        path = Path(path)
        shim, digest = cast(FrozenShim, self.shims[0]), self._digest()
        if path.is_file() and shim.written == Written.now(digest, path):
            return
        with replacing(path) as temporary:
            super().to_disk(temporary)
        shim.written = Written.now(digest, path)

    def _digest(self) -> bytes:
        """Of all that `to_bytes` would give."""
        kept = {name: value for name, value in self.attrs.items() if isinstance(value, SAVED)}
        digest = blake2b(json.dumps(kept, sort_keys=True).encode(), digest_size=16)
        objects = cast(FrozenShim, self.shims[0])._hfmodel
        if objects.transformer is not None:
            digest.update(encoder_digest(objects.transformer, objects.tokenizer))
        return digest.digest()

    def from_bytes(self, bytes_data: bytes) -> "FrozenTransformer":
        """Read what `to_bytes` wrote.

        bytes_data (bytes): The bytes.
        RETURNS (FrozenTransformer): Itself.
        RAISES (SavedError): If they are damaged, or not what they should be.
        """
        with reading(FILE):
            super().from_bytes(bytes_data)
            require_sound(self)
        return self

    @property
    def _init_tokenizer_config(self) -> Dict[str, Any]:
        """What spacy-transformers asks for when it can't open the file: it takes it for an old one."""
        raise SavedError(FILE, "it is a folder, or this user may not read it")


def require_sound(model: Model) -> None:
    """Insist that what was read into a frozen transformer, besides its encoder, can be worked with.

    model (Model): A `FrozenTransformer`, or a copy of one.
    RAISES (ValueError): If it can't.
    """
    attrs = model.attrs
    of_type = {"name": str, "batch_pieces": int, "mixed_precision": bool, "pooling": str, "frozen": bool}
    for name, kind in of_type.items():
        if type(attrs[name]) is not kind:
            raise ValueError(f"its setting {name} is {attrs[name]!r}")
    if not (attrs["frozen"] and attrs["batch_pieces"] >= 1 and attrs["pooling"] in POOLINGS):
        raise ValueError("its settings are out of their range")
    if not all(callable(attrs[name]) for name in ("encode", "replace_listener", "replace_listener_cfg")):
        raise ValueError("it names functions")
    config = getattr(model.shims[0]._model, "config", None)
    width = None if config is None else len(_layers(attrs["layers"], config)) * config.hidden_size
    if width != (model.get_dim("nO") if model.has_dim("nO") else None):
        raise ValueError("its width is not that of its encoder's layers")


def _layers(layers: Any, config: Any) -> List[int]:
    if not (layers is None or isinstance(layers, int) or all(isinstance(layer, int) for layer in layers)):
        raise ValueError(f"its setting layers is {layers!r}")
    return resolve_layers(layers, config.num_hidden_layers)
