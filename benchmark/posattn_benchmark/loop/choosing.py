"""Which texts are annotated next: F1 by the words that had to be annotated."""

import random
from typing import Any, Callable, Dict, List, NamedTuple, Sequence

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc

from posattn_spacy.annotated import bare_copy
from posattn_spacy.annotating.suggest import doubtful, suggest, upstream_batches
from posattn_spacy.calibration import only_pipe

from .ground import Ground, entities, found, span_f

SHARES = (0.01, 0.02, 0.035, 0.05, 0.075, 0.1)  # of the words of train
DEV = 300  # documents that are annotated from the beginning, to fit on


class Pool(NamedTuple):
    """What may be annotated next.

    nlp (Language): The pipeline so far.
    docs (List[Doc]): Documents that are not annotated yet, without their annotation.
    words (int): How many words to annotate.
    seed (int): For who chooses by chance.
    """

    nlp: Language
    docs: List[Doc]
    words: int
    seed: int


def _ours(pool: Pool) -> List[int]:
    return [each.number for each in suggest(pool.nlp, pool.docs, n_words=pool.words)]


def _most_doubtful(pool: Pool) -> List[int]:
    ranked = sorted(doubtful(pool.nlp, pool.docs, set()), key=lambda each: -each.score)
    return _until(pool, [each.number for each in ranked])


def _at_random(pool: Pool) -> List[int]:
    return _until(pool, random.Random(pool.seed).sample(range(len(pool.docs)), len(pool.docs)))


def _longest(pool: Pool) -> List[int]:
    return _until(pool, sorted(range(len(pool.docs)), key=lambda i: -len(pool.docs[i])))


def _least_sure_token(pool: Pool) -> List[int]:
    """By the least probable tag of a text, as others do from token to token."""
    _, pipe = only_pipe(pool.nlp)
    doubts: Dict[int, float] = {}
    for batch in upstream_batches(pool.nlp, pool.docs, set()):
        doubts |= _largest(pipe, batch)
    return _until(pool, sorted(doubts, key=lambda i: -doubts[i]))


def _largest(pipe: Any, batch: Sequence[tuple[Doc, int]]) -> Dict[int, float]:
    numbers = {id(doc): i for doc, i in batch}
    found: Dict[int, float] = {}
    for docs, owners, seen in pipe.see([doc for doc, _ in batch]):
        doubt = seen.lattice.unknown(seen.tags).doubt.numpy()
        largest = np.maximum.reduceat(doubt, seen.part.lengths.cumsum() - seen.part.lengths)
        for owner, value in zip(owners[seen.settled].tolist(), largest[seen.settled].tolist(), strict=True):
            number = numbers[id(docs[owner])]
            found[number] = max(value, found.get(number, 0.0))
    return found


def _until(pool: Pool, ranked: Sequence[int]) -> List[int]:
    return first_of(ranked, pool.docs, pool.words)


def first_of(ranked: Sequence[int], docs: Sequence[Doc], words: float) -> List[int]:
    """RETURNS (List[int]): The first of a ranking of documents that fit into so many words."""
    chosen, left = [], words
    for i in ranked:
        if len(docs[i]) <= left:
            chosen.append(i)
            left -= len(docs[i])
    return chosen


STRATEGIES: Dict[str, Callable[[Pool], List[int]]] = {
    "suggest": _ours,
    "entropy alone": _most_doubtful,
    "least sure token": _least_sure_token,
    "longest": _longest,
    "random": _at_random,
}


def measure(ground: Ground, variant: str) -> Dict[str, Any]:
    """Begin with a few documents, and annotate more and more of those that a strategy chooses.

    ground (Ground): Where. The first documents are the same for all strategies of a seed.
    variant (str): One of `STRATEGIES`.
    RETURNS (Dict[str, Any]): `points`, annotated words and span F1 on test after each training.
    """
    bench = ground.bench(round(SHARES[-1] * ground.corpus.words("train")), first_look=True)
    nlp = bench.nlp
    docs = list({doc.text: doc for doc in ground.docs("train", nlp.vocab)}.values())
    dev, test = ground.docs("dev", nlp.vocab, DEV), ground.docs("test", nlp.vocab)
    gold, total = entities(test), sum(map(len, docs))
    order = random.Random(ground.seed).sample(range(len(docs)), len(docs))
    chosen = first_of(order, docs, SHARES[0] * total)
    words = sum(len(docs[i]) for i in chosen)
    bench.prepare([*docs, *dev])
    points: List[List[float]] = []
    for share in SHARES:
        if points:
            left = sorted(set(range(len(docs))) - set(chosen))
            bare = [bare_copy(docs[i], nlp.vocab, sentences=True) for i in left]
            pool = Pool(nlp, bare, max(1, round(share * total) - words), ground.seed * 100 + len(points))
            chosen = [*chosen, *(left[i] for i in STRATEGIES[variant](pool))]
            words = sum(len(docs[i]) for i in chosen)
        annotated = [docs[i] for i in chosen]
        bench.train(annotated, dev, seed=ground.seed, name=f"{share:.1%} of the words")
        points.append([words, span_f(found(nlp, test), gold)])
    return {"points": points}
