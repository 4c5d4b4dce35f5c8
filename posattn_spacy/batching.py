"""`posattn-spacy.batch_by_padded.v1`: batches of texts of like length, in random order."""

import random
from typing import Callable, Iterable, Iterator, List, TypeVar

from spacy.training.batchers import minibatch_by_padded_size
from spacy.util import minibatch

Item = TypeVar("Item")


def configure_batch_by_padded_v1(size: int, buffer: int) -> Callable[[Iterable[Item]], Iterator[List[Item]]]:
    """Make `spacy.batch_by_padded.v1` with its batches shuffled.

    spaCy's own yields the batches of a buffer from the longest texts to the shortest, and a model that learns
    from texts in that order ends up worse.

    size (int): Tokens per batch, padding included, at most; a longer text is a batch by itself.
    buffer (int): How many texts are sorted into batches, and shuffled, at a time.
    RETURNS (Callable[[Iterable[Item]], Iterator[List[Item]]]): The batcher.
    RAISES (ValueError): If a number is not positive.
    """
    if size < 1 or buffer < 1:
        raise ValueError(f"training.batcher: size = {size} and buffer = {buffer} must be at least 1.")

    def batch(items: Iterable[Item]) -> Iterator[List[Item]]:
        for texts in minibatch(items, buffer):
            batches = list(minibatch_by_padded_size(texts, size, buffer))
            random.shuffle(batches)
            yield from batches

    return batch
