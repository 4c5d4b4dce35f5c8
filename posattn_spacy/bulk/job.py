"""What is asked for, and what of it is done, kept beside the files: a run goes on where it was stopped."""

import hashlib
import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, NamedTuple, Optional, Sequence

import portalocker
import srsly
from spacy.util import get_package_path, is_package

from ..writing import replacing
from .parts import REJECTED, Part, PartError

NOTES = ".annotated"  # folder in the output, with what is known of it


class Job(NamedTuple):
    """What is asked for, beside the parts; it travels to all who work on it.

    model (str): The pipeline, a folder or the name of a package.
    output (Path): Folder for what the parts become.
    text_field (str): Where JSONL and Parquet have the text.
    entities_field (str): Where they get the entities.
    max_chars (int): Longer texts are rejected.
    threads (int): With how many threads each worker works.
    gpu_id (int): Its GPU; -1 for none.
    """

    model: str
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
        endings = ".json", f".{REJECTED}", ".tries"
        return cls(job.output / part.name, *(note.with_name(f"{note.name}{ending}") for ending in endings))


def done(job: Job, part: Part) -> Optional[Counts]:
    """Find out whether a part is done.

    job (Job): What is asked for.
    part (Part): The part.
    RETURNS (Optional[Counts]): What came of it; None if it is to be annotated yet, because it was not or has
        changed since.
    RAISES (PartError): If there is something else where it is to be written.
    """
    place = Place.of(job, part)
    if not place.output.exists():
        return None
    if not place.note.is_file():
        raise PartError(
            f"{place.output} is there already, and not from a run of this command. Give another folder as "
            "--output, or take the file away."
        )
    note = srsly.read_json(place.note)
    return Counts(**note["counts"]) if note["source"] == _state(part.source) else None


def finish(job: Job, part: Part, counts: Counts) -> None:
    """Note what came of a part, just before it gets its name.

    job (Job): What was asked for.
    part (Part): The part.
    counts (Counts): What came of it.
    """
    with replacing(Place.of(job, part).note) as temporary:
        srsly.write_json(temporary, {"source": _state(part.source), "counts": counts._asdict()})


def _state(source: Path) -> Dict[str, Any]:
    """By what it is seen that a file has changed."""
    about = source.stat()
    return {"path": str(source.resolve()), "bytes": about.st_size, "changed": about.st_mtime_ns}


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
    try:
        with portalocker.Lock(
            notes / "lock", "a", flags=portalocker.LOCK_EX | portalocker.LOCK_NB, timeout=0
        ):
            _require_same(job, notes / "job.json")
            yield
    except portalocker.exceptions.LockException as error:
        raise PartError(
            f"Another run writes to {job.output}. Wait for its end, or give another folder."
        ) from error


def _require_same(job: Job, path: Path) -> None:
    """Insist that what is in the output folder was made in the same way."""
    ways = job.text_field, job.entities_field, job.max_chars
    own = {"model": model_digest(job.model), "options": list(ways)}
    if path.is_file() and srsly.read_json(path) != own:
        what = "another pipeline" if srsly.read_json(path)["model"] != own["model"] else "other options"
        raise PartError(
            f"What is in {job.output} was made with {what}. Give another folder as --output, or the "
            "pipeline and the options of before."
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
    for part in parts:
        place = Place.of(job, part)
        place.tries.unlink(missing_ok=True)
        for path in place:
            for left in path.parent.glob(f".{glob_escape(path.name)}.????????"):
                left.unlink(missing_ok=True)


def glob_escape(name: str) -> str:
    """RETURNS (str): A pattern that matches a name alone."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)


def gather_rejected(job: Job, parts: Sequence[Part]) -> Optional[Path]:
    """Write the rejected rows of all parts that are done to one file.

    job (Job): The job.
    parts (Sequence[Part]): Its parts.
    RETURNS (Optional[Path]): The file; None if there are none.
    """
    path = job.output / REJECTED
    every = [Place.of(job, part).rejected for part in parts]
    own = [each for each in every if each.is_file() and each.stat().st_size]
    if not own:
        path.unlink(missing_ok=True)
        return None
    with replacing(path) as temporary, temporary.open("wb") as file:
        for each in own:
            with each.open("rb") as rows:
                while block := rows.read(1 << 20):
                    file.write(block)
    return path


def rejected_line(part: Part, number: int, reason: str) -> str:
    """RETURNS (str): What is kept of a row that could not be annotated."""
    return json.dumps({"file": os.fspath(part.source), "line": number, "reason": reason}, ensure_ascii=False)
