"""What makes a tag sequence legal, in plain words."""

from itertools import pairwise
from typing import Sequence

from posattn_spacy.tagging import TagScheme


def may_follow(before: str | None, tag: str) -> bool:
    """IOB2 in plain words: I-x continues an x, all else is free. `before` is None at the start of a text."""
    if tag[0] != "I":
        return True
    return before is not None and before[0] in "BI" and before[2:] == tag[2:]


def is_legal(tags: Sequence[int], scheme: TagScheme) -> bool:
    names = [None, *(scheme.tags[tag] for tag in tags)]
    return all(may_follow(before, tag) for before, tag in pairwise(names))
