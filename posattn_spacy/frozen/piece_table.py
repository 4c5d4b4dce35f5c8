"""The word pieces of words, each of which is cut once (DESIGN.md 3)."""

from typing import Any, Dict, List

import numpy as np
from spacy.strings import StringStore

from .pieces import WordPieces, cut_words

MOST_WORDS = 1 << 17  # that are kept: 20 MB in plain text, and never more than 100 MB
MOST_PIECES = 16  # of a word that is kept; those with more hardly come again


class PieceTable:
    """Remembers what a tokenizer made of words, by their hashes.

    Threads may share it: what two of them cut at once is the same.

    tokenizer (PreTrainedTokenizerFast): The tokenizer.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._ids: Dict[int, List[int]] = {}

    def pieces(self, orths: np.ndarray, strings: StringStore) -> WordPieces:
        """Cut words into pieces.

        orths (np.ndarray): (words,) uint64 their hashes.
        strings (StringStore): Where they are known.
        RETURNS (WordPieces): Their pieces.
        """
        distinct, types = np.unique(orths, return_inverse=True)
        ids = self._ids  # read once: another thread may begin a new one
        keys = distinct.tolist()
        new = [key for key in keys if key not in ids]
        cut = dict(zip(new, cut_words(self._tokenizer, [strings[key] for key in new]), strict=True))
        by_type = [cut[key] if key in cut else ids[key] for key in keys]
        if len(ids) + len(new) > MOST_WORDS:
            ids = {}
        ids.update((key, pieces) for key, pieces in cut.items() if len(pieces) <= MOST_PIECES)
        self._ids = ids
        return WordPieces.laid_out(by_type, types.ravel())
