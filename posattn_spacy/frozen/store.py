"""The feature store: what a frozen encoder makes of each text, kept on disk (DESIGN.md 3.1).

One LMDB environment per encoder: memory-mapped, safe against crashes, shared by any number of processes.
There is one record per text and encoder layer, so that models with other layers share it.
"""

import os
import struct
import time
import warnings
import zlib
from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from subprocess import list2cmdline
from threading import RLock
from typing import DefaultDict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple, Union
from weakref import WeakValueDictionary, finalize

import lmdb
import numpy as np

from .about import About, check_about
from .environment import Handle, LostError, open_environment
from .files import StoreError

__all__ = ["About", "FeatureStore", "StoreError"]

CHECKSUM = struct.Struct("<I")
TIME = struct.Struct("<d")
USES_PER_WRITE = 4096  # texts whose use is written down at once

Record = Tuple[bytes, bytes]  # key and value

# LMDB must not open a file twice in a process.
_OPEN: "WeakValueDictionary[Path, FeatureStore]" = WeakValueDictionary()
_OPENING = RLock()


class Problem(NamedTuple):
    """Why a store is not added to any longer.

    why (str): What a sentence that begins with "The feature store" goes on with.
    remedy (str): What to do about it, as a sentence.
    """

    why: str
    remedy: str


@dataclass
class Usage:
    """What is still to be written down about the use of a store.

    pending (List[bytes]): Keys of texts used for the first time by this process.
    hits (int): Texts that were found.
    misses (int): Texts that were not.
    """

    pending: List[bytes] = field(default_factory=list)
    hits: int = 0
    misses: int = 0

    def write(self, transaction: lmdb.Transaction, handle: Handle) -> None:
        """Write it down, and start anew."""
        now = TIME.pack(time.time())
        for key in self.pending:
            transaction.put(key, now, db=handle.uses)
        for name, count in ((b"hits", self.hits), (b"misses", self.misses)):
            before = count_of(transaction.get(name, db=handle.facts))
            transaction.put(name, str(before + count).encode(), db=handle.facts)
        self.pending.clear()
        self.hits = self.misses = 0


class Writer:
    """Writes to a store in the background: it waits for the disk while the encoder goes on.

    It must not hold on to the store, which could then be dropped by its own writer.

    usage (Usage): What it writes down about the store's use.
    """

    def __init__(self, handle: Handle) -> None:
        """Write to an open environment.

        handle (Handle): The environment, which is closed with the writer.
        """
        self.usage = Usage()
        self._handle = handle
        self._process = os.getpid()
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._writing: Optional[Future[Optional[Problem]]] = None

    def begin(self, records: Sequence[Record]) -> None:
        """Begin to write records and the store's use; what came before is written.

        records (Sequence[Record]): Keys and values.
        """
        self._writing = self._pool.submit(self._commit, records)

    def wait(self) -> Optional[Problem]:
        """RETURNS (Optional[Problem]): Why what was begun could not be written; None if it is."""
        problem = self._writing.result() if self._writing else None
        self._writing = None
        return problem

    def _commit(self, records: Sequence[Record]) -> Optional[Problem]:
        """Write in one transaction."""
        try:
            with self._handle.begin(write=True) as transaction:
                for key, value in records:
                    transaction.put(key, value)
                self.usage.write(transaction, self._handle)
        except lmdb.MapFullError:
            size = self._handle.environment.info()["map_size"]
            return Problem(f"has reached its size of {size / 1e9:.3g} GB", make_room(self._handle.path))
        except LostError as error:
            return Problem(f"can't be written: {error}", "It is made anew when it is opened the next time.")
        except lmdb.Error as error:
            return Problem(f"can't be written: {error}", "Is the disk full?")
        return None

    def close(self) -> None:
        """Write down what is left to write and close; at the end of the process at the latest."""
        if os.getpid() != self._process:
            return
        problem = self.wait()
        if self._handle.writable and self.usage != Usage():
            self._commit([])  # if that fails, no more than the time of last use is lost
        self._pool.shutdown()
        self._handle.close()
        if problem:
            warn(self._handle.path, problem)


def opened_here(path: Path) -> Optional["FeatureStore"]:
    """RETURNS (Optional[FeatureStore]): The store in a folder, if this process has it open."""
    with _OPENING:
        store = _OPEN.get(path.resolve())
    return store if store is not None and store.is_there else None


class FeatureStore:
    """The features of texts at the layers of one frozen encoder; any number of threads may use it.

    path (Path): Its folder.
    about (About): What it holds.
    complete (bool): Whether it has taken all that it was given.
    """

    def __init__(self, handle: Handle) -> None:
        """Take over an open environment; `FeatureStore.open` opens it.

        handle (Handle): The environment.
        """
        self.path = handle.path
        self.about = handle.about
        self.complete = True
        self._handle = handle
        self._process = os.getpid()
        self._lock = RLock()  # held in every transaction; those of the writer are waited for before
        self._checked: DefaultDict[Tuple[int, ...], Set[bytes]] = defaultdict(set)  # texts, by their layers
        self._readable = self._writable = True
        self._writer = Writer(handle)
        self.close = finalize(self, self._writer.close)

    @classmethod
    def open(cls, path: Path, about: About, max_gb: float) -> "FeatureStore":
        """Open a store, or make one; once per process.

        path (Path): Folder of the store.
        about (About): What it holds, or is to hold.
        max_gb (float): Size in 10⁹ bytes up to which this process writes to it.
        RETURNS (FeatureStore): The store.
        RAISES (StoreError): If it can't be opened, holds something else, or is damaged.
        """
        path = path.resolve()
        with _OPENING:
            store = _OPEN.get(path)
            if store is None or not store.is_there:
                store = cls(open_environment(path, int(max_gb * 1e9), make=about))
                _OPEN[path] = store
            check_about(path, store.about, about)
            store.allow(max_gb)
        return store

    @contextmanager
    def looking(self) -> Iterator[Handle]:
        """YIELDS (Handle): The environment, for who only looks: all is written, and nothing meanwhile."""
        with self._lock:
            self.finish()
            yield self._handle

    @property
    def is_there(self) -> bool:
        """RETURNS (bool): Whether it is open in this process, and its files are where they were."""
        try:
            self._handle.check(write=True)
        except LostError:
            return False
        return self._process == os.getpid() and self.close.alive

    @property
    def readable(self) -> bool:
        """RETURNS (bool): Whether the store can be asked; not by a forked process, nor when damaged."""
        return self._readable and self._process == os.getpid()

    def allow(self, max_gb: float) -> None:
        """Let the store grow up to a size; say so if it is larger already or can't grow at all.

        max_gb (float): The size in 10⁹ bytes.
        """
        with self._lock:
            self.finish()
            used, max_bytes = self._handle.used_bytes(), int(max_gb * 1e9)
            if not self._handle.writable:
                self._stop_writing(Problem("may be read, but not written to", ""))
            elif used > max_bytes:
                why = f"holds {used / 1e9:.3g} GB already, and max_gb = {max_gb:g} lets it have no more"
                self._stop_writing(Problem(why, make_room(self.path)))
            elif max_bytes > self._handle.environment.info()["map_size"]:
                self._handle.resize(max_bytes)
                self._writable = self._readable

    def give_up(self, why: str) -> None:
        """Stop using the store, and say why.

        why (str): What a sentence that begins with "The feature store" goes on with.
        """
        with self._lock:
            given_up, self._readable, self._writable = not self._readable, False, False
        if not given_up:
            warn(self.path, Problem(why, ""))

    def read(
        self, keys: Sequence[bytes], lengths: Sequence[int], layers: Sequence[int]
    ) -> Tuple[np.ndarray, List[int]]:
        """Look up the features of texts.

        keys (Sequence[bytes]): Key of each text, see `text_key`.
        lengths (Sequence[int]): Tokens of each text.
        layers (Sequence[int]): Layers of the encoder.
        RETURNS (Tuple[np.ndarray, List[int]]): (tokens, layers, width) features, the texts one after
            another, and the indices of the texts that are missing, whose rows are left as they were.
        """
        bounds = np.cumsum([0, *lengths]).tolist()
        rows = np.empty((bounds[-1], len(layers), self.about.width), self.about.dtype)
        with self._lock:
            self.finish()
            try:
                with self._handle.begin() as transaction:
                    missing = [
                        i
                        for i, (key, (start, stop)) in enumerate(zip(keys, pairwise(bounds), strict=True))
                        if not self._read_text(transaction, key, layers, rows[start:stop])
                    ]
            except lmdb.Error as error:
                verify = command("verify", self.path)
                self.give_up(f"can't be read: {error}. {verify} says whether it is damaged")
                missing = list(range(len(keys)))
            usage = self._writer.usage
            usage.hits += len(keys) - len(missing)
            usage.misses += len(missing)
            if self._writable and len(usage.pending) >= USES_PER_WRITE:
                self._writer.begin([])
        return rows, missing

    def _read_text(
        self, transaction: lmdb.Transaction, key: bytes, layers: Sequence[int], rows: np.ndarray
    ) -> bool:
        """Copy one text's layers into (tokens, layers, width) rows; False if one of them is missing."""
        checked = self._checked[tuple(layers)]
        first_time = key not in checked
        for i, layer in enumerate(layers):
            value = transaction.get(key + bytes([layer]))
            if value is None:
                return False
            if len(value) != CHECKSUM.size + len(rows) * self.about.row_bytes or (
                first_time and not is_sound(value)
            ):
                why = "is damaged: a record differs from what was written"
                remedy = f"Affected texts are encoded anew; {command('verify', self.path)} finds them all."
                warn(self.path, Problem(why, remedy))
                return False
            rows[:, i] = np.frombuffer(value, rows.dtype, offset=CHECKSUM.size).reshape(len(rows), -1)
        if first_time:
            checked.add(key)
            self._writer.usage.pending.append(key)
        return True

    def write(
        self, keys: Sequence[bytes], lengths: Sequence[int], layers: Sequence[int], planes: np.ndarray
    ) -> None:
        """Add the features of texts, all of them or, if that fails, none; in the background.

        keys (Sequence[bytes]): Key of each text.
        lengths (Sequence[int]): Tokens of each text.
        layers (Sequence[int]): Layers of the encoder.
        planes (np.ndarray): (layers, tokens, width) features in the store's type.
        """
        with self._lock:
            self.finish()  # the writer may be at work on what is known about the store's use
            if not self._writable:
                self.complete = False
                return
            records = []
            for key, (start, stop) in zip(keys, pairwise(np.cumsum([0, *lengths]).tolist()), strict=True):
                for layer, plane in zip(layers, planes, strict=True):
                    data = plane[start:stop].data.cast("B")
                    records.append((key + bytes([layer]), b"".join((CHECKSUM.pack(zlib.crc32(data)), data))))
            checked = self._checked[tuple(layers)]
            self._writer.usage.pending.extend(set(keys) - checked)
            checked.update(keys)
            self._writer.begin(records)

    def finish(self) -> None:
        """Wait until everything is written; say so if it can't be."""
        with self._lock:
            problem = self._writer.wait()
            if problem:
                self.complete = False
                self._stop_writing(problem)

    def _stop_writing(self, problem: Problem) -> None:
        if self._writable:
            self._writable = False
            warn(self.path, problem._replace(why=f"{problem.why}. {NOT_ADDED}"))


NOT_ADDED = "Texts that are not in it are encoded every time they come up"


def warn(path: Path, problem: Problem) -> None:
    """Say what is wrong with a store.

    path (Path): Its folder.
    problem (Problem): What is wrong.
    """
    why, remedy = problem
    warnings.warn(f"The feature store {path} {why.rstrip('.')}. {remedy}".rstrip(), stacklevel=3)


def command(name: str, path: Path, options: str = "") -> str:
    """RETURNS (str): How to call one of the commands that look after stores."""
    return f"`python -m spacy posattn store {name} {list2cmdline([str(path)])}{options}`"


def make_room(path: Path) -> str:
    """RETURNS (str): What to do about a store that is full."""
    return f"Raise max_gb, or make room with {command('prune', path, ' --max-gb SIZE')}."


def is_sound(value: Union[bytes, memoryview]) -> bool:
    """RETURNS (bool): Whether a record is what was written."""
    if len(value) < CHECKSUM.size:
        return False
    return bool(CHECKSUM.unpack_from(value)[0] == zlib.crc32(value[CHECKSUM.size :]))


def count_of(value: Union[bytes, memoryview, None]) -> int:
    """RETURNS (int): A number that is written in a store; 0 for what is none."""
    digits = bytes(value or b"")
    return int(digits) if digits.isdigit() and len(digits) < 20 else 0
