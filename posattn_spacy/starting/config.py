"""A training config for one's own corpus, made from the shipped one."""

import shutil
from math import ceil
from pathlib import Path
from typing import Any, Dict, NamedTuple, Optional, Tuple

from spacy.util import get_lang_class, load_config
from thinc.api import Config
from transformers import AutoConfig

from ..frozen.maintenance import stored_bytes
from ..schedule import PassSize, fitted_training

TEMPLATE = Path(__file__).parents[1] / "posattn.cfg"
LAYERS = "components.transformer.model.layers"
STORE = "initialize.after_init"
FREE_SHARE = 0.8  # of the free disk may be filled with features
BYTES = 2  # of a number in float16
SPARE = 1.3  # for keys and pages
LEAST_GB = 1.0
# From so many tokens in a pass on the features of all layers are kept, up to so many 10⁹ bytes; with less to
# learn from the head does better with fewer (docs/defaults.md).
ALL_LAYERS_WORDS, ALL_LAYERS_GB = 50_000, 3.0


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
    overrides |= fitted
    layers, store_gb = _fit_store(config, encoder, size.words, dev_words, features)
    overrides |= {LAYERS: layers, f"{STORE}.max_gb": store_gb or LEAST_GB}
    overrides |= {f"{STORE}.path": str(features) if store_gb else None}
    config = load_config(TEMPLATE, overrides=overrides)
    own = get_lang_class(lang).default_config
    config["nlp"]["tokenizer"] = own["nlp"]["tokenizer"]  # not all languages are split at blanks
    config["initialize"]["tokenizer"] = own["initialize"]["tokenizer"]
    return Start(config, size, layers, store_gb)


def _fit_store(
    config: Config, encoder: Path, train_words: int, dev_words: int, features: Path
) -> Tuple[int, Optional[float]]:
    """Choose all layers or as many as the config has, as far as the disk has room.

    The store gets room for them beside what it holds of other corpora.
    """
    try:
        shape = AutoConfig.from_pretrained(encoder)
    except (OSError, ValueError) as error:
        raise ValueError(f"There is no Hugging Face encoder in {encoder}: {error}") from error
    every = shape.num_hidden_layers + 1
    per_layer = (train_words + dev_words) * shape.hidden_size * BYTES * SPARE
    if train_words < ALL_LAYERS_WORDS or every * per_layer > ALL_LAYERS_GB * 1e9:
        every = min(config["components"]["transformer"]["model"]["layers"], every)
    there = next(folder for folder in (features, *features.absolute().parents) if folder.exists())
    room = shutil.disk_usage(there).free * FREE_SHARE
    held = stored_bytes(features)
    for layers in range(every, 0, -1):
        needed = layers * per_layer
        if needed <= room:
            return layers, max(LEAST_GB, ceil((held + needed) / 1e8) / 10)
    return every, None
