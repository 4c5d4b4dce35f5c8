"""Training and measuring a cell."""

import shutil
import sys
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

import portalocker
import srsly
import torch
from portalocker import AlreadyLocked, LockFlags
from thinc.api import Config

from posattn_spacy.frozen.callback import FeatureStoreCallback
from posattn_spacy.schedule import measure_pass, scaled_schedule

from ..pages import figures_folder
from ..processes import run
from ..provenance import TRAINING_CODE, digest, origin
from .archive import Archive, Variants, age, read_archive, write_record
from .cells import Cell, identity, read_config
from .scores import measure_cell, training_figures
from .subsets import subset
from .sweeps import Experiment, Plan, cells_by_variant

MISSING = "missing"
STORE_GB = 20.0
LOG, STEPS = "log.jsonl", "steps.jsonl"


class Due(NamedTuple):
    """A cell that is wanted.

    cell (Cell): The cell.
    on_test (bool): Whether it is wanted on test, too.
    history (bool): Whether its steps are wanted, for a chart.
    why (str): Why it has to be made.
    """

    cell: Cell
    on_test: bool
    history: bool = False
    why: str = "missing"


class Workshop(NamedTuple):
    """Where the cells of a project are made, and of what.

    corpus (Path): Folder with the splits of the corpus.
    about (Dict[str, Any]): What is known of the corpus.
    encoder (str): Name of the encoder in assets/encoder/.
    lang (str): Language of the corpus.
    gpu_id (int): GPU to use, -1 for the CPU.
    trainings (Path): Folder for the logs, and for the pipelines while they are measured.
    figures (Path): Folder for the figures.
    code (str): Digest of the training code.
    """

    corpus: Path
    about: Dict[str, Any]
    encoder: str
    lang: str
    gpu_id: int
    trainings: Path
    figures: Path
    code: str

    @classmethod
    def open(
        cls, metrics: Path, corpus: Path, encoder: str, *, lang: str = "en", gpu_id: int = -1
    ) -> "Workshop":
        """Find the workshop of the project in whose folder the process runs.

        metrics (Path): Folder for all figures.
        corpus (Path): Folder with the splits of the corpus.
        encoder (str): Name of the encoder in assets/encoder/.
        lang (str): Language of the corpus.
        gpu_id (int): GPU to use, -1 for the CPU.
        RETURNS (Workshop): The workshop.
        """
        about = srsly.read_json(corpus / "corpus.json")
        figures = figures_folder(metrics, about["kind"], encoder) / "experiments"
        code = digest([TRAINING_CODE])
        return cls(corpus, about, encoder, lang, gpu_id, Path("training/experiments"), figures, code)

    def tasks(self, experiments: Iterable[Experiment], plan: Plan) -> List[Due]:
        """List what has to be made for experiments, each cell once.

        experiments (Iterable[Experiment]): The experiments.
        plan (Plan): How much of everything.
        RETURNS (List[Due]): The cells whose figures are not there, or are of older training code.
        """
        wanted: Dict[Path, Due] = {}
        for experiment in experiments:
            for cell in chain.from_iterable(cells_by_variant(experiment, plan).values()):
                on_test, history = experiment.on_test, experiment.history and cell.seed == 0
                before = wanted.get(cell.place, Due(cell, False))
                wanted[cell.place] = Due(cell, before.on_test or on_test, before.history or history)
        records = read_archive(self.figures)
        judged = (task._replace(why=self.why_not(task, records)) for task in wanted.values())
        return [task for task in judged if task.why]

    def why_not(self, task: Due, records: Archive) -> str:
        """RETURNS (str): Why the figures of a cell are not as they would be now; empty if they are."""
        cell, on_test, history, _ = task
        record = records.get(cell.place.as_posix())
        if record is None or record["identity"] != self._identity(cell):
            return MISSING
        if (on_test and record["test"] is None) or (history and record["history"] is None):
            return MISSING
        return age(record, self.code)

    def made(self, experiment: Experiment, plan: Plan) -> Variants:
        """Read the figures of an experiment.

        experiment (Experiment): The experiment.
        plan (Plan): How much of everything.
        RETURNS (Variants): The seeds of each variant, as far as they are made. `stale` says which of them are
            of older training code, and of which; it is empty for others.
        """
        records = read_archive(self.figures)
        found: Variants = {}
        for variant, cells in cells_by_variant(experiment, plan).items():
            ages = [(cell, self.why_not(Due(cell, experiment.on_test), records)) for cell in cells]
            found[variant] = [
                {**records[cell.place.as_posix()], "stale": why} for cell, why in ages if why != MISSING
            ]
        return found

    @contextmanager
    def claimed(self, cell: Cell) -> Iterator[bool]:
        """Keep other processes from making a cell meanwhile.

        cell (Cell): The cell.
        YIELDS (bool): Whether no other process has claimed it before.
        """
        path = (self.trainings / cell.place).with_suffix(".claim")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as claim:
            try:
                portalocker.lock(claim, LockFlags.EXCLUSIVE | LockFlags.NON_BLOCKING)
            except AlreadyLocked:
                yield False
            else:
                yield True

    def make(self, task: Due) -> None:
        """Train a cell, measure it, and write its figures; the pipeline is not kept.

        A cell that is wanted on test is trained without the features that others have stored, so that its
        time is that of a training from nothing.

        task (Due): The cell.
        RAISES (RuntimeError): If training fails; the message has the end of its output.
        """
        cell, on_test, history, _ = task
        folder = self.trainings / cell.place
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        own_store = folder / "features"
        store = self._store(cell)
        config, batches = self._config(cell, folder, own_store if on_test else store.path)
        config.to_disk(folder / "config.cfg", interpolate=False)
        command = [sys.executable, "-m", "spacy", "train", str(folder / "config.cfg")]
        command += ["--output", str(folder), "--gpu-id", str(self.gpu_id)]
        took = run(command, torch.get_num_threads(), folder / "output.txt")
        figures = {
            "place": cell.place.as_posix(),
            "identity": self._identity(cell),
            "made": {**origin(Path()), "training code": self.code},
            **cell._asdict(),
            "setting": cell.setting,
            "encoder": self.encoder,
            "source": self.about["kind"],
            "n_sents": self.about["n_sents"],
            "seconds": took.seconds,
            "peak_bytes": took.peak_bytes,
            "threads": torch.get_num_threads(),
            "passes_made": config["training"]["max_steps"] / batches,
            **training_figures(folder / LOG, folder / STEPS, history),
            **measure_cell(folder / "model-best", self.corpus / cell.split, store, on_test),
        }
        write_record(self.figures / f"{cell.config}.jsonl", figures)
        for made in (folder / "model-best", folder / "model-last", own_store):
            shutil.rmtree(made, ignore_errors=True)

    def _identity(self, cell: Cell) -> str:
        # What was noted about the corpus may be said in other words one day.
        corpus = {key: self.about[key] for key in ("kind", "md5", "n_sents")}
        return identity(cell, corpus, self.encoder, self.lang)

    def _config(self, cell: Cell, folder: Path, store: Optional[Path]) -> Tuple[Config, int]:
        """The config that a cell is trained with, in full, and the number of batches of a pass."""
        overrides = self._overrides(cell, folder, store)
        config = read_config(cell, overrides)
        batches = measure_pass(config).batches
        return read_config(cell, {**overrides, **scaled_schedule(config, batches, cell.passes)}), batches

    def _overrides(self, cell: Cell, folder: Path, store: Optional[Path]) -> Dict[str, Any]:
        split = self.corpus / cell.split
        overrides = {
            "paths.train": str(subset(split / "train.spacy", cell.share)),
            "paths.dev": str(split / "dev.spacy"),
            "system.seed": cell.seed,
            "nlp.lang": self.lang,
        }
        config = read_config(cell, {})
        if "logger1" in config["training"]["logger"]:
            overrides["training.logger.logger1.output_file"] = str(folder / LOG)
            overrides["training.logger.logger2.output_file"] = str(folder / STEPS)
        else:
            overrides["training.logger.output_file"] = str(folder / LOG)
        if "encoder" in config["paths"]:
            overrides["paths.encoder"] = f"assets/encoder/{self.encoder}"
        if config["initialize"]["after_init"]:
            overrides["initialize.after_init.path"] = str(store)
        return overrides

    def _store(self, cell: Cell) -> FeatureStoreCallback:
        pooling = dict(cell.changes).get("components.transformer.model.pooling")
        name = f"{self.encoder}-{pooling}" if pooling else self.encoder
        return FeatureStoreCallback(Path(f"features/{name}"), STORE_GB, "float16")
