"""Processes that run for long: their memory must not grow."""

import random
from typing import Any, Callable, Dict, Iterator, List

from spacy.language import Language
from spacy.util import fix_random_seed

from pipelines import TEXTS
from posattn_spacy.process import own_memory
from served import shipped

from .running import Found, Outcome, Setting
from .service import ask

FIRST = 0.05  # of all documents, after which memory is to stay as it is
SAMPLES = 1000
GROWTH = 20.0  # MB that are allowed for: the C library's own holes
THREADS = 8
LONGEST = 300  # words
REASON = (
    "In bfloat16, oneDNN keeps something for each of its last thousand matrix shapes; it lies among what is "
    "freed, which falls to pieces. What is free is given back when the process has grown by 128 MB, but ever "
    "more is needed for the same work. To give back more often took up to a tenth of the time"
)
KNOWN = 2000  # different words; spaCy itself keeps every word that it has ever seen


def memory(setting: Setting) -> Outcome:
    """Read documents, and watch the memory of the process; the reach is the number of documents.

    Each way of reading is one process from its beginning to its end. If it is killed, it begins anew.
    """
    ways = list(WAYS)

    def measure(item: int) -> Found:
        return Found({f"MB more, {ways[item]}": setting.alone(growth, setting, ways[item])})

    counts = setting.go_through(len(ways), measure).counts
    held = all(value <= GROWTH for value in counts.values())
    return Outcome(setting.reach, held, {name: round(value, 1) for name, value in counts.items()}, REASON)


def piped(nlp: Language, texts: Iterator[str], tick: Callable[..., Any]) -> None:
    for _ in nlp.pipe(texts):
        tick()


def served(nlp: Language, texts: Iterator[str], tick: Callable[..., Any]) -> None:
    ask(nlp, texts, THREADS, tick)


WAYS: Dict[str, Callable[[Language, Iterator[str], Callable[..., Any]], None]] = {
    "nlp.pipe": piped,
    "web service": served,
}


def growth(setting: Setting, way: str) -> float:
    """Read documents one way.

    setting (Setting): The setting.
    way (str): Name of the way.
    RETURNS (float): By how many MB the most that the process has in the second half of the documents is above
        the most in the first, the first twentieth left out. It goes up and down: what is freed is given back
        when there is enough of it.
    """
    fix_random_seed(0)
    nlp = shipped(setting.encoder)
    every = max(1, setting.reach // SAMPLES)
    samples: List[int] = []
    read = 0

    def tick(*_: Any) -> None:
        nonlocal read
        read += 1
        if read % every == 0:
            samples.append(own_memory())

    WAYS[way](nlp, reading(setting.reach), tick)
    settled = samples[int(FIRST * len(samples)) :]
    half = len(settled) // 2
    return (max(settled[half:]) - max(settled[:half])) / 1e6


def reading(n: int) -> Iterator[str]:
    """RETURNS (Iterator[str]): Texts of one word to hundreds of them."""
    chance = random.Random(0)
    words = [*" ".join(TEXTS).split(), *(f"word{i}" for i in range(KNOWN))]
    for _ in range(n):
        yield " ".join(chance.choices(words, k=round(LONGEST ** chance.random())))
