"""A new label on a trained pipeline, against a training on all labels."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Dict, List, Sequence

from spacy.tokens import Doc

from posattn_spacy.annotating.update import update
from posattn_spacy.gold import count_labels
from posattn_spacy.partial import annotate_for

from .ground import Ground, entities, found, span_f


def measure(ground: Ground, variant: str) -> Dict[str, Any]:
    """Hide a label in half of a corpus, train on that half, then add the label from the other.

    ground (Ground): Where.
    variant (str): The label.
    RETURNS (Dict[str, Any]): Span F1 on test of the other labels and of this one: of a training on a corpus
        in which nothing was hidden (`joint_old`, `joint_new`), of a training from the beginning on the same
        annotation (`same_old`, `same_new`), and of the pipeline that was told later (`added_old`,
        `added_new`).
    """
    words = ground.corpus.words("train")
    bench = ground.bench(words)
    docs, dev = (ground.docs(part, bench.nlp.vocab) for part in ("train", "dev"))
    test = ground.docs("test", bench.nlp.vocab)
    gold, others = entities(test), set(count_labels(docs)) - {variant}
    bench.prepare(docs)
    bench.train(docs, dev, seed=ground.seed, name="all labels")
    joint = found(bench.nlp, test)
    known = _without(docs[::2], variant)
    for doc in known:
        annotate_for(doc, sorted(others))
    bench.train([*known, *docs[1::2]], dev, seed=ground.seed, name=f"{variant} known in half")
    same = found(bench.nlp, test)
    narrow = ground.bench(words)
    docs, dev = (ground.docs(part, narrow.nlp.vocab) for part in ("train", "dev"))
    hidden = _without(docs[::2], variant)
    narrow.prepare(hidden)
    narrow.train(hidden, _without(dev, variant), seed=ground.seed, name=f"without {variant}")
    with TemporaryDirectory() as folder:
        narrow.nlp.to_disk(Path(folder))
        nlp = ground.load(Path(folder))
    docs, dev = (ground.docs(part, nlp.vocab) for part in ("train", "dev"))
    updated = update(nlp, docs[1::2], _without(docs[::2], variant), dev, seed=ground.seed)
    added = found(nlp, test)
    return {
        "updates": updated.steps,
        **{
            f"{way}_{which}": span_f(of, gold, labels)
            for way, of in (("joint", joint), ("same", same), ("added", added))
            for which, labels in (("old", others), ("new", {variant}))
        },
    }


def _without(docs: Sequence[Doc], label: str) -> List[Doc]:
    """Copies of documents, without the entities of a label."""
    copies = [doc.copy() for doc in docs]
    for doc in copies:
        doc.set_ents([ent for ent in doc.ents if ent.label_ != label])
    return copies
