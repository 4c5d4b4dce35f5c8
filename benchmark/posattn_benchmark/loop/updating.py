"""From saved annotation to a new model: seconds, and F1 against a training from the beginning."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Dict

from spacy.tokens import DocBin

from posattn_spacy.annotated import read_annotated
from posattn_spacy.annotating.update import update

from .ground import Ground, entities, found, span_f

SIZES = ("200", "1000", "5000")  # sentences, a tenth of which are new


def measure(ground: Ground, variant: str) -> Dict[str, Any]:
    """Train on nine tenths of some sentences, then learn the others as well.

    ground (Ground): Where.
    variant (str): How many sentences there are.
    RETURNS (Dict[str, Any]): `cpu_seconds` from saved files to a saved pipeline, and span F1 on test before
        (`f_before`), afterwards (`f_update`) and of a training on all sentences (`f_full`).
    """
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        ground = ground._replace(features=folder / "features")  # the new texts are in no store yet
        bench = ground.bench(ground.words(int(variant)), first_look=True)
        nlp = bench.nlp
        docs = ground.docs("train", nlp.vocab, int(variant))
        dev, test = ground.docs("dev", nlp.vocab, len(docs) // 5), ground.docs("test", nlp.vocab)
        gold = entities(test)
        cut = len(docs) - len(docs) // 10
        bench.prepare([*docs[:cut], *dev])
        bench.train(docs[:cut], dev, seed=ground.seed, name="without what is new")
        nlp.to_disk(folder / "old")
        for part, of in (("old", docs[:cut]), ("new", docs[cut:]), ("dev", dev)):
            DocBin(docs=of).to_disk(folder / f"{part}.spacy")
        started = time.process_time()
        own = ground.load(folder / "old")
        parts = [read_annotated(folder / f"{part}.spacy", own.vocab) for part in ("new", "old", "dev")]
        updated = update(own, *parts, seed=ground.seed)
        own.to_disk(folder / "new")
        seconds = time.process_time() - started
        f_before, f_update = (span_f(found(each, test), gold) for each in (nlp, own))
        bench.train(docs, dev, seed=ground.seed, name="from the beginning")
        f_full = span_f(found(nlp, test), gold)
    return {
        "cpu_seconds": seconds,
        "updates": updated.steps,
        "f_before": f_before,
        "f_update": f_update,
        "f_full": f_full,
    }
