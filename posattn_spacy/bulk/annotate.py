"""Annotating many files: what is to be done of it, by whom, and what came of it."""

from pathlib import Path
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence

from tqdm import tqdm

from .engines import Engine, Outcome
from .job import Counts, Job, clear_away, done, gather_rejected, working
from .outputs import require_output
from .parts import Part, PartError

Say = Callable[[str], None]


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
        clear_away(job, parts)
        finished = {part.name: counts for part in parts if (counts := done(job, part)) is not None}
        left = [part for part in parts if part.name not in finished]
        before, failed = len(finished), {}
        for outcome in _made(job, left, engine):
            if outcome.counts is None:
                failed[str(outcome.part.source)] = outcome.problem
            else:
                finished[outcome.part.name] = outcome.counts
        clear_away(job, parts)
        counts = Counts()
        for each in finished.values():
            counts = counts.plus(each)
        own = [part for part in parts if part.name in finished]
        return Summary(counts, len(finished), before, failed, gather_rejected(job, own))


def _made(job: Job, parts: Sequence[Part], engine: Engine) -> List[Outcome]:
    """What comes of parts, with a progress bar."""
    outcomes: List[Outcome] = []
    ready: List[Part] = []
    for part in parts:
        try:
            require_output(part, job.entities_field)
            ready.append(part)
        except (PartError, OSError) as error:
            outcomes.append(Outcome(part, None, str(error)))
    if not ready:
        return outcomes
    size = sum(part.source.stat().st_size for part in ready)
    with tqdm(total=size, desc="annotating", unit="B", unit_scale=True, disable=None) as bar:
        words = 0

        def tell(read: int, more: int) -> None:
            nonlocal words
            words += more
            bar.update(read)
            bar.set_postfix_str(
                f"{words / max(bar.format_dict['elapsed'], 1e-9):,.0f} words/s", refresh=False
            )

        outcomes += engine(job, ready, tell)
    return outcomes


def _require_apart(job: Job, parts: Sequence[Part]) -> None:
    """Insist that nothing is read from where it is written to."""
    output = job.output.resolve()
    for part in parts:
        if part.source.resolve().is_relative_to(output):
            raise PartError(
                f"{part.source} is in {job.output}, where the results are to go. Give another --output."
            )
