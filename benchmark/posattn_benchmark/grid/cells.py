"""A cell: one training of an experiment, and where its figures are kept."""

import hashlib
import json
from pathlib import Path
from typing import Any, Dict, NamedTuple, Optional, Tuple

from spacy.util import load_config
from thinc.api import Config

CONFIGS = Path("configs")
Changes = Tuple[Tuple[str, Any], ...]


class Cell(NamedTuple):
    """One training.

    config (str): Name of the config in configs/.
    changes (Tuple[Tuple[str, Any], ...]): Settings of the config that it changes, by their dotted paths.
    split (str): Name of the split.
    share (int): Percentage of the training documents it learns from.
    passes (Optional[int]): How many passes over them; None for as many as the config makes.
    seed (int): Seed of the training.
    """

    config: str
    changes: Changes
    split: str
    share: int
    passes: Optional[int]
    seed: int

    @property
    def setting(self) -> str:
        """RETURNS (str): What is changed, for people and for paths; "as-it-is" if nothing is."""
        changes = (f"{key.rsplit('.', 1)[-1]}={_shown(value)}" for key, value in self.changes)
        return ",".join(changes) or "as-it-is"

    @property
    def place(self) -> Path:
        """RETURNS (Path): A relative path of its own."""
        corpus = f"{self.split}-{self.share}"
        passes = "own-passes" if self.passes is None else f"{self.passes}-passes"
        return Path(self.config, corpus, passes, self.setting, str(self.seed))

    def without(self, config: Config) -> "Cell":
        """Leave out the changes that are none, so that experiments share the cell.

        config (Config): The config as it is.
        RETURNS (Cell): The cell.
        """
        changes = tuple((key, value) for key, value in self.changes if _look_up(config, key) != value)
        return self._replace(changes=changes)


def read_config(cell: Cell, overrides: Dict[str, Any]) -> Config:
    """Read a cell's config with its changes.

    cell (Cell): The cell.
    overrides (Dict[str, Any]): More changes, such as paths.
    RETURNS (Config): The config, not interpolated.
    """
    return load_config(config_path(cell), overrides={**overrides, **dict(cell.changes)})


def config_path(cell: Cell) -> Path:
    """RETURNS (Path): The config that a cell starts from."""
    return CONFIGS / f"{cell.config}.cfg"


def identity(cell: Cell, corpus: Dict[str, Any], encoder: str, lang: str) -> str:
    """Sum up what a cell's figures depend on, as far as users change it.

    cell (Cell): The cell.
    corpus (Dict[str, Any]): What is known of the corpus.
    encoder (str): Name of the encoder.
    lang (str): Language of the pipeline.
    RETURNS (str): Hexadecimal digits.
    """
    described = [read_config(cell, {}).to_str(), cell._asdict(), corpus, encoder, lang]
    text = json.dumps(described, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _look_up(config: Any, key: str) -> Any:
    """The value of a setting; a `KeyError` tells of one that the config does not have."""
    for part in key.split("."):
        config = config[part]
    return config


def _shown(value: Any) -> str:
    """A value as part of a file name."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return "+".join(map(_shown, value))
    return Path(value).name if isinstance(value, str) else str(value)
