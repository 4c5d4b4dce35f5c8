"""Several processes of this machine annotate parts. Any of them may be killed, and nothing is lost."""

import multiprocessing
import signal
import sys
from collections import Counter, deque
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Deque, Iterator, List, NamedTuple, Optional, Sequence, Union, cast

from tqdm import tqdm

from .engines import Outcome, attempt
from .job import Job
from .parts import BrokenWorkerError, Part, PartError
from .work import Tell, Worker

TRIES = 3  # workers that may die of a part


class Progress(NamedTuple):
    """How far a worker is.

    read (int): Bytes that it has read since it said so last.
    words (int): Tokens that it has annotated since.
    """

    read: int
    words: int


Said = Union[Progress, Outcome, PartError]


def in_processes(job: Job, parts: Sequence[Part], tell: Tell, *, n: int) -> Iterator[Outcome]:
    """Annotate parts in several processes; arguments, yield and error as of `in_this_process`.

    n (int): How many. One that dies is replaced, and its part is begun anew.
    """
    waiting = deque(parts)
    deaths: Counter[str] = Counter()
    processes = [_Process(job, waiting.popleft()) for _ in range(min(n, len(parts)))]
    try:
        while processes:
            for process in _heard_from(processes):
                said = process.hear()
                if isinstance(said, Progress):
                    tell(*said)
                    continue
                if isinstance(said, PartError):
                    raise said
                if said is None:
                    said = _after_death(process, deaths, waiting)
                if said is not None:
                    yield said
                _go_on(process, processes, waiting, job)
    finally:
        for process in processes:
            process.end()


def _heard_from(processes: Sequence["_Process"]) -> List["_Process"]:
    ready = wait([process.pipe for process in processes])
    return [process for process in processes if process.pipe in ready]


def _after_death(process: "_Process", deaths: Counter[str], waiting: Deque[Part]) -> Optional[Outcome]:
    """Let the part of a process that has died be begun anew; if it dies of it again and again, give up."""
    process.end()
    part = process.part
    deaths[part.name] += 1
    code = process.exit_code
    if deaths[part.name] < TRIES:
        again = f"{part.source} is begun anew: its process ended with exit code {code}"
        tqdm.write(again, file=sys.stderr)
        waiting.append(part)
        return None
    why = f"its process died {TRIES} times, at last with exit code {code}. Is there memory enough?"
    return Outcome(part, None, why)


def _go_on(process: "_Process", processes: List["_Process"], waiting: Deque[Part], job: Job) -> None:
    """Give the next part to a process that has none, or to another in its place."""
    if process.is_alive and waiting:
        process.give(waiting.popleft())
        return
    process.end()
    processes.remove(process)
    if waiting:
        processes.append(_Process(job, waiting.popleft()))


class _Process:
    """A worker in a process of its own.

    It has a pipe to itself, so that one that is killed holds nothing that others wait for.

    job (Job): What is asked for.
    part (Part): Its first part.
    """

    def __init__(self, job: Job, part: Part) -> None:
        context = multiprocessing.get_context("spawn")  # threads do not survive a fork
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(job, theirs), daemon=True)
        self._process.start()
        theirs.close()  # so that the pipe ends when the process does
        self.give(part)

    @property
    def is_alive(self) -> bool:
        """RETURNS (bool): Whether it was not ended."""
        return not self.pipe.closed

    @property
    def exit_code(self) -> Optional[int]:
        """RETURNS (Optional[int]): With what it ended; None if it runs."""
        return self._process.exitcode

    def give(self, part: Part) -> None:
        """Let it annotate a part; if it has died meanwhile, `hear` says so."""
        self.part = part
        with suppress(OSError):
            self.pipe.send(part)

    def hear(self) -> Optional[Said]:
        """RETURNS (Optional[Said]): What it says; None if it has died."""
        try:
            return cast(Said, self.pipe.recv())
        except (EOFError, OSError):
            return None

    def end(self) -> None:
        """End the process."""
        self.pipe.close()
        self._process.terminate()
        self._process.join()


def _serve(job: Job, pipe: Connection) -> None:
    """Annotate the parts that come through a pipe, until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who has started this process ends it
    try:
        worker = Worker(job)
    except PartError as error:
        pipe.send(PartError(str(error)))  # what caused it may not go through a pipe
        return
    while True:
        try:
            part: Part = pipe.recv()
            pipe.send(attempt(worker, part, lambda read, words: pipe.send(Progress(read, words))))
        except (EOFError, BrokenPipeError):
            return
        except BrokenWorkerError as error:
            raise SystemExit(1) from error  # its part is begun anew, in another process
