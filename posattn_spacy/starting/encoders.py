"""Trying encoders on one's own corpus: what each makes of it, and what it costs to run."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean
from typing import Annotated, List, NamedTuple, Optional

import spacy
import srsly
import typer
from thinc.api import Config

from ..annotated import read_annotated
from ..writing import replacing

TIMED_DOCS, WARM_UP_DOCS = 2000, 200
FIGURES = "figures.json"


class Tried(NamedTuple):
    """What an encoder makes of a corpus.

    span_f (float): Span F1 on dev of the best pass, from 0 to 1.
    macro_f (float): Mean of the labels' span F1.
    minutes (float): Of training, with what was in the feature store.
    words_per_s (float): Of `nlp.pipe` on running text.
    peak_bytes (Optional[int]): Most memory of a process that does nothing else; None where it is not
        known.
    bytes (int): Of the pipeline on disk, encoder included.
    """

    span_f: float
    macro_f: float
    minutes: float
    words_per_s: float
    peak_bytes: Optional[int]
    bytes: int


def try_encoder(config: Config, dev: Path, folder: Path, gpu_id: int) -> Tried:
    """Train with an encoder and measure the pipeline; figures that are there already are read.

    config (Config): A training config that has the encoder.
    dev (Path): Documents to measure on.
    folder (Path): Where config, pipeline and figures go.
    gpu_id (int): GPU to use, -1 for the CPU.
    RETURNS (Tried): The figures.
    RAISES (subprocess.CalledProcessError): If training fails, which has said why.
    """
    path, figures = folder / "config.cfg", folder / FIGURES
    if figures.is_file() and path.read_text(encoding="utf-8") == config.to_str():
        return Tried(**srsly.read_json(figures))
    figures.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(config.to_str(), encoding="utf-8")
    started = time.perf_counter()
    command = [sys.executable, "-m", "spacy", "train", str(path), "--output", str(folder)]
    subprocess.run([*command, "--gpu-id", str(gpu_id)], check=True)
    minutes = (time.perf_counter() - started) / 60
    tried = _measure(folder / "model-best", dev, minutes, gpu_id)
    with replacing(figures) as temporary:
        temporary.write_text(json.dumps(tried._asdict()), encoding="utf-8")
    return tried


def _measure(model: Path, dev: Path, minutes: float, gpu_id: int) -> Tried:
    scores = srsly.read_json(model / "meta.json")["performance"]
    of_labels = [label["f"] for label in (scores["ents_per_type"] or {}).values()]
    command = [sys.executable, "-m", __name__, str(model), str(dev), "--gpu-id", str(gpu_id)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    said = process.communicate()[0] if not hasattr(os, "wait4") else process.stdout.read()  # type: ignore
    peak = None
    if hasattr(os, "wait4"):
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    size = sum(path.stat().st_size for path in model.rglob("*") if path.is_file())
    macro_f = mean(of_labels) if of_labels else 0.0
    return Tried(scores["ents_f"], macro_f, minutes, float(said.split()[-1]), peak, size)


def main(model: Path, dev: Path, gpu_id: Annotated[int, typer.Option()] = -1) -> None:
    """Print words per second of a pipeline; run in a process of its own, whose memory is watched."""
    if gpu_id >= 0:
        spacy.require_gpu(gpu_id)
    nlp = spacy.load(model)
    docs = read_annotated(dev, nlp.vocab)[:TIMED_DOCS]
    texts: List[str] = [doc.text for doc in docs]
    for _ in nlp.pipe(texts[:WARM_UP_DOCS]):
        pass
    started = time.perf_counter()
    for _ in nlp.pipe(texts):
        pass
    typer.echo(sum(map(len, docs)) / (time.perf_counter() - started))


if __name__ == "__main__":
    typer.run(main)
