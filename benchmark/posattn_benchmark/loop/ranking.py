"""What it takes to rank texts: CPU seconds and memory."""

import os
import random
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Dict, Sequence

import spacy
from spacy.tokens import Doc

from posattn_spacy.annotating.suggest import suggest

from ..processes import anonymous_bytes
from .ground import Ground

TEXTS = ("10000", "100000")
ASKED = 100


def measure(ground: Ground, variant: str) -> Dict[str, Any]:
    """Rank texts of two sentences each, no two of which are the same, without a feature store.

    ground (Ground): Where.
    variant (str): How many texts.
    RETURNS (Dict[str, Any]): `words`, `cpu_seconds`, and `bytes`, how much more memory is held at the end.
    """
    bench = ground.bench(first_look=True)
    docs, dev = (ground.docs(part, bench.nlp.vocab) for part in ("train", "dev"))
    bench.prepare(docs)
    bench.train(docs, dev, seed=ground.seed)
    with TemporaryDirectory() as folder:
        bench.nlp.to_disk(Path(folder))
        nlp = spacy.load(Path(folder))
    pairs = _pairs(docs, int(variant), ground.seed)
    list(nlp.pipe(doc.text for doc in docs[:ASKED]))  # so that all is loaded that will be
    held, started = anonymous_bytes(os.getpid()) or 0, time.process_time()
    chosen = suggest(nlp, (f"{docs[i].text} {docs[j].text}" for i, j in pairs), n_texts=ASKED)
    seconds, grown = time.process_time() - started, (anonymous_bytes(os.getpid()) or 0) - held
    words = sum(len(docs[i]) + len(docs[j]) for i, j in pairs)
    return {"chosen": len(chosen), "words": words, "cpu_seconds": seconds, "bytes": grown}


def _pairs(docs: Sequence[Doc], n: int, seed: int) -> Sequence[tuple[int, int]]:
    draw = random.Random(seed).randrange
    found: Dict[tuple[int, int], None] = {}
    while len(found) < n:
        found[draw(len(docs)), draw(len(docs))] = None
    return list(found)
