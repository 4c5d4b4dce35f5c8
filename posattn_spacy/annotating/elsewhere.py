"""How the same words are annotated elsewhere in a corpus."""

from collections import Counter
from typing import Dict, Iterable, Optional, Sequence, Tuple

from spacy.matcher import PhraseMatcher
from spacy.tokens import Doc, Span

Words = Tuple[str, ...]


class Elsewhere:
    """Knows all places of some phrases in a corpus.

    docs (Sequence[Doc]): The documents of the corpus.
    phrases (Iterable[Span]): The phrases, spans of these documents.
    """

    def __init__(self, docs: Sequence[Doc], phrases: Iterable[Span]) -> None:
        words = sorted({_words(phrase) for phrase in phrases})
        self._found: Dict[Words, Counter[str]] = {each: Counter() for each in words}
        if not words:
            return
        vocab = docs[0].vocab
        matcher = PhraseMatcher(vocab)
        for number, each in enumerate(words):
            matcher.add(str(number), [Doc(vocab, words=list(each))])
        for doc in docs:
            for key, start, stop in matcher(doc):
                way = _way(doc[start:stop])
                if way is not None:
                    self._found[words[int(vocab.strings[key])]][way] += 1

    def count(self, phrase: Span, label: str) -> int:
        """Count how often the words of a phrase are annotated in one way at other places.

        phrase (Span): One of the phrases.
        label (str): Their label there, as a whole; "" for no entity.
        RETURNS (int): At how many places.
        """
        return self._found[_words(phrase)][label] - (_way(phrase) == label)


def _words(span: Span) -> Words:
    return tuple(token.text for token in span)


def _way(span: Span) -> Optional[str]:
    """The label of a whole entity; "" where no word is in one; None for anything else."""
    first, doc = span[0], span.doc
    if first.ent_iob_ == "B" and first.ent_type_:
        inside = all(token.ent_iob_ == "I" for token in span[1:])
        goes_on = span.end < len(doc) and doc[span.end].ent_iob_ == "I"
        return first.ent_type_ if inside and not goes_on else None
    return "" if all(token.ent_iob_ == "O" for token in span) else None
