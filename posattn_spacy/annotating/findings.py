"""Where annotation and a model that has not seen it disagree, by exact probabilities (DESIGN.md 2.11)."""

from typing import Iterator, List, NamedTuple, Optional, Tuple

import numpy as np
from torch import Tensor

from ..calibration import are_known
from ..lattice import Lattice
from ..tagging import Spans, span_bounds

WRONG_TYPE, SHIFTED, MADE_UP, MISSED = "wrong type", "shifted edge", "made up", "missed"
LEAST = 0.02  # probability of a span that is thought of

Place = Tuple[int, int, int]  # first word, one past the last, index of the label


class Disagreement(NamedTuple):
    """A place where a model finds something else more probable than what is annotated.

    given (Optional[Place]): The annotated entity; None where there is none.
    suggested (Optional[Place]): The entity that is more probable; None for no entity.
    p_given (float): Probability of what is annotated.
    p_suggested (float): Probability of what is suggested.
    """

    given: Optional[Place]
    suggested: Optional[Place]
    p_given: float
    p_suggested: float

    @property
    def kind(self) -> str:
        """RETURNS (str): What is wrong, if the suggestion is right."""
        if self.given is None:
            return MISSED
        if self.suggested is None:
            return MADE_UP
        return WRONG_TYPE if self.given[:2] == self.suggested[:2] else SHIFTED


def disagreements(
    lattice: Lattice, tags: Tensor, excluded: Optional[Tensor] = None
) -> Iterator[Disagreement]:
    """Set annotation against what is more probable.

    Of an entity the rivals are all spans that touch it, and no entity at all; of words outside of entities,
    the spans that touch none. Each pair is compared by the exact probabilities of both.

    lattice (Lattice): The distribution over the tag sequences of some texts.
    tags (Tensor): (rows,) their annotation; a legal sequence, `MISSING` where nothing is known.
    excluded (Optional[Tensor]): (rows, labels) bool, labels that a row without a tag is known not to have.
    YIELDS (Disagreement): The places, of which those are left out that touch a word of which it is not known
        whether it has that label.
    """
    found = lattice.spans_above(LEAST)
    found = found.select(are_known(tags, excluded, found.starts, found.stops, found.labels))
    starts, stops, labels = (field.numpy() for field in span_bounds(tags.clamp(min=0)))
    given = Spans(starts, stops, labels, lattice.probabilities_of(starts, stops, labels))
    empty = lattice.probabilities_outside(starts, stops)
    for i, place in enumerate(_places(given)):
        touching = (found.starts < place[1]) & (found.stops > place[0])
        rival, p_rival = _likeliest(found.select(touching & ~_same(found, place)))
        if empty[i] > p_rival:
            rival, p_rival = None, float(empty[i])
        if p_rival > given.probabilities[i]:
            yield Disagreement(place, rival, float(given.probabilities[i]), p_rival)
    yield from _missed(lattice, found, given, tags)


def _missed(lattice: Lattice, found: Spans, given: Spans, tags: Tensor) -> Iterator[Disagreement]:
    """Spans that touch no annotated entity, and are more probable than what is known there instead."""
    free = np.array(
        [not ((given.starts < stop) & (given.stops > start)).any() for start, stop, _ in _places(found)],
        dtype=bool,
    )
    alone = found.select(free)
    complete = are_known(tags, None, alone.starts, alone.stops, alone.labels)  # of all labels
    outside = lattice.probabilities_outside(alone.starts, alone.stops)
    empty = np.where(complete, outside, 1 - alone.probabilities)
    order = np.argsort(-alone.probabilities, kind="stable")
    taken: List[Place] = []
    for i in order.tolist():
        place = _places(alone)[i]
        overlaps = any(place[0] < other[1] and other[0] < place[1] for other in taken)
        if alone.probabilities[i] > empty[i] and not overlaps:
            taken.append(place)
            yield Disagreement(None, place, float(empty[i]), float(alone.probabilities[i]))


def _places(spans: Spans) -> List[Place]:
    return list(zip(spans.starts.tolist(), spans.stops.tolist(), spans.labels.tolist(), strict=True))


def _same(spans: Spans, place: Place) -> np.ndarray:
    same: np.ndarray = (spans.starts == place[0]) & (spans.stops == place[1]) & (spans.labels == place[2])
    return same


def _likeliest(spans: Spans) -> Tuple[Optional[Place], float]:
    if not len(spans.starts):
        return None, 0.0
    best = int(spans.probabilities.argmax())
    return _places(spans)[best], float(spans.probabilities[best])
