"""What a component said of dev when it was evaluated last, while it is trained."""

from typing import Callable, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from spacy.tokens import Doc
from spacy.training import Example

from .gold import GoldBatch
from .head import TokenScores
from .scored import ScoredBatch
from .texts import text_lengths

MOST_WORDS = 1 << 18  # that are kept, with their scores: 50 MB or so


class Kept(NamedTuple):
    """What a model said of documents, which themselves are not kept.

    ids (List[int]): By which the documents are known as long as there are any.
    texts (np.ndarray): (texts,) int64 words of their texts, as they were then.
    scores (TokenScores): What it said.
    """

    ids: List[int]
    texts: np.ndarray
    scores: TokenScores


class ScoredExamples(NamedTuple):
    """What a model said of examples.

    n_docs (int): How many there are.
    batch (ScoredBatch): What it said, and what is right.
    """

    n_docs: int
    batch: ScoredBatch


class Evaluated:
    """Keeps the scores of an evaluation until the weights change, so that nothing has to be scored twice.

    A component that has not been updated keeps nothing, nor does one that has predicted much since: it is no
    longer being trained, or dev is large.
    """

    def __init__(self) -> None:
        self.batches: Optional[List[ScoredExamples]] = None
        self._kept: Optional[List[Kept]] = None
        self._words = 0

    @property
    def is_learning(self) -> bool:
        """RETURNS (bool): Whether the component has been updated."""
        return self._kept is not None

    def begin(self) -> None:
        """Forget what was kept: the weights are others now."""
        self.batches, self._kept, self._words = None, [], 0

    def keep(self, docs: List[Doc], scores: TokenScores) -> None:
        """Keep what the model says of documents.

        docs (List[Doc]): The documents, before other components go on with them.
        scores (TokenScores): What it says.
        """
        kept = self._kept  # read once: another thread may change it
        if kept is None:
            return
        kept.append(Kept(list(map(id, docs)), text_lengths(docs), scores))
        self._words += max(len(scores.places), len(docs))
        if self._words > MOST_WORDS:
            self._kept = None

    def score(self, examples: Sequence[Example], gold_of: Callable[[Sequence[Example]], GoldBatch]) -> None:
        """Find the scores that belong to examples which are being evaluated.

        They are taken if they are those of all examples and of nothing else.

        examples (Sequence[Example]): The examples.
        gold_of (Callable[[Sequence[Example]], GoldBatch]): Gives their targets.
        """
        if self._kept is None:
            return
        kept, self._kept, self._words = self._kept, [], 0
        by_doc = {id(example.predicted): example for example in examples if len(example.predicted)}
        ids = [one for each in kept for one in each.ids]
        self.batches = None
        if len(ids) == len(by_doc) and by_doc.keys() == set(ids):
            self.batches = _scored(kept, [[by_doc[one] for one in each.ids] for each in kept], gold_of)

    def __reduce__(self) -> Tuple[type, Tuple[()]]:
        return Evaluated, ()  # what is saved or copied is not being trained


def _scored(
    kept: Sequence[Kept],
    examples: Sequence[List[Example]],
    gold_of: Callable[[Sequence[Example]], GoldBatch],
) -> Optional[List[ScoredExamples]]:
    """Put gold tags beside scores; None if other components have changed the words since."""
    found: List[ScoredExamples] = []
    for each, own in zip(kept, examples, strict=True):
        if len(each.scores.places):
            gold = gold_of(own)
            if len(gold.tags) != len(each.scores.places):
                return None
            found.append(ScoredExamples(len(own), ScoredBatch.of(each.scores, each.texts, gold)))
    return found
