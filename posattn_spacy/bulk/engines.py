"""What all engines have in common: parts go in, and what came of each comes out, in any order."""

from typing import Callable, Iterator, NamedTuple, Optional, Sequence

from .job import Counts, Job
from .parts import BrokenWorkerError, Part
from .work import Tell, Worker


class Outcome(NamedTuple):
    """What came of a part.

    part (Part): The part.
    counts (Optional[Counts]): What was annotated; None if it could not be.
    problem (str): Then, why.
    """

    part: Part
    counts: Optional[Counts]
    problem: str = ""


Engine = Callable[[Job, Sequence[Part], Tell], Iterator[Outcome]]


def attempt(worker: Worker, part: Part, tell: Tell) -> Outcome:
    """Annotate a part, and say so if that is not possible.

    worker (Worker): Who does it.
    part (Part): The part.
    tell (Callable[[int, int], None]): Is told how far it is.
    RETURNS (Outcome): What came of it.
    RAISES (BrokenWorkerError): If the worker can't go on.
    """
    try:
        return Outcome(part, worker.annotate(part, tell))
    except (BrokenPipeError, BrokenWorkerError):  # nobody is there any more to be told, or to go on
        raise
    except Exception as error:  # of a file system, of a library that reads or writes
        return Outcome(part, None, str(error) or type(error).__name__)


def in_this_process(job: Job, parts: Sequence[Part], tell: Tell) -> Iterator[Outcome]:
    """Annotate parts one after another.

    job (Job): What is asked for.
    parts (Sequence[Part]): The parts.
    tell (Callable[[int, int], None]): Is told how far it is: bytes read and tokens annotated.
    YIELDS (Outcome): What came of each.
    RAISES (PartError): If the pipeline can't be loaded, or the worker can't go on.
    """
    worker = Worker(job)
    for part in parts:
        yield attempt(worker, part, tell)
