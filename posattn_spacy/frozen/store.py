"""The feature store: what a frozen encoder makes of each text, kept on disk (DESIGN.md 3.1).

One LMDB environment per encoder: memory-mapped, safe against crashes, shared by any number of processes.
There is one record per text and encoder layer, so that models with other layers share it.
"""

import fcntl
import json
import os
import struct
import time
import warnings
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, List, NamedTuple, Optional, Sequence, Set, Tuple, Union
from weakref import WeakValueDictionary, finalize

import lmdb
import numpy as np

FORMAT = 1
CHECKSUM = struct.Struct("<I")
TIME = struct.Struct("<d")
USES_PER_WRITE = 4096  # texts whose use is written down at once


# LMDB must not open a file twice in a process.
_OPEN: "WeakValueDictionary[Path, FeatureStore]" = WeakValueDictionary()


class StoreError(ValueError):
    """A feature store can't be used; the message says where, why and what to do."""


@dataclass(frozen=True)
class About:
    """What a store holds; written into it when it is made.

    encoder (str): Name of the encoder, for people.
    fingerprint (str): Tells encoders apart, see `encoder_fingerprint`.
    width (int): Width of a layer.
    dtype (str): Type of the stored numbers, "float16" or "float32".
    format (int): Version of the layout of the records.
    """

    encoder: str
    fingerprint: str
    width: int
    dtype: str
    format: int = FORMAT

    @property
    def row_bytes(self) -> int:
        """RETURNS (int): Bytes of one token at one layer."""
        return self.width * np.dtype(self.dtype).itemsize


class Handle(NamedTuple):
    """An open LMDB environment.

    environment (lmdb.Environment): The environment.
    features (Any): Its table of features, by text and layer.
    uses (Any): Its table of the time each text was last used, in seconds since 1970.
    about (Any): Its table of facts: what it holds, hits and misses.
    lock (IO[bytes]): Held, shared or exclusive, as long as the environment is open.
    """

    environment: lmdb.Environment
    features: Any
    uses: Any
    about: Any
    lock: IO[bytes]

    def begin(self, write: bool = False) -> lmdb.Transaction:
        """Begin a transaction on the features."""
        try:
            return self.environment.begin(db=self.features, write=write, buffers=True)
        except lmdb.MapResizedError:  # another process, with a larger max_gb, has added to the store
            self.environment.set_mapsize(0)
            return self.environment.begin(db=self.features, write=write, buffers=True)

    def close(self) -> None:
        """Close the environment and let others have it."""
        self.environment.close()
        self.lock.close()


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
            before = int(transaction.get(name, b"0", db=handle.about))
            transaction.put(name, str(before + count).encode(), db=handle.about)
        self.pending.clear()
        self.hits = self.misses = 0


class FeatureStore:
    """The features of texts at the layers of one frozen encoder."""

    def __init__(self, path: Path, handle: Handle, about: About) -> None:
        """Take over an open environment; `FeatureStore.open` opens it.

        path (Path): Folder of the store.
        handle (Handle): The environment.
        about (About): What it holds.
        """
        self.path = path
        self.about = about
        self._handle = handle
        self._process = os.getpid()
        self._touched: Set[bytes] = set()
        self._usage = Usage()
        self._readable = self._writable = True
        self._writer = ThreadPoolExecutor(max_workers=1)  # waits for the disk while the encoder goes on
        self._writing: Optional[Future[Optional[Tuple[str, str]]]] = None
        self.close = finalize(self, _close, self._writer, handle, self._usage, self._process)

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
        store = _OPEN.get(path)
        if store is None:
            handle = open_environment(path, int(max_gb * 1e9), make=True)
            try:
                found = _claim(path, handle, about)
            except StoreError:
                handle.close()
                raise
            store = cls(path, handle, found)
            _OPEN[path] = store
        check_about(path, store.about, about)
        return store

    @property
    def readable(self) -> bool:
        """RETURNS (bool): Whether the store can be asked; not by a forked process, nor when damaged."""
        return self._readable and self._process == os.getpid()

    def give_up(self, why: str) -> None:
        """Stop using the store, and say why.

        why (str): What a sentence that begins with "The feature store" goes on with.
        """
        self._readable = self._writable = False
        self._warn(why)

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
        self.finish()
        bounds = np.cumsum([0, *lengths]).tolist()
        rows = np.empty((bounds[-1], len(layers), self.about.width), self.about.dtype)
        try:
            with self._handle.begin() as transaction:
                missing = [
                    i
                    for i, (key, (start, stop)) in enumerate(zip(keys, pairwise(bounds), strict=True))
                    if not self._read_text(transaction, key, layers, rows[start:stop])
                ]
        except lmdb.Error as error:
            self.give_up(f"can't be read: {error}. Delete it, and it will be made anew")
            missing = list(range(len(keys)))
        self._usage.hits += len(keys) - len(missing)
        self._usage.misses += len(missing)
        if len(self._usage.pending) >= USES_PER_WRITE:
            self._write([])
        return rows, missing

    def _read_text(
        self, transaction: lmdb.Transaction, key: bytes, layers: Sequence[int], rows: np.ndarray
    ) -> bool:
        """Copy one text's layers into (tokens, layers, width) rows; False if one of them is missing."""
        first_time = key not in self._touched
        for i, layer in enumerate(layers):
            value = transaction.get(key + bytes([layer]))
            if value is None:
                return False
            if len(value) != CHECKSUM.size + len(rows) * self.about.row_bytes or (
                first_time and not is_sound(value)
            ):
                self._warn(
                    "is damaged: a record differs from what was written. Affected texts are encoded anew; "
                    f"`python -m spacy posattn store verify {self.path}` finds them all"
                )
                return False
            rows[:, i] = np.frombuffer(value, rows.dtype, offset=CHECKSUM.size).reshape(len(rows), -1)
        if first_time:
            self._touched.add(key)
            self._usage.pending.append(key)
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
        self.finish()  # the writer may be at work on what is known about the store's use
        if not self._writable:
            return
        records = []
        for key, (start, stop) in zip(keys, pairwise(np.cumsum([0, *lengths]).tolist()), strict=True):
            for layer, plane in zip(layers, planes, strict=True):
                data = plane[start:stop].data.cast("B")
                records.append((key + bytes([layer]), b"".join((CHECKSUM.pack(zlib.crc32(data)), data))))
        self._usage.pending.extend(set(keys) - self._touched)
        self._touched.update(keys)
        self._write(records)

    def _write(self, records: List[Tuple[bytes, bytes]]) -> None:
        """Begin to write records and the store's use; what came before is written."""
        if self._writable:
            self._writing = self._writer.submit(_commit, self.path, self._handle, self._usage, records)

    def finish(self) -> None:
        """Wait until everything is written."""
        problem = self._writing.result() if self._writing else None
        self._writing = None
        if problem:
            self._writable = False
            self._warn(
                f"{problem[0]}. Texts that are not in it are encoded every time they come up. {problem[1]}"
            )

    def _warn(self, message: str) -> None:
        warnings.warn(f"The feature store {self.path} {message.rstrip('.')}.", stacklevel=2)


def open_environment(path: Path, max_bytes: int, *, make: bool = False, exclusive: bool = False) -> Handle:
    """Open the LMDB environment of a store.

    path (Path): Folder of the store.
    max_bytes (int): Size up to which it may grow.
    make (bool): Whether to make a store where there is none.
    exclusive (bool): Whether no other process may have it open at the same time.
    RETURNS (Handle): The environment.
    RAISES (StoreError): If there is no store, it can't be opened, or is damaged.
    """
    data = path / "data.mdb"
    if not make and not data.is_file():
        raise StoreError(f"There is no feature store in {path}.")
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = _lock(path, exclusive)
    except OSError as error:
        raise StoreError(f"The feature store {path} can't be opened for writing: {error}.") from error
    try:
        # Without metasync a power cut may lose the last batches, but not what was there before.
        environment = lmdb.open(str(path), map_size=max_bytes, max_dbs=3, mode=0o600, metasync=False)
        environment.reader_check()  # slots of processes that were killed
        pages = environment.info()["last_pgno"] + 1
        if pages * environment.stat()["psize"] > max(data.stat().st_size, 2 * environment.stat()["psize"]):
            raise lmdb.CorruptedError("the file is cut off")
        features, uses, about = (environment.open_db(name) for name in (b"features", b"uses", b"about"))
    except lmdb.Error as error:
        lock.close()
        raise StoreError(
            f"The feature store {path} can't be opened: {error}. If it is damaged, delete the folder, and it "
            "will be made anew; if it lies on a network file system, choose a local folder."
        ) from error
    return Handle(environment, features, uses, about, lock)


def _lock(path: Path, exclusive: bool) -> IO[bytes]:
    """Say that the store is in use; the operating system forgets it when the process ends."""
    lock = open(os.open(path / "in-use", os.O_RDWR | os.O_CREAT, 0o600), "r+b")  # noqa: SIM115
    try:
        fcntl.flock(lock, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise StoreError(
            f"The feature store {path} is in use by another process. Try again when that has ended."
        ) from None
    return lock


def read_about(path: Path, handle: Handle) -> About:
    """Read what a store holds.

    path (Path): Folder of the store, for the message.
    handle (Handle): Its environment.
    RETURNS (About): What it holds.
    RAISES (StoreError): If the store is of another format than this version's, or holds nothing at all.
    """
    with handle.environment.begin(db=handle.about) as transaction:
        facts = json.loads(transaction.get(b"about", b"{}"))
    if not facts:
        raise StoreError(
            f"The feature store {path} is empty: the process that made it wrote nothing into it."
        )
    if facts.get("format") != FORMAT:
        raise StoreError(
            f"The feature store {path} has format {facts.get('format')}, and this version of posattn-spacy "
            f"reads format {FORMAT}: update posattn-spacy, or choose another folder."
        )
    return About(**facts)


def _claim(path: Path, handle: Handle, about: About) -> About:
    """Write into a new store what it is to hold; read from an old one what it does."""
    try:
        with handle.environment.begin(db=handle.about, write=True) as transaction:
            transaction.put(b"about", json.dumps(asdict(about)).encode(), overwrite=False)
    except lmdb.Error as error:
        raise StoreError(f"The feature store {path} can't be written: {error}.") from error
    return read_about(path, handle)


def check_about(path: Path, found: About, expected: About) -> None:
    """Insist that a store holds what is asked of it.

    path (Path): Folder of the store, for the message.
    found (About): What it holds.
    expected (About): What is asked of it.
    RAISES (StoreError): If that is not the same.
    """
    if found.fingerprint != expected.fingerprint:
        raise StoreError(
            f"The feature store {path} was made by another encoder, '{found.encoder}'; this one is "
            f"'{expected.encoder}'. Choose a folder of its own for each encoder."
        )
    if found.dtype != expected.dtype:
        raise StoreError(
            f"The feature store {path} holds {found.dtype}, and {expected.dtype} is asked for. Choose "
            "another folder, or set dtype to what is there."
        )


def is_sound(value: Union[bytes, memoryview]) -> bool:
    """RETURNS (bool): Whether a record is what was written."""
    return bool(CHECKSUM.unpack_from(value)[0] == zlib.crc32(value[CHECKSUM.size :]))


def _commit(
    path: Path, handle: Handle, usage: Usage, records: List[Tuple[bytes, bytes]]
) -> Optional[Tuple[str, str]]:
    """Write in one transaction; return what went wrong, and what to do about it.

    It runs beside the store and must not hold on to it, which could then be dropped by its own writer.
    """
    try:
        with handle.begin(write=True) as transaction:
            for key, value in records:
                transaction.put(key, value)
            usage.write(transaction, handle)
    except lmdb.MapFullError:
        size = handle.environment.info()["map_size"] / 1e9
        prune = f"`python -m spacy posattn store prune {path}`"
        return f"has reached its size of {size:.3g} GB", f"Raise max_gb, or make room with {prune}"
    except lmdb.Error as error:
        return f"can't be written: {error}", "Is the disk full?"
    return None


def _close(writer: ThreadPoolExecutor, handle: Handle, usage: Usage, process: int) -> None:
    """Write down what is left to write and close; at the end of the process at the latest."""
    if os.getpid() != process:
        return
    writer.shutdown()
    try:
        with handle.environment.begin(write=True) as transaction:
            usage.write(transaction, handle)
    except lmdb.Error:
        pass  # no more than the time of last use is lost
    handle.close()
