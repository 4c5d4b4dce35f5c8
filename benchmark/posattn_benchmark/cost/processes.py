"""Measuring in processes of their own, while their memory is watched."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional

import psutil
import typer

from posattn_spacy.process import LARGE_PAGES

from .workload import Figures, Workload

SAMPLE_SECONDS = 0.05
# Every library that has threads of its own; torch takes the number from the first.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")


class Spent(NamedTuple):
    """What a process took.

    seconds (float): From its start to its end.
    peak_bytes (Optional[int]): Most anonymous memory it held at once; None where the system does not tell.
    """

    seconds: float
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
    started = time.perf_counter()
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
    return Spent(seconds, peak)


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


def measure(system: str, workload: Workload, threads: int, log: Path) -> Figures:
    """Take one system's figures, in a process of its own.

    system (str): A name in `SYSTEMS`.
    workload (Workload): What it is given to do.
    threads (int): How many threads it may use.
    log (Path): Where its output goes.
    RETURNS (Figures): Its figures, and `peak_bytes`.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, taken = Path(folder) / "workload.json", Path(folder) / "figures.json"
        workload.write(given)
        took = run([sys.executable, "-m", __name__, system, str(given), str(taken)], threads, log)
        return {**json.loads(taken.read_text(encoding="utf-8")), **peak_figure(took)}


def peak_figure(took: Spent) -> Figures:
    """RETURNS (Figures): The peak memory of a run, if it is known."""
    return {} if took.peak_bytes is None else {"peak_bytes": took.peak_bytes}


def main(system: str, given: Path, taken: Path) -> None:
    """Take a system's figures and write them; what the process that `measure` starts does."""
    from .systems import SYSTEMS

    figures: Dict[str, float] = SYSTEMS[system](Workload.read(given))
    taken.write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
