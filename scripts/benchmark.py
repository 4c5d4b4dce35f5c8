"""Measure a trained pipeline on the test part of its split."""

import json
from pathlib import Path
from typing import Annotated

import spacy
import srsly
import typer
from posattn_benchmark.benchmark import benchmark
from posattn_benchmark.gmb.locate import sample_mark
from posattn_benchmark.pages import SUMMARY_HEADER, summary_rows, type_rows
from posattn_benchmark.provenance import MEASURING_CODE, digest
from wasabi import msg

from posattn_spacy.telling import insist_writable
from posattn_spacy.writing import replacing


def main(
    model: Annotated[Path, typer.Argument(help="Trained pipeline")],
    split_dir: Annotated[Path, typer.Argument(help="Folder with train, dev and test.spacy")],
    metrics: Annotated[Path, typer.Argument(help="JSON file to write")],
    account: Annotated[Path, typer.Option(help="The corpus.json of the converted corpus")] = Path(
        "corpus/corpus.json"
    ),
    config: Annotated[str, typer.Option(help="Name of the config, for the tables")] = "posattn",
    seed: Annotated[int, typer.Option(help="Seed of the training, for the tables")] = 0,
    encoder: Annotated[str, typer.Option(help="Name of the encoder")] = "all-MiniLM-L6-v2",
    gpu_id: Annotated[int, typer.Option(help="GPU to use, -1 for CPU")] = -1,
) -> None:
    """Print the benchmark's tables, and write the figures as JSON."""
    insist_writable(metrics)
    if gpu_id >= 0:
        spacy.require_gpu(gpu_id)
    corpus = srsly.read_json(account)
    about = {"source": corpus["kind"], "n_sents": corpus["n_sents"], "config": config}
    about |= {"split": split_dir.name, "seed": seed, "encoder": encoder}
    mark = sample_mark(corpus["kind"])
    made = srsly.read_json(model.parent / "made.json")
    made["sources"]["measuring code"] = digest([MEASURING_CODE])
    measured = {**about, "made": made, **benchmark(spacy.load(model), split_dir)}
    with replacing(metrics) as temporary:
        temporary.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")
    msg.divider(f"{mark}{config}, split {split_dir.name}, seed {seed}")
    msg.table(summary_rows(measured), header=SUMMARY_HEADER, divider=True, aligns=["l", *"r" * 9])
    msg.table(type_rows(measured), header=("type", "span F1"), divider=True, aligns=("l", "r"))
    if measured["dev_loss"] is not None:
        msg.text(f"{mark}dev loss {measured['dev_loss']:.4f} nats per token")
    msg.good(f"{mark}Figures written to {metrics}")


if __name__ == "__main__":
    typer.run(main)
