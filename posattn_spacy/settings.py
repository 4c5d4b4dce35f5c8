"""The settings of a component: which of several values holds, and changing them in a pipeline on disk.

The pipeline's config says what a component does. Its own `cfg` file has what was changed in Python, and what
the config said when the component was saved: where the config says something else at loading, that holds.
"""

import math
from copy import deepcopy
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Sequence

import srsly
from spacy.util import load_config

from .writing import replacing

DEFAULTS: Dict[str, Any] = {  # the settings of which the component's cfg has a copy
    "positional_weight": 0.0,
    "label_weights": {},
    "threshold": 0.0,
    "label_thresholds": {},
    "candidates": None,
    "second_look": "fitted",
    "second_look_tolerance": 0.0005,
    "show_second_look": False,
    "incorrect_spans_key": "incorrect_spans",
    "overwrite": False,
}
FITTED = "fitted"  # of `second_look`: by `calibrate`, on dev
UNFITTED = {"temperature": 1.0, "first_temperature": 1.0, "fitted_look": None, "thresholds_at": None}
CONFIGURED = "configured"  # in a cfg: what the config says of the settings
SIGNATURE = "model"  # in a cfg that was saved: of the weights that it belongs to
KNOWN = {*DEFAULTS, *UNFITTED, CONFIGURED, "labels"}  # what a cfg may have


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
        return math.isclose(one, other, rel_tol=1e-9)
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


def write_performance(model: Path, figures: Dict[str, float]) -> None:
    """Write figures to the meta data of a saved pipeline, which others may read.

    model (Path): Folder of the pipeline.
    figures (Dict[str, float]): Names and values.
    """
    path = model / "meta.json"
    meta = srsly.read_json(path)
    meta["performance"] = {**meta.get("performance", {}), **figures}
    with replacing(path) as new_meta:
        srsly.write_json(new_meta, meta)


def check_settings(path: str, cfg: Mapping[str, Any]) -> None:
    """Refuse settings that are out of their range.

    path (str): Where they stand in the config.
    cfg (Mapping[str, Any]): The settings.
    RAISES (ValueError): If one is, or is of another type.
    """
    _require_types(path, cfg)
    if not 0 <= cfg["positional_weight"] < math.inf:
        raise ValueError(
            f"{path}.positional_weight = {cfg['positional_weight']}: the weight of a loss is a number of at "
            "least 0, which leaves the positional loss out."
        )
    for label, weight in cfg["label_weights"].items():
        if not 0 <= weight < math.inf:
            raise ValueError(f"{path}.label_weights.{label} = {weight}: a weight is a number of at least 0.")
    thresholds = {f"label_thresholds.{label}": value for label, value in cfg["label_thresholds"].items()}
    for key, value in {"threshold": cfg["threshold"], **thresholds}.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{path}.{key} = {value}: a probability is from 0 to 1.")
    look, tolerance = cfg["second_look"], cfg["second_look_tolerance"]
    if look not in (FITTED, None) and not 0 <= look <= 1:
        raise ValueError(
            f'{path}.second_look = {look}: it is "{FITTED}", null for a second look at every text, or the '
            "probability per word, from 0 to 1, from which on the first look is enough."
        )
    if not 0 <= tolerance <= 1:
        raise ValueError(f"{path}.second_look_tolerance = {tolerance}: a loss of F1 is from 0 to 1.")
    if cfg["candidates"] is not None and not 0 < cfg["candidates"] <= 1:
        raise ValueError(
            f"{path}.candidates = {cfg['candidates']}: it is the least probability of a candidate, above 0 "
            "and at most 1; null makes none."
        )


def check_labels(
    path: str, cfg: Mapping[str, Any], labels: Sequence[str], known: Optional[Mapping[str, Any]] = None
) -> None:
    """Refuse settings of labels that there are not, mostly misspelt ones.

    path (str): Where they stand in the config.
    cfg (Mapping[str, Any]): The settings.
    labels (Sequence[str]): The labels that there are.
    known (Optional[Mapping[str, Any]]): Settings whose labels are let pass.
    RAISES (ValueError): If there are such settings.
    """
    for setting in ("label_weights", "label_thresholds"):
        unknown = sorted(set(cfg[setting]) - {*labels, *(known or {}).get(setting, {})})
        if unknown:
            raise ValueError(
                f"{path}.{setting} names {', '.join(unknown)}, but the labels are {', '.join(labels)}."
            )


def _require_types(path: str, cfg: Mapping[str, Any]) -> None:
    """Insist that the settings and labels of a `posattn_ner` have the types they should have.

    path (str): Where its settings stand in the config.
    cfg (Mapping[str, Any]): Its settings, and what it has learned as far as it has.
    RAISES (ValueError): If one has not.
    """
    labels = cfg.get("labels", [])
    if not (isinstance(labels, list) and all(isinstance(label, str) and label for label in labels)):
        raise ValueError(f"labels = {labels!r:.60}: they are a list of names")
    if len(set(labels)) < len(labels):
        raise ValueError(f"labels = {labels!r:.60}: one of them is there twice")
    for name in ("overwrite", "show_second_look"):
        if not isinstance(cfg[name], bool):
            raise ValueError(f"{path}.{name} = {cfg[name]!r:.60}: it is true or false")
    key = cfg["incorrect_spans_key"]
    if not (key is None or isinstance(key, str)):
        raise ValueError(f"{path}.incorrect_spans_key = {key!r:.60}: it is a key in doc.spans, or null")
    for name in ("label_weights", "label_thresholds"):
        if not isinstance(cfg[name], dict):
            raise ValueError(f"{path}.{name} = {cfg[name]!r:.60}: it is a number for each of some labels")
        for label, value in cfg[name].items():
            _require_number(f"{path}.{name}.{label}", value)
    for name in ("positional_weight", "threshold", "second_look_tolerance"):
        _require_number(f"{path}.{name}", cfg[name])
    if cfg["candidates"] is not None:
        _require_number(f"{path}.candidates", cfg["candidates"])
    if cfg["second_look"] not in (None, FITTED):
        _require_number(f"{path}.second_look", cfg["second_look"])
    for name in ("temperature", "first_temperature"):
        temperature = cfg.get(name, 1.0)
        _require_number(name, temperature)
        if temperature <= 0:
            raise ValueError(f"{name} = {temperature}: it is above 0")
    fitted = cfg.get("fitted_look")
    if fitted is not None and not (isinstance(fitted, dict) and _is_promise(fitted)):
        raise ValueError(f"fitted_look = {fitted!r:.60}: it is what `posattn calibrate` has found")


def _is_promise(fitted: Dict[str, Any]) -> bool:
    """Whether what was fitted of the second look has all that `second_look.Promise` has."""
    shares = [fitted.get(name) for name in ("words", "f", "f_all")]
    return _is_share(fitted.get("threshold")) and None not in shares and all(map(_is_share, shares))


def _is_share(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value is None or (number and 0 <= value <= 1)


def _require_number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{name} = {value!r:.60}: it is a number")
