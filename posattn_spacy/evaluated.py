"""What a component said of dev when it was evaluated last, while it is trained."""

from typing import List, NamedTuple, Optional, Sequence, Tuple

from spacy.tokens import Doc
from spacy.training import Example

from .head import TokenScores

MOST_WORDS = 1 << 18  # that are kept, with their scores: 50 MB or so


class ScoredExamples(NamedTuple):
    """Examples, and what a model says of them.

    examples (List[Example]): The examples.
    scores (TokenScores): What it says.
    """

    examples: List[Example]
    scores: TokenScores


class Evaluated:
    """Keeps the scores of an evaluation until the weights change, so that nothing has to be scored twice.

    A component that has not been updated keeps nothing, nor does one that has predicted much since: it is no
    longer being trained, or dev is large.
    """

    def __init__(self) -> None:
        self.batches: Optional[List[ScoredExamples]] = None
        self._kept: Optional[List[Tuple[List[Doc], TokenScores]]] = None

    @property
    def is_learning(self) -> bool:
        """RETURNS (bool): Whether the component has been updated."""
        return self._kept is not None

    def begin(self) -> None:
        """Forget what was kept: the weights are others now."""
        self.batches, self._kept = None, []

    def keep(self, docs: List[Doc], scores: TokenScores) -> None:
        """Keep what the model says of documents.

        docs (List[Doc]): The documents.
        scores (TokenScores): What it says.
        """
        kept = self._kept  # read once: another thread may change it
        if kept is None:
            return
        kept.append((docs, scores))
        if sum(len(each.places) for _, each in kept) > MOST_WORDS:
            self._kept = None

    def score(self, examples: Sequence[Example]) -> None:
        """Find the scores that belong to examples which are being evaluated.

        examples (Sequence[Example]): The examples.
        """
        if self._kept is None:
            return
        by_doc = {id(example.predicted): example for example in examples}
        kept, self._kept = self._kept, []
        if all(id(doc) in by_doc for docs, _ in kept for doc in docs):
            self.batches = [
                ScoredExamples([by_doc[id(doc)] for doc in docs], scores) for docs, scores in kept
            ]

    def __reduce__(self) -> Tuple[type, Tuple[()]]:
        return Evaluated, ()  # what is saved or copied is not being trained
