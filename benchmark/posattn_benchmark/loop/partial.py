"""Documents that are annotated for half of the labels, and what can be made of them."""

import random
from typing import Any, Dict, Iterator, Set

from spacy.tokens import Doc

from posattn_spacy.gold import count_labels
from posattn_spacy.partial import annotate_for

from .ground import Ground, entities, found, span_f

WAYS = {
    "known": "what is known, by all sequences that agree",
    "missing": "what is not known as missing",
    "cut": "cut up at what is not known",
    "outside": "what is not known as O",
    "everything": "all labels known everywhere",
}


def measure(ground: Ground, variant: str) -> Dict[str, Any]:
    """Train on documents each of which was annotated for a half of the labels, drawn by the seed.

    ground (Ground): Where.
    variant (str): One of `WAYS`.
    RETURNS (Dict[str, Any]): `f`, span F1 on test.
    """
    bench = ground.bench(ground.corpus.words("train"))
    train, dev, test = (ground.docs(part, bench.nlp.vocab) for part in ("train", "dev", "test"))
    labels = sorted(count_labels(train))
    draw = random.Random(ground.seed)
    own = [set(draw.sample(labels, max(1, len(labels) // 2))) for _ in train]
    docs = [made for doc, known in zip(train, own, strict=True) for made in _known(doc, known, variant)]
    bench.prepare([*docs, *dev])
    bench.train(docs, dev, seed=ground.seed, name=variant)
    return {"f": span_f(found(bench.nlp, test), entities(test))}


def _known(doc: Doc, labels: Set[str], way: str) -> Iterator[Doc]:
    """What is learned of a document that was annotated for some labels."""
    if way == "everything":
        yield doc
        return
    ents = [ent for ent in doc.ents if ent.label_ in labels]
    if way == "cut":  # nothing is known of words without an entity: pieces are what is annotated
        yield from (ent.as_doc() for ent in ents)
        return
    doc.set_ents(ents, default="missing" if way == "missing" else "outside")
    if way == "known":
        annotate_for(doc, sorted(labels))
    yield doc
