"""Actors of Ray annotate parts, on this machine or on a cluster."""

import logging
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Sequence

from .engines import Outcome, attempt
from .job import Counts, Job, done, tried
from .parts import Part
from .work import Tell, Worker

TRIES = 10  # actors that may be lost with a part; Ray itself would begin it anew for ever


def on_ray(
    job: Job, parts: Sequence[Part], tell: Tell, *, n: int, address: Optional[str]
) -> Iterator[Outcome]:
    """Annotate parts with Ray Data; arguments, yield and error as of `in_this_process`.

    All machines see the files under the same paths.

    n (int): How many actors there are, each of which loads the pipeline once. The part of one that is lost,
        with its machine or alone, is begun anew.
    address (Optional[str]): Of a cluster; None to start Ray on this machine.
    """
    import ray
    from ray.data import ActorPoolStrategy, DataContext, from_items

    ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    DataContext.get_current().enable_progress_bars = False
    actor: Any = Actor  # Ray takes classes, but its types do not say so
    rows = from_items(list(map(_row_of, parts)), override_num_blocks=len(parts)).map(
        actor,
        fn_constructor_args=(job,),
        compute=ActorPoolStrategy(size=min(n, len(parts)), max_tasks_in_flight_per_actor=1),
        num_cpus=job.threads,
        num_gpus=int(job.gpu_id >= 0),
    )
    for row in rows.iter_rows():
        outcome = _outcome_of(row)
        tell(outcome.part.source.stat().st_size, outcome.counts.words if outcome.counts else 0)
        yield outcome


class Actor:
    """A worker, as Ray Data knows one.

    job (Job): What is asked for.
    """

    def __init__(self, job: Job) -> None:
        self._worker = Worker(job)

    def __call__(self, row: Dict[str, Any]) -> Dict[str, Any]:
        """Annotate a part.

        row (Dict[str, Any]): The part.
        RETURNS (Dict[str, Any]): The same with what came of it.
        """
        job, part = self._worker.job, _part_of(row)
        counts = done(job, part)  # it may be that only the answer was lost
        if counts is not None:
            outcome = Outcome(part, counts)
        elif tried(job, part) > TRIES:
            outcome = Outcome(part, None, f"its actor was lost {TRIES} times. Is there memory enough?")
        else:
            outcome = attempt(self._worker, part, _tell_nobody)
        return {**row, "counts": list(outcome.counts or ()), "problem": outcome.problem}


def _tell_nobody(read: int, words: int) -> None:
    """How far a part is, only its own machine knows."""


def _row_of(part: Part) -> Dict[str, str]:
    return {**part._asdict(), "source": str(part.source)}


def _part_of(row: Dict[str, Any]) -> Part:
    return Part(Path(row["source"]), row["kind"], row["name"], row["to"])


def _outcome_of(row: Dict[str, Any]) -> Outcome:
    counts = Counts(*row["counts"]) if not row["problem"] else None
    return Outcome(_part_of(row), counts, row["problem"])
