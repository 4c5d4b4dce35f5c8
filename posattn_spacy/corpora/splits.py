"""Splits: which sentences are for training, for choosing (dev) and for the final test."""

from typing import Callable, Dict, List, Mapping, Optional, Sequence

from .sentences import CorpusError

PARTS = ("train", "dev", "test")
FILE_ORDER = "file-order"
# The split a corpus brings along as separate files.
GIVEN = "given"

# From the name of a part to the indices of its sentences.
Split = Dict[str, List[int]]
# Splits sentences, given their numbers as strings, and the index of a cut-off last one, which is in no part.
Splitter = Callable[[Sequence[str], Optional[int]], Split]


def file_order(ids: Sequence[str], cut_off: Optional[int] = None) -> Split:
    """Split in file order: the first 70 % train, then 15 % dev and 15 % test.

    ids (Sequence[str]): The sentence numbers; 47,958 of them give 33,570, 7,194 and 7,194.
    cut_off (Optional[int]): The index of a cut-off last sentence, which is in no part.
    RETURNS (Split): The indices of each part.
    """
    n = len(ids) if cut_off is None else cut_off
    n_train = n * 7 // 10
    n_dev = (n - n_train) // 2
    return {
        "train": list(range(n_train)),
        "dev": list(range(n_train, n_train + n_dev)),
        "test": list(range(n_train + n_dev, n)),
    }


def cut_off_end(n: int, shares: Mapping[str, float]) -> Split:
    """Cut parts off the end of the training part, in the order of `PARTS`.

    n (int): The number of its sentences.
    shares (Mapping[str, float]): Which share of them each part gets that is missing.
    RETURNS (Split): The indices of each part, train among them.
    RAISES (CorpusError): If a share is no share, or nothing is left for train.
    """
    for part, share in shares.items():
        if not 0 < share < 1:
            raise CorpusError(f"--{part}-share is {share:g}: give a number between 0 and 1, such as 0.1.")
    sizes = {part: max(1, round(n * shares[part])) for part in PARTS if part in shares}
    start = n - sum(sizes.values())
    if start < 1:
        names = " and ".join(f"--{part}-share" for part in sizes)
        raise CorpusError(
            f"{names} leave{'s' * (len(sizes) == 1)} nothing of train, which has {n:,} "
            f"sentence{'s' * (n != 1)}. Give smaller shares, or a file for each part."
        )
    split = {"train": list(range(start))}
    for part, size in sizes.items():
        split[part] = list(range(start, start + size))
        start += size
    return split
