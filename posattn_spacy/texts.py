"""What encoder and head read as one text: a sentence where a document has them marked, else all of it.

A pipeline that is trained on single sentences so sees single sentences in running text, too, if a component
before it finds them, such as spaCy's `sentencizer`.
"""

from itertools import pairwise
from typing import List, Sequence, Union

import numpy as np
from spacy.attrs import SENT_START
from spacy.tokens import Doc, Span

Text = Union[Doc, Span]


def split_texts(docs: Sequence[Doc]) -> List[Text]:
    """Cut documents into their texts.

    docs (Sequence[Doc]): The documents.
    RETURNS (List[Text]): The texts in order; none of a document without tokens.
    """
    texts: List[Text] = []
    for doc in docs:
        starts = _starts(doc)
        if len(starts) == 1:
            texts.append(doc)
        else:
            texts.extend(doc[start:stop] for start, stop in pairwise([*starts.tolist(), len(doc)]))
    return texts


def text_lengths(docs: Sequence[Doc]) -> np.ndarray:
    """Count the tokens of the texts that documents consist of.

    docs (Sequence[Doc]): The documents.
    RETURNS (np.ndarray): (texts,) int64, each at least 1, the documents one after another.
    """
    offsets = np.cumsum([0, *map(len, docs)])
    starts = [_starts(doc) + offset for doc, offset in zip(docs, offsets[:-1], strict=True)]
    return np.diff(np.concatenate([*starts, offsets[-1:]]))


def _starts(doc: Doc) -> np.ndarray:
    """(texts,) index of the first token of each text."""
    starts = doc.to_array(SENT_START) == 1
    starts[:1] = True
    return np.flatnonzero(starts)
