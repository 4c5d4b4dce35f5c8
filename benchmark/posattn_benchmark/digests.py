"""What the code of each kind of command is: a digest for every file of ours that its entry points import.

weasel runs a command again when a file has changed that it depends on. It is told of the code by one file for
each kind of command, which is written anew before the command runs.
"""

import hashlib
from importlib.metadata import entry_points
from pathlib import Path
from typing import Iterator, List, Set

import grimp

from posattn_spacy.writing import replacing

LIBRARY, BENCHMARK, SCRIPTS = "posattn_spacy", "posattn_benchmark", "scripts"
# Folders of the packages, seen from the project.
FOLDERS = {LIBRARY: Path(), BENCHMARK: Path("benchmark"), SCRIPTS: Path()}
KINDS = ("encoder", "corpus", "train", "benchmark", "cost", "package", "smoke")
PIPELINES = ("train", "benchmark", "cost")  # spaCy imports what is registered by its name
WHEEL = ("package",)  # the whole library goes into its wheel


def write_digests(project: Path, folder: Path) -> List[Path]:
    """Write a file for each kind of command, where something has changed.

    project (Path): The project's folder, importable from where this runs.
    folder (Path): For the files.
    RETURNS (List[Path]): The files that were written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written: List[Path] = []
    for kind in KINDS:
        path, listing = folder / f"{kind}.txt", listing_of(kind, project)
        if not path.is_file() or path.read_text(encoding="utf-8") != listing:
            with replacing(path) as temporary:
                temporary.write_text(listing, encoding="utf-8")
            written.append(path)
    return written


def listing_of(kind: str, project: Path) -> str:
    """List the files that the code of a command consists of.

    kind (str): One of `KINDS`; its entry point is the script of that name.
    project (Path): The project's folder.
    RETURNS (str): Digest and path of each, a line each.
    """
    graph = grimp.build_graph(LIBRARY, BENCHMARK, SCRIPTS, cache_dir=None)
    starts = {f"{SCRIPTS}.{kind}", *(_registered() if kind in PIPELINES else ())}
    modules: Set[str] = starts.union(*map(graph.find_upstream_modules, starts))
    files = {_file_of(module, project) for module in modules}
    if kind in WHEEL:
        files |= set(_wheel_files(project))
    digests = {path.relative_to(project).as_posix(): _hexadecimal(path.read_bytes()) for path in files}
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))


def _registered() -> Iterator[str]:
    """Our modules that spaCy finds by the names in a config."""
    for group in entry_points().groups:
        if group.startswith("spacy_") and group != "spacy_cli":
            yield from (p.module for p in entry_points(group=group) if p.module.split(".")[0] in FOLDERS)


def _file_of(module: str, project: Path) -> Path:
    """The file of a module; of a package, the one that is run when it is imported."""
    path = project.joinpath(FOLDERS[module.split(".")[0]], *module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _wheel_files(project: Path) -> Iterator[Path]:
    yield from (project / name for name in ("setup.cfg", "pyproject.toml", "LICENSE"))
    for path in (project / LIBRARY).rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            yield path


def _hexadecimal(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()
