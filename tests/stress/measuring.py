"""How much memory a process takes, as Linux counts it."""

import gc
from pathlib import Path
from typing import Any, Callable

from posattn_spacy.process import own_memory

STATUS = Path("/proc/self/status")


def peak_of(work: Callable[[], Any]) -> int:
    """Measure the most memory that something takes.

    work (Callable[[], Any]): Does it.
    RETURNS (int): Bytes above what the process had before.
    """
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak so far is forgotten
    before = own_memory()
    work()
    return _status("VmHWM") - before


def _status(name: str) -> int:
    lines = STATUS.read_text(encoding="ascii").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))
