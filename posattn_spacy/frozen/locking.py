"""Who has a feature store open: a lock that the operating system forgets with the process that holds it.

All who read and write a store share the lock, and who makes it smaller must be alone. The file that is locked
names the machine, as LMDB serves the processes of one machine only.
"""

import platform
import time
from pathlib import Path
from typing import IO

import portalocker
from portalocker import AlreadyLocked, LockFlags

from .files import LOCK, open_privately, printable

WAIT = 60.0  # seconds for another process to look through the store
PAUSE = 0.05  # seconds between two tries
NAME_BYTES = 1 << 10  # of a machine, at most


class StoreLock:
    """The lock on a store.

    alone (bool): Whether it is held exclusively, as nobody else has the store open.
    """

    def __init__(self, folder: Path, exclusive: bool) -> None:
        """Lock a store: exclusively if nobody else has it open, else shared with those who have.

        folder (Path): Folder of the store.
        exclusive (bool): Whether a lock that is shared would not do.
        RAISES (AlreadyLocked): If others have the store open and it can't be shared.
        RAISES (OSError): If the file can't be opened.
        RAISES (LockException): If the file system has no locks.
        """
        self._file: IO[bytes] = open(folder / LOCK, "r+b", buffering=0, opener=open_privately)  # noqa: SIM115
        try:
            self.alone = self._try(LockFlags.EXCLUSIVE)
            if self.alone:
                self._file.truncate(0)
                self._file.write(platform.node().encode())
            elif exclusive:
                raise AlreadyLocked()
            else:
                self._wait_to_share()
        except BaseException:
            self.close()
            raise

    def share(self) -> None:
        """Let others open the store as well."""
        if self.alone:
            portalocker.unlock(self._file)
            self._wait_to_share()
            self.alone = False

    def other_host(self) -> str:
        """RETURNS (str): Name of another machine that has the store open, too; empty if there is none."""
        self._file.seek(0)
        named = self._file.read(NAME_BYTES)  # nothing, if the version before has opened the store first
        return "" if named in (b"", platform.node().encode()) else printable(named.decode(errors="replace"))

    def close(self) -> None:
        """Let go of the store."""
        self._file.close()

    def _try(self, kind: LockFlags) -> bool:
        try:
            portalocker.lock(self._file, kind | LockFlags.NON_BLOCKING)
        except AlreadyLocked:
            return False
        return True

    def _wait_to_share(self) -> None:
        """Share the lock as soon as the one who is alone with the store is ready with it."""
        deadline = time.monotonic() + WAIT
        while not self._try(LockFlags.SHARED):
            if time.monotonic() > deadline:
                raise AlreadyLocked()
            time.sleep(PAUSE)
