"""Looking after feature stores: what is in them, whether it is sound, and making room."""

import os
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Union

import lmdb

from .about import About
from .environment import Handle, open_environment
from .files import DATA, StoreError, replacing_data
from .store import CHECKSUM, TIME, count_of, is_sound, opened_here

KEY_BYTES = 16
LATEST = 1e11  # seconds since 1970; no text was used later
HEADROOM = 1 << 26  # bytes; a full store must be written to before it can be made smaller


@dataclass(frozen=True)
class Contents:
    """What is in a store.

    about (About): Its encoder.
    texts (int): Number of texts.
    tokens (int): Tokens of the texts.
    layers (Dict[int, int]): Number of texts of which each layer is there.
    disk_bytes (int): Size on disk.
    hits (int): Texts looked up and found, in all.
    misses (int): Texts looked up and not found.
    last_used (Optional[float]): When a text was last looked up for the first time in a run, in seconds since
        1970.
    """

    about: About
    texts: int
    tokens: int
    layers: Dict[int, int]
    disk_bytes: int
    hits: int
    misses: int
    last_used: Optional[float]


@dataclass(frozen=True)
class Verified:
    """What a check of a store found.

    records (int): Records gone over, one per text and layer.
    damaged (int): How many of them differ from what was written.
    """

    records: int
    damaged: int


@dataclass(frozen=True)
class Pruned:
    """What making room has brought.

    removed (int): Texts removed.
    kept (int): Texts that are still there.
    bytes_before (int): Size on disk before.
    bytes_after (int): Size on disk afterwards.
    """

    removed: int
    kept: int
    bytes_before: int
    bytes_after: int


def stored_bytes(path: Path) -> int:
    """Find out how much a store takes on disk.

    path (Path): Folder of the store.
    RETURNS (int): Its size in bytes; 0 if there is none.
    RAISES (StoreError): If there is something else.
    """
    if os.path.lexists(path / DATA) and _disk_bytes(path):
        with _looking(path):
            pass
    return _disk_bytes(path)


def contents_of(path: Path) -> Contents:
    """Look at what is in a store; it may be in use.

    path (Path): Folder of the store.
    RETURNS (Contents): What is in it.
    RAISES (StoreError): If it can't be opened.
    """
    with _looking(path) as handle:
        layers: Counter[int] = Counter()
        tokens: Dict[bytes, int] = {}
        with handle.begin() as transaction:
            for key, value in transaction.cursor(db=handle.features):
                if len(key) == KEY_BYTES + 1:
                    layers[key[KEY_BYTES]] += 1
                    tokens[bytes(key[:KEY_BYTES])] = (len(value) - CHECKSUM.size) // handle.about.row_bytes
            hits, misses = (count_of(transaction.get(name, db=handle.facts)) for name in (b"hits", b"misses"))
            times = [_time_of(value) for _, value in transaction.cursor(db=handle.uses)]
    return Contents(
        about=handle.about,
        texts=len(tokens),
        tokens=sum(tokens.values()),
        layers=dict(sorted(layers.items())),
        disk_bytes=_disk_bytes(path),
        hits=hits,
        misses=misses,
        last_used=max(times, default=None),
    )


def verify(path: Path, progress: Callable[[Iterator[Any], int], Iterator[Any]]) -> Verified:
    """Check the file of a store, and every record in it, against what was written.

    path (Path): Folder of the store; it must not be in use.
    progress (Callable[[Iterator[Any], int], Iterator[Any]]): Wraps the records and their number, to show how
        far the check has got.
    RETURNS (Verified): What was found.
    RAISES (StoreError): If it can't be opened, or its file is damaged.
    """
    damaged = 0
    with closing(_open_alone(path)) as handle, handle.begin() as transaction:
        n_records = transaction.stat(handle.features)["entries"]
        for key, value in progress(iter(transaction.cursor(db=handle.features)), n_records):
            rows, rest = divmod(len(value) - CHECKSUM.size, handle.about.row_bytes)
            damaged += len(key) != KEY_BYTES + 1 or rows < 1 or rest != 0 or not is_sound(value)
    return Verified(n_records, damaged)


def prune(path: Path, max_gb: float) -> Pruned:
    """Remove the texts whose last use is longest ago, until a store is small enough, and give the space back.

    The texts are removed first; what is left is then written anew beside the old file, which it replaces.

    path (Path): Folder of the store; it must not be in use.
    max_gb (float): Size in 10⁹ bytes that the store may keep.
    RETURNS (Pruned): What it has brought.
    RAISES (StoreError): If the store can't be opened, or there is no room for the new one.
    """
    before = _disk_bytes(path)
    with closing(_open_alone(path)) as handle:
        if not handle.writable:
            raise StoreError(f"The feature store {path} may be read, but not written to.")
        try:
            sizes = _text_bytes(handle)
            removed = _least_recently_used(handle, sizes, max_gb * 1e9)
            with handle.environment.begin(write=True) as transaction:
                cursor = transaction.cursor(db=handle.features)
                for text in removed:
                    transaction.delete(text, db=handle.uses)
                    while cursor.set_range(text) and cursor.key().startswith(text):
                        cursor.delete()
            with replacing_data(handle.path) as folder:
                handle.environment.copy(str(folder), compact=True)
                handle.environment.close()
        except (lmdb.Error, OSError) as error:
            raise StoreError(
                f"The feature store {path} can't be made smaller: {error}. What it holds is written anew on "
                "the same disk, which takes room for a while. Make some there, or move the store to another."
            ) from error
    return Pruned(len(removed), len(sizes) - len(removed), before, _disk_bytes(path))


@contextmanager
def _looking(path: Path) -> Iterator[Handle]:
    """A store that others may have open as well, this process among them."""
    here = opened_here(path)
    if here is not None:  # LMDB opens a file once per process
        with here.looking() as handle:
            yield handle
    else:
        with closing(_open(path, exclusive=False)) as handle:
            yield handle


def _open_alone(path: Path) -> Handle:
    if opened_here(path) is not None:
        raise StoreError(
            f"The feature store {path} is in use by a pipeline of this process. Try again when that is gone, "
            "or from another process."
        )
    return _open(path, exclusive=True)


def _open(path: Path, exclusive: bool) -> Handle:
    path = path.resolve()
    return open_environment(path, _disk_bytes(path) + HEADROOM, exclusive=exclusive)


def _disk_bytes(path: Path) -> int:
    try:
        return (path / DATA).stat().st_size
    except OSError:
        return 0


def _time_of(value: Union[bytes, memoryview]) -> float:
    """When a text was used, in seconds since 1970; 0 for what is no time."""
    seconds = TIME.unpack(value)[0] if len(value) == TIME.size else 0.0
    return seconds if 0 <= seconds < LATEST else 0.0


def _text_bytes(handle: Handle) -> Dict[bytes, int]:
    """Bytes that each text takes in the file; a record fills whole pages, of which 16 bytes are header."""
    page = handle.environment.stat()["psize"]
    sizes: Counter[bytes] = Counter()
    with handle.environment.begin(buffers=True) as transaction:
        for key, value in transaction.cursor(db=handle.features):
            sizes[bytes(key[:KEY_BYTES])] += -(-(len(value) + 16) // page) * page
    return sizes


def _least_recently_used(handle: Handle, sizes: Dict[bytes, int], max_bytes: float) -> List[bytes]:
    """The texts to remove, so that those which are left fit."""
    with handle.environment.begin(db=handle.uses) as transaction:
        used = {text: _time_of(transaction.get(text, b"")) for text in sizes}
    excess = sum(sizes.values()) - max_bytes
    removed: List[bytes] = []
    for text in sorted(sizes, key=used.__getitem__):
        if excess <= 0:
            break
        excess -= sizes[text]
        removed.append(text)
    return removed
