"""Threads that share one pipeline, and the threads of a web service's pool."""

import random
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any, Callable, Iterator, List, Tuple

import spacy
from spacy.language import Language
from spacy.util import fix_random_seed

from pipelines import TEXTS
from served import PIPELINES, Encoder, seen

from .running import Found, Outcome, Setting
from .service import answer, ask

THREADS = 16
POOL = 8  # threads of the web service
CASES: List[Tuple[Callable[[Encoder], Language], bool]] = list(product(PIPELINES, [False, True]))


def threads(setting: Setting) -> Outcome:
    """Let threads call every kind of pipeline, just trained and loaded from disk, and compare each result.

    The reach is the number of calls of each thread to each pipeline.
    """
    tally = setting.go_through(
        len(CASES), lambda i: setting.alone(share_pipeline, setting, *CASES[i], str(i))
    )
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
        wrong = list(pool.map(lambda i: calls(nlp, texts, expected, i), range(THREADS)))
    wrong.append(served_calls(nlp, texts))
    faults = [f"{make.__name__}: {fault}" for part in wrong for fault in part]
    return Found(
        {
            "calls": THREADS * len(texts),
            "calls of the web service": len(texts),
            "failures": sum("Error" in fault for fault in faults),
            "differences": sum("Error" not in fault for fault in faults),
        },
        faults,
    )


def reading(n: int) -> List[str]:
    """Many texts, of one or of several sentences, all different."""
    chance = random.Random(n)
    return [" ".join(chance.choices(TEXTS, k=chance.choice([1, 2, 4]))) + f" No {i} ." for i in range(n)]


def calls(nlp: Language, texts: List[str], expected: Any, thread: int) -> List[str]:
    """RETURNS (List[str]): What was wrong when a thread read the texts in an order of its own."""
    return list(_faults(nlp, random.Random(thread).sample(texts, len(texts)), expected))


def _faults(nlp: Language, texts: List[str], expected: Any) -> Iterator[str]:
    for text in texts:
        try:
            if seen(nlp(text)) != expected[text]:
                yield text
        except Exception as error:
            yield f"{type(error).__name__}Error: {error}"


def served_calls(nlp: Language, texts: List[str]) -> List[str]:
    """RETURNS (List[str]): What was wrong when the pipeline stood behind a web service."""
    expected = [[list(entity) for entity in answer(nlp, text)] for text in texts]
    heard: List[Any] = [None] * len(texts)
    try:
        ask(nlp, texts, POOL, lambda i, _, found: heard.__setitem__(i, found))
    except Exception as error:
        return [f"{type(error).__name__}Error: {error}"]
    return [text for text, one, other in zip(texts, expected, heard, strict=True) if one != other]
