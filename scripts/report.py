"""Put the figures of all experiments on one page, with charts and sentences, and charts into files."""

from pathlib import Path
from typing import Annotated

import spacy
import srsly
import typer
from posattn_benchmark.benchmark import read_examples
from posattn_benchmark.gmb.locate import sample_mark
from posattn_benchmark.grid.running import Workshop
from posattn_benchmark.grid.sweeps import EXPERIMENTS, PUBLISHED, Plan
from posattn_benchmark.pages import figures_folder, fill_page, seen_from
from posattn_benchmark.report.contents import MARKERS, markdown, sections
from posattn_benchmark.report.page import page_html, write_png
from posattn_benchmark.report.predictions import look_at
from posattn_benchmark.results import may_stand_in_readme
from wasabi import msg

from posattn_spacy.calibration import posattn_pipes
from posattn_spacy.telling import insist_writable
from posattn_spacy.writing import replacing


def main(
    output: Annotated[Path, typer.Argument(help="HTML file to write")],
    metrics: Annotated[Path, typer.Option(help="Folder with the figures, by corpus and encoder")] = Path(
        "metrics"
    ),
    model: Annotated[Path, typer.Option(help="Trained pipeline, whose predictions are shown")] = Path(
        "training/posattn/file-order/0/model-best"
    ),
    corpus: Annotated[Path, typer.Option(help="Folder of the converted corpus")] = Path("corpus"),
    split: Annotated[str, typer.Option(help="Name of the split")] = "file-order",
    share: Annotated[int, typer.Option(help="As in the experiments")] = 25,
    passes: Annotated[int, typer.Option(help="As in the experiments")] = 6,
    seeds: Annotated[int, typer.Option(help="As in the experiments")] = 3,
    encoder: Annotated[str, typer.Option(help="Name of the encoder")] = "all-MiniLM-L6-v2",
    lang: Annotated[str, typer.Option(help="Language of the corpus")] = "en",
    gpu_id: Annotated[int, typer.Option(help="GPU to use, -1 for CPU")] = -1,
    sentences: Annotated[int, typer.Option(min=0, help="How many sentences to show")] = 60,
    pictures: Annotated[Path | None, typer.Option(help="Folder for the page's charts")] = None,
    page: Annotated[Path | None, typer.Option(help="Page to put tables and charts into")] = None,
) -> None:
    """Write the page, of what is there; the page in docs/ shows the published corpus alone."""
    insist_writable(output)
    workshop = Workshop.open(metrics, corpus, encoder, lang=lang)
    about = workshop.about
    kind = about["kind"]
    mark = sample_mark(kind)
    plan = Plan(split, share, passes, seeds)
    made = {name: workshop.made(experiment, plan) for name, experiment in EXPERIMENTS.items()}
    results = figures_folder(metrics, kind, encoder) / "results.json"
    run = {"n_sents": about["n_sents"], "encoder": encoder, "split": split}
    measured = [
        each
        for each in (srsly.read_json(results) if results.is_file() else [])
        if all(each[key] == value for key, value in run.items())
    ]
    predictions = None
    if model.is_dir():
        if gpu_id >= 0:
            spacy.require_gpu(gpu_id)
        nlp = spacy.load(model)
        examples = read_examples(nlp, corpus / split / "dev.spacy")
        predictions = look_at(nlp, posattn_pipes(nlp)[0][1], examples, sentences)
    parts = sections(made, measured, predictions)
    n_docs = about["splits"][split]["train"]["documents"]
    intro = f"{mark}{n_docs:,} training documents, split {split}, {encoder}."
    with replacing(output) as temporary:
        temporary.write_text(page_html("posattn-spacy: experiments", intro, parts), encoding="utf-8")
    msg.good(f"{mark}Report written to {output}")
    folder = output.parent
    is_published = may_stand_in_readme([{"source": kind, **run}], seeds) and plan[:3] == PUBLISHED[:3]
    if pictures is not None and is_published:
        folder = pictures
    for part in parts:
        if part.chart:
            write_png(part.chart, folder)
    if page is not None and is_published:
        fill_page(page, MARKERS, markdown(parts, seen_from(page, folder)))
        msg.good(f"Tables and charts written to {page}")
    elif page is not None:
        msg.info(f"{mark}{page} left as it is: it shows the figures of the shipped defaults only")


if __name__ == "__main__":
    typer.run(main)
