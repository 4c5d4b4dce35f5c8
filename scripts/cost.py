"""Measure what training and running cost, beside spaCy's own ways, in one run on this machine."""

import json
import os
from pathlib import Path
from typing import Annotated, Any, Dict, Sequence

import srsly
import typer
from posattn_benchmark.cost.chart import draw
from posattn_benchmark.cost.ratios import SLACK, compute, medians, pipe_rows, rows
from posattn_benchmark.cost.rounds import QUICK, QUICK_DOCS, Notes, Setting, measurements, take_figures
from posattn_benchmark.cost.summary import (
    CHANGED_HEADER,
    LEAST_REPEATS,
    MARKERS,
    RATIO_HEADER,
    README_COST,
    SPEED_HEADER,
    TIME_HEADER,
    changed_rows,
    cost_markdown,
    describe,
    ratio_rows,
    speed_rows,
    time_rows,
)
from posattn_benchmark.cost.workload import Workload
from posattn_benchmark.gmb.locate import sample_mark
from posattn_benchmark.pages import README_RUN, figures_folder, fill_page, seen_from
from posattn_benchmark.provenance import COST_CODE, digest, origin
from tqdm import tqdm
from wasabi import msg

from posattn_spacy.frozen.store import StoreError
from posattn_spacy.telling import insist_writable
from posattn_spacy.writing import replacing


def main(
    config: Annotated[Path, typer.Argument(help="Our training config")],
    split_dir: Annotated[Path, typer.Argument(help="Folder with train and dev.spacy")],
    encoder: Annotated[Path, typer.Argument(help="Folder of the encoder")],
    model: Annotated[Path, typer.Argument(help="A finished pipeline of ours")],
    metrics: Annotated[Path, typer.Argument(help="Folder for the figures, by corpus and encoder")],
    drawn: Annotated[Path, typer.Argument(help="PNG file for the chart")],
    account: Annotated[Path, typer.Option(help="The corpus.json of the converted corpus")] = Path(
        "corpus/corpus.json"
    ),
    seed: Annotated[int, typer.Option(help="Seed of the finished pipeline")] = 0,
    page: Annotated[Path | None, typer.Option(help="Page to put table and chart into")] = None,
    chart: Annotated[Path, typer.Option(help="The page's chart")] = Path("assets/cost.png"),
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of a whole training")] = 12,
    docs: Annotated[int, typer.Option(min=1, help="Documents of the short measurements")] = 4000,
    repeats: Annotated[int, typer.Option(min=1, help="How many times to measure everything")] = 3,
    quick: Annotated[
        int,
        typer.Option(min=0, max=1, help="1: measure nlp.pipe alone, and compare it with the kept figures"),
    ] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Threads of every measurement")] = os.cpu_count() or 1,
    gpu_id: Annotated[int, typer.Option(help="GPU to use, -1 for CPU")] = -1,
) -> None:
    """Measure everything in turn, `repeats` times, print the tables, and write JSON and chart.

    A run that was stopped goes on after the last repeat that it finished. A quick run takes minutes, and
    writes nothing: it says what has become slower.
    """
    corpus = srsly.read_json(account)
    name = "cost.json" if gpu_id < 0 else "cost-gpu.json"
    output = figures_folder(metrics, corpus["kind"], str(encoder)) / name
    for path in (output, drawn):
        insist_writable(path)
    mark = sample_mark(corpus["kind"])
    scratch = metrics / "cost"
    workload = Workload(
        config=str(config),
        encoder=str(encoder),
        train=str(split_dir / "train.spacy"),
        dev=str(split_dir / "dev.spacy"),
        model=str(model),
        folder=str(scratch / "measured"),
        docs=min(docs, QUICK_DOCS) if quick else docs,
        epochs=epochs,
        gpu_id=gpu_id,
    )
    setting = Setting(workload, threads)
    names, repeats = (QUICK, 1) if quick else (measurements(), repeats)
    about = {"source": corpus["kind"], "n_sents": corpus["n_sents"], "split": split_dir.name, "seed": seed}
    described = {**about, **setting.describe()}
    made = origin(Path())
    notes = Notes(scratch / "repeats.json", {**described, **made, "code": digest([COST_CODE])})
    with tqdm(total=repeats * len(names), unit="measurement") as bar:
        try:
            taken = take_figures(setting, names, repeats, bar, None if quick else notes)
        except (RuntimeError, StoreError) as error:
            msg.fail(str(error), exits=1)
    described["repeats"] = repeats
    if quick:
        show_changes(compute(taken, described, pipe_rows(described)), output)
        return
    cost = {
        "made": made,
        "setting": described,
        "ratios": compute(taken, described, rows(described, "peak_bytes" in taken[0]["pipe"])),
        "medians": medians(taken),
        "repeats": taken,
    }
    with replacing(output) as temporary:
        temporary.write_text(json.dumps(cost, indent=2) + "\n", encoding="utf-8")
    notes.path.unlink(missing_ok=True)
    draw(cost, drawn)
    msg.divider(f"{mark}cost")
    msg.text(describe(cost))
    for header, table in (
        (TIME_HEADER, time_rows(cost)),
        (SPEED_HEADER, speed_rows(cost)),
        (RATIO_HEADER, ratio_rows(cost)),
    ):
        msg.table(table, header=header, divider=True, max_col=80, aligns=["l", *"r" * (len(header) - 1)])
    msg.good(f"{mark}Figures written to {output}, drawn in {drawn}")
    if page is None:
        return
    others = any(described[key] != value for key, value in {**README_RUN, **README_COST}.items())
    if others or repeats < LEAST_REPEATS:
        msg.info(f"{mark}{page} left as it is: it shows the figures of the shipped defaults only")
        return
    draw(cost, chart)
    fill_page(page, MARKERS, cost_markdown(cost, seen_from(page, chart)))
    msg.good(f"Cost written to {page}")


def show_changes(ratios: Sequence[Dict[str, Any]], output: Path) -> None:
    """Show ratios beside those that are kept, if these were taken on the same kind of processor."""
    kept = srsly.read_json(output) if output.is_file() else None
    here = origin(Path())["processor"]
    before = kept["ratios"] if kept is not None and kept["made"]["processor"] == here else []
    if not before:
        msg.info(f"No figures are kept of {here}, so nothing can be compared.")
    table = changed_rows(ratios, before)
    msg.table(table, header=CHANGED_HEADER, divider=True, max_col=80, aligns=["l", "r", "r", "l"])
    slower = [name for name, *_, verdict in table if verdict]
    if slower:
        msg.warn(f"Slower than it was by more than {SLACK:.0%}: {'; '.join(slower)}")


if __name__ == "__main__":
    typer.run(main)
