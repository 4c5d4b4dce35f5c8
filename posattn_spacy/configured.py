"""Models that do, once they are loaded, what the config says rather than what it said when they were saved.

thinc saves the attributes of a model with its weights and puts them back, whatever the config says by then.
"""

from pathlib import PurePath
from typing import Any, Dict, Iterator, List, Tuple, TypeVar

from thinc.api import Model

InT = TypeVar("InT")
OutT = TypeVar("OutT")

HEAD, ENCODER = "components.posattn_ner.model", "components.transformer.model"
# By the name of a model's node: where its attributes stand in a config, which of them may be changed at any
# time, and on which weights and features depend.
SETTINGS: Dict[str, Tuple[str, List[str], List[str]]] = {
    "posattn_tagger": (
        HEAD,
        ["mask", "pad_ratio", "mixed_precision"],
        ["hidden_width", "first_width", "n_heads", "depth", "max_distance"],
    ),
    "frozen-transformer": (
        ENCODER,
        ["batch_pieces", "mixed_precision"],
        ["name", "layers", "pooling", "tokenizer_config"],
    ),
    "word_dropout": (f"{HEAD}.lexical", ["rate"], []),
    "extract_features": (f"{HEAD}.lexical", [], ["columns"]),
}
REMEDY = (
    "can't be changed after training: if it was changed in the config, take the change out, or train anew."
)
IN_CONFIG = {"rate": "word_dropout", "columns": "attrs"}  # where an attribute has another name there


class ConfiguredModel(Model[InT, OutT]):
    """A model whose settings, and those of the layers within it, hold as the config has them."""

    def from_dict(self, msg: Dict[str, Any]) -> "ConfiguredModel":
        """Load weights; called for bytes and files, too.

        msg (Dict[str, Any]): What `to_dict` gave.
        RETURNS (ConfiguredModel): The model itself.
        RAISES (ValueError): If they are of another model than the config describes.
        """
        misfit = next(_misfits(self, msg), None)
        if misfit:
            raise ValueError(
                f"The trained weights do not fit the model that the config describes: {misfit}. What decides "
                f"on the shape of a model {REMEDY}"
            )
        configured = [dict(node.attrs) for node in self.walk()]
        super().from_dict(msg)
        for node, attrs in zip(self.walk(), configured, strict=True):
            _follow_config(node, attrs)
        return self


def _misfits(model: Model, msg: Dict[str, Any]) -> Iterator[str]:
    """What of a model's structure is not that of saved weights."""
    nodes, saved_nodes = list(model.walk()), msg.get("nodes", [])
    if len(nodes) != len(saved_nodes):
        yield f"it has {len(nodes)} layers, and they are of {len(saved_nodes)}"
        return
    for node, saved in zip(nodes, saved_nodes, strict=True):
        for dim, size in saved["dims"].items():
            if size is not None and node.has_dim(dim) and node.get_dim(dim) != size:
                yield f"{dim} of its layer {node.name} is {node.get_dim(dim)}, and they are of {size}"


def _follow_config(node: Model, configured: Dict[str, Any]) -> None:
    """Give a node that was loaded its settings back, of which `configured` has all attributes."""
    path, free, fixed = SETTINGS.get(node.name, ("", [], []))
    for name in fixed:
        if name in configured and not _same(name, node.attrs[name], configured[name]):
            raise ValueError(
                f"{path}.{IN_CONFIG.get(name, name)} is {configured[name]!r} in the config, and was "
                f"{node.attrs[name]!r} in training. It {REMEDY}"
            )
    node.attrs.update({name: configured[name] for name in [*free, *fixed] if name in configured})


def _same(name: str, saved: Any, configured: Any) -> bool:
    """Whether a setting is what it was; the folder of an encoder may stand elsewhere by now."""
    if name == "name":
        return PurePath(saved).name == PurePath(configured).name
    return saved == configured
