"""What a learning curve says of twice the data, and what twice the data then gives."""

from statistics import mean
from typing import Any, Dict

from posattn_spacy.annotating.curve import expected_f, learning_curve

from .ground import Ground

SHARES = ("5", "10", "25")  # percent of train
SEEDS = 3


def measure(ground: Ground, variant: str) -> Dict[str, Any]:
    """Draw a curve from part of a corpus, and look what twice as much gives.

    ground (Ground): Where.
    variant (str): How many percent the curve is drawn from.
    RETURNS (Dict[str, Any]): `points`, span F1 on dev by number of documents; `expected`, `low` and `high`
        with twice as many, and `f`, what it is.
    """
    train = ground.corpus.words("train")
    bench = ground.bench(2 * train * int(variant) // 100)
    every, dev = ground.docs("train", bench.nlp.vocab), ground.docs("dev", bench.nlp.vocab)
    n = round(len(every) * int(variant) / 100)
    docs = ground.docs("train", bench.nlp.vocab, 2 * n)
    bench.prepare(docs)
    points = list(learning_curve(bench, docs[:n], dev, seeds=SEEDS))
    trained = [bench.train(docs, dev, seed=seed, name=f"twice, seed {seed}") for seed in range(SEEDS)]
    return {
        "points": [[point.docs, point.f] for point in points],
        **expected_f(points, 2 * n)._asdict(),
        "f": mean(each.scores["ents_f"] or 0.0 for each in trained),
    }
