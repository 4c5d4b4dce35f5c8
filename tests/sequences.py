"""What makes a tag sequence legal, in plain words."""

from itertools import pairwise
from typing import List, Sequence, Tuple

from posattn_spacy.tagging import TagScheme


def may_follow(before: str | None, tag: str) -> bool:
    """IOB2 in plain words: I-x continues an x, all else is free. `before` is None at the start of a text."""
    if tag[0] != "I":
        return True
    return before is not None and before[0] in "BI" and before[2:] == tag[2:]


def is_legal(tags: Sequence[int], scheme: TagScheme) -> bool:
    names = [None, *(scheme.tags[tag] for tag in tags)]
    return all(may_follow(before, tag) for before, tag in pairwise(names))


def spans_in(tags: Sequence[int]) -> List[Tuple[int, int, int]]:
    """First token, one past the last and label of each span of a legal sequence, one token at a time."""
    spans: List[Tuple[int, int, int]] = []
    for i, tag in enumerate(tags):
        if tag % 2:
            spans.append((i, i + 1, tag // 2))
        elif tag:
            start, _, label = spans[-1]
            spans[-1] = (start, i + 1, label)
    return spans
