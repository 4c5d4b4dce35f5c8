"""The files that are annotated, each a part of the work, and the file that each one becomes."""

import glob
import os
from collections import Counter
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

# What is read, by the endings of files, and what is written.
KINDS = {".txt": "txt", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".spacy": "spacy"}
REJECTED = "rejected.jsonl"  # the file for rows that can't be annotated
NOTES = ".annotated"  # folder in the output, with what is known of it
FORMATS = {"jsonl": ".jsonl", "parquet": ".parquet", "spacy": ".spacy"}


class PartError(ValueError):
    """Files that can't be annotated, or not like this."""


class BrokenWorkerError(PartError):
    """A worker that can't go on, whatever it is given."""


class Part(NamedTuple):
    """A file to be annotated.

    source (Path): The file.
    kind (str): A value of `KINDS`.
    name (str): Of the file that is written, seen from the folder for all of them.
    to (str): What that is, one of `FORMATS`.
    """

    source: Path
    kind: str
    name: str
    to: str


class Inputs(NamedTuple):
    """What there is to do.

    parts (List[Part]): The files, in order of their names.
    left_out (Dict[str, int]): How many other files there are in folders that were given, by their endings.
    """

    parts: List[Part]
    left_out: Dict[str, int]


def find_parts(inputs: Sequence[str], to: Optional[str] = None, output: Optional[Path] = None) -> Inputs:
    """Find the files to be annotated, and name what they become.

    A file keeps its name. What lies in a folder, or is found by a pattern, keeps the folders below.

    inputs (Sequence[str]): Files, folders, and patterns such as `"texts/**/*.jsonl"`.
    to (Optional[str]): What they become, one of `FORMATS`; None for what they are, or JSONL in place of text.
    output (Optional[Path]): A folder in which none are looked for.
    RETURNS (Inputs): The files.
    RAISES (PartError): If there are none, or two of them would become one.
    RAISES (OSError): If a folder can't be read.
    """
    parts: Dict[str, Part] = {}
    left_out: Counter[str] = Counter()
    results = None if output is None else output.resolve()
    for source, below in _unique(_found(inputs, left_out, results)):
        kind = KINDS[source.suffix.lower()]
        own = to or (kind if kind in FORMATS else "jsonl")
        part = Part(
            source, kind, below.as_posix() if own == kind else f"{below.as_posix()}{FORMATS[own]}", own
        )
        if part.name == REJECTED:
            raise PartError(f"{source}: this name is that of the list of rejected rows. Rename the file.")
        other = parts.setdefault(part.name, part)
        if other != part:
            raise PartError(
                f"{other.source} and {source} would both be written to {part.name}. Give the folder that "
                "both are in, so that they keep the folders below it, or give each an --output of its own."
            )
    return Inputs([parts[name] for name in sorted(parts)], dict(left_out))


def _unique(found: Iterable[Tuple[Path, Path]]) -> Iterator[Tuple[Path, Path]]:
    seen = set()
    for source, below in found:
        if source.resolve() not in seen:
            seen.add(source.resolve())
            yield source, below


def _found(
    inputs: Sequence[str], left_out: Counter[str], results: Optional[Path]
) -> Iterator[Tuple[Path, Path]]:
    """Files, each with its path below what was given; what lies in `results`, a resolved folder, is none."""
    for given in inputs:
        path = Path(given)
        if path.is_dir() and (path / NOTES).is_dir() and _is_result(path.resolve(), results):
            continue  # as a shell gives it for texts/*
        if path.is_dir():
            files = _in_folder(path, path, left_out, results)
            missing = f"There is no {_endings()} file in the folder {path}."
        elif path.exists():
            if path.suffix.lower() not in KINDS:
                raise PartError(
                    f"{path}: only {_endings()} files can be annotated. Convert it to one of them."
                )
            files, missing = [(path, Path(path.name))], ""
        else:
            files = _matching(given, left_out, results)
            missing = f"There is no file {given}, and as a pattern it matches no {_endings()} file."
        if not files:
            raise PartError(f"{missing} Check the path.")
        yield from sorted(files)


def _matching(pattern: str, left_out: Counter[str], results: Optional[Path]) -> List[Tuple[Path, Path]]:
    root = _fixed(pattern)
    files: List[Tuple[Path, Path]] = []
    for match in map(Path, glob.glob(pattern, recursive=True)):
        if _is_result(match.resolve(), results):
            continue
        if match.is_dir():
            files += _in_folder(match, root, left_out, results)
        elif match.suffix.lower() in KINDS:
            files.append((match, match.relative_to(root)))
        else:
            left_out[match.suffix or match.name] += 1
    return files


def _is_result(real: Path, results: Optional[Path]) -> bool:
    """Whether a resolved path is in the folder for the results, or that folder."""
    return results is not None and real.is_relative_to(results)


def _in_folder(
    folder: Path, root: Path, left_out: Counter[str], results: Optional[Path]
) -> List[Tuple[Path, Path]]:
    """The files below a folder, also by links, but for hidden ones and what lies in the output."""
    files, visited = [], {folder.resolve()}
    for place, folders, names in os.walk(folder, onerror=_raise, followlinks=True):
        here = Path(place)
        below = {name: (here / name).resolve() for name in folders if not name.startswith(".")}
        folders[:] = [
            name for name, real in below.items() if real not in visited and not _is_result(real, results)
        ]
        visited.update(below.values())
        hidden = {REJECTED} if (here / NOTES).is_dir() else set()  # of results of an earlier run
        for path in (here / name for name in names if not name.startswith(".") and name not in hidden):
            if path.suffix.lower() in KINDS:
                files.append((path, path.relative_to(root)))
            else:
                left_out[path.suffix or path.name] += 1
    return files


def _raise(error: OSError) -> None:
    raise error


def _fixed(pattern: str) -> Path:
    """The folder of a pattern, as far as it is no pattern."""
    folders = []
    for name in Path(pattern).parts[:-1]:
        if glob.has_magic(name):
            break
        folders.append(name)
    return Path(os.path.join(*folders)) if folders else Path()


def _endings() -> str:
    return ", ".join(sorted(KINDS))
