"""Annotating many files: what is to be done of it, by whom, and what came of it."""

import sys
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from tqdm import tqdm

from .engines import Engine, Outcome
from .job import Counts, Job, clear_away, done, gather_rejected, working
from .outputs import require_output
from .parts import Part, PartError

EVERY_ON_TERMINAL, EVERY_IN_LOG = 0.1, 60.0  # seconds between two times that progress is shown


class Summary(NamedTuple):
    """What came of a run.

    counts (Counts): Of all parts that are done, those that were done before among them.
    parts (int): How many that are.
    before (int): How many of them were done before.
    failed (Dict[str, str]): Why parts could not be annotated, by their files.
    rejected (Optional[Path]): The file with the rows that could not be; None if all were.
    """

    counts: Counts
    parts: int
    before: int
    failed: Dict[str, str]
    rejected: Optional[Path]


def annotate(job: Job, parts: Sequence[Part], engine: Engine) -> Summary:
    """Annotate what is not annotated yet.

    job (Job): What is asked for.
    parts (Sequence[Part]): The parts.
    engine (Engine): Who does it.
    RETURNS (Summary): What came of it.
    RAISES (PartError): If the output folder is another's, or the pipeline can't be loaded.
    """
    _require_apart(job, parts)
    with working(job):
        clear_away(job, parts)  # what killed workers of another run have left behind
        finished, left, failed = _so_far(job, parts)
        before = len(finished)
        try:
            for outcome in _made(job, left, engine):
                if outcome.counts is None:
                    failed[str(outcome.part.source)] = outcome.problem
                else:
                    finished[outcome.part.name] = outcome.counts
        finally:
            clear_away(job, left)  # and those of this one
        counts = Counts()
        for each in finished.values():
            counts = counts.plus(each)
        return Summary(counts, len(finished), before, failed, gather_rejected(job))


def _so_far(job: Job, parts: Sequence[Part]) -> Tuple[Dict[str, Counts], List[Part], Dict[str, str]]:
    """What is done, what is left to be, and what can't be, with the reason."""
    finished: Dict[str, Counts] = {}
    left: List[Part] = []
    failed: Dict[str, str] = {}
    for part in parts:
        try:
            counts = done(job, part)
            if counts is None:
                require_output(part, job.entities_field)
                left.append(part)
            else:
                finished[part.name] = counts
        except (PartError, OSError) as error:
            failed[str(part.source)] = str(error)
    return finished, left, failed


def _made(job: Job, parts: Sequence[Part], engine: Engine) -> List[Outcome]:
    """What comes of parts, with a progress bar."""
    if not parts:
        return []
    size = sum(part.source.stat().st_size for part in parts)
    every = EVERY_ON_TERMINAL if sys.stderr.isatty() else EVERY_IN_LOG
    with tqdm(total=size, desc="annotating", unit="B", unit_scale=True, mininterval=every) as bar:
        words = 0

        def tell(read: int, more: int) -> None:
            nonlocal words
            words += more
            bar.update(min(read, size - bar.n))  # what is begun anew is read anew
            bar.set_postfix_str(
                f"{words / max(bar.format_dict['elapsed'], 1e-9):,.0f} words/s", refresh=False
            )

        return list(engine(job, parts, tell))


def _require_apart(job: Job, parts: Sequence[Part]) -> None:
    """Insist that nothing is read from where it is written to."""
    output = job.output.resolve()
    for part in parts:
        if part.source.resolve().is_relative_to(output):
            raise PartError(
                f"{part.source} is in {job.output}, where the results are to go. Give another --output."
            )
