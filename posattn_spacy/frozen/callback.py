"""`posattn-spacy.feature_store.v1`: run the frozen encoder once per text, and keep what it makes of it.

The store is attached to the encoder when training begins, and lives outside of everything that is saved.
"""

import warnings
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Callable, Dict, List, Literal, Optional, Sequence

import numpy as np
import torch
from spacy.language import Language
from spacy.strings import StringStore
from thinc.api import Model
from torch import Tensor

from ..precision import precision, product_type
from ..texts import Text
from ..windows import ranges
from .architecture import FrozenModel, encode_texts, encode_texts_into, huggingface, kept_layers
from .fingerprint import encoder_fingerprint, text_key
from .store import About, FeatureStore, StoreError

SETTINGS = "initialize.after_init"


@dataclass(frozen=True)
class FeatureStoreCallback:
    """Gives the frozen transformers of an initialized pipeline their feature store.

    path (Optional[Path]): Folder of the store; None for no store.
    max_gb (float): Size in 10⁹ bytes up to which the store may grow.
    dtype (str): Type of the stored numbers.
    """

    path: Optional[Path]
    max_gb: float
    dtype: str

    def __call__(self, nlp: Language) -> Language:
        """Attach the store; a store that can't be used is warned about, and training goes on without.

        nlp (Language): The initialized pipeline; its config mentions the store no longer.
        RETURNS (Language): The pipeline.
        """
        nlp.config["initialize"]["after_init"] = None  # what is saved shall not ask for the store
        try:
            self.attach(nlp)
        except StoreError as error:
            warnings.warn(f"{error} Training goes on without the store.", stacklevel=2)
        return nlp

    def attach(self, nlp: Language) -> List[FeatureStore]:
        """Let the frozen transformers of a pipeline read their features from the store, and add to it.

        nlp (Language): The pipeline, whose transformers are initialized.
        RETURNS (List[FeatureStore]): The store, once for each transformer.
        RAISES (ValueError): If it has no frozen transformer.
        RAISES (StoreError): If the store can't be used.
        """
        if self.path is None:
            return []
        transformers = find_frozen_transformers(nlp)
        if not transformers:
            raise ValueError(
                f"{SETTINGS} sets a feature store, but no component of the pipeline has a "
                "'posattn-spacy.FrozenTransformer.v1', whose features it could keep."
            )
        stores = []
        for transformer in transformers:
            store = FeatureStore.open(self.path, describe(transformer, self.dtype), self.max_gb)
            transformer.attrs["encode"] = through(store)
            stores.append(store)
        return stores


def configure_feature_store_v1(
    path: Optional[str], max_gb: float = 20.0, dtype: Literal["float16", "float32"] = "float16"
) -> FeatureStoreCallback:
    """Make the callback for `[initialize.after_init]` that keeps a frozen transformer's features on disk.

    path (Optional[str]): Folder of the store, on a local disk; no store without it.
    max_gb (float): Size in 10⁹ bytes up to which the store may grow.
    dtype (str): Type of the stored numbers, float16 or float32.
    RETURNS (FeatureStoreCallback): The callback.
    RAISES (ValueError): If the size is not positive.
    """
    if max_gb <= 0:
        raise ValueError(f"{SETTINGS}.max_gb = {max_gb}: the size of a feature store must be positive.")
    return FeatureStoreCallback(None if path is None else Path(path), max_gb, dtype)


def find_frozen_transformers(nlp: Language) -> List[FrozenModel]:
    """RETURNS (List[FrozenModel]): The frozen transformers of a pipeline, within other models too."""
    models = [getattr(pipe, "model", None) for _, pipe in nlp.components]
    return [
        node
        for model in models
        if isinstance(model, Model)
        for node in model.walk()
        if node.name == "frozen-transformer"
    ]


def describe(encoder: FrozenModel, dtype: str) -> About:
    """Describe the store that an encoder needs.

    encoder (FrozenModel): An initialized frozen transformer.
    dtype (str): Type of the stored numbers.
    RETURNS (About): What the store is to hold.
    """
    transformer, tokenizer = huggingface(encoder)
    with precision(transformer.device, encoder.attrs["mixed_precision"]):
        product = product_type(next(transformer.parameters()))
    name, pooling = encoder.attrs["name"], encoder.attrs["pooling"]
    if product != torch.float32:
        name += f" in {str(product).removeprefix('torch.')}"
    if pooling != "mean":
        name += f", {pooling} pieces"
    return About(
        encoder=name,
        fingerprint=encoder_fingerprint(transformer, tokenizer, product, pooling),
        width=transformer.config.hidden_size,
        dtype=dtype,
    )


def through(store: FeatureStore) -> Callable[[FrozenModel, Sequence[Text], StringStore], Tensor]:
    """Make the function with which a frozen transformer encodes only what is not in a store.

    What is encoded is rounded as in the store, so that training does not depend on what was there before.

    store (FeatureStore): The store.
    RETURNS (Callable): As `encode_texts`, but in the store's type.
    """

    def encode(model: FrozenModel, texts: Sequence[Text], strings: StringStore) -> Tensor:
        if not store.readable:
            return encode_texts(model, texts, strings)
        keys = [text_key(text) for text in texts]
        lengths = [len(text) for text in texts]
        read, missing = store.read(keys, lengths, kept_layers(model))
        if not missing:
            return torch.from_numpy(read).to(huggingface(model)[0].device).flatten(1)
        fresh = {keys[i]: texts[i] for i in missing}
        planes = encode_into(store, model, fresh, strings)
        if planes is None:
            return encode_texts(model, texts, strings)
        starts = accumulate(map(len, fresh.values()), initial=0)
        start_of = dict(zip(fresh, starts, strict=False))  # one more, at the end
        sizes = np.array(lengths)
        sources = ranges(np.array([start_of[keys[i]] for i in missing]), sizes[missing])
        targets = ranges((sizes.cumsum() - sizes)[missing], sizes[missing])
        return _filled(read, targets, planes, sources).flatten(1)

    return encode


def _filled(read: np.ndarray, targets: np.ndarray, planes: Tensor, sources: np.ndarray) -> Tensor:
    """Put what was encoded just now into the gaps of what was read.

    read (np.ndarray): (words, layers, width) features; some of its words were not in the store.
    targets (np.ndarray): (missing words,) int64 which they are, ascending.
    planes (Tensor): (layers, fresh words, width) features, on the encoder's device.
    sources (np.ndarray): (missing words,) int64 which of the fresh words each is.
    RETURNS (Tensor): (words, layers, width) features on that device.
    """
    made = planes[:, torch.from_numpy(sources).to(planes.device)].transpose(0, 1)
    if len(targets) == len(read):  # nothing of what was read has to be brought to the device
        return made
    rows = torch.from_numpy(read).to(planes.device)
    return rows.index_copy_(0, torch.from_numpy(targets).to(planes.device), made)


def encode_into(
    store: FeatureStore, model: FrozenModel, texts: Dict[bytes, Text], strings: StringStore
) -> Optional[Tensor]:
    """Encode texts and put them into a store.

    store (FeatureStore): The store.
    model (FrozenModel): The frozen transformer.
    texts (Dict[bytes, Text]): The texts by their keys.
    strings (StringStore): Where their words are known.
    RETURNS (Optional[Tensor]): (layers, words, width) features of the texts as they are stored, on the
        encoder's device; None if the store's type can't hold them, of which the store has told.
    """
    layers = kept_layers(model)
    lengths = [len(text) for text in texts.values()]
    shape = (len(layers), sum(lengths), store.about.width)
    dtype = getattr(torch, store.about.dtype)
    planes = torch.empty(shape, dtype=dtype, device=huggingface(model)[0].device)
    try:
        encode_texts_into(model, list(texts.values()), strings, planes)
    except OverflowError:
        store.give_up(
            f"has numbers of type {store.about.dtype}, and this encoder's features are too large for that. "
            f'Set {SETTINGS}.dtype = "float32" and choose a new folder'
        )
        return None
    store.write(list(texts), lengths, layers, planes.cpu().numpy())
    return planes
