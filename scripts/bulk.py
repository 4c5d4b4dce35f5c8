"""Measure what `posattn annotate` costs, as far as that is missing, and show what was found."""

import sys
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any, Dict, List

import srsly
import typer
from posattn_benchmark.bulk.measuring import ENGINES, THREADS, WAYS
from posattn_benchmark.bulk.page import HEADER, PAGE, bulk_markdown, core_hours, table
from posattn_benchmark.pages import fill_page
from posattn_benchmark.processes import run
from posattn_benchmark.provenance import origin
from wasabi import msg

from posattn_spacy.writing import replacing

FIGURES = Path("metrics/bulk.json")
OUTPUTS = Path("training/bulk")
REPEATS = 3  # in turn


def main(
    model: Annotated[Path, typer.Argument(help="The trained pipeline")],
    corpus: Annotated[Path, typer.Argument(help="A .spacy file, whose sentences the texts are made of")],
    anew: Annotated[bool, typer.Option("--anew", help="Measure again what was measured before")] = False,
    page: Annotated[Path | None, typer.Option(help="Page to put the tables into")] = None,
) -> None:
    """Measure what is missing; it goes on where it was stopped."""
    figures: Dict[str, List[Dict[str, Any]]] = defaultdict(list)
    if FIGURES.is_file() and not anew:
        figures.update(srsly.read_json(FIGURES))
    wanted = [*(name for _ in range(REPEATS) for name in (*WAYS, *ENGINES)), "memory"]
    OUTPUTS.mkdir(parents=True, exist_ok=True)
    for position, what in enumerate(wanted):
        if len(figures[what]) > wanted[:position].count(what):
            continue
        taken, log = OUTPUTS / "figures.json", OUTPUTS / f"{position}.txt"
        msg.info(f"{what}: its output is in {log}")
        measuring = [sys.executable, "-m", "posattn_benchmark.bulk.measuring"]
        run([*measuring, what, str(model), str(corpus), str(taken)], THREADS, log)
        figures[what].append({**srsly.read_json(taken), "made": origin(Path())})
        with replacing(FIGURES) as temporary:
            srsly.write_json(temporary, figures)
    for header, rows in ((HEADER, table(figures)), core_hours(figures)):
        msg.table(rows, header=header, divider=True)
    if page is not None:
        fill_page(page, PAGE, bulk_markdown(figures))
        msg.good(f"Figures written to {page}")


if __name__ == "__main__":
    typer.run(main)
