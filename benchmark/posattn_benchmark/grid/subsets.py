"""Parts of a training corpus, each within the larger ones."""

from pathlib import Path

import numpy as np
import spacy

from posattn_spacy.corpora.docs import StoredDocs, read_docs, store_docs
from posattn_spacy.writing import replacing

WHOLE = 100  # percent


def subset(train: Path, share: int) -> Path:
    """Write part of a corpus beside it; one that is there and newer is taken as it is.

    train (Path): The corpus, a .spacy file.
    share (int): Percentage of its documents, drawn in the same way for all shares and seeds.
    RETURNS (Path): The file with the part; the corpus itself if the share is all of it.
    RAISES (ValueError): If the share is out of its range.
    """
    if not 1 <= share <= WHOLE:
        raise ValueError(f"A share of {share} % of the training corpus: give 1 to {WHOLE}.")
    part = train.with_name(f"{train.stem}-{share}{train.suffix}")
    if share == WHOLE:
        return train
    if part.is_file() and part.stat().st_mtime > train.stat().st_mtime:
        return part
    stored = read_docs(train, spacy.blank("xx").vocab)
    draw(stored, max(1, round(len(stored.docs) * share / WHOLE)), part)
    return part


def draw(stored: StoredDocs, n_docs: int, part: Path) -> None:
    """Write some documents of a corpus, the same ones each time; more of them have all of fewer.

    stored (StoredDocs): The corpus.
    n_docs (int): How many.
    part (Path): The file to write.
    """
    chosen = np.sort(np.random.default_rng(0).permutation(len(stored.docs))[:n_docs])
    with replacing(part) as temporary:
        store_docs(
            [stored.docs[i] for i in chosen], temporary, stored.attrs, f"{part.parent.name}/{part.name}"
        )
