"""Processes that run for long: their memory must not grow."""

import random
from statistics import median
from typing import Any, Callable, Dict, Iterator, List

from spacy.language import Language
from spacy.util import fix_random_seed

from pipelines import TEXTS
from served import shipped

from .measuring import resident
from .running import Found, Outcome, Setting
from .service import ask

FIRST = 0.05  # of all documents, after which memory is to stay as it is
SAMPLES = 200
GROWTH = 20.0  # MB that are allowed for: the C library's own holes
THREADS = 8
LONGEST = 300  # words
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
    return Outcome(setting.reach, held, {name: round(value, 1) for name, value in counts.items()})


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
    RETURNS (float): By how many MB the last twentieth of the documents is above the second, by their
        medians: a batch of long documents takes more for a while.
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
            samples.append(resident())

    WAYS[way](nlp, reading(setting.reach), tick)
    first = max(1, int(FIRST * len(samples)))
    return (median(samples[-first:]) - median(samples[first : 2 * first])) / 1e6


def reading(n: int) -> Iterator[str]:
    """RETURNS (Iterator[str]): Texts of one word to hundreds of them."""
    chance = random.Random(0)
    words = [*" ".join(TEXTS).split(), *(f"word{i}" for i in range(KNOWN))]
    for _ in range(n):
        yield " ".join(chance.choices(words, k=round(LONGEST ** chance.random())))
