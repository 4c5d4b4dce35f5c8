"""Train and measure the seeds that are missing, and put what all of them give into the README."""

import json
from pathlib import Path
from typing import Annotated

import srsly
import typer
from posattn_benchmark.gmb.locate import sample_mark
from posattn_benchmark.pages import figures_folder, fill_page
from posattn_benchmark.results import (
    ACCURACY,
    ACCURACY_GOALS,
    CONFIDENCE,
    CONFIDENCE_GOALS,
    GOAL_HEADER,
    SYSTEM_HEADER,
    SYSTEMS,
    accuracy_markdown,
    confidence_markdown,
    goal_rows,
    may_stand_in_readme,
    planned_runs,
    read_run,
    system_rows,
    systems_markdown,
)
from posattn_benchmark.runs import make, missing_steps
from wasabi import msg

from posattn_spacy.telling import insist_writable
from posattn_spacy.writing import replacing


def main(
    metrics: Annotated[Path, typer.Argument(help="Folder for the figures, by corpus and encoder")],
    account: Annotated[Path, typer.Option(help="The corpus.json of the converted corpus")] = Path(
        "corpus/corpus.json"
    ),
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds of each training")] = 3,
    encoder: Annotated[str, typer.Option(help="Name of the encoder")] = "all-MiniLM-L6-v2",
    lang: Annotated[str, typer.Option(help="Language of the corpus")] = "en",
    gpu_id: Annotated[int, typer.Option(help="GPU to use, -1 for CPU")] = -1,
    readme: Annotated[Path | None, typer.Option(help="README to put the table of systems into")] = None,
    docs: Annotated[Path, typer.Option(help="Folder of accuracy.md and confidence.md")] = Path("docs"),
    published: Annotated[Path, typer.Option(help="Published figures to show beside ours")] = Path(
        "assets/published.json"
    ),
) -> None:
    """Make what is missing, print the tables, and write JSON, README and pages."""
    corpus = srsly.read_json(account)
    mark = sample_mark(corpus["kind"])
    output = figures_folder(metrics, corpus["kind"], encoder) / "results.json"
    insist_writable(output)
    variables = {"encoder": encoder, "lang": lang, "gpu_id": gpu_id}
    runs = planned_runs(list(corpus["splits"]), corpus["read"]["types"], seeds)
    for number, run in enumerate(runs, start=1):
        msg.divider(f"{mark}{number} of {len(runs)}: {run.config}, split {run.split}, seed {run.seed}")
        for step in missing_steps(Path(), run, variables):
            make(Path(), run, step, variables)
        msg.good(f"{mark}Figures in {run.metrics}")
    measured = [read_run(Path(), run) for run in runs]
    with replacing(output) as temporary:
        temporary.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")
    others = srsly.read_json(published)
    msg.divider(f"{mark}mean and standard deviation of {seeds} seeds")
    for header, rows in (
        (SYSTEM_HEADER, system_rows(measured, others)),
        (GOAL_HEADER, goal_rows(measured, [*ACCURACY_GOALS, *CONFIDENCE_GOALS])),
    ):
        msg.table(rows, header=header, divider=True, aligns=["l", *"r" * (len(header) - 1)])
    msg.good(f"{mark}Figures written to {output}")
    if readme is None:
        return
    if may_stand_in_readme(measured, seeds):
        fill_page(readme, SYSTEMS, systems_markdown(measured, others))
        fill_page(docs / "accuracy.md", ACCURACY, accuracy_markdown(measured))
        fill_page(docs / "confidence.md", CONFIDENCE, confidence_markdown(measured))
        msg.good(f"Results written to {readme} and {docs}")
    else:
        msg.info(
            f"{mark}{readme}, {docs} left as they are: they show the figures of the shipped defaults only"
        )


if __name__ == "__main__":
    typer.run(main)
