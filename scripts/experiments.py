"""Make the experiments that are missing, and put what they give into tables."""

from pathlib import Path
from typing import Annotated, Dict, List

import spacy
import typer
from posattn_benchmark.gmb.locate import sample_mark
from posattn_benchmark.grid.archive import read_archive
from posattn_benchmark.grid.comparison import stale_sentence, variant_rows, write_csv
from posattn_benchmark.grid.running import MISSING, Workshop
from posattn_benchmark.grid.sweeps import EXPERIMENTS, Plan
from posattn_benchmark.grid.timing import expected_seconds
from posattn_benchmark.pages import figures_folder
from tqdm import tqdm
from wasabi import msg

from posattn_spacy.telling import insist_writable


def main(
    names: Annotated[
        List[str] | None, typer.Argument(help=f"{', '.join(EXPERIMENTS)}; all of them if none is named")
    ] = None,
    metrics: Annotated[Path, typer.Option(help="Folder for the figures, by corpus and encoder")] = Path(
        "metrics"
    ),
    corpus: Annotated[Path, typer.Option(help="Folder of the converted corpus")] = Path("corpus"),
    split: Annotated[str, typer.Option(help="Name of the split")] = "file-order",
    share: Annotated[int, typer.Option(min=1, max=100, help="Percentage of the training documents")] = 25,
    passes: Annotated[int, typer.Option(min=1, help="Passes over them")] = 6,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds of each training")] = 3,
    encoder: Annotated[str, typer.Option(help="Name of the encoder")] = "all-MiniLM-L6-v2",
    lang: Annotated[str, typer.Option(help="Language of the corpus")] = "en",
    gpu_id: Annotated[int, typer.Option(help="GPU to use, -1 for CPU")] = -1,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what is missing or stale, why, and how long it takes")
    ] = False,
    stale: Annotated[
        bool, typer.Option("--stale", help="Make anew what older training code has made, too")
    ] = False,
) -> None:
    """Train and measure what is missing, print tables, and write a csv of all figures."""
    unknown = sorted(set(names or []) - EXPERIMENTS.keys())
    if unknown:
        msg.fail(
            f"There is no experiment {', '.join(unknown)}: choose from {', '.join(EXPERIMENTS)}.", exits=1
        )
    if gpu_id >= 0:
        spacy.require_gpu(gpu_id)
    workshop = Workshop.open(metrics, corpus, encoder, lang=lang, gpu_id=gpu_id)
    about = workshop.about
    mark = sample_mark(about["kind"])
    plan = Plan(split, share, passes, seeds)
    chosen = {name: EXPERIMENTS[name] for name in names or EXPERIMENTS}
    due = workshop.tasks(chosen.values(), plan)
    tasks = [task for task in due if stale or task.why == MISSING]
    path = figures_folder(metrics, about["kind"], encoder) / plan.csv_name
    insist_writable(path)
    words = about["splits"][split]["train"]["tokens"]
    seconds = [expected_seconds(task.cell, words) for task in tasks]
    msg.info(f"{mark}{len(tasks)} trainings are missing, which take about {sum(seconds) / 60:,.0f} minutes")
    if len(due) > len(tasks):
        msg.warn(
            f"{mark}{len(due) - len(tasks)} were made by older training code: --dry-run shows which, "
            "--stale makes them anew"
        )
    if dry_run:
        todo = [
            (str(task.cell.place), f"{expected_seconds(task.cell, words) / 60:.1f}", task.why) for task in due
        ]
        msg.table(todo, header=("training", "minutes", "why"), divider=True, aligns=("l", "r", "l"))
        return
    failed: Dict[Path, RuntimeError] = {}
    with tqdm(total=round(sum(seconds)), unit="s") as bar:
        for number, (task, expected) in enumerate(zip(tasks, seconds, strict=True), start=1):
            bar.set_description(f"{number} of {len(tasks)}: {task.cell.place}")
            with workshop.claimed(task.cell) as is_ours:
                if is_ours and workshop.why_not(task, read_archive(workshop.figures)):
                    try:
                        workshop.make(task)
                    except RuntimeError as error:
                        failed[task.cell.place] = error
            bar.update(round(expected))
    for experiment in chosen.values():
        msg.divider(f"{mark}{experiment.title}")
        aligns = ["l", *"r" * (len(experiment.header) - 1)]
        variants = workshop.made(experiment, plan)
        rows = variant_rows(variants, experiment.figures)
        msg.table(rows, header=experiment.header, divider=True, aligns=aligns)
        msg.text(stale_sentence(variants))
    write_csv({name: workshop.made(each, plan) for name, each in EXPERIMENTS.items()}, path)
    msg.good(f"{mark}Figures of all trainings written to {path}")
    for place, reason in failed.items():
        msg.fail(f"{mark}{place}")
        typer.echo(reason)
    if failed:
        msg.fail(f"{len(failed)} of {len(tasks)} trainings failed, see above: run again to try them", exits=1)


if __name__ == "__main__":
    typer.run(main)
