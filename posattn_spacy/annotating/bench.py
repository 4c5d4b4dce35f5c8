"""A pipeline that is trained anew as often as is asked, on one encoder and one feature store."""

from typing import Any, Dict, List, Optional, Sequence

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import load_model_from_config
from thinc.api import Config, fix_random_seed

from ..calibration import posattn_pipes
from ..starting.fitted import LAYERS, fitted_training
from .effort import Effort, short_training
from .trainer import Reader, Trained, configure, reader_of, train


class Bench:
    """Trains the `posattn_ner` of a config on documents in memory.

    The encoder is loaded once, and each text is encoded once.

    Documents are to have the vocabulary of its pipeline, `nlp`.

    config (Config): A training config. What follows from the size of a corpus is fitted to each one.
    """

    def __init__(self, config: Config) -> None:
        self.nlp: Language = load_model_from_config(config, auto_fill=True)
        self._config = self.nlp.config.copy()

    def prepare(self, docs: Sequence[Doc]) -> None:
        """Load the encoder and open its store, and find the labels, before the first training.

        docs (Sequence[Doc]): All documents that there will be.
        """
        corpus = reader_of(self._config.interpolate(), "train", docs)
        self.nlp.initialize(lambda: corpus(self.nlp))

    def reader(self, part: str, docs: Sequence[Doc]) -> Reader:
        """RETURNS (Reader): A reader of documents, as the config reads "train" or "dev"."""
        return reader_of(self._config.interpolate(), part, docs)

    def train(
        self,
        docs: Sequence[Doc],
        dev: Optional[Sequence[Doc]] = None,
        *,
        seed: int = 0,
        effort: Optional[Effort] = None,
        name: str = "training",
    ) -> Trained:
        """Train from new weights.

        docs (Sequence[Doc]): What to learn from.
        dev (Optional[Sequence[Doc]]): What to evaluate on; without it the last weights are taken.
        seed (int): Seed of the training.
        effort (Optional[Effort]): How long; None for what fits the documents.
        name (str): What the progress bar is called.
        RETURNS (Trained): What came of it; `nlp` has the weights.
        RAISES (ValueError): If no document has a token.
        """
        corpus = self.reader("train", docs)
        configure(self.nlp, {**self._fitted(list(corpus(self.nlp)), effort), "training.seed": seed})
        fix_random_seed(seed)
        with self.nlp.select_pipes(enable=[pipe for pipe, _ in posattn_pipes(self.nlp)]):
            self.nlp.initialize(lambda: corpus(self.nlp))
        return train(self.nlp, corpus, self.reader("dev", dev) if dev else None, name=name)

    def _fitted(self, examples: Sequence[Example], effort: Optional[Effort]) -> Dict[str, Any]:
        if effort is None:
            return fitted_training(self._config, {LAYERS}, examples).overrides
        return short_training(self._config, examples, effort)


def folds(texts: Sequence[str], n: int) -> List[List[int]]:
    """Deal texts out so that none is in two parts, not even if it comes again, and neighbours are in one.

    texts (Sequence[str]): The texts.
    n (int): Number of parts.
    RETURNS (List[List[int]]): Indices of each part; fewer parts if there are not as many texts.
    """
    parts: List[List[int]] = [[] for _ in range(n)]
    part_of: Dict[str, int] = {}
    for i, text in enumerate(texts):
        parts[part_of.setdefault(text, i * n // len(texts))].append(i)
    return [part for part in parts if part]
