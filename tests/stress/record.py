"""What the rows came to, in metrics/stress.json, and the table of docs/reliability.md."""

import json
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

import torch
from posattn_benchmark.pages import fill_page as fill
from posattn_benchmark.pages import markdown_table
from posattn_benchmark.provenance import origin

from posattn_spacy.precision import bfloat16_is_fast

from .rows import ROWS
from .running import Outcome, write_json

RELIABILITY = ("<!-- RELIABILITY: written by `make stress` -->", "<!-- END OF RELIABILITY -->")
HEADER = ("what", "done", "result", "held")
Record = Dict[str, Dict[str, Any]]


def read(path: Path) -> Record:
    """RETURNS (Record): What rows came to, by their names."""
    record: Record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return record


def write(path: Path, name: str, outcome: Outcome, seconds: float) -> None:
    """Write down what a row came to, unless it went as it should and went farther before."""
    record = read(path)
    if outcome.held and name in record and record[name]["reach"] > outcome.reach:
        return
    entry = {
        **outcome._asdict(),
        "seconds": round(seconds),
        **origin(Path(__file__).parents[2]),
        "bfloat16": bfloat16_is_fast(torch.device("cpu")),
    }
    record[name] = entry
    write_json(path, {row: record[row] for row in ROWS if row in record})


def is_through(record: Record, name: str) -> bool:
    """RETURNS (bool): Whether a row was run as far as it is asked to."""
    return name in record and record[name]["reach"] >= ROWS[name].reach


def table(record: Record) -> str:
    """RETURNS (str): The table, in Markdown; rows that were not run are shown as such."""
    rows = [(row.what, *_outcome(name, record.get(name))) for name, row in ROWS.items()]
    return markdown_table(HEADER, [tuple(cell.replace("|", "\\|") for cell in cells) for cells in rows])


def where(record: Record) -> str:
    """RETURNS (str): How long all rows took, and on which processors."""
    minutes = sum(entry["seconds"] for entry in record.values()) / 60
    processors = sorted({entry["processor"] for entry in record.values()})
    return f"All rows took {minutes:.0f} minutes, on: {', '.join(processors)}."


def fill_page(page: Path, record: Record) -> None:
    """Put the table into docs/reliability.md."""
    fill(page, RELIABILITY, f"{table(record)}\n\n{where(record)}")


def _outcome(name: str, entry: Optional[Dict[str, Any]]) -> Tuple[str, str, str]:
    """How far a row was run, what came of it, and whether it held."""
    asked = f"{ROWS[name].reach:,} {ROWS[name].unit}"
    if entry is None:
        return f"0 of {asked}", "not run yet", "–"
    done = f"{entry['reach']:,} {ROWS[name].unit}"
    reason = f". {entry['reason']}" if entry["reason"] and not entry["held"] else ""
    result = ", ".join(figure(of, value) for of, value in entry["figures"].items())
    through = entry["reach"] >= ROWS[name].reach
    held = "✗" if not entry["held"] else "✓" if through else "–"
    return done if through else f"{entry['reach']:,} of {asked}", f"{result}{reason}", held


def figure(name: str, value: Any) -> str:
    """RETURNS (str): A figure for people; what stands before a comma in its name is its unit."""
    *unit, what = name.split(", ", 1)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return " ".join([what, f"{value:,.10g}" if number else str(value), *unit])
