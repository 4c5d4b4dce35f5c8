"""Encoding a config's corpora into its feature store, ahead of training."""

from itertools import pairwise
from typing import Iterator, List, Sequence, Tuple

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training.batchers import minibatch_by_words
from spacy.util import load_model_from_config, registry, resolve_dot_names
from thinc.api import Config

from ..rows import LazyRows
from .architecture import FrozenModel
from .callback import FeatureStoreCallback, find_frozen_transformers
from .data import FrozenData
from .store import FeatureStore, StoreError

WORDS_AT_ONCE = 1 << 14


def open_for_warming(config: Config) -> Tuple[Language, List[FrozenModel], List[FeatureStore]]:
    """Make the pipeline of a config as far as its frozen transformers, with their store attached.

    config (Config): An interpolated training config.
    RETURNS (Tuple[Language, List[FrozenModel], List[FeatureStore]]): The pipeline, the transformers, and the
        store of each.
    RAISES (ValueError): If the config sets no store or has no frozen transformer.
    RAISES (StoreError): If the store can't be used.
    """
    callback = registry.resolve(config["initialize"])["after_init"]
    if not isinstance(callback, FeatureStoreCallback) or callback.path is None:
        raise ValueError(
            "The config sets no feature store: [initialize.after_init] with @callbacks = "
            '"posattn-spacy.feature_store.v1" and a path.'
        )
    nlp = load_model_from_config(config, auto_fill=True)
    transformers = find_frozen_transformers(nlp)
    for transformer in transformers:
        transformer.initialize()
    return nlp, transformers, callback.attach(nlp)


def corpora_docs(config: Config, nlp: Language) -> List[Doc]:
    """Read the texts that a config trains and evaluates on, as its components will see them.

    config (Config): An interpolated training config.
    nlp (Language): The pipeline.
    RETURNS (List[Doc]): The texts, those of like length together.
    """
    names = [config["training"]["train_corpus"], config["training"]["dev_corpus"]]
    readers = resolve_dot_names(config, names)
    docs = [example.predicted for reader in readers for example in reader(nlp)]
    return sorted(docs, key=len, reverse=True)


def warm(
    transformers: Sequence[FrozenModel], stores: Sequence[FeatureStore], docs: Sequence[Doc]
) -> Iterator[int]:
    """Send texts through frozen transformers, so that their store has them.

    transformers (Sequence[FrozenModel]): The transformers, with a store attached.
    stores (Sequence[FeatureStore]): The store of each.
    docs (Sequence[Doc]): The texts, those of like length together.
    YIELDS (int): How many words have been dealt with since the last time.
    RAISES (StoreError): If a store does not take them; it has said why.
    """
    for batch in minibatch_by_words(docs, size=WORDS_AT_ONCE, tolerance=0.0):
        for transformer in transformers:
            for data in transformer.predict(batch).doc_data:
                if isinstance(data, FrozenData) and isinstance(data.rows, LazyRows):
                    for start, stop in pairwise(data.rows.bounds.tolist()):
                        data.rows[start:stop]
        _insist(stores)
        yield sum(len(doc) for doc in batch)
    for store in stores:
        store.finish()
    _insist(stores)


def _insist(stores: Sequence[FeatureStore]) -> None:
    for store in stores:
        if not store.complete:
            raise StoreError(f"The feature store {store.path} has not taken all texts, for the reason above.")
