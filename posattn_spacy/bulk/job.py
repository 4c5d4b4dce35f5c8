"""What is asked for, and what of it is done, kept beside the files: a run goes on where it was stopped."""

import hashlib
import json
import os
import re
import shutil
import sys
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Dict, Iterator, NamedTuple, Optional, Sequence, Set

import portalocker
import srsly
from spacy.util import get_package_path, is_package
from tqdm import tqdm

from ..writing import replacing
from .parts import NOTES, REJECTED, Part, PartError

TRIES = ".tries"
LOCK = "run.lock"
TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]{8}")  # names that `replacing` gives
VERSIONS = ("posattn-spacy", "spacy", "torch")


class Job(NamedTuple):
    """What is asked for, beside the parts; it travels to all who work on it.

    model (str): The pipeline, a folder or the name of a package.
    digest (str): What `model_digest` says of it; no other one under the same name is used.
    output (Path): Folder for what the parts become.
    text_field (str): Where JSONL and Parquet have the text.
    entities_field (str): Where they get the entities.
    max_chars (int): Longer texts are rejected.
    threads (int): With how many threads each worker works.
    gpu_id (int): Its GPU; -1 for none.
    """

    model: str
    digest: str
    output: Path
    text_field: str
    entities_field: str
    max_chars: int
    threads: int
    gpu_id: int


class Counts(NamedTuple):
    """What came of a part, or of several.

    rows (int): Rows that were annotated.
    words (int): Their tokens.
    entities (int): What was found in them.
    rejected (int): Rows that could not be annotated.
    """

    rows: int = 0
    words: int = 0
    entities: int = 0
    rejected: int = 0

    def plus(self, other: "Counts") -> "Counts":
        """RETURNS (Counts): The sums."""
        return Counts(*(one + more for one, more in zip(self, other, strict=True)))


class Place(NamedTuple):
    """Where a part is written.

    output (Path): What it becomes.
    note (Path): What came of it.
    rejected (Path): The rows that could not be annotated.
    tries (Path): Has a byte for each time that it was begun.
    """

    output: Path
    note: Path
    rejected: Path
    tries: Path

    @classmethod
    def of(cls, job: Job, part: Part) -> "Place":
        """RETURNS (Place): The place of a part."""
        note = job.output / NOTES / part.name
        endings = ".json", f".{REJECTED}", TRIES
        return cls(job.output / part.name, *(note.with_name(f"{note.name}{ending}") for ending in endings))


class Source(NamedTuple):
    """By what it is seen that a file is another, or has changed.

    path (str): Where it is.
    bytes (int): Its size.
    changed (int): When it was written to last, in nanoseconds.
    """

    path: str
    bytes: int
    changed: int

    @classmethod
    def of(cls, part: Part) -> "Source":
        """RETURNS (Source): That of a part, as it is now."""
        about = part.source.stat()
        return cls(str(part.source.absolute()), about.st_size, about.st_mtime_ns)  # as all machines see it


def done(job: Job, part: Part) -> Optional[Counts]:
    """Find out whether a part is done.

    job (Job): What is asked for.
    part (Part): The part.
    RETURNS (Optional[Counts]): What came of it; None if it is to be annotated yet, because it was not, or has
        changed since, or is not whole.
    RAISES (PartError): If there is something else where it is to be written.
    RAISES (OSError): If its source is gone.
    """
    place, source = Place.of(job, part), Source.of(part)
    if not place.output.exists():
        return None
    if not place.note.is_file():
        raise PartError(
            f"{place.output} is there already, and not from a run of this command. Give another folder as "
            "--output, or take the file away."
        )
    try:
        note = srsly.read_json(place.note)
        before, size, counts = Source(**note["source"]), note["bytes"], Counts(**note["counts"])
    except (ValueError, TypeError, KeyError):  # it was damaged since
        return None
    if before.path != source.path:
        raise PartError(
            f"{place.output} was made of {before.path}, and {source.path} would take its place. Give each "
            "an --output of its own, or the folder that both are in."
        )
    return counts if before == source and place.output.stat().st_size == size else None


def finish(job: Job, part: Part, source: Source, made: Path, counts: Counts) -> None:
    """Note what came of a part, just before it gets its name.

    job (Job): What was asked for.
    part (Part): The part.
    source (Source): What it was when it was begun.
    made (Path): The file that is about to get its name; one that had it gives way.
    counts (Counts): What came of it.
    RAISES (PartError): If its source has changed meanwhile.
    """
    if Source.of(part) != source:
        raise PartError(f"{part.source} has changed while it was annotated. Give the command again.")
    if done(job, part) is not None:
        return  # another worker was faster, which had taken this one for dead
    place = Place.of(job, part)
    place.output.unlink(missing_ok=True)
    note = {"source": source._asdict(), "bytes": made.stat().st_size, "counts": counts._asdict()}
    with replacing(place.note) as temporary:
        srsly.write_json(temporary, note)


def tried(job: Job, part: Part) -> int:
    """Count how often a part was begun in this run.

    job (Job): What is asked for.
    part (Part): The part, which is about to be begun.
    RETURNS (int): How often, with this time.
    """
    path = Place.of(job, part).tries
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(b".")
    return path.stat().st_size


@contextmanager
def working(job: Job) -> Iterator[None]:
    """Take the output folder for a job; no other run works on it meanwhile.

    job (Job): The job.
    RAISES (PartError): If another run has it, or what is there was made by another pipeline or otherwise.
    """
    notes = job.output / NOTES
    notes.mkdir(parents=True, exist_ok=True)
    flags = portalocker.LOCK_EX | portalocker.LOCK_NB
    lock = portalocker.Lock(notes / LOCK, "a", flags=flags, timeout=0)
    try:
        lock.acquire()
    except portalocker.exceptions.AlreadyLocked as error:
        raise PartError(
            f"Another run writes to {job.output}. Wait for its end, or give another folder."
        ) from error
    except portalocker.exceptions.LockException as error:  # the file system has no locks
        tqdm.write(
            f"{job.output} can't be locked ({error}). See to it that no other run writes there.", sys.stderr
        )
    try:
        _require_same(job, notes / "job.json")
        yield
    finally:
        lock.release()


def _require_same(job: Job, path: Path) -> None:
    """Insist that what is in the output folder was made in the same way."""
    own = {
        "pipeline": job.digest,
        "--text-field": job.text_field,
        "--entities-field": job.entities_field,
        "--max-chars": job.max_chars,
        "a GPU": job.gpu_id >= 0,
        **{f"version of {name}": version(name) for name in VERSIONS},
    }
    try:
        before = srsly.read_json(path)
    except ValueError:  # there is none, or it was damaged
        if (job.output / REJECTED).exists():
            raise PartError(
                f"{job.output / REJECTED} is there already, and not from a run of this command. Give another "
                "folder as --output, or take the file away."
            ) from None
        before = {}
    other = [what for what in own if before.get(what) != own[what]]
    if before and other and any(each != path for each in path.parent.rglob("*.json")):
        what = ", ".join(f"{what} was {before.get(what)} and is {own[what]}" for what in other)
        raise PartError(
            f"What is in {job.output} was made otherwise: {what}. Give another folder as --output, or what "
            "was given before; to begin anew, remove the folder."
        )
    with replacing(path) as temporary:
        srsly.write_json(temporary, own)


def model_digest(model: str) -> str:
    """Know a pipeline again.

    model (str): A folder or the name of a package.
    RETURNS (str): A digest of all its files.
    """
    folder = get_package_path(model) if is_package(model) else Path(model)
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"):
        digest.update(path.relative_to(folder).as_posix().encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def clear_away(job: Job, parts: Sequence[Part]) -> None:
    """Remove what killed workers have left behind: files that are not whole, under names of nobody's.

    job (Job): The job, whose folder is taken.
    parts (Sequence[Part]): Its parts.
    """
    places = [Place.of(job, part) for part in parts]
    own: Dict[Path, Set[str]] = {}
    for path in (path for place in places for path in place):
        own.setdefault(path.parent, set()).add(path.name)
    for folder, names in own.items():
        for left in folder.iterdir() if folder.is_dir() else ():
            of = TEMPORARY.fullmatch(left.name)
            if (of and of[1] in names) or (left.name in names and left.name.endswith(TRIES)):
                left.unlink(missing_ok=True)


def gather_rejected(job: Job) -> Optional[Path]:
    """Write the rejected rows of all parts that are done, in this run or before, to one file.

    job (Job): The job.
    RETURNS (Optional[Path]): The file; None if there are none.
    """
    path = job.output / REJECTED
    notes = job.output / NOTES
    every = [each for each in sorted(notes.rglob(f"*.{REJECTED}")) if each.stat().st_size]
    made = [job.output / str(each.relative_to(notes)).removesuffix(f".{REJECTED}") for each in every]
    own = [each for each, output in zip(every, made, strict=True) if output.exists()]
    if not own:
        path.unlink(missing_ok=True)
        return None
    with replacing(path) as temporary, temporary.open("wb") as file:
        for each in own:
            with each.open("rb") as rows:
                shutil.copyfileobj(rows, file)
    return path


def rejected_line(part: Part, number: int, reason: str) -> str:
    """RETURNS (str): What is kept of a row that could not be annotated."""
    file = os.fspath(part.source.absolute())  # the same from wherever it is annotated
    return json.dumps({"file": file, "line": number, "reason": reason}, ensure_ascii=False)
