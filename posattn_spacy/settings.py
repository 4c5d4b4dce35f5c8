"""Changing the settings of a component of a pipeline that lies on disk."""

from pathlib import Path
from typing import Any, Dict

import srsly
from spacy.util import load_config

from .corpora.files import replacing


def write_settings(model: Path, name: str, settings: Dict[str, Any]) -> None:
    """Write settings to a saved component, and to the pipeline's config where that has them too.

    model (Path): Folder of the pipeline.
    name (str): Name of the component.
    settings (Dict[str, Any]): Names and values.
    """
    cfg_path, config_path = model / name / "cfg", model / "config.cfg"
    config = load_config(config_path)
    factory = config["components"][name]
    factory.update({key: value for key, value in settings.items() if key in factory})
    with replacing(cfg_path) as temporary:
        srsly.write_json(temporary, {**srsly.read_json(cfg_path), **settings})
    with replacing(config_path) as temporary:
        config.to_disk(temporary)
