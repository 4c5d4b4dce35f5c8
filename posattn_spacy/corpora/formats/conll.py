"""A word and its tag on each line, a blank line after each sentence."""

from typing import Iterable, Iterator

from ...blanks import is_blank
from ..exported import Exported


def write_conll(texts: Iterable[Exported]) -> Iterator[str]:
    """Write texts in columns: word and IOB2 tag. White space is no word.

    texts (Iterable[Exported]): The texts.
    YIELDS (str): The lines.
    """
    for text in texts:
        for i, token in enumerate(text.tokens):
            if token.begins and i:
                yield ""
            if not is_blank(token.text):
                yield f"{token.text}\t{token.tag}"
        yield ""
