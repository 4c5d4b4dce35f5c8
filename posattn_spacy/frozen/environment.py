"""Opening the LMDB environment of a feature store: whether one may, and whether it is what it should be.

LMDB itself trusts a file: one that is damaged or made by somebody else can take the process down. So a file
that has changed since a store was last closed is looked through first, while nobody writes to it.
"""

import json
import os
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Dict, Optional

import lmdb
import lmdb.verify
from portalocker import AlreadyLocked, LockException

from .about import About, read_about
from .files import (
    DATA,
    LOCK,
    OTHER_FOLDER,
    READERS,
    SEEN,
    StoreError,
    find_file,
    has_data,
    is_noted,
    make_room_for_readers,
    may_write,
    note_data,
    printable,
    replacing_data,
)
from .locking import StoreLock

TABLES = (b"features", b"uses", b"about")
MAX_MAP = 1 << 44  # bytes; more than a processor can address is no limit


class LostError(lmdb.Error):
    """A file of a store that is open is not there any more."""


@dataclass
class Handle:
    """An open LMDB environment.

    path (Path): Folder of the store.
    environment (lmdb.Environment): The environment.
    features (Any): Its table of features, by text and layer.
    uses (Any): Its table of the time each text was last used, in seconds since 1970.
    facts (Any): Its table of facts: what it holds, hits and misses.
    about (About): What it holds.
    writable (bool): Whether it may be added to.
    lock (Optional[StoreLock]): Held as long as the environment is open; None where nobody may write.
    files (Dict[str, os.stat_result]): Its files, as they were when it was opened.
    """

    path: Path
    environment: lmdb.Environment
    features: Any
    uses: Any
    facts: Any
    about: About
    writable: bool
    lock: Optional[StoreLock]
    files: Dict[str, os.stat_result]

    def check(self, write: bool) -> None:
        """Insist that the files are those that were opened; who only reads may do so from deleted ones.

        write (bool): Whether they are to be written.
        RAISES (LostError): If they are not.
        """
        for name, file in self.files.items():
            now = None
            with suppress(OSError):
                now = os.lstat(self.path / name)
            if now is None or not os.path.samestat(now, file):
                if write:
                    raise LostError(f"{name} was moved or deleted while it was in use")
            elif now.st_size < file.st_size:
                raise LostError(f"{name} was cut off while it was in use")

    def begin(self, write: bool = False) -> lmdb.Transaction:
        """Begin a transaction on the features.

        write (bool): Whether to write.
        RETURNS (lmdb.Transaction): The transaction; what it reads lies in the map.
        RAISES (lmdb.Error): If that can't be.
        """
        self.check(write)
        try:
            return self.environment.begin(db=self.features, write=write, buffers=True)
        except lmdb.MapResizedError:  # another process, with a larger max_gb, has added to the store
            self.resize(0)
            return self.environment.begin(db=self.features, write=write, buffers=True)

    def resize(self, max_bytes: int) -> None:
        """Let the store grow; nobody in this process may be reading or writing.

        max_bytes (int): Size up to which it may; 0 for what the other processes have.
        """
        self.environment.set_mapsize(min(max_bytes, MAX_MAP))

    def used_bytes(self) -> int:
        """RETURNS (int): Size of the pages that are in use, free ones between them included."""
        return int((self.environment.info()["last_pgno"] + 1) * self.environment.stat()["psize"])

    def close(self) -> None:
        """Close the environment, note what its file is like now, and let others have it."""
        self.environment.close()
        if self.writable:
            note_data(self.path)
        if self.lock is not None:
            self.lock.close()


def open_environment(
    path: Path, max_bytes: int, *, make: Optional[About] = None, exclusive: bool = False
) -> Handle:
    """Open the LMDB environment of a store.

    path (Path): Folder of the store.
    max_bytes (int): Size up to which it may grow.
    make (Optional[About]): What a store is to hold that is made if there is none.
    exclusive (bool): Whether no other process may have it open at the same time.
    RETURNS (Handle): The environment.
    RAISES (StoreError): If there is no store, it can't be opened, is damaged or something else.
    """
    try:
        return _open(path, max_bytes, make, exclusive)
    except AlreadyLocked:
        raise StoreError(
            f"The feature store {path} is in use by another process. Try again when that has ended."
        ) from None
    except (OSError, LockException, lmdb.Error) as error:
        why = str(error).rstrip(".")
        raise StoreError(
            f"The feature store {path} can't be opened: {why}. {OTHER_FOLDER}: on a local disk, with room, "
            "and with the right to write to it."
        ) from error


def _open(path: Path, max_bytes: int, make: Optional[About], exclusive: bool) -> Handle:
    *_, in_use = (find_file(path, name) for name in (DATA, READERS, SEEN, LOCK))
    if make is None and not has_data(path):
        raise StoreError(f"There is no feature store in {path}.")
    writable = may_write(path)
    with ExitStack() as opened:
        lock = None
        if writable:
            if in_use is None:
                _look_through(path)  # before a file is put beside those of somebody else
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = StoreLock(path, exclusive)
            opened.callback(lock.close)
            _prepare(path, lock, make, exclusive)
        elif exclusive or not is_noted(path):
            _look_through(path)
        # Without metasync a power cut may lose the last batches, but not what was there before.
        environment = lmdb.open(
            str(path),
            map_size=min(max_bytes, MAX_MAP),
            max_dbs=len(TABLES),
            mode=0o600,
            metasync=False,
            readonly=not writable,
            create=False,
            lock=writable,
        )
        opened.callback(environment.close)
        handle = _open_tables(path, environment, make, writable, lock)
        opened.pop_all()
        return handle


def _prepare(path: Path, lock: StoreLock, make: Optional[About], exclusive: bool) -> None:
    """Do what only the first to open a store can do, and let others in."""
    if lock.alone:
        if exclusive or not is_noted(path):
            _look_through(path)
        make_room_for_readers(path)
        if make is not None and not has_data(path):
            _make(path, make)
        if not exclusive:
            lock.share()
    if not has_data(path):
        raise AlreadyLocked("by a process whose file was deleted")
    if lock.other_host():
        raise StoreError(
            f"The feature store {path} is open on another machine, '{lock.other_host()}'. LMDB serves the "
            "processes of one machine only: choose a folder of its own for each."
        )


def _open_tables(
    path: Path,
    environment: lmdb.Environment,
    make: Optional[About],
    writable: bool,
    lock: Optional[StoreLock],
) -> Handle:
    """Open the tables of an environment, or make them."""
    if writable:
        environment.reader_check()  # slots of processes that were killed
    if make is not None and writable and not _is_made(path, environment):
        _claim(environment, make)
    if not _is_made(path, environment):
        raise StoreError(f"The feature store {path} is empty: the process that made it wrote nothing to it.")
    features, uses, facts = (environment.open_db(name, create=False) for name in TABLES)
    with environment.begin(db=facts) as transaction:
        about = read_about(path, transaction.get(b"about"))
    files = {name: file for name in (DATA, READERS) if (file := find_file(path, name))}
    return Handle(path, environment, features, uses, facts, about, writable, lock, files)


def _make(path: Path, about: About) -> None:
    """Make a store, without texts."""
    with (
        replacing_data(path) as folder,
        lmdb.open(str(folder), max_dbs=len(TABLES), lock=False) as environment,
    ):
        _claim(environment, about)


def _claim(environment: lmdb.Environment, about: About) -> None:
    """Make the tables of a store, and write down what it is to hold."""
    with environment.begin(write=True) as transaction:
        *_, facts = (environment.open_db(name, txn=transaction) for name in TABLES)
        transaction.put(b"about", json.dumps(asdict(about)).encode(), db=facts, overwrite=False)


def _is_made(path: Path, environment: lmdb.Environment) -> bool:
    """Whether a store is complete; one whose maker died at once is not.

    RAISES (StoreError): If the environment is something else than a store.
    """
    with environment.begin() as transaction:
        names = set(islice(transaction.cursor().iternext(values=False), len(TABLES) + 1))
    if not names <= set(TABLES):
        raise StoreError(f"{path} holds an LMDB database that is no feature store. {OTHER_FOLDER}.")
    if len(names) < len(TABLES):
        return False
    features, _, facts = (environment.open_db(name, create=False) for name in TABLES)
    with environment.begin() as transaction:
        return bool(transaction.get(b"about", db=facts) or transaction.stat(features)["entries"])


def _look_through(path: Path) -> None:
    """Insist that the file of a store, which nobody writes to, is sound, and no other database."""
    if not has_data(path):
        return  # yet to be made
    try:
        problems = lmdb.verify.verify(str(path))
    except lmdb.verify.VerifyError as error:
        raise StoreError(f"{path / DATA} is no file of a feature store: {error}. {OTHER_FOLDER}.") from error
    if problems:
        more = f", and {len(problems) - 1:,} problems more" if len(problems) > 1 else ""
        raise StoreError(
            f"The feature store {path} is damaged, or is none: {printable(problems[0])}{more}. "
            f"{OTHER_FOLDER}; or move it away, and it will be made anew."
        )
    with lmdb.open(str(path), max_dbs=len(TABLES), readonly=True, create=False, lock=False) as environment:
        _is_made(path, environment)
