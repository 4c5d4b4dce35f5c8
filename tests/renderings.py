"""The same words with white space of many kinds between them."""

from typing import Callable, Dict, List, Sequence

Rendering = Callable[[Sequence[str]], str]

# Tokens that are no words: white space, control characters, and characters that cannot be seen.
BLANKS = [
    " ",
    "\n",
    "\n\n",
    "\t",
    "\u00a0",
    "\u2028",
    "\u3000",
    "\u200b",
    "\ufeff",
    "\u00ad",
    "\u2060",
    "\x00",
    "\x07",
]


def joined(*gaps: str) -> Rendering:
    """Put these between the words, one after another, again and again."""

    def render(words: Sequence[str]) -> str:
        text = "".join(word + gaps[i % len(gaps)] for i, word in enumerate(words[:-1]))
        return text + words[-1] if words else text

    return render


def wrapped(before: str, after: str) -> Rendering:
    """Put these around the text, with single spaces within."""
    return lambda words: before + " ".join(words) + after


RENDERINGS: Dict[str, Rendering] = {
    "single spaces": joined(" "),
    "double spaces": joined("  "),
    "every fourth gap doubled": joined(" ", " ", " ", "  "),
    "tabs": joined("\t"),
    "every third gap a tab": joined(" ", " ", "\t"),
    "line breaks": joined("\n"),
    "Windows line breaks": joined(" ", "\r\n"),
    "paragraphs": joined(" ", " ", "\n\n"),
    "no-break spaces": joined("\u00a0"),
    "ideographic and thin spaces": joined("\u3000", "\u2009"),
    "zero-width spaces": joined(" \u200b "),
    "blanks around": wrapped(" \ufeff \n\n", " \t\n \u2060 "),
}


def rendered(words: Sequence[str]) -> List[str]:
    """RETURNS (List[str]): The words in every rendering."""
    return [render(words) for render in RENDERINGS.values()]
