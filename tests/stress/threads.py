"""Threads that share one pipeline, and the threads of a web service's pool."""

import math
import random
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, product
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Tuple

import spacy
from spacy.language import Language
from spacy.util import fix_random_seed

from pipelines import TEXTS
from served import PIPELINES, Encoder, seen

from .running import Found, Outcome, Setting
from .service import answer, ask

THREADS = 16
POOL = 8  # threads of the web service
CASES: List[Tuple[Callable[[Encoder], Language], bool]] = list(product(PIPELINES, [True, False]))


class Wrong(NamedTuple):
    """A call that went wrong.

    kind (str): "failure" or "difference".
    what (str): The error, or the text.
    """

    kind: str
    what: str


def threads(setting: Setting) -> Outcome:
    """Let threads call every kind of pipeline, just trained and loaded from disk, and compare each result.

    The reach is the number of calls of each thread to the shipped pipeline; of the others, a tenth is called.
    """

    def share(item: int) -> Found:
        own = setting if item == 0 else setting._replace(reach=math.ceil(setting.reach / 10))
        return setting.alone(share_pipeline, own, *CASES[item], str(item))

    tally = setting.go_through(len(CASES), share)
    counts = tally.counts
    held = not counts["failures"] and not counts["differences"]
    return Outcome(setting.reach, held, {**counts}, "; ".join(tally.faults))


def share_pipeline(setting: Setting, make: Callable[[Encoder], Language], reloaded: bool, name: str) -> Found:
    """Let threads call one pipeline, directly and behind a web service."""
    fix_random_seed(0)
    nlp = make(setting.encoder)
    if reloaded:
        nlp.to_disk(setting.folder / name)
        nlp = spacy.load(setting.folder / name)
    texts = reading(setting.reach)
    expected = {text: seen(nlp(text)) for text in texts}
    with ThreadPoolExecutor(THREADS) as pool:
        own = pool.map(lambda thread: list(wrong_calls(nlp, thread, texts, expected)), range(THREADS))
        wrong = [*chain(*own), *wrong_answers(nlp, texts)]
    kinds = [each.kind for each in wrong]
    return Found(
        {
            "calls": THREADS * len(texts),
            "calls of the web service": len(texts),
            "failures": kinds.count("failure"),
            "differences": kinds.count("difference"),
        },
        [f"{make.__name__}: {each.kind}, {each.what}" for each in wrong],
    )


def reading(n: int) -> List[str]:
    """Many texts, of one or of several sentences, all different."""
    chance = random.Random(n)
    return [" ".join(chance.choices(TEXTS, k=chance.choice([1, 2, 4]))) + f" No {i} ." for i in range(n)]


def wrong_calls(nlp: Language, thread: int, texts: List[str], expected: Dict[str, Any]) -> Iterator[Wrong]:
    """Read texts in an order of the thread's own.

    nlp (Language): The pipeline.
    thread (int): Number of the thread.
    texts (List[str]): The texts.
    expected (Dict[str, Any]): What one thread alone has found.
    YIELDS (Wrong): Calls that failed, or found something else.
    """
    for text in random.Random(thread).sample(texts, len(texts)):
        try:
            if seen(nlp(text)) != expected[text]:
                yield Wrong("difference", text)
        except Exception as error:
            yield Wrong("failure", f"{type(error).__name__}: {error}")


def wrong_answers(nlp: Language, texts: List[str]) -> Iterator[Wrong]:
    """Read texts behind a web service; the first failure ends it."""
    expected = [[list(entity) for entity in answer(nlp, text)] for text in texts]
    heard: Dict[int, Any] = {}
    try:
        ask(nlp, texts, POOL, lambda i, _, found: heard.setdefault(i, found))
    except Exception as error:
        yield Wrong("failure", f"{type(error).__name__}: {error}")
    yield from (Wrong("difference", texts[i]) for i in sorted(heard) if heard[i] != expected[i])
