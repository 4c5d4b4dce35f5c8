"""Trying encoders on one's own corpus: what each makes of it, and what it costs to run."""

import hashlib
import json
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
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
FIGURES, STORE = "figures.json", "features"
MARK = "about.txt"
ABOUT = "Made by `posattn compare-encoders`, which clears this folder when it tries the encoder again.\n"


class Tried(NamedTuple):
    """What an encoder makes of a corpus.

    span_f (float): Span F1 on dev of the best pass, from 0 to 1.
    macro_f (float): Mean of the labels' span F1.
    minutes (float): Of training, encoding included.
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
    folder (Path): Where config, pipeline and figures go; what else is in it goes.
    gpu_id (int): GPU to use, -1 for the CPU.
    RETURNS (Tried): The figures.
    RAISES (ValueError): If the folder has something of somebody else.
    RAISES (subprocess.CalledProcessError): If training fails, which has said why.
    """
    path, figures = folder / "config.cfg", folder / FIGURES
    made_of = _sources(config, gpu_id)
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).is_file():
        raise ValueError(f"{folder} has files of others, which stay. Name another folder with --output.")
    if figures.is_file():
        known = srsly.read_json(figures)
        if known.pop("made of", None) == made_of:
            return Tried(**known)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / MARK).write_text(ABOUT, encoding="utf-8")
    config.to_disk(path)
    started = time.perf_counter()
    command = [sys.executable, "-m", "spacy", "train", str(path), "--output", str(folder)]
    subprocess.run([*command, "--gpu-id", str(gpu_id)], check=True)
    minutes = (time.perf_counter() - started) / 60
    shutil.rmtree(folder / STORE, ignore_errors=True)
    tried = _measure(folder / "model-best", dev, minutes, gpu_id)
    with replacing(figures) as temporary:
        temporary.write_text(json.dumps({**tried._asdict(), "made of": made_of}), encoding="utf-8")
    return tried


def _sources(config: Config, gpu_id: int) -> str:
    """Sum up what figures depend on, but for the feature store, which changes nothing but the time."""
    settings = config.copy()
    settings["initialize"]["after_init"] = None
    content = hashlib.blake2b(settings.to_str().encode(), digest_size=16)
    content.update(f"{version('posattn-spacy')} {gpu_id}".encode())
    for name, files in (("train", "**/*.spacy"), ("dev", "**/*.spacy"), ("encoder", "*")):
        place = Path(config["paths"][name])
        for path in [place] if place.is_file() else sorted(filter(Path.is_file, place.glob(files))):
            with path.open("rb") as stream:
                content.update(hashlib.file_digest(stream, "blake2b").digest())
    return content.hexdigest()


def _measure(model: Path, dev: Path, minutes: float, gpu_id: int) -> Tried:
    scores = srsly.read_json(model / "meta.json")["performance"]
    of_labels = [label["f"] for label in (scores["ents_per_type"] or {}).values()]
    command = [sys.executable, "-m", __name__, str(model), str(dev), "--gpu-id", str(gpu_id)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    rate, peak = srsly.json_loads(said.splitlines()[-1])
    size = sum(path.stat().st_size for path in model.rglob("*") if path.is_file())
    macro_f = mean(of_labels) if of_labels else 0.0
    return Tried(scores["ents_f"], macro_f, minutes, rate, peak, size)


def main(model: Path, dev: Path, gpu_id: Annotated[int, typer.Option()] = -1) -> None:
    """Print words per second of a pipeline, and the most memory it took; run in a process of its own."""
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
    rate = sum(map(len, docs)) / (time.perf_counter() - started)
    typer.echo(json.dumps([rate, peak_bytes()]))


def peak_bytes() -> Optional[int]:
    """RETURNS (Optional[int]): Most memory that this process has had; None where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    # What getrusage says begins with the memory of the process that started this one.
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), None)


if __name__ == "__main__":
    typer.run(main)
