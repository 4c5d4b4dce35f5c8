"""The files that are annotated, each a part of the work, and the file that each one becomes."""

import glob
import os
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, NamedTuple, Sequence, Tuple

# What is read, by the endings of files, and what is written.
KINDS = {".txt": "txt", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".spacy": "spacy"}
REJECTED = "rejected.jsonl"  # the file for rows that can't be annotated
FORMATS = {"jsonl": ".jsonl", "parquet": ".parquet", "spacy": ".spacy"}


class PartError(ValueError):
    """Files that can't be annotated, or not like this."""


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


def find_parts(inputs: Sequence[str], to: str | None = None) -> List[Part]:
    """Find the files to be annotated, and name what they become.

    A file keeps its name. What lies in a folder, or is found by a pattern, keeps the folders below.

    inputs (Sequence[str]): Files, folders, and patterns such as `"texts/**/*.jsonl"`.
    to (str | None): What they become, one of `FORMATS`; None for what they are, or JSONL in place of text.
    RETURNS (List[Part]): The files, in order of their names.
    RAISES (PartError): If there are none, or two of them would become one.
    """
    parts: Dict[str, Part] = {}
    for source, below in _unique(_found(inputs)):
        kind = KINDS[source.suffix.lower()]
        own = to or (kind if kind in FORMATS else "jsonl")
        same = own == kind
        part = Part(source, kind, below.as_posix() if same else f"{below.as_posix()}{FORMATS[own]}", own)
        if part.name == REJECTED:
            raise PartError(f"{source}: this name is that of the list of rejected rows. Rename the file.")
        other = parts.setdefault(part.name, part)
        if other != part:
            raise PartError(
                f"{other.source} and {source} would both be written to {part.name}. Give the folder that "
                "both are in, so that they keep the folders below it, or annotate them one after another."
            )
    return [parts[name] for name in sorted(parts)]


def _unique(found: Iterable[Tuple[Path, Path]]) -> Iterator[Tuple[Path, Path]]:
    seen = set()
    for source, below in found:
        if source.resolve() not in seen:
            seen.add(source.resolve())
            yield source, below


def _found(inputs: Sequence[str]) -> Iterator[Tuple[Path, Path]]:
    """Files, each with its path below what was given."""
    for given in inputs:
        path = Path(given)
        if path.is_dir():
            files = [(file, file.relative_to(path)) for file in path.rglob("*") if _is_one(file, path)]
            missing = f"There is no {_endings()} file in the folder {path}."
        elif path.exists():
            if path.suffix.lower() not in KINDS:
                raise PartError(
                    f"{path}: only {_endings()} files can be annotated. Convert it to one of them."
                )
            files, missing = [(path, Path(path.name))], ""
        else:
            root = _fixed(given)
            matches = (Path(match) for match in glob.glob(given, recursive=True))
            files = [(match, match.relative_to(root)) for match in matches if _is_one(match, root)]
            missing = f"There is no file {given}, and as a pattern it matches no {_endings()} file."
        if not files:
            raise PartError(f"{missing} Check the path.")
        yield from sorted(files)


def _is_one(file: Path, root: Path) -> bool:
    """Whether a file is of a kind that is read, and not hidden."""
    hidden = any(name.startswith(".") for name in file.relative_to(root).parts)
    return file.suffix.lower() in KINDS and file.is_file() and not hidden


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
