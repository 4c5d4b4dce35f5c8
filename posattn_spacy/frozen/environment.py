"""Opening the LMDB environment of a feature store: whether one may, and whether it is what it should be.

LMDB itself trusts a file: one that is damaged or made by somebody else can take the process down. So a file
that has changed since a store was last closed is looked through first, while nobody writes to it.
"""

import json
import os
import re
import shutil
import stat
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Dict, Iterator, Optional

import lmdb
import lmdb.verify
import numpy as np
from portalocker import AlreadyLocked, LockException

from .locking import NAME as LOCK
from .locking import StoreLock, open_privately, printable

FORMAT = 1
DATA, READERS, SEEN = "data.mdb", "lock.mdb", "checked"
TABLES = (b"features", b"uses", b"about")
READERS_BYTES = 1 << 16  # room for a thousand readers
MAX_ABOUT = 1 << 14  # bytes
MAX_MAP = 1 << 44  # bytes; more than a processor can address is no limit
OTHER_FOLDER = "Choose another folder"
MOVE_AWAY = "Move it away, and it will be made anew"


class StoreError(ValueError):
    """A feature store can't be used; the message says where, why and what to do."""


class LostError(lmdb.Error):
    """A file of a store that is open is not there any more."""


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
            with suppress(OSError, StoreError):
                _note(self.path)
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
    data, *_, in_use = (_file(path, name) for name in (DATA, READERS, SEEN, LOCK))
    if make is None and not _is_there(path):
        raise StoreError(f"There is no feature store in {path}.")
    writable = data is None or _is_writable(path, data)
    with ExitStack() as opened:
        lock = None
        if writable:
            if in_use is None:
                _look_through(path)  # before a file is put beside those of somebody else
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = StoreLock(path, exclusive)
            opened.callback(lock.close)
            _prepare(path, lock, make, exclusive)
        elif exclusive or not _is_noted(path):
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
        if exclusive or not _is_noted(path):
            _look_through(path)
        _make_room_for_readers(path)
        if make is not None and not _is_there(path):
            _make(path, make)
        if not exclusive:
            lock.share()
    if not _is_there(path):
        raise AlreadyLocked("by a process whose file was deleted")
    if lock.other_host():
        raise StoreError(
            f"The feature store {path} is open on another machine, '{lock.other_host()}'. LMDB serves the "
            "processes of one machine only: choose a folder of its own for each."
        )


def _is_writable(path: Path, data: os.stat_result) -> bool:
    """Whether one may write to a store; where nobody may, it is read without a lock.

    RAISES (StoreError): If only others may.
    """
    on_read_only_disk = hasattr(os, "statvfs") and os.statvfs(path).f_flag & os.ST_RDONLY
    if on_read_only_disk or not data.st_mode & 0o222:
        return False
    if not os.access(path / DATA, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise StoreError(
            f"You may not write to the feature store {path}, but others may. It can be read once its owner "
            f"has made it one that nobody writes to (`chmod a-w` on its {DATA}), or from a copy of your own. "
            f"{OTHER_FOLDER}."
        )
    return True


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
    files = {name: file for name in (DATA, READERS) if (file := _file(path, name))}
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


@contextmanager
def replacing_data(path: Path) -> Iterator[Path]:
    """Make the file of a store so that it is there as a whole or not at all, whatever comes between.

    path (Path): Folder of the store, which nobody else may have open.
    YIELDS (Path): A folder to make it in; when the block ends well, it is put in its place.
    """
    folder = path / f"{DATA}.new"
    shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed
    folder.mkdir(mode=0o700)
    try:
        yield folder
        os.chmod(folder / DATA, 0o600)
        with open(folder / DATA, "r+b") as data:
            os.fsync(data.fileno())
        os.replace(folder / DATA, path / DATA)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_there(path: Path) -> bool:
    """Whether a store, or something else, is there; an empty file holds nothing."""
    data = _file(path, DATA)
    return data is not None and data.st_size > 0


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
    if not _is_there(path):
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


def _make_room_for_readers(path: Path) -> None:
    """Fill LMDB's file of readers: writing to a hole in it, through a map, ends the process on a full disk.

    Nobody may have the file open, as closing it takes away the locks that this process holds on it.
    """
    readers = _file(path, READERS)
    if readers is None or readers.st_size < READERS_BYTES:
        with open(path / READERS, "wb", opener=open_privately) as file:
            file.write(bytes(READERS_BYTES))


def _is_noted(path: Path) -> bool:
    """Whether a file is as it was when a store was last closed."""
    if _file(path, SEEN) is None:
        return False
    with open(path / SEEN, encoding="utf-8", errors="replace") as note:
        return note.read(1 << 10) == _describe(path)


def _note(path: Path) -> None:
    with open(path / SEEN, "w", encoding="utf-8", opener=open_privately) as note:
        note.write(_describe(path))


def _describe(path: Path) -> str:
    """What a file is like that is the same, and was not copied, changed or cut off."""
    data = os.stat(path / DATA)
    return f"{data.st_ino} {data.st_size} {data.st_mtime_ns} {data.st_ctime_ns}"


def _file(path: Path, name: str) -> Optional[os.stat_result]:
    """A file of a store; None if there is none.

    RAISES (StoreError): If it leads out of the folder, or is no file.
    """
    try:
        found = os.lstat(path / name)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(found.st_mode):
        raise StoreError(
            f"{path / name} is a link or no file, and a feature store keeps to its folder. {OTHER_FOLDER}."
        )
    return found


def read_about(path: Path, value: Optional[bytes]) -> About:
    """Read what a store holds.

    path (Path): Folder of the store, for the message.
    value (Optional[bytes]): What is written in it.
    RETURNS (About): What it holds.
    RAISES (StoreError): If the store is of another format than this version's, or that can't be read.
    """
    try:
        facts = json.loads(value) if value and len(value) <= MAX_ABOUT else None
    except (ValueError, RecursionError):
        facts = None
    version = facts.get("format") if isinstance(facts, dict) else None
    if type(version) is int and version > FORMAT:
        raise StoreError(
            f"The feature store {path} has format {version}, and this version of posattn-spacy reads format "
            f"{FORMAT}: update posattn-spacy, or choose another folder."
        )
    if not isinstance(facts, dict) or not _is_about(facts):
        raise StoreError(f"The feature store {path} is damaged: it does not say what it holds. {MOVE_AWAY}.")
    return About(**{**facts, "encoder": printable(facts["encoder"])})


def _is_about(facts: Dict[str, Any]) -> bool:
    """Whether facts are those of a store, whoever wrote them."""
    return (
        facts.keys() == About.__annotations__.keys()
        and isinstance(facts["encoder"], str)
        and isinstance(facts["fingerprint"], str)
        and re.fullmatch("[0-9a-f]{32}", facts["fingerprint"]) is not None
        and type(facts["width"]) is int
        and facts["width"] > 0
        and facts["dtype"] in ("float16", "float32")
        and type(facts["format"]) is int
        and facts["format"] == FORMAT
    )


def check_about(path: Path, found: About, expected: About) -> None:
    """Insist that a store holds what is asked of it.

    path (Path): Folder of the store, for the message.
    found (About): What it holds.
    expected (About): What is asked of it.
    RAISES (StoreError): If that is not the same.
    """
    if (found.fingerprint, found.width) != (expected.fingerprint, expected.width):
        raise StoreError(
            f"The feature store {path} was made by another encoder, '{found.encoder}'; this one is "
            f"'{expected.encoder}'. Choose a folder of its own for each encoder."
        )
    if found.dtype != expected.dtype:
        raise StoreError(
            f"The feature store {path} holds {found.dtype}, and {expected.dtype} is asked for. Choose "
            "another folder, or set dtype to what is there."
        )
