"""What encoder and head read: the words of a document, text by text (DESIGN.md 1).

A text is a sentence where a document has them marked, else all of it. A pipeline that is trained on single
sentences so sees single sentences in running text, too, if a component before it finds them, such as spaCy's
`sentencizer`. White space is no word.
"""

from itertools import accumulate, pairwise
from typing import List, NamedTuple, Sequence

import numpy as np
from spacy.attrs import IS_PUNCT, ORTH, SENT_START
from spacy.strings import StringStore
from spacy.tokens import Doc

from .blanks import is_blank, visible

BLANK = 0  # stands for the hash of a token that is no word


class Words(NamedTuple):
    """The words of a document: its tokens, but for those of white space.

    places (np.ndarray): (words,) int64 token of each word.
    orths (np.ndarray): (words,) uint64 spaCy's hash of each word, less its invisible characters.
    lengths (np.ndarray): (texts,) int64 words of each text, each at least 1.
    """

    places: np.ndarray
    orths: np.ndarray
    lengths: np.ndarray


def read_words(docs: Sequence[Doc]) -> List[Words]:
    """Find the words of documents, and the texts they belong to.

    docs (Sequence[Doc]): The documents.
    RETURNS (List[Words]): The words of each of them.
    """
    if not docs:
        return []
    orths, starts = np.concatenate([doc.to_array([ORTH, SENT_START]) for doc in docs]).T.copy()
    starts = starts == 1
    seen = seen_words(orths, _shared_strings(docs))
    offsets = [0, *accumulate(map(len, docs))]
    starts[[offset for offset in offsets if offset < len(starts)]] = True
    if not seen.all():  # some are blank
        return [
            _words(doc, starts[i:j], seen[i:j]) for doc, (i, j) in zip(docs, pairwise(offsets), strict=True)
        ]
    places, ends = np.arange(len(seen)), np.append(np.flatnonzero(starts), len(seen))
    texts = np.searchsorted(ends, offsets).tolist()
    lengths = np.diff(ends)
    return [
        Words(places[: j - i], seen[i:j], lengths[first:last])
        for (i, j), (first, last) in zip(pairwise(offsets), pairwise(texts), strict=True)
    ]


def text_lengths(docs: Sequence[Doc]) -> np.ndarray:
    """RETURNS (np.ndarray): (texts,) int64 words of the texts of documents, at least one of these."""
    return np.concatenate([words.lengths for words in read_words(docs)])


def _shared_strings(docs: Sequence[Doc]) -> StringStore:
    """The strings of the first document's vocabulary, which learns the words of documents of another one."""
    vocab = docs[0].vocab
    for doc in docs:
        if doc.vocab is not vocab:
            for token in doc:
                vocab.strings.add(token.text)
    return vocab.strings


def seen_words(orths: np.ndarray, strings: StringStore) -> np.ndarray:
    """Say what is seen of tokens.

    orths (np.ndarray): (tokens,) uint64 hashes of the tokens.
    strings (StringStore): Where they are known; what is seen of them is added.
    RETURNS (np.ndarray): (tokens,) uint64 hashes of the words that are seen, `BLANK` where there is none.
    """
    distinct, inverse = np.unique(orths, return_inverse=True)
    words = [strings[orth] for orth in distinct.tolist()]
    odd = [i for i, word in enumerate(words) if not (word.isascii() and word.isprintable()) or word.isspace()]
    if not odd:
        return orths
    seen = distinct.copy()
    for i in odd:
        word = words[i]
        seen[i] = BLANK if is_blank(word) else strings.add(visible(word))
    return seen[inverse.ravel()]


def _words(doc: Doc, starts: np.ndarray, seen: np.ndarray) -> Words:
    """The words of a document, of whose tokens some begin a text and some are blank."""
    places = np.flatnonzero(seen)
    texts = _off_blanks(doc, starts, seen != BLANK).cumsum()[places]
    first = np.flatnonzero(np.diff(texts, prepend=-1) > 0)
    return Words(places, seen[places], np.diff(np.append(first, len(places))))


def _off_blanks(doc: Doc, starts: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Let texts that begin with white space begin where they would begin without it.

    spaCy's `sentencizer` leaves punctuation behind a full stop to the sentence before, such as a closing
    quote, but begins the next sentence with white space.

    doc (Doc): The document.
    starts (np.ndarray): (tokens,) bool, where texts begin.
    seen (np.ndarray): (tokens,) bool, what is no white space.
    RETURNS (np.ndarray): (tokens,) bool, where they begin then.
    """
    blank = np.flatnonzero(starts & ~seen)
    blank = blank[blank > 0]
    if not len(blank):
        return starts
    firsts = np.append(np.flatnonzero(seen & (starts | (doc.to_array(IS_PUNCT) == 0))), len(doc))
    moved = np.append(starts & seen, False)
    moved[firsts[np.searchsorted(firsts, blank)]] = True
    return moved[:-1]


class Text(NamedTuple):
    """What the encoder reads as one.

    orths (np.ndarray): (read,) uint64 hashes of the words that are read.
    start (int): The first of them that is asked about; those before are its context.
    stop (int): One past the last.
    """

    orths: np.ndarray
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    @classmethod
    def whole(cls, orths: np.ndarray) -> "Text":
        """RETURNS (Text): A text all of whose words are asked about."""
        return cls(orths, 0, len(orths))


def split_texts(words: Sequence[Words]) -> List[Text]:
    """Cut documents into their texts.

    words (Sequence[Words]): The words of the documents.
    RETURNS (List[Text]): The texts in order; none of a document without words.
    """
    return [
        Text.whole(orths)
        for each in words
        if len(each.orths)
        for orths in np.split(each.orths, each.lengths.cumsum()[:-1])
    ]
