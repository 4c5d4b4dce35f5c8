"""Errors planted in a corpus, and who finds them."""

import random
from typing import Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from spacy.tokens import Doc, Span

from posattn_spacy.annotating.findings import MADE_UP, MISSED, SHIFTED, WRONG_TYPE

KINDS = (WRONG_TYPE, SHIFTED, MADE_UP, MISSED)
TRIES = 100  # for a place in which an error fits


class Error(NamedTuple):
    """A planted error.

    doc (int): Index of its document.
    start (int): First token of what was and of what is annotated.
    stop (int): One past the last.
    kind (str): One of `KINDS`.
    """

    doc: int
    start: int
    stop: int
    kind: str


def plant(docs: Sequence[Doc], labels: Sequence[str], share: float, seed: int) -> List[Error]:
    """Change the annotation of documents for the worse.

    docs (Sequence[Doc]): The documents, which are changed.
    labels (Sequence[str]): Their labels; with one alone there are no wrong types.
    share (float): How many errors there are to be, of the entities; as many of each kind.
    seed (int): Of what is drawn.
    RETURNS (List[Error]): The errors; none touches another.
    """
    draw = random.Random(seed)
    places = [(i, ent.start, ent.end, ent.label_) for i, doc in enumerate(docs) for ent in doc.ents]
    draw.shuffle(places)
    kinds = KINDS if len(labels) > 1 else KINDS[1:]
    wanted = round(share * len(places) / len(kinds))
    errors: List[Error] = []
    for kind in kinds:
        count = tries = 0
        while count < wanted and places and tries < TRIES * wanted:
            tries += 1
            place = places.pop() if kind != MADE_UP else (draw.randrange(len(docs)), 0, 0, "")
            error = _spoil(docs, place, kind, labels, draw, errors)
            if error is not None:
                errors.append(error)
                count += 1
    return errors


def _spoil(
    docs: Sequence[Doc],
    place: Tuple[int, int, int, str],
    kind: str,
    labels: Sequence[str],
    draw: random.Random,
    errors: Sequence[Error],
) -> Optional[Error]:
    """Make one error, if it fits there."""
    number, start, stop, label = place
    doc = docs[number]
    taken = {i for each in errors if each.doc == number for i in range(each.start, each.stop)}
    others = [ent for ent in doc.ents if (ent.start, ent.end) != (start, stop)]
    busy = taken | {i for ent in others for i in range(ent.start, ent.end)}
    if kind == MADE_UP:
        start = draw.randrange(len(doc))
        stop, label = min(len(doc), start + draw.choice((1, 1, 2))), draw.choice(labels)
        made = (start, stop, label)
    elif kind == WRONG_TYPE:
        made = (start, stop, draw.choice([other for other in labels if other != label]))
    elif kind == SHIFTED:
        moved = [(start - 1, stop), (start, stop + 1)]
        moved += [(start + 1, stop), (start, stop - 1)] if stop - start > 1 else []
        made = (*draw.choice(moved), label)
    else:
        made = (start, start, label)
    low, high = min(start, made[0]), max(stop, made[1])
    if low < 0 or high > len(doc) or not busy.isdisjoint(range(low, high)):
        return None
    spans = [] if kind == MISSED else [Span(doc, made[0], made[1], label=made[2])]
    doc.set_ents([*others, *spans], default="outside")
    return Error(number, low, high, kind)


class Hits(NamedTuple):
    """How well a ranking finds errors.

    share (float): Of the first as many places as there are errors, the share that is one.
    average_precision (float): Mean, over all errors, of the precision where each is found; 0 for those that
        are not.
    by_kind (Dict[str, float]): Of each kind, the share that is among the first.
    """

    share: float
    average_precision: float
    by_kind: Dict[str, float]


def score_ranking(ranked: Sequence[Tuple[int, int, int]], errors: Sequence[Error]) -> Hits:
    """Score a ranking of doubtful places.

    A place that touches an error which was found before counts neither way, nor does one that touches a place
    that was named before: nobody looks there twice.

    ranked (Sequence[Tuple[int, int, int]]): Document, first token and one past the last, the worst first.
    errors (Sequence[Error]): What was planted.
    RETURNS (Hits): How well it finds them.
    """
    at = {(each.doc, i): n for n, each in enumerate(errors) for i in range(each.start, each.stop)}
    found: Set[int] = set()
    named: Set[Tuple[int, int]] = set()
    n_places = n_first = 0
    precisions: List[float] = []
    first: Set[int] = set()
    for doc, start, stop in ranked:
        tokens = {(doc, i) for i in range(start, stop)}
        if tokens & named:
            continue
        named |= tokens
        touched = {at[token] for token in tokens if token in at}
        if touched and touched <= found:
            continue
        n_places += 1
        if touched:
            found |= touched
            precisions.append(len(found) / n_places)
            if n_places <= len(errors):
                n_first += 1
                first |= touched
    kinds = sorted({each.kind for each in errors})
    by_kind = {
        kind: sum(n in first for n, each in enumerate(errors) if each.kind == kind)
        / sum(each.kind == kind for each in errors)
        for kind in kinds
    }
    n_errors = max(len(errors), 1)
    return Hits(n_first / n_errors, sum(precisions) / n_errors, by_kind)
