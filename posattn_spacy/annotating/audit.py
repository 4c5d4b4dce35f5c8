"""Which annotations are probably wrong, as judged by heads that have not learned from them."""

from math import log
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import to_numpy

from ..annotated import bare_copy
from ..calibration import decode, only_pipe
from ..evaluation import piped_batches
from ..lattice import Lattice
from ..scored import ScoredBatch
from ..temperature import fit_temperature
from ..texts import text_lengths
from .bench import Bench, folds
from .effort import Effort
from .elsewhere import Elsewhere
from .findings import Place, disagreements

# Heads that learn longer come to know the errors of the texts they learn from: they find fewer in others.
EFFORT = Effort(200_000, 2, 50)
UNSEEN = 0.5  # what counts of each way that is not seen elsewhere
TINY = 1e-12


class Finding(NamedTuple):
    """An annotation that is probably wrong.

    doc (int): Index of its document.
    kind (str): What is wrong.
    given (Optional[Place]): First token, one past the last, and index of the label of what is annotated; None
        if nothing is.
    suggested (Optional[Place]): The same of what is more probable; None for no entity.
    p_given (float): Probability of what is annotated.
    p_suggested (float): Probability of what is suggested.
    elsewhere_given (int): How often the same words are annotated in this way at other places.
    elsewhere_suggested (int): How often in the way that is suggested.
    """

    doc: int
    kind: str
    given: Optional[Place]
    suggested: Optional[Place]
    p_given: float
    p_suggested: float
    elsewhere_given: int = 0
    elsewhere_suggested: int = 0

    @property
    def score(self) -> float:
        """RETURNS (float): By which findings are ranked, the higher the worse (DESIGN.md 2.11)."""
        elsewhere = (self.elsewhere_suggested + UNSEEN) / (self.elsewhere_given + UNSEEN)
        return log(max(self.p_suggested, TINY) / max(self.p_given, TINY) * elsewhere)


class Held(NamedTuple):
    """What a head that has not seen them says of a batch of documents.

    docs (List[int]): Their indices.
    scores (Any): What it says, see `TokenScores`.
    batch (ScoredBatch): The same with gold tags.
    """

    docs: List[int]
    scores: Any
    batch: ScoredBatch


def audit(bench: Bench, docs: Sequence[Doc], *, n_folds: int = 5, seed: int = 0) -> List[Finding]:
    """Find what is probably annotated wrong.

    The documents are dealt into parts, and each is judged by a head that was trained on the others. Their
    probabilities are calibrated together, on all of them.

    bench (Bench): What trains the heads.
    docs (Sequence[Doc]): The documents, in the vocabulary of its pipeline.
    n_folds (int): Number of parts, at least 2.
    seed (int): Seed of the trainings.
    RETURNS (List[Finding]): The findings, the most probable first.
    RAISES (ValueError): If there are fewer documents than parts, or no entity is found anywhere.
    """
    found = findings_of(*held_out(bench, docs, n_folds=n_folds, seed=seed))
    _, pipe = only_pipe(bench.nlp)
    return weighed(found, docs, pipe.labels)


def held_out(
    bench: Bench, docs: Sequence[Doc], *, n_folds: int = 5, seed: int = 0
) -> Tuple[List[Held], float]:
    """Let documents be judged by heads that have not learned from them; arguments as of `audit`.

    RETURNS (Tuple[List[Held], float]): What they say, and the temperature that fits it.
    """
    if not 2 <= n_folds <= len(docs):
        raise ValueError(
            f"{len(docs)} documents can't be dealt into {n_folds} parts: give 2 or more, and at most that."
        )
    bench.prepare(docs)
    held: List[Held] = []
    parts = folds([doc.text for doc in docs], n_folds)
    if len(parts) < 2:
        raise ValueError("All documents have the same text: none is left to learn from. Give others as well.")
    for number, part in enumerate(parts, start=1):
        own = set(part)
        others = [doc for i, doc in enumerate(docs) if i not in own]
        bench.train(others, seed=seed, effort=EFFORT, name=f"head {number} of {n_folds}")
        held += _judged(bench.nlp, [(i, docs[i]) for i in part])
    return held, fit_temperature([decode(each.batch) for each in held])


def findings_of(held: Sequence[Held], temperature: float) -> List[Finding]:
    """Find where heads find something else more probable than what is annotated.

    held (Sequence[Held]): What they say.
    temperature (float): By which their scores are divided.
    RETURNS (List[Finding]): The findings.
    """
    return [finding for each in held for finding in _of_batch(each, temperature)]


def weighed(findings: Sequence[Finding], docs: Sequence[Doc], labels: Sequence[str]) -> List[Finding]:
    """Look how the same words are annotated elsewhere in the corpus, and rank findings by that as well.

    findings (Sequence[Finding]): The findings.
    docs (Sequence[Doc]): The documents.
    labels (Sequence[str]): The labels.
    RETURNS (List[Finding]): The findings, the most probable first.
    """
    ways = [_ways(finding, docs[finding.doc], labels) for finding in findings]
    elsewhere = Elsewhere(docs, [phrase for way in ways for phrase, _ in way])
    counted = []
    for finding, way in zip(findings, ways, strict=True):
        given, suggested = (elsewhere.count(phrase, label) for phrase, label in way)
        counted.append(finding._replace(elsewhere_given=given, elsewhere_suggested=suggested))
    return sorted(counted, key=lambda finding: -finding.score)


def _ways(finding: Finding, doc: Doc, labels: Sequence[str]) -> List[Tuple[Span, str]]:
    """The words that are annotated, and those that are suggested, each with the label; "" for none."""
    either = finding.given or finding.suggested
    assert either is not None
    ways = []
    for place in (finding.given, finding.suggested):
        start, stop, _ = place or either
        ways.append((doc[start:stop], labels[place[2]] if place else ""))
    return ways


def _judged(nlp: Language, docs: Sequence[Tuple[int, Doc]]) -> List[Held]:
    """What a pipeline says of documents, in their own tokens."""
    _, pipe = only_pipe(nlp)
    numbers: Dict[int, int] = {}
    examples = []
    for i, doc in docs:
        example = Example(bare_copy(doc, nlp.vocab, sentences=True), doc)
        numbers[id(example)] = i
        examples.append(example)
    held = []
    for batch, piped in piped_batches(nlp, pipe, examples):
        scores = pipe.model.predict(piped)
        if len(scores.places):
            of = ScoredBatch.of(scores, text_lengths(piped), pipe.gold_of(batch))
            held.append(Held([numbers[id(example)] for example in batch], scores, of))
    return held


def _of_batch(held: Held, temperature: float) -> Iterator[Finding]:
    batch = held.batch
    lattice = Lattice(batch.scores / temperature, batch.lengths)
    ends = np.cumsum(to_numpy(held.scores.lengths))
    for each in disagreements(lattice, batch.tags, batch.excluded):
        place = each.given or each.suggested
        assert place is not None
        number = int(np.searchsorted(ends, place[0], side="right"))
        given, suggested = (_tokens(span, held.scores.places) for span in (each.given, each.suggested))
        yield Finding(held.docs[number], each.kind, given, suggested, each.p_given, each.p_suggested)


def _tokens(span: Optional[Place], places: np.ndarray) -> Optional[Place]:
    """A span of the batch's words as one of its document's tokens."""
    if span is None:
        return None
    return int(places[span[0]]), int(places[span[1] - 1]) + 1, span[2]
