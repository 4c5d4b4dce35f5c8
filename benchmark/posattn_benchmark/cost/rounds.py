"""Taking all figures in turn, several times over."""

import json
import os
import platform
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

import spacy
import torch
from spacy.tokens import DocBin
from spacy.util import load_config
from tqdm import tqdm

from posattn_spacy.frozen.maintenance import contents_of
from posattn_spacy.precision import bfloat16_is_fast
from posattn_spacy.writing import replacing

from ..processes import run
from .apart import measure, peak_figure
from .ours import trained_scores, training_command
from .systems import SYSTEMS
from .workload import Figures, Workload, count_words

TRAININGS = ("training_cold", "training_warm")
WARM = ("head_epoch", "one_head_epoch")  # which need the store that the first of them leaves
QUICK = ("pipe", "pipe_all", "pipe_float32", "pipe_float32_all", "pipe_apart", "stock_pipe", "cnn_pipe")
QUICK_DOCS = 1500
PACKAGES = ("posattn-spacy", "spacy", "spacy-transformers", "thinc", "torch", "transformers", "numpy", "lmdb")
Repeat = Dict[str, Figures]


class Setting(NamedTuple):
    """Under what the figures were taken.

    workload (Workload): What the systems were given to do.
    threads (int): How many threads each might use.
    """

    workload: Workload
    threads: int

    def describe(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): What is needed to understand the figures."""
        config = load_config(self.workload.config)
        nlp = spacy.blank("xx")
        paths = {"train": self.workload.train, "dev": self.workload.dev}
        corpora = {name: list(DocBin().from_disk(path).get_docs(nlp.vocab)) for name, path in paths.items()}
        return {
            "config": Path(self.workload.config).stem,
            "encoder": Path(self.workload.encoder).name,
            "layers": config["components"]["transformer"]["model"]["layers"],
            "epochs": self.workload.epochs,
            "docs": self.workload.docs,
            "words": {name: count_words(docs) for name, docs in corpora.items()},
            "threads": self.threads,
            "cores": os.cpu_count(),
            "bfloat16": bfloat16_is_fast(self.workload.device),
            "gpu": torch.cuda.get_device_name(self.workload.gpu_id) if self.workload.gpu_id >= 0 else None,
            "python": platform.python_version(),
            "versions": {package: version(package) for package in PACKAGES},
        }


class Notes(NamedTuple):
    """The repeats that are through already, so that a run that was stopped can go on.

    path (Path): A JSON file.
    under (Dict[str, Any]): What they must have been taken under: setting, code and machine.
    """

    path: Path
    under: Dict[str, Any]

    def read(self) -> List[Repeat]:
        """RETURNS (List[Repeat]): Those that were taken under the same; ratios stay within a repeat."""
        noted = json.loads(self.path.read_text(encoding="utf-8")) if self.path.is_file() else {}
        return list(noted["repeats"]) if noted.get("under") == self.under else []

    def write(self, repeats: Sequence[Repeat]) -> None:
        """Note all repeats that are through.

        repeats (Sequence[Repeat]): Their figures.
        """
        with replacing(self.path) as temporary:
            temporary.write_text(json.dumps({"under": self.under, "repeats": repeats}), encoding="utf-8")


def take_figures(
    setting: Setting, names: Sequence[str], repeats: int, bar: tqdm, notes: Optional[Notes] = None
) -> List[Repeat]:
    """Measure systems in turn, then all of them again.

    setting (Setting): What is measured.
    names (Sequence[str]): `QUICK` ones, or all `measurements`.
    repeats (int): How many times.
    bar (tqdm): Shows what is measured, and how much is left.
    notes (Optional[Notes]): Where repeats are noted; those that are there are not taken again.
    RETURNS (List[Repeat]): For each time, the figures of each system.
    RAISES (RuntimeError): If a measurement fails.
    RAISES (StoreError): If a training left no feature store.
    """
    taken = notes.read()[:repeats] if notes is not None else []
    bar.update(len(taken) * len(names))
    for number in range(len(taken) + 1, repeats + 1):
        taken.append(_take_once(setting, names, number, bar))
        if notes is not None:
            notes.write(taken)
    return taken


def measurements() -> List[str]:
    """RETURNS (List[str]): What is measured, in turn."""
    short = [name for name in SYSTEMS if name not in WARM]
    return [*short, TRAININGS[0], *WARM, TRAININGS[1]]


def _take_once(setting: Setting, names: Sequence[str], number: int, bar: tqdm) -> Repeat:
    """Measure each system once; what needs a warm store follows the training that fills it."""
    workload, threads = setting
    folder = Path(workload.folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    figures: Repeat = {}
    try:
        for name in names:
            bar.set_description(f"{number}: {name}")
            log = folder.with_name(f"{name}.log")
            take = _whole_training if name in TRAININGS else measure
            figures[name] = take(name, workload, threads, log)
            bar.update()
    finally:
        shutil.rmtree(folder)
    misses = [figures[name]["store_misses"] for name in TRAININGS if name in figures]
    if misses and misses[1] > misses[0]:
        raise RuntimeError(f"The trainings did not use the feature store; see {folder.parent}/*.log for why.")
    return figures


def _whole_training(name: str, workload: Workload, threads: int, log: Path) -> Figures:
    """Run a training of ours from its start to its end."""
    output = Path(workload.folder) / name
    took = run(training_command(workload, output), threads, log)
    misses = contents_of(workload.store).misses
    return {
        "seconds": took.seconds,
        **peak_figure(took),
        **trained_scores(output),
        "store_misses": misses,
    }
