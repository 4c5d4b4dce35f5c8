"""Feature stores that the tests share, and what is put into them."""

from pathlib import Path
from typing import Any, Dict, List, Sequence

import numpy as np

from posattn_spacy.frozen.store import About, FeatureStore

WIDTH = 8
LAYERS = [0, 2]
ABOUT = About(encoder="tiny", fingerprint="f" * 32, width=WIDTH, dtype="float16")


def key_of(i: int) -> bytes:
    return i.to_bytes(16, "big")


def rows_of(i: int, layers: Sequence[int] = LAYERS) -> np.ndarray:
    """(tokens, layers, width) features of text number i, which tell text, token and layer apart."""
    shape = (1 + i % 5, 4, WIDTH)  # tokens, all layers, width
    return np.random.default_rng(i).standard_normal(shape).astype(np.float16)[:, layers]


def open_store(path: Path, *, max_gb: float = 0.1, **about: Any) -> FeatureStore:
    return FeatureStore.open(path, About(**{**vars(ABOUT), **about}), max_gb)


def fill(store: FeatureStore, texts: Sequence[int], layers: Sequence[int] = LAYERS) -> None:
    rows = [rows_of(i, layers) for i in texts]
    store.write(
        [key_of(i) for i in texts], [len(r) for r in rows], layers, np.concatenate(rows).swapaxes(0, 1).copy()
    )


def look_up(
    store: FeatureStore, texts: Sequence[int], layers: Sequence[int] = LAYERS
) -> Dict[int, np.ndarray]:
    """The features of those texts that are there."""
    lengths = [len(rows_of(i)) for i in texts]
    rows, missing = store.read([key_of(i) for i in texts], lengths, layers)
    parts = np.split(rows, np.cumsum(lengths)[:-1])
    return {i: part for n, (i, part) in enumerate(zip(texts, parts, strict=True)) if n not in missing}


def assert_there(store: FeatureStore, texts: Sequence[int], layers: Sequence[int] = LAYERS) -> None:
    found = look_up(store, texts, layers)
    assert list(found) == list(texts)
    for i, rows in found.items():
        np.testing.assert_array_equal(rows, rows_of(i, layers))


def made_store(path: Path, texts: Sequence[int]) -> List[int]:
    """Make a store with some texts, and close it."""
    store = open_store(path)
    fill(store, texts)
    store.close()
    return list(texts)


def damage_record(path: Path, rows: np.ndarray) -> None:
    """Change one byte of the first layer of a text, in the file."""
    data = (path / "data.mdb").read_bytes()
    plane = rows[:, 0].tobytes()
    assert data.count(plane) == 1
    at = data.index(plane)
    (path / "data.mdb").write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
