"""`posattn annotate`: more text than one would hold in memory."""

import os
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, List, Optional

import typer
from wasabi import msg

from ..telling import told
from .shared import GpuId

if TYPE_CHECKING:
    from ..bulk.annotate import Summary
    from ..bulk.engines import Engine

SHOWN = 5  # failed parts
REJECTED = 3  # exit status where all was done, but for some rows
INTERRUPTED = 130


class EngineName(StrEnum):
    """Who annotates."""

    local = "local"
    ray = "ray"


class Format(StrEnum):
    """What is written."""

    jsonl = "jsonl"
    parquet = "parquet"
    spacy = "spacy"


def annotate_files(
    model: Annotated[str, typer.Argument(help="A pipeline: a folder, or the name of a package")],
    inputs: Annotated[
        List[str],
        typer.Argument(
            help="Files, folders or quoted patterns: .txt (a text a line), .jsonl, .parquet, .spacy"
        ),
    ],
    output: Annotated[Path, typer.Option(help="Folder for the annotated files")],
    to: Annotated[Optional[Format], typer.Option(help="What is written; by default what was read")] = None,
    text_field: Annotated[str, typer.Option(help="Where JSONL and Parquet have the text")] = "text",
    entities_field: Annotated[str, typer.Option(help="Where they get the entities")] = "entities",
    max_chars: Annotated[int, typer.Option(min=1, help="Longer texts are rejected")] = 1_000_000,
    engine: Annotated[EngineName, typer.Option(help="Processes of this machine, or Ray")] = EngineName.local,
    n_process: Annotated[int, typer.Option(min=1, help="How many processes, or actors of Ray")] = 1,
    threads: Annotated[
        Optional[int],
        typer.Option(min=1, help="Threads of each; by default its share of the cores, with Ray 1"),
    ] = None,
    address: Annotated[Optional[str], typer.Option(help="Of a Ray cluster; else Ray is started here")] = None,
    gpu_id: GpuId = -1,
) -> None:
    """Annotate any number of files, and go on where a run was stopped.

    Each file becomes one of the same name in the output folder, when it is
    whole. Rows that can't be annotated are listed in rejected.jsonl. Exit
    status: 0 if all was annotated, 3 if some rows were not, 1 if some files
    were not.
    """
    from ..bulk.annotate import annotate
    from ..bulk.job import Job, model_digest
    from ..bulk.parts import PartError, find_parts

    if address is not None and engine is EngineName.local:
        msg.fail("--address is that of a Ray cluster: give --engine ray as well.", exits=1)
    if text_field == entities_field:
        msg.fail("Texts and entities can't be in one field. Give another name as --entities-field.", exits=1)
    with told(PartError, OSError):
        parts, left_out = find_parts(inputs, to.value if to else None, output)
    if left_out:
        endings = ", ".join(f"{count:,} {ending}" for ending, count in sorted(left_out.items()))
        msg.info(f"Files of other kinds are left out: {endings}")
    _insist_pipeline(model)
    if len(parts) < n_process:
        msg.info(
            f"{len(parts)} files keep no more than {len(parts)} of {n_process} processes busy.",
            "Cut large ones into several, for example: split --lines 100000 --additional-suffix .jsonl",
        )
    share = 1 if engine is EngineName.ray else max(1, _cores() // n_process)
    options = text_field, entities_field, max_chars, threads or share, gpu_id
    job = Job(model, model_digest(model), output, *options)
    try:
        with told(PartError, OSError):
            summary = annotate(job, parts, _engine(engine, n_process, address))
    except KeyboardInterrupt:
        msg.warn("Stopped. The same command goes on where it was.")
        raise typer.Exit(INTERRUPTED) from None
    _show(summary, output)
    if summary.failed:
        raise typer.Exit(1)
    if summary.counts.rejected:
        raise typer.Exit(REJECTED)


def _cores() -> int:
    """How many cores this process may use, which on a shared machine are not all there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _engine(name: EngineName, n: int, address: Optional[str]) -> "Engine":
    if name is EngineName.ray:
        with told(ImportError, remedy='Install Ray: pip install "posattn-spacy[ray]"'):
            import ray.data  # noqa: F401
        from ..bulk.on_ray import on_ray

        return partial(on_ray, n=n, address=address)
    if n > 1:
        from ..bulk.local import in_processes

        return partial(in_processes, n=n)
    from ..bulk.engines import in_this_process

    return in_this_process


def _insist_pipeline(model: str) -> None:
    from spacy.util import is_package

    if not is_package(model) and not (Path(model) / "meta.json").is_file():
        msg.fail(f"There is no pipeline {model}: it is neither a folder with one nor a package.", exits=1)


def _show(summary: "Summary", output: Path) -> None:
    counts = summary.counts
    rows = [
        ("files that are annotated", f"{summary.parts:,}"),
        ("of them done before", f"{summary.before:,}"),
        ("texts", f"{counts.rows:,}"),
        ("words", f"{counts.words:,}"),
        ("entities", f"{counts.entities:,}"),
        ("rows that can't be annotated", f"{counts.rejected:,}"),
        ("files that can't be annotated", f"{len(summary.failed):,}"),
    ]
    msg.table(rows, aligns=("l", "r"))
    for source, why in list(summary.failed.items())[:SHOWN]:
        msg.fail(f"{source}: {why}" if source not in why else why)
    if summary.rejected is not None:
        msg.warn(f"{counts.rejected:,} rows can't be annotated; {summary.rejected} has the reasons")
    if not summary.failed and counts.rejected and not counts.rows:
        msg.fail("No row could be annotated. Does --text-field say where the text is?")
    elif not summary.failed:
        msg.good(f"Written to {output}")
