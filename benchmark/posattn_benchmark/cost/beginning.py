"""What it costs to begin: a pipeline's first text, and training on a few sentences."""

import sys
from pathlib import Path
from typing import List

import spacy
import torch
from spacy.tokens import DocBin
from spacy.util import load_config

from posattn_spacy.starting.config import make_config

from ..processes import run
from . import stock
from .workload import Figures, Workload, count_words, first_docs

FIRST_TEXT = "import spacy, sys; spacy.load(sys.argv[1])('Angela Merkel visited Paris on Monday .')"
IMPORTS = "import spacy.cli.train, spacy_transformers, posattn_spacy.factory, posattn_spacy.component"
DEV_SHARE = 4  # so many training documents to one of dev


def cold_start(workload: Workload) -> Figures:
    """Measure a new process that loads our finished pipeline and reads a text.

    RETURNS (Figures): CPU seconds.
    """
    return {"cpu_seconds": _cpu_seconds(workload, ["-c", FIRST_TEXT, workload.model])}


def stock_cold_start(workload: Workload) -> Figures:
    """Measure the same with spaCy's own transformer and ner."""
    folder = Path(workload.folder) / "stock"
    stock.pipeline(workload).to_disk(folder)
    return {"cpu_seconds": _cpu_seconds(workload, ["-c", FIRST_TEXT, str(folder)])}


def small_training(workload: Workload, sentences: int) -> Figures:
    """Measure `spacy train` on a few sentences, as `init config` has it, with their features in the store.

    workload (Workload): What to train on.
    sentences (int): How many of its training sentences.
    RETURNS (Figures): CPU seconds beyond those of the imports.
    """
    folder = Path(workload.folder) / f"small-{sentences}"
    folder.mkdir()
    nlp = spacy.blank(load_config(workload.config)["nlp"]["lang"])
    parts = {"train": (workload.train, sentences), "dev": (workload.dev, -(-sentences // DEV_SHARE))}
    docs = {name: first_docs(path, size, nlp.vocab) for name, (path, size) in parts.items()}
    train, dev = (folder / f"{name}.spacy" for name in docs)
    for path in (train, dev):
        DocBin(docs=docs[path.stem]).to_disk(path)
    words, encoder = count_words(docs["dev"]), Path(workload.encoder)
    config = make_config(train, dev, words, encoder, str(nlp.lang), folder / "features").config
    config.to_disk(folder / "config.cfg")
    command = ["-m", "spacy", "train", str(folder / "config.cfg"), "--output", str(folder / "model")]
    command += ["--gpu-id", str(workload.gpu_id)]
    _cpu_seconds(workload, command)  # after which the store is warm
    return {"cpu_seconds": _cpu_seconds(workload, command) - _cpu_seconds(workload, ["-c", IMPORTS])}


def _cpu_seconds(workload: Workload, arguments: List[str]) -> float:
    """What a Python process takes, with as many threads as this one has."""
    log = Path(workload.folder) / "beginning.log"
    return run([sys.executable, *arguments], torch.get_num_threads(), log).cpu_seconds
