"""What the rows came to, in metrics/stress.json, and the table of docs/reliability.md."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any, Dict

import torch
from posattn_benchmark.pages import fill_page as fill
from posattn_benchmark.pages import markdown_table
from posattn_benchmark.provenance import processor

from posattn_spacy.precision import bfloat16_is_fast

from .rows import ROWS
from .running import Outcome, write_json

RELIABILITY = ("<!-- RELIABILITY: written by `make stress` -->", "<!-- END OF RELIABILITY -->")
HEADER = ("what", "asked for", "done", "result", "held", "minutes", "processor")
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
        "processor": processor(),
        "bfloat16": bfloat16_is_fast(torch.device("cpu")),
        "version": version("posattn-spacy"),
    }
    record[name] = entry
    write_json(path, {row: record[row] for row in ROWS if row in record})


def is_through(record: Record, name: str) -> bool:
    """RETURNS (bool): Whether a row was run as far as it is asked to."""
    return name in record and record[name]["reach"] >= ROWS[name].reach


def table(record: Record) -> str:
    """RETURNS (str): The table, in Markdown; rows that were not run are shown as such."""
    rows = []
    for name, row in ROWS.items():
        asked = f"{row.reach:,} {row.unit}"
        entry = record.get(name)
        if entry is None:
            rows.append((row.what, asked, "", "not run yet", "–", "", ""))
            continue
        result = ", ".join(f"{name} {shown(value)}" for name, value in entry["figures"].items())
        reason = f". {entry['reason']}" if entry["reason"] and not entry["held"] else ""
        held = "✗" if not entry["held"] else "✓" if is_through(record, name) else "–"
        minutes = f"{entry['seconds'] / 60:.0f}"
        rows.append(
            (row.what, asked, f"{entry['reach']:,}", f"{result}{reason}", held, minutes, entry["processor"])
        )
    return markdown_table(HEADER, [tuple(cell.replace("|", "\\|") for cell in cells) for cells in rows])


def fill_page(page: Path, record: Record) -> None:
    """Put the table into docs/reliability.md."""
    fill(page, RELIABILITY, table(record))


def shown(value: Any) -> str:
    """RETURNS (str): A figure for people."""
    return f"{value:,.10g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)
