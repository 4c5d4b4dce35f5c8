"""A training config for one's own corpus, made from the shipped one."""

import shutil
from math import ceil
from pathlib import Path
from typing import Any, Dict, NamedTuple, Optional, Tuple

from spacy.util import get_lang_class, load_config
from thinc.api import Config

from ..frozen.maintenance import stored_bytes
from ..schedule import PassSize
from .fitted import LAYERS, TEMPLATE, bytes_per_layer, encoder_shape, fitted_training

STORE = "initialize.after_init"
FREE_SHARE = 0.8  # of the free disk may be filled with features
LEAST_GB = 1.0


class Start(NamedTuple):
    """A config, and what it was fitted to.

    config (Config): The config, in full.
    size (PassSize): One pass over the training documents.
    layers (int): Encoder layers that are kept.
    store_gb (Optional[float]): Size that the feature store may have, in 10⁹ bytes; None for no store.
    """

    config: Config
    size: PassSize
    layers: int
    store_gb: Optional[float]

    @property
    def steps(self) -> int:
        """RETURNS (int): Updates of the weights that training makes."""
        return self.config["training"]["max_steps"]


def make_config(train: Path, dev: Path, dev_words: int, encoder: Path, lang: str, features: Path) -> Start:
    """Fit the shipped config to a corpus.

    train (Path): Training documents, a .spacy file or a folder of them.
    dev (Path): Documents to evaluate on during training.
    dev_words (int): How many tokens these have.
    encoder (Path): Folder of a Hugging Face encoder.
    lang (str): Language code.
    features (Path): Where the feature store shall be.
    RETURNS (Start): The config.
    RAISES (ValueError): If the training corpus is empty, or there is no encoder in the folder.
    RAISES (StoreError): If there is something else than a store where the store shall be.
    """
    overrides: Dict[str, Any] = {
        "paths.train": str(train),
        "paths.dev": str(dev),
        "paths.encoder": str(encoder),
        "nlp.lang": lang,
        f"{STORE}.path": str(features),
    }
    config = load_config(TEMPLATE, overrides=overrides)
    fitted, size = fitted_training(config)
    per_layer = bytes_per_layer(size.words + dev_words, encoder_shape(encoder))
    layers, store_gb = _fit_store(fitted[LAYERS], per_layer, features)
    overrides |= {**fitted, LAYERS: layers, f"{STORE}.max_gb": store_gb or LEAST_GB}
    overrides |= {f"{STORE}.path": str(features) if store_gb else None}
    config = load_config(TEMPLATE, overrides=overrides)
    split_as_language(config, lang)
    return Start(config, size, layers, store_gb)


def split_as_language(config: Config, lang: str) -> None:
    """Let a config's tokenizer be that of a language: not all are split at blanks.

    config (Config): The config, which is changed.
    lang (str): Language code.
    """
    own = get_lang_class(lang).default_config
    for section in ("nlp", "initialize"):
        config[section]["tokenizer"] = own[section]["tokenizer"]


def _fit_store(wanted: int, per_layer: float, features: Path) -> Tuple[int, Optional[float]]:
    """Choose as many layers as the disk has room for, and the size of the store in 10⁹ bytes.

    The store gets room for them beside what it holds of other corpora.
    """
    there = next(folder for folder in (features, *features.absolute().parents) if folder.exists())
    room = shutil.disk_usage(there).free * FREE_SHARE
    held = stored_bytes(features)
    for layers in range(wanted, 0, -1):
        needed = layers * per_layer
        if needed <= room:
            return layers, max(LEAST_GB, ceil((held + needed) / 1e8) / 10)
    return wanted, None
