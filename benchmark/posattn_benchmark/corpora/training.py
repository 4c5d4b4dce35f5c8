"""One training: made, measured, and its figures kept."""

import hashlib
import json
import shutil
import sys
from itertools import product
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

import srsly
import typer
from wasabi import msg

from ..grid.archive import Archive, Entry, age, read_records, write_record
from ..grid.scores import training_curve
from ..pages import README_RUN
from ..processes import run
from ..provenance import digest, made_sentence, origin
from . import measuring
from .found import Corpus, prepare
from .systems import LOG, OURS, SYSTEMS, System, Task

WEIGHTS = "model.safetensors"
THREADS = 1  # so that minutes are those of one core
SHORT_SECONDS = 600.0  # a training of others that takes longer is made with one seed


class Entrant(NamedTuple):
    """A training of one system on one corpus.

    system (str): Its name.
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
    systems (Mapping[str, System]): What may be trained, by names.
    """

    corpus: Corpus
    encoder: Path
    lang: str
    trainings: Path
    figures: Path
    systems: Mapping[str, System] = SYSTEMS

    def read(self) -> Archive:
        """RETURNS (Archive): Figures of the systems on this corpus and encoder, by the trainings' places."""
        records = read_records(self.figures) if self.figures.is_file() else {}
        identity = self.identity
        return {
            place: made
            for place, made in records.items()
            if made["identity"] == identity and made["system"] in self.systems
        }

    def next(self, names: Sequence[str], seeds: int, stale: bool) -> Optional[Entrant]:
        """Find the next training that is missing.

        names (Sequence[str]): Of systems.
        seeds (int): How many seeds of a training that is short.
        stale (bool): Whether figures of older training code count as missing.
        RETURNS (Optional[Entrant]): The training; None if all have been made.
        """
        made = self.read()
        for name in names:
            for entrant in wanted(name, self.systems[name], seeds, made):
                record = made.get(entrant.place)
                if record is None or (stale and age(record, self.systems[name].code)):
                    return entrant
        return None

    def folder(self, entrant: Entrant) -> Path:
        """RETURNS (Path): Where the logs of a training are."""
        return self.trainings / self.corpus.name / entrant.place

    def task(self, entrant: Entrant) -> Task:
        """RETURNS (Task): What a system needs to know of a training."""
        words = self.corpus.words("train"), self.corpus.words("dev")
        where = self.encoder.absolute(), self.lang
        return Task(self.corpus.folder, *words, *where, entrant.seed, self.folder(entrant), entrant.rate)

    def make(self, entrant: Entrant) -> None:
        """Train, measure on dev and test, and write the figures; the pipeline is not kept.

        entrant (Entrant): The training.
        RAISES (RuntimeError): If it fails; the message has the end of its output.
        """
        folder = self.folder(entrant)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        task = self.task(entrant)
        system = self.systems[entrant.system]
        command = system.trial if entrant.trial and system.trial else system.command
        try:
            took = run(command(task), THREADS, folder / "output.txt")
            write_record(
                self.figures,
                {
                    "place": entrant.place,
                    **entrant._asdict(),
                    "identity": self.identity,
                    "made": {**origin(Path()), "training code": system.code},
                    **took._asdict(),
                    "curve": _curve(folder),
                    "mb": size_of(folder / "model-best") / 1e6,
                    **measured(folder, self.corpus.folder, trial=entrant.trial or not system.on_test),
                },
            )
        finally:  # logs are files, and stay
            for path in filter(Path.is_dir, list(folder.iterdir())):
                shutil.rmtree(path)

    @property
    def identity(self) -> str:
        """RETURNS (str): A sum of what figures depend on, as far as users change it."""
        about = {key: self.corpus.about[key] for key in ("kind", "md5", "n_sents")}
        weights = digest([self.encoder / "config.json", self.encoder / WEIGHTS])
        text = json.dumps([about, self.encoder.name, weights, self.lang], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def wanted(name: str, system: System, seeds: int, made: Archive) -> List[Entrant]:
    """List the trainings of a system, as far as those that are made tell.

    name (str): Its name.
    system (System): The system.
    seeds (int): How many seeds of a training that is short.
    made (Archive): The figures there are.
    RETURNS (List[Entrant]): The trials, and once they are made the trainings with the best rate; the first
        seed, and once it has turned out short, or is ours, the others.
    """
    trials = [Entrant(name, 0, rate, True) for rate in system.rates]
    if not all(trial.place in made for trial in trials):
        return trials
    rate = max(trials, key=lambda trial: _dev(made[trial.place])).rate if trials else 0.0
    first, *others = [Entrant(name, seed, rate) for seed in range(seeds if system.random else 1)]
    is_short = first.place in made and made[first.place]["seconds"] < SHORT_SECONDS
    return [*trials, first, *(others if is_short or name == OURS else [])]


def _dev(record: Entry) -> float:
    return record["dev"]["span_f"] or 0.0


def _curve(folder: Path) -> List[Dict[str, Any]]:
    """The evaluations on dev during a training."""
    if (folder / LOG).is_file():
        return training_curve(folder / LOG)
    curve: List[Dict[str, Any]] = srsly.read_json(folder / "curve.json")
    return curve


def size_of(folder: Path) -> int:
    """RETURNS (int): Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def measured(folder: Path, corpus: Path, *, trial: bool) -> Dict[str, Any]:
    """Measure a pipeline in a process of its own, see `measuring.measure`."""
    taken = folder / "figures.json"
    command = [sys.executable, "-m", measuring.__name__, str(folder / "model-best"), str(corpus), str(taken)]
    run([*command, "--trial"] if trial else command, THREADS, folder / "measuring.txt")
    figures: Dict[str, Any] = srsly.read_json(taken)
    return figures


def require_encoder(encoder: Path) -> None:
    """Insist that there is an encoder.

    encoder (Path): Its folder.
    RAISES (FileNotFoundError): If it has no weights.
    """
    if not (encoder / WEIGHTS).is_file():
        raise FileNotFoundError(
            f"There is no encoder in {encoder}: `python -m spacy project run get-encoder` puts it there."
        )


def workplaces(
    names: Sequence[str],
    encoder: Path,
    lang: str,
    converted: Path,
    trainings: Path,
    metrics: Path,
    systems: Mapping[str, System] = SYSTEMS,
) -> List[Workplace]:
    """Make a workplace for each of some corpora.

    names (Sequence[str]): Of the corpora, as `prepare` takes them.
    encoder (Path): Folder of the encoder.
    lang (str): Language of the corpora.
    converted (Path): Folder for converted corpora.
    trainings (Path): Folder for logs.
    metrics (Path): Folder for the figures.
    systems (Mapping[str, System]): What may be trained, by names.
    RETURNS (List[Workplace]): The workplaces.
    RAISES (FileNotFoundError, CorpusError): If there is no encoder, or no such corpus.
    """
    require_encoder(encoder)
    corpora = [prepare(name, lang, converted) for name in names]
    figures = metrics / encoder.name
    return [
        Workplace(each, encoder, lang, trainings, figures / f"{each.name}.jsonl", systems) for each in corpora
    ]


def make_missing(
    places: Sequence[Workplace], names: Sequence[str], seeds: int, stale: bool
) -> Dict[str, Exception]:
    """Make all trainings that are missing, system by system.

    places (Sequence[Workplace]): A workplace for each corpus.
    names (Sequence[str]): Of the systems.
    seeds (int): How many seeds of a training that is short.
    stale (bool): Whether figures of older code count as missing.
    RETURNS (Dict[str, Exception]): Why trainings failed, by what they are called; others go on.
    """
    failed: Dict[str, Exception] = {}
    for name, place in product(names, places):
        while entrant := place.next([name], seeds, stale):
            called = f"{place.corpus.title}: {entrant.place}"
            msg.info(f"{called}, its output is in {place.folder(entrant)}")
            try:
                place.make(entrant)
            except Exception as error:  # of any of the libraries; a night shall not end with one training
                failed[called] = error
                break
    return failed


def how_made(archives: Mapping[str, Archive], systems: Mapping[str, System]) -> str:
    """RETURNS (str): By what figures were made, and how many of them by other code than there is."""
    trainings = [each for archive in archives.values() for each in archive.values()]
    stale = sum(each["made"]["training code"] != systems[each["system"]].code for each in trainings)
    older = f"\n\n{stale} of {len(trainings)} trainings were made by older code." if stale else ""
    return made_sentence([each["made"] for each in trainings]) + older


def shown_run(encoder: Path, lang: str, seeds: int, enough: int) -> bool:
    """Say whether figures may stand in README and docs.

    encoder (Path): Folder of the encoder.
    lang (str): Language of the corpora.
    seeds (int): How many seeds were asked for.
    enough (int): How many the pages speak of.
    RETURNS (bool): Whether it is the encoder and the language of the pages, and there are enough seeds.
    """
    return encoder.name == README_RUN["encoder"] and lang == "en" and seeds >= enough


def tell(failed: Mapping[str, Exception]) -> None:
    """Show which trainings failed and why, and end the program if any did."""
    for called, reason in failed.items():
        msg.fail(called)
        typer.echo(reason)
    if failed:
        msg.fail(f"{len(failed)} trainings failed, see above: run again to try them", exits=1)
