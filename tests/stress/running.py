"""How a row of the table is run: its setting, what it comes to, and how it goes on after it was killed."""

import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Union

import torch
from tqdm import tqdm

from encoders import WRITERS
from posattn_spacy.writing import replacing

Value = Union[int, float, str]
FAULTS_SHOWN = 5
DONE = "done.json"
SAVED_EVERY = 5.0  # seconds


class Outcome(NamedTuple):
    """What a row came to.

    reach (int): How many of what is asked for were done.
    held (bool): Whether all was as promised.
    figures (Dict[str, Value]): What was counted or measured, by its name.
    reason (str): Why it falls short.
    """

    reach: int
    held: bool
    figures: Dict[str, Value]
    reason: str = ""


class NotReady(Exception):
    """What a row needs is not there."""


class Found(NamedTuple):
    """What one item of a row came to.

    counts (Mapping[str, float]): Added up over the items.
    faults (Sequence[str]): What was wrong, in words.
    """

    counts: Mapping[str, float]
    faults: Sequence[str] = ()


@dataclass
class Tally:
    """What the items of a row came to so far.

    items (int): How many there are in all.
    done (int): How many of them are done.
    seconds (float): How long they took.
    counts (Dict[str, float]): Their counts, added up.
    faults (List[str]): Some of their faults.
    """

    items: int
    done: int = 0
    seconds: float = 0.0
    counts: Dict[str, float] = field(default_factory=dict)
    faults: List[str] = field(default_factory=list)

    def add(self, found: Found) -> None:
        """Add what one more item came to."""
        for name, count in found.counts.items():
            self.counts[name] = self.counts.get(name, 0) + count
        self.faults = [*self.faults, *found.faults][:FAULTS_SHOWN]
        self.done += 1


class Setting(NamedTuple):
    """Where and how far a row is run.

    reach (int): How many of what is asked for.
    folder (Path): For what the row writes. What it has done is kept there, too, until it is through.
    apart (bool): Whether what is to be measured by itself gets a process of its own.
    pipeline (Optional[Path]): A trained pipeline, for rows that want a real one.
    dev (Optional[Path]): Documents with entities that it was not trained on.
    """

    reach: int
    folder: Path
    apart: bool = True
    pipeline: Optional[Path] = None
    dev: Optional[Path] = None

    def encoder(self, family: str) -> Path:
        """RETURNS (Path): The folder of a tiny random encoder of a family in `encoders.WRITERS`."""
        folder = self.folder / family
        return folder if (folder / "config.json").exists() else WRITERS[family](folder)

    def alone(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """RETURNS (Any): What a function returns, run in a new process unless that is not wanted."""
        if not self.apart:
            return function(*arguments)
        with ProcessPoolExecutor(1, get_context("spawn"), initializer=one_thread) as pool:
            return pool.submit(function, *arguments).result()

    def kept(self) -> Optional[Tally]:
        """RETURNS (Optional[Tally]): What an earlier run has done, if it was killed."""
        path = self.folder / DONE
        return Tally(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None

    def go_through(self, items: int, work: Callable[[int], Found]) -> Tally:
        """Go through numbered items, from where an earlier run was killed.

        items (int): How many there are.
        work (Callable[[int], Found]): Does one of them; it depends on nothing but the number.
        RETURNS (Tally): What all of them came to.
        """
        path, tally = self.folder / DONE, self.kept() or Tally(items)
        started, saved = time.monotonic() - tally.seconds, tally.seconds
        for i in tqdm(range(tally.done, items), initial=tally.done, total=items, disable=None):
            tally.add(work(i))
            tally.seconds = time.monotonic() - started
            if tally.seconds > saved + SAVED_EVERY:
                saved = tally.seconds
                write_json(path, vars(tally))
        write_json(path, vars(tally))
        return tally


def one_thread() -> None:
    """Let torch do with one thread, as in the tests, so that sums do not depend on the machine."""
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file so that it is there as a whole or not at all."""
    with replacing(path) as temporary:
        text = json.dumps(content, indent=2, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")
