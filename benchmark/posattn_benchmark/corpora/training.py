"""One training: made, measured, and its figures kept."""

import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

import spacy
import srsly

from ..benchmark import confidence_figures, predict, read_examples, score_examples
from ..clock import pipe_rate
from ..grid.archive import Archive, Entry, age, read_records, write_record
from ..grid.scores import training_curve
from ..processes import run
from ..provenance import TRAINING_CODE, digest, origin
from .found import Corpus
from .systems import LOG, SYSTEMS, System, Task

THREADS = 1  # so that minutes are those of one core
TIMED_DOCS = 2000
SHORT_SECONDS = 600.0  # a training that takes longer is made with one seed


class Entrant(NamedTuple):
    """A training of one system on one corpus.

    system (str): Its name in `SYSTEMS`.
    seed (int): Seed of the training.
    rate (float): Learning rate; 0 for the system's own.
    trial (bool): Whether it only helps to choose the rate.
    """

    system: str
    seed: int
    rate: float = 0.0
    trial: bool = False

    @property
    def place(self) -> str:
        """RETURNS (str): A relative path of its own."""
        rate = f"-{self.rate:g}" if self.rate else ""
        return f"{self.system}{rate}{'-trial' * self.trial}/{self.seed}"


class Workplace(NamedTuple):
    """Where the trainings on one corpus are made, and of what.

    corpus (Corpus): The corpus.
    encoder (Path): Folder of the encoder.
    lang (str): Language of the corpus.
    trainings (Path): Folder for logs, and for pipelines while they are measured.
    figures (Path): The file with the figures, a line for each training.
    """

    corpus: Corpus
    encoder: Path
    lang: str
    trainings: Path
    figures: Path

    def read(self) -> Archive:
        """RETURNS (Archive): The figures of the trainings there are, by their places."""
        return read_records(self.figures) if self.figures.is_file() else {}

    def next(self, systems: Sequence[str], seeds: int, stale: bool) -> Optional[Entrant]:
        """Find the next training that is missing.

        systems (Sequence[str]): Names in `SYSTEMS`.
        seeds (int): How many seeds of a training that is short.
        stale (bool): Whether figures of older training code count as missing.
        RETURNS (Optional[Entrant]): The training; None if all have been made.
        """
        made = self.read()
        for name in systems:
            for entrant in wanted(name, SYSTEMS[name], seeds, made):
                if self.is_missing(entrant, made, stale):
                    return entrant
        return None

    def is_missing(self, entrant: Entrant, made: Archive, stale: bool = False) -> bool:
        """RETURNS (bool): Whether there are no figures of a training of this corpus and encoder."""
        record = made.get(entrant.place)
        if record is None or record["identity"] != self._identity:
            return True
        return stale and bool(age(record, digest([TRAINING_CODE])))

    def make(self, entrant: Entrant) -> None:
        """Train, measure on dev and test, and write the figures; the pipeline is not kept.

        entrant (Entrant): The training.
        RAISES (RuntimeError): If it fails; the message has the end of its output.
        """
        folder = self.trainings / self.corpus.name / entrant.place
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        words = self.corpus.words("train"), self.corpus.words("dev")
        encoder = self.encoder.absolute()
        task = Task(self.corpus.folder, *words, encoder, self.lang, entrant.seed, folder, entrant.rate)
        system = SYSTEMS[entrant.system]
        command = system.trial if entrant.trial and system.trial else system.command
        took = run(command(task), THREADS, folder / "output.txt")
        write_record(
            self.figures,
            {
                "place": entrant.place,
                **entrant._asdict(),
                "identity": self._identity,
                "made": {**origin(Path()), "training code": digest([TRAINING_CODE])},
                **took._asdict(),
                "curve": _curve(folder),
                "mb": size_of(folder / "model-best") / 1e6,
                **measure(folder / "model-best", self.corpus.folder, trial=entrant.trial),
            },
        )
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)

    @property
    def _identity(self) -> str:
        """Sums up what figures depend on, as far as users change it."""
        about = {key: self.corpus.about[key] for key in ("kind", "md5", "n_sents")}
        text = json.dumps([about, self.encoder.name, self.lang], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def wanted(name: str, system: System, seeds: int, made: Archive) -> List[Entrant]:
    """List the trainings of a system, as far as those that are made tell.

    name (str): Its name.
    system (System): The system.
    seeds (int): How many seeds of a training that is short.
    made (Archive): The figures there are.
    RETURNS (List[Entrant]): The trials, and once they are made the trainings with the best rate; the first
        seed, and once it has turned out short the others.
    """
    trials = [Entrant(name, 0, rate, True) for rate in system.rates]
    if not all(trial.place in made for trial in trials):
        return trials
    rate = max(trials, key=lambda trial: _dev(made[trial.place])).rate if trials else 0.0
    first, *others = [Entrant(name, seed, rate) for seed in range(seeds if system.random else 1)]
    is_short = first.place in made and made[first.place]["seconds"] < SHORT_SECONDS
    return [*trials, first, *(others if is_short else [])]


def _dev(record: Entry) -> float:
    span_f: float = record["dev"]["span_f"]
    return span_f


def _curve(folder: Path) -> List[Dict[str, Any]]:
    """The evaluations on dev during a training."""
    if (folder / LOG).is_file():
        return training_curve(folder / LOG)
    curve: List[Dict[str, Any]] = srsly.read_json(folder / "curve.json")
    return curve


def size_of(folder: Path) -> int:
    """RETURNS (int): Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def measure(model: Path, corpus: Path, *, trial: bool) -> Dict[str, Any]:
    """Measure a pipeline.

    model (Path): Its folder.
    corpus (Path): Holds dev.spacy and test.spacy.
    trial (bool): Whether test is not to be read.
    RETURNS (Dict[str, Any]): `dev` and `test` (Scores as a dict), `confidence` on test (see
        `confidence_figures`) and `words_per_s` of `nlp.pipe` on its running text; None for a trial.
    """
    nlp = spacy.load(model)
    dev = asdict(score_examples(predict(nlp, read_examples(nlp, corpus / "dev.spacy"), "dev")))
    if trial:
        return {"dev": dev, "test": None, "confidence": None, "words_per_s": None}
    test = read_examples(nlp, corpus / "test.spacy")
    references = [example.reference for example in test[:TIMED_DOCS]]
    return {
        "dev": dev,
        "words_per_s": pipe_rate(nlp, references),
        "confidence": confidence_figures(nlp, test),
        "test": asdict(score_examples(predict(nlp, read_examples(nlp, corpus / "test.spacy"), "test"))),
    }
