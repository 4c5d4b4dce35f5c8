"""`python -m stress ROW` runs a row, `all` those that are not through, `table` writes docs/reliability.md."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # read when the hub's client is first imported

import shutil
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Annotated, Optional

import typer
from wasabi import msg

from processes import ROOT

from . import record
from .rows import ROWS, Row
from .running import NotReady, Outcome, Setting, one_thread

STRESS_JSON = ROOT / "metrics" / "stress.json"
PAGE = ROOT / "docs" / "reliability.md"
PIPELINE = ROOT / "training" / "posattn" / "file-order" / "0" / "model-best"
DEV = ROOT / "corpus" / "file-order" / "dev.spacy"


def main(
    row: Annotated[str, typer.Argument(help=f"One of {', '.join(ROWS)}, or `all`, or `table`")],
    reach: Annotated[Optional[int], typer.Option(min=1, help="How far, instead of all the way")] = None,
    again: Annotated[bool, typer.Option(help="Begin anew, also where a row is through")] = False,
    pipeline: Annotated[
        Path, typer.Option(envvar="POSATTN_STRESS_PIPELINE", help="A pipeline trained on GMB")
    ] = PIPELINE,
    dev: Annotated[Path, typer.Option(envvar="POSATTN_STRESS_DEV", help="Its dev documents")] = DEV,
) -> None:
    """Put the package through what docs/reliability.md says, and write down what came of it."""
    if row == "table":
        record.fill_page(PAGE, record.read(STRESS_JSON))
        msg.good(f"Table written to {PAGE}")
    elif row == "all":
        options = [*(["--again"] if again else []), *(["--reach", str(reach)] if reach else [])]
        left = [name for name in ROWS if again or not record.is_through(record.read(STRESS_JSON), name)]
        for name in left:  # each in a process of its own
            command = [sys.executable, "-m", "stress", name, *options]
            subprocess.run([*command, f"--pipeline={pipeline}", f"--dev={dev}"], check=False)
    elif row in ROWS:
        run(row, reach or ROWS[row].reach, again, pipeline, dev)
    else:
        msg.fail(f"There is no row {row!r}. The rows are {', '.join(ROWS)}.", exits=1)


def run(name: str, reach: int, again: bool, pipeline: Path, dev: Path) -> None:
    """Run one row, going on from where it was killed."""
    one_thread()
    msg.divider(f"{name}: {reach:,} {ROWS[name].unit}")
    folder = ROOT / "metrics" / "stress" / f"{name}-{reach}"
    if again:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    setting = Setting(reach, folder, True, pipeline, dev)
    kept = setting.kept()
    started = time.monotonic() - (kept.seconds if kept else 0)
    try:
        outcome = attempt(ROWS[name], setting)
    except NotReady as error:
        msg.warn(f"{name} can't be run", str(error), exits=1)
    record.write(STRESS_JSON, name, outcome, time.monotonic() - started)
    record.fill_page(PAGE, record.read(STRESS_JSON))
    (msg.good if outcome.held else msg.fail)(f"{name}: {outcome.figures}", outcome.reason)
    if outcome.reach:
        shutil.rmtree(folder)
    if not outcome.held:
        raise typer.Exit(1)


def attempt(row: Row, setting: Setting) -> Outcome:
    """RETURNS (Outcome): What a row came to; if it could not be run to its end, the reason."""
    try:
        return row.load()(setting)
    except NotReady:
        raise
    except Exception as error:
        traceback.print_exc()
        reason = f"{type(error).__name__}: {error}".replace(str(ROOT), ".")
        return Outcome(0, False, {}, " ".join(reason.split()))


if __name__ == "__main__":
    typer.run(main)
