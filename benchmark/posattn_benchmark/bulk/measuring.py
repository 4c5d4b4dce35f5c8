"""The measurements, each in a process of its own: `python -m posattn_benchmark.bulk.measuring WHAT GIVEN`."""

import json
import os
import sys
import time
from functools import partial
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any, Callable, Dict, List, Sequence

import srsly

from posattn_spacy.bulk.annotate import annotate
from posattn_spacy.bulk.engines import Engine, in_this_process
from posattn_spacy.bulk.job import Job, Place
from posattn_spacy.bulk.local import in_processes
from posattn_spacy.bulk.on_ray import on_ray
from posattn_spacy.bulk.parts import Part, find_parts
from posattn_spacy.bulk.work import Worker
from posattn_spacy.calibration import only_pipe

from ..processes import anonymous_bytes
from .texts import sentences, write_parts

THREADS = 1
PARTS, ROWS = 32, 500  # files and texts of two sentences in each
PIPE_ROWS, REPEATS = 2000, 3
SHORT, SETTLED = 1_000_000, 10_000  # short texts, and after how many of them memory should grow no more
ENGINES: Dict[str, Callable[[], Engine]] = {
    "local 1": lambda: in_this_process,
    "local 2": lambda: partial(in_processes, n=2),
    "ray 1": lambda: partial(on_ray, n=1, address=None),
    "ray 2": lambda: partial(on_ray, n=2, address=None),
}


def pipe(model: str, corpus: Path, folder: Path) -> Dict[str, Any]:
    """Measure `annotate` beside `nlp.pipe` on the same texts, and both without the second look.

    model (str): The pipeline.
    corpus (Path): A .spacy file with sentences.
    folder (Path): For what is written.
    RETURNS (Dict[str, Any]): Words a second, `pipe`, `annotate` and `all encoded`, one for each repeat.
    """
    worker = _worker(model, folder)
    (path,) = write_parts(folder / "in", sentences(corpus), 1, PIPE_ROWS, 2)
    texts = [json.loads(line)["text"] for line in path.open(encoding="utf-8")]
    (part,) = find_parts([str(path)])
    words = sum(len(worker.nlp.make_doc(text)) for text in texts)
    found: Dict[str, List[float]] = {"pipe": [], "annotate": [], "all encoded": []}
    _, own = only_pipe(worker.nlp)
    look = own.cfg["second_look"]
    for _ in range(REPEATS + 1):  # the first is not counted
        found["pipe"].append(words / _seconds(lambda: _read_through(worker, texts)))
        found["annotate"].append(words / _seconds(lambda: worker.annotate(part, _tell_nobody)))
        own.cfg["second_look"] = None
        found["all encoded"].append(words / _seconds(lambda: worker.annotate(part, _tell_nobody)))
        own.cfg["second_look"] = look
    return {"words": words, **{name: rates[1:] for name, rates in found.items()}}


def _read_through(worker: Worker, texts: Sequence[str]) -> None:
    for _ in worker.nlp.pipe(texts):
        pass


def engine(name: str, model: str, corpus: Path, folder: Path) -> Dict[str, Any]:
    """Measure an engine once it has started.

    name (str): One of `ENGINES`. The other arguments are those of `pipe`.
    RETURNS (Dict[str, Any]): `words` a second, from when each worker had made a part, and `start`, seconds
        until the first part was made.
    """
    paths = write_parts(folder / "in", sentences(corpus), PARTS, ROWS, 2)
    parts, job = find_parts(list(map(str, paths))), _job(model, folder)
    started = time.time()
    summary = annotate(job, parts, ENGINES[name]())
    n = int(name.split()[1])
    ends = sorted(_made_at(job, part) for part in parts)
    lasted = mean(ends[-n:]) - mean(ends[:n])
    words = summary.counts.words * (PARTS - n) / PARTS
    return {"words": words / lasted, "start": ends[0] - started}


def _made_at(job: Job, part: Part) -> float:
    return Place.of(job, part).output.stat().st_mtime


def memory(model: str, corpus: Path, folder: Path) -> Dict[str, Any]:
    """Measure the memory that many short texts take.

    RETURNS (Dict[str, Any]): `texts` and their `words`; `before`, bytes after the first of them, when all is
        loaded; and `grown`, how many more there were at the most afterwards.
    """
    worker = _worker(model, folder)
    (path,) = write_parts(folder / "in", sentences(corpus), 1, SHORT, 1)
    (part,) = find_parts([str(path)])
    size = path.stat().st_size
    held: List[int] = []
    read = 0

    def tell(more: int, words: int) -> None:
        nonlocal read
        read += more
        if read / size >= SETTLED / SHORT:
            held.append(anonymous_bytes(os.getpid()) or 0)

    counts = worker.annotate(part, tell)
    return {"texts": counts.rows, "words": counts.words, "before": held[0], "grown": max(held) - held[0]}


def _worker(model: str, folder: Path) -> Worker:
    return Worker(_job(model, folder))


def _job(model: str, folder: Path) -> Job:
    return Job(str(Path(model).absolute()), folder / "out", "text", "entities", 1_000_000, THREADS, -1)


def _seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _tell_nobody(read: int, words: int) -> None:
    """Nobody looks how far it is."""


def main(what: str, model: str, corpus: str, taken: str) -> None:
    """Measure, and write what is found.

    what (str): "pipe", "memory" or one of `ENGINES`.
    model (str): The pipeline.
    corpus (str): A .spacy file with sentences.
    taken (str): The file to write.
    """
    with TemporaryDirectory() as folder:
        given = model, Path(corpus), Path(folder).resolve()
        measured = {"pipe": pipe, "memory": memory}.get(what, partial(engine, what))(*given)
    srsly.write_json(Path(taken), measured)


if __name__ == "__main__":
    main(*sys.argv[1:])
