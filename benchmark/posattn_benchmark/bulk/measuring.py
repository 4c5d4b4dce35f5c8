"""The measurements, each in a process of its own: `python -m posattn_benchmark.bulk.measuring WHAT GIVEN`."""

import json
import os
import sys
import time
from functools import partial
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any, Dict, List

import srsly

from posattn_spacy.bulk.annotate import annotate
from posattn_spacy.bulk.engines import Engine, in_this_process
from posattn_spacy.bulk.job import Job, Place, model_digest
from posattn_spacy.bulk.local import in_processes
from posattn_spacy.bulk.on_ray import on_ray
from posattn_spacy.bulk.parts import Part, find_parts
from posattn_spacy.bulk.work import Worker, tell_nobody
from posattn_spacy.calibration import only_pipe

from ..processes import anonymous_bytes
from .texts import sentences, write_parts

THREADS = 1
PARTS, ROWS = 24, 500  # files and texts of two sentences in each
PIPE_ROWS = 2000
# Short texts, their words, and after how many of them memory should grow no more.
SHORT, SHORT_WORDS, SETTLED = 1_000_000, 4, 10_000
PIPE, ANNOTATE, ALL_ENCODED = WAYS = ("pipe", "annotate", "all encoded")
ENGINES: Dict[str, Engine] = {
    "local 1": in_this_process,
    "local 2": partial(in_processes, n=2),
    "ray 1": partial(on_ray, n=1, address=None),
    "ray 2": partial(on_ray, n=2, address=None),
}


def rate(way: str, model: str, corpus: Path, folder: Path) -> Dict[str, Any]:
    """Measure one process, once all is loaded.

    way (str): One of `WAYS`.
    model (str): The pipeline.
    corpus (Path): A .spacy file with sentences.
    folder (Path): For what is written.
    RETURNS (Dict[str, Any]): `words` a second.
    """
    worker = Worker(_job(model, folder))
    first, second = write_parts(folder / "in", sentences(corpus), 2, PIPE_ROWS, 2)
    texts = [json.loads(line)["text"] for line in second.read_text(encoding="utf-8").splitlines()]
    words = sum(len(worker.nlp.tokenizer(text)) for text in texts)
    (warming,), (part,) = (find_parts([str(path)]).parts for path in (first, second))
    worker.annotate(warming, tell_nobody)
    if way == ALL_ENCODED:
        only_pipe(worker.nlp)[1].cfg["second_look"] = None
    started = time.perf_counter()
    if way == PIPE:
        with worker.nlp.memory_zone():
            for _ in worker.nlp.pipe(texts):
                pass
    else:
        worker.annotate(part, tell_nobody)
    return {"words": words / (time.perf_counter() - started)}


def engine(name: str, model: str, corpus: Path, folder: Path) -> Dict[str, Any]:
    """Measure an engine once it has started.

    The time is that between the mean end of the first parts and that of the last ones, as many of each as
    there are workers.

    name (str): One of `ENGINES`. The other arguments are those of `rate`.
    RETURNS (Dict[str, Any]): `words` a second, and `start`, seconds until the first part was made.
    """
    write_parts(folder / "in", sentences(corpus), PARTS, ROWS, 2)
    parts, job = find_parts([str(folder / "in")]).parts, _job(model, folder)
    started = time.time()
    summary = annotate(job, parts, ENGINES[name])
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
    worker = Worker(_job(model, folder))
    beginnings = [" ".join(sentence.split()[:SHORT_WORDS]) for sentence in sentences(corpus)]
    (path,) = write_parts(folder / "in", beginnings, 1, SHORT, 1)
    (part,) = find_parts([str(path)]).parts
    size = path.stat().st_size
    held: List[int] = []
    read = 0

    def tell(more: int, words: int) -> None:
        """Look at memory."""
        nonlocal read
        read += more
        if read / size >= SETTLED / SHORT:
            held.append(anonymous_bytes(os.getpid()) or 0)

    counts = worker.annotate(part, tell)
    return {"texts": counts.rows, "words": counts.words, "before": held[0], "grown": max(held) - held[0]}


def _job(model: str, folder: Path) -> Job:
    options = folder / "out", "text", "entities", 1_000_000, THREADS, -1
    return Job(str(Path(model).absolute()), model_digest(model), *options)


def main(what: str, model: str, corpus: str, taken: str) -> None:
    """Measure, and write what is found.

    what (str): "memory", or one of `WAYS` or `ENGINES`.
    model (str): The pipeline.
    corpus (str): A .spacy file with sentences.
    taken (str): The file to write.
    """
    with TemporaryDirectory() as folder:
        given = model, Path(corpus), Path(folder).resolve()
        one = memory if what == "memory" else partial(rate if what in WAYS else engine, what)
        measured = one(*given)
    srsly.write_json(Path(taken), measured)


if __name__ == "__main__":
    main(*sys.argv[1:])
