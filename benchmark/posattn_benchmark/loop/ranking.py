"""What it takes to rank texts: CPU seconds and memory."""

import os
import random
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Dict, Iterable, Iterator, Sequence

import spacy
from spacy.tokens import Doc

from posattn_spacy.annotating.suggest import suggest

from ..processes import anonymous_bytes
from .ground import Ground

TEXTS = ("10000", "100000")
ASKED = 100
LOOK_EVERY = 100  # texts


def measure(ground: Ground, variant: str) -> Dict[str, Any]:
    """Rank texts of two sentences each, no two of which are the same, without a feature store.

    ground (Ground): Where.
    variant (str): How many texts.
    RETURNS (Dict[str, Any]): `words`, `cpu_seconds`, and `bytes`, how much more memory is held at the most.
    """
    bench = ground.bench(ground.corpus.words("train"), first_look=True)
    docs, dev = (ground.docs(part, bench.nlp.vocab) for part in ("train", "dev"))
    bench.prepare(docs)
    bench.train(docs, dev, seed=ground.seed)
    with TemporaryDirectory() as folder:
        bench.nlp.to_disk(Path(folder))
        nlp = spacy.load(Path(folder))
    pairs = _pairs(docs, int(variant), ground.seed)
    list(nlp.pipe(doc.text for doc in docs[:ASKED]))  # so that all is loaded that will be
    memory = Memory()
    started = time.process_time()
    chosen = suggest(nlp, memory.watched(f"{docs[i].text} {docs[j].text}" for i, j in pairs), n_texts=ASKED)
    seconds = time.process_time() - started
    words = sum(len(docs[i]) + len(docs[j]) for i, j in pairs)
    return {"chosen": len(chosen), "words": words, "cpu_seconds": seconds, "bytes": memory.grown}


class Memory:
    """How much more a process holds, at the most, while texts go through."""

    def __init__(self) -> None:
        self._before = anonymous_bytes(os.getpid()) or 0
        self.grown = 0

    def watched(self, texts: Iterable[str]) -> Iterator[str]:
        """YIELDS (str): The texts; memory is looked at every so often."""
        for i, text in enumerate(texts):
            if i % LOOK_EVERY == 0:
                self._look()
            yield text
        self._look()

    def _look(self) -> None:
        self.grown = max(self.grown, (anonymous_bytes(os.getpid()) or 0) - self._before)


def _pairs(docs: Sequence[Doc], n: int, seed: int) -> Sequence[tuple[int, int]]:
    draw = random.Random(seed).randrange
    found: Dict[tuple[int, int], None] = {}
    while len(found) < n:
        found[draw(len(docs)), draw(len(docs))] = None
    return list(found)
