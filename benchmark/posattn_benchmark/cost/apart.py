"""One system's figures, taken in a process of its own."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Dict

import spacy
import typer

from ..processes import Spent, run
from .workload import Figures, Workload


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

    workload = Workload.read(given)
    if workload.gpu_id >= 0:
        spacy.require_gpu(workload.gpu_id)
    figures: Dict[str, float] = SYSTEMS[system](workload)
    taken.write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
