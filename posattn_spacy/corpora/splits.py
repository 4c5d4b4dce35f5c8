"""Splits: which sentences are for training, for choosing (dev) and for the final test."""

from typing import Dict, List, Mapping, Optional, Sequence

import numpy

from .sentences import CorpusError

PARTS = ("train", "dev", "test")
FILE_ORDER = "file-order"
RANDOM42 = "random42"
# The split a corpus brings along as separate files.
GIVEN = "given"
SPLITS = (FILE_ORDER, RANDOM42, GIVEN)

# From the name of a part to the indices of its sentences.
Split = Dict[str, List[int]]


def file_order(n: int) -> Split:
    """Split in file order: the first 70 % train, then 15 % dev and 15 % test.

    n (int): The number of sentences; 47,958 give 33,570, 7,194 and 7,194.
    RETURNS (Split): The indices of each part.
    """
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


def random42(ids: Sequence[str]) -> Split:
    """Split at random, always in the same way: 20 % test, 10 % of the rest dev, rounded up.

    ids (Sequence[str]): The sentence numbers as strings; 47,959 give 9,592 test sentences.
    RETURNS (Split): The indices of each part, in shuffled order.
    """
    # Grouping a table by its sentence numbers puts them in the order of strings, "10" before "2".
    order = sorted(range(len(ids)), key=ids.__getitem__)
    permutation = numpy.random.RandomState(42).permutation(len(ids))
    shuffled = [order[i] for i in permutation]
    n_test = -(-len(ids) // 5)
    n_dev = -(-(len(ids) - n_test) // 10)
    return {
        "train": shuffled[n_test : len(ids) - n_dev],
        "dev": shuffled[len(ids) - n_dev :],
        "test": shuffled[:n_test],
    }


def make_splits(ids: Sequence[str], cut_off: Optional[int] = None) -> Dict[str, Split]:
    """Make both splits of a corpus.

    ids (Sequence[str]): The sentence numbers as strings.
    cut_off (Optional[int]): The index of a cut-off last sentence, which is in no part. It is
        shuffled with the others and left out afterwards, as the published split has it.
    RETURNS (Dict[str, Split]): The splits by name.
    """
    return {
        FILE_ORDER: file_order(len(ids) if cut_off is None else cut_off),
        RANDOM42: {part: [i for i in indices if i != cut_off] for part, indices in random42(ids).items()},
    }
