"""Actors of Ray annotate parts, on this machine or on a cluster."""

import logging
import os
import socket
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Sequence

from spacy.util import is_package
from tqdm import tqdm

from .engines import Outcome, attempt
from .job import Counts, Job, done, tried
from .parts import BrokenWorkerError, Part, PartError
from .work import Tell, Worker, tell_nobody

TRIES = 10  # actors that may be lost with a part; Ray itself would begin it anew for ever


def on_ray(
    job: Job, parts: Sequence[Part], tell: Tell, *, n: int, address: Optional[str]
) -> Iterator[Outcome]:
    """Annotate parts with Ray Data; arguments, yield and error as of `in_this_process`.

    All machines see the files under the same paths, which are given as absolute ones: actors are not where
    the command was given.

    n (int): How many actors there are, each of which loads the pipeline once. The part of one that is lost,
        with its machine or alone, is begun anew.
    address (Optional[str]): Of a cluster; None to start Ray on this machine.
    """
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # it warns of what happens if this process ends
    os.environ.setdefault("RAY_worker_niceness", "0")  # else all else on this machine goes before
    import ray
    from ray.data import ActorPoolStrategy, DataContext, from_items

    dashboard = False if address is None else None  # that of a cluster is none of ours
    ray.init(
        address=address or "local",
        include_dashboard=dashboard,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    DataContext.get_current().enable_progress_bars = False
    by_name = {part.name: part for part in parts}
    try:
        _await_room(job, [node["Resources"] for node in ray.nodes() if node["Alive"]], address)
        sizes = {part.name: part.source.stat().st_size for part in parts}  # now: any may be gone later
        actor: Any = Actor  # Ray takes classes, but its types do not say so
        rows = from_items(list(map(_row_of, parts)), override_num_blocks=len(parts)).map(
            actor,
            fn_constructor_args=(_anywhere(job),),
            compute=ActorPoolStrategy(size=min(n, len(parts)), max_tasks_in_flight_per_actor=2),
            num_cpus=job.threads,
            num_gpus=int(job.gpu_id >= 0),
        )
        for row in rows.iter_rows():
            outcome = _outcome_of(row, by_name[row["name"]])
            if row["broken"]:  # it would answer so to each part there is
                raise PartError(row["broken"])
            tell(sizes[row["name"]], outcome.counts.words if outcome.counts else 0)
            yield outcome
    except ray.exceptions.RayError as error:
        raise PartError(f"Ray has given up: {error}. Give the command again to go on.") from error
    finally:
        ray.shutdown()


def _await_room(job: Job, machines: Sequence[Dict[str, float]], address: Optional[str]) -> None:
    """Say so if an actor fits on no machine: Ray would wait for one without a word.

    RAISES (PartError): If Ray was started here, where no other machine can come.
    """
    wanted = {"CPU": job.threads, "GPU": int(job.gpu_id >= 0)}
    if any(all(of.get(what, 0) >= n for what, n in wanted.items()) for of in machines):
        return
    lacking = (
        f"No machine of the Ray cluster has the {wanted['CPU']} CPUs and {wanted['GPU']} GPUs that an "
        "actor takes. Give fewer --threads, or leave --gpu-id out."
    )
    if address is None:
        raise PartError(lacking)
    tqdm.write(f"{lacking} Waiting for one.", sys.stderr)


class Actor:
    """A worker, as Ray Data knows one.

    job (Job): What is asked for.
    """

    def __init__(self, job: Job) -> None:
        self._job, self._problem = job, ""
        try:
            self._worker = Worker(job)
        except PartError as error:
            self._problem = f"{error} ({socket.gethostname()})"

    def __call__(self, row: Dict[str, Any]) -> Dict[str, Any]:
        """Annotate a part.

        row (Dict[str, Any]): The part.
        RETURNS (Dict[str, Any]): The same with what came of it.
        """
        outcome = self._outcome(_part_of(row))
        made = {"counts": list(outcome.counts or ()), "problem": outcome.problem}
        return {**row, **made, "broken": self._problem}

    def _outcome(self, part: Part) -> Outcome:
        if self._problem:
            return Outcome(part, None, self._problem)
        try:
            counts = done(self._job, part)  # it may be that only the answer was lost
            if counts is not None:
                return Outcome(part, counts)
            if tried(self._job, part) > TRIES:
                return Outcome(part, None, f"its actor was lost {TRIES} times. Is there memory enough?")
        except (PartError, OSError) as error:
            return Outcome(part, None, str(error))
        try:
            return attempt(self._worker, part, tell_nobody)  # how far it is, this machine alone knows
        except BrokenWorkerError:
            os._exit(1)  # the part is begun anew, by another actor


def _anywhere(job: Job) -> Job:
    model = job.model if is_package(job.model) else str(Path(job.model).absolute())
    gpu_id = min(job.gpu_id, 0)  # an actor sees the one that Ray gives it, and no other
    return job._replace(model=model, output=job.output.absolute(), gpu_id=gpu_id)


def _row_of(part: Part) -> Dict[str, str]:
    return {**part._asdict(), "source": str(part.source.absolute())}


def _part_of(row: Dict[str, Any]) -> Part:
    return Part(Path(row["source"]), row["kind"], row["name"], row["to"])


def _outcome_of(row: Dict[str, Any], part: Part) -> Outcome:
    counts = Counts(*row["counts"]) if not row["problem"] else None
    return Outcome(part, counts, row["problem"])
