"""Documents with the same words: in the training part and in another, or annotated in several ways."""

from bisect import bisect_left
from collections import defaultdict
from typing import Any, Dict, Iterable, List, NamedTuple, Sequence, Tuple

from spacy.tokens import Doc, Span

from ..partial import unknown_stretches


def duplicate_mask(train_docs: Iterable[Doc], test_docs: Iterable[Doc]) -> List[bool]:
    """Find the test documents whose words also make up a training document.

    train_docs (Iterable[Doc]): The training part.
    test_docs (Iterable[Doc]): The test part.
    RETURNS (List[bool]): One value per test document; True if the same words stand in train.
    """
    seen = {_words(doc) for doc in train_docs}
    return [_words(doc) in seen for doc in test_docs]


def _words(doc: Doc) -> Tuple[str, ...]:
    return tuple(token.text for token in doc)


class TwoWays(NamedTuple):
    """The same words, annotated in different ways.

    docs (List[int]): Indices of the documents, the first of each way.
    ways (List[str]): Their entities, in words.
    """

    docs: List[int]
    ways: List[str]


def annotated_in_two_ways(docs: Sequence[Doc]) -> List[TwoWays]:
    """Find documents that have the same words and other entities.

    docs (Sequence[Doc]): The documents; those of which not all is known contradict no other.
    RETURNS (List[TwoWays]): Those that have, in order of the first.
    """
    by_words: Dict[Tuple[str, ...], Dict[Tuple[Any, ...], int]] = defaultdict(dict)
    for i, doc in enumerate(docs):
        if unknown_stretches(doc):
            continue
        places = [token.i for token in doc if not token.is_space]
        words = tuple(doc[place].text for place in places)
        entities = tuple(_of_words(ent, places) for ent in doc.ents)
        by_words[words].setdefault(entities, i)
    return [
        TwoWays(list(ways.values()), [_in_words(entities) for entities in ways])
        for ways in by_words.values()
        if len(ways) > 1
    ]


def _of_words(ent: Span, places: Sequence[int]) -> Tuple[str, int, str]:
    """The words of an entity, which word is its first, and its label; white space counts for nothing."""
    text = " ".join(token.text for token in ent if not token.is_space)
    return text, bisect_left(places, ent.start), ent.label_


def _in_words(entities: Sequence[Tuple[str, int, str]]) -> str:
    return ", ".join(f"{text} ({label})" for text, _, label in entities) or "no entity"
