"""Commands in processes of their own, while their memory is watched."""

import os
import subprocess
import time
from pathlib import Path
from typing import List, NamedTuple, Optional

import psutil

SAMPLE_SECONDS = 0.05
# Lets torch ask Linux for large pages: an update of the head then takes a tenth less time.
LARGE_PAGES = {"THP_MEM_ALLOC_ENABLE": "1"}
# Every library that has threads of its own; torch takes the number from the first.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")


class Spent(NamedTuple):
    """What a process took.

    seconds (float): From its start to its end.
    cpu_seconds (float): Of all its threads, and of the processes that it started and saw end.
    peak_bytes (Optional[int]): Most anonymous memory it held at once; None where the system does not tell.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: Optional[int]


def run(command: List[str], threads: int, log: Path) -> Spent:
    """Run a command to its end, sampling its memory.

    command (List[str]): The command.
    threads (int): How many threads it may use.
    log (Path): Where its output goes.
    RETURNS (Spent): What it took.
    RAISES (RuntimeError): If it fails; the message has the end of its output.
    """
    environment = {**LARGE_PAGES, **os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}
    peak: Optional[int] = None
    before, started = _cpu_of_children(), time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
        while True:
            try:
                process.wait(SAMPLE_SECONDS)
                break
            except subprocess.TimeoutExpired:
                held = anonymous_bytes(process.pid)
                peak = held if peak is None else max(peak, held or 0)
    seconds = time.perf_counter() - started
    if process.returncode:
        end = log.read_text(encoding="utf-8", errors="replace")[-3000:]
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{end}")
    return Spent(seconds, _cpu_of_children() - before, peak)


def _cpu_of_children() -> float:
    spent = os.times()  # psutil knows of children on Linux alone
    return spent.children_user + spent.children_system


def anonymous_bytes(pid: int) -> Optional[int]:
    """Find the memory of a process that is its own, without mapped files such as a feature store.

    pid (int): The process.
    RETURNS (Optional[int]): Its bytes; None for a process that is gone, or where the system does not tell.
    """
    try:
        held = psutil.Process(pid).memory_info()
    except psutil.Error:
        return None
    return held.rss - held.shared if hasattr(held, "shared") else None
