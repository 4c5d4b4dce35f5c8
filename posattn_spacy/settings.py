"""The settings of a component: which of several values holds, and changing them in a pipeline on disk.

The pipeline's config says what a component does. Its own `cfg` file has what was changed in Python, and what
the config said when the component was saved: where the config says something else at loading, that holds.
"""

from copy import deepcopy
from math import isclose
from pathlib import Path
from typing import Any, Dict, Mapping, Sequence

import srsly
from spacy.util import load_config

from .writing import replacing

CONFIGURED = "configured"  # in a cfg: what the config says of the settings
SIGNATURE = "model"  # in a cfg that was saved: of the weights that it belongs to


def settle(
    own: Dict[str, Any], saved: Dict[str, Any], memories: Sequence[Mapping[str, Any]]
) -> Dict[str, Any]:
    """Put together what a component does, of what its config says and what was saved.

    own (Dict[str, Any]): The component's cfg as the config made it.
    saved (Dict[str, Any]): The cfg that was saved.
    memories (Sequence[Mapping[str, Any]]): What the config said when it was saved. What is new to one of them
        holds.
    RETURNS (Dict[str, Any]): The cfg from now on.
    """
    configured = own[CONFIGURED]
    holding = {
        key: value
        for key, value in configured.items()
        if not all(_same(memory.get(key, value), value) for memory in memories)
        or _same(saved.get(key, value), value)
    }
    return {**own, **saved, **deepcopy(holding), CONFIGURED: configured}


def changes(cfg: Dict[str, Any]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The settings of a component that are no longer as its config has them."""
    return {key: cfg[key] for key, value in cfg[CONFIGURED].items() if not _same(cfg[key], value)}


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal, but for what srsly's JSON does to the last digit of a number."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return isclose(one, other, rel_tol=1e-9)
    return bool(one == other)


def read_settings(model: Path, name: str) -> Dict[str, Any]:
    """Read what the config of a saved pipeline says of a component.

    model (Path): A folder.
    name (str): Name of the component.
    RETURNS (Dict[str, Any]): The component's section; empty if the folder is no pipeline, or has no such one.
    """
    path = model / "config.cfg"
    if not path.is_file() or not (model / "meta.json").is_file():
        return {}
    return load_config(path, interpolate=True).get("components", {}).get(name, {})


def write_settings(model: Path, name: str, settings: Dict[str, Any]) -> None:
    """Write settings to a saved component, and to the pipeline's config where that has them too.

    model (Path): Folder of the pipeline.
    name (str): Name of the component.
    settings (Dict[str, Any]): Names and values.
    """
    cfg_path, config_path = model / name / "cfg", model / "config.cfg"
    cfg, config = srsly.read_json(cfg_path), load_config(config_path)
    for values in (config["components"][name], cfg.get(CONFIGURED, {})):
        values.update({key: value for key, value in settings.items() if key in values})
    with replacing(config_path) as new_config, replacing(cfg_path) as new_cfg:  # both, or neither
        config.to_disk(new_config)
        srsly.write_json(new_cfg, {**cfg, **settings})
