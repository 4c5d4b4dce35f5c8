"""The types every reader of annotated text shares: sentences, counts and the one error class."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Counter as CounterType
from typing import Dict, Iterable, List, NamedTuple, Optional


class CorpusError(ValueError):
    """A corpus cannot be used; the message says what is wrong, where, and what to do."""


class Repair(NamedTuple):
    """What was repaired and how.

    many (str): What it is called if there are several.
    one (str): The same for a single one.
    """

    many: str
    one: str

    def said(self, n: int) -> str:
        """RETURNS (str): The repair with its number."""
        return f"{n:,} {self.one if n == 1 else self.many}"


@dataclass(frozen=True)
class Sentence:
    """One annotated sentence: words, their IOB2 tags ("-" if not known), and perhaps part-of-speech tags."""

    id: str
    words: List[str]
    tags: List[str]
    pos: Optional[List[str]] = None


@dataclass
class RawRows:
    """The rows of one sentence as they stand in the file, tags in the file's own scheme."""

    id: str
    words: List[str] = field(default_factory=list)
    tags: List[str] = field(default_factory=list)
    pos: List[str] = field(default_factory=list)
    lines: List[int] = field(default_factory=list)

    def add(self, word: str, tag: str, line: int) -> None:
        """Append one word with its tag and the line it stands on."""
        self.words.append(word)
        self.tags.append(tag)
        self.lines.append(line)


@dataclass
class Corpus:
    """What a reader found in one file.

    sentences (List[Sentence]): All sentences in file order, a cut-off last one included.
    cut_off (Optional[int]): Index of the sentence that the file's end cuts off, if there is one.
    repairs (Counter[Repair]): What was repaired, and how often.
    notes (List[str]): What the user should know about the reading, one sentence each.
    """

    sentences: List[Sentence]
    cut_off: Optional[int] = None
    repairs: CounterType[Repair] = field(default_factory=Counter)
    notes: List[str] = field(default_factory=list)


@dataclass(frozen=True)
class Counts:
    """How many sentences, tokens and entities there are, and how many entities of each type."""

    sentences: int
    tokens: int
    entities: int
    types: Dict[str, int]


def count_sentences(sentences: Iterable[Sentence]) -> Counts:
    """Count sentences, tokens and entities.

    sentences (Iterable[Sentence]): Sentences with IOB2 tags.
    RETURNS (Counts): The counts, types from the most to the least frequent.
    """
    n_sentences = n_tokens = 0
    types: CounterType[str] = Counter()
    for sentence in sentences:
        n_sentences += 1
        n_tokens += len(sentence.words)
        types.update(tag[2:] for tag in sentence.tags if tag.startswith("B-"))
    return Counts(n_sentences, n_tokens, types.total(), dict(types.most_common()))
