"""The second split of the benchmark, as others have made it."""

from typing import Dict, Optional, Sequence

import numpy as np

from posattn_spacy.corpora.splits import FILE_ORDER, Split, Splitter, file_order

RANDOM42 = "random42"


def random42(ids: Sequence[str], cut_off: Optional[int] = None) -> Split:
    """Split at random, always in the same way: 20 % test, 10 % of the rest dev, rounded up.

    ids (Sequence[str]): The sentence numbers as strings; 47,959 give 9,592 test sentences.
    cut_off (Optional[int]): The index of a cut-off last sentence. It is shuffled with the others and left out
        afterwards, as the published split has it.
    RETURNS (Split): The indices of each part, in shuffled order.
    """
    # Grouping a table by its sentence numbers puts them in the order of strings, "10" before "2".
    order = sorted(range(len(ids)), key=ids.__getitem__)
    permutation = np.random.RandomState(42).permutation(len(ids))
    shuffled = [order[place] for place in permutation]
    n_test = -(-len(ids) // 5)
    n_dev = -(-(len(ids) - n_test) // 10)
    split = {
        "train": shuffled[n_test : len(ids) - n_dev],
        "dev": shuffled[len(ids) - n_dev :],
        "test": shuffled[:n_test],
    }
    return {part: [i for i in indices if i != cut_off] for part, indices in split.items()}


SPLITS: Dict[str, Splitter] = {FILE_ORDER: file_order, RANDOM42: random42}
