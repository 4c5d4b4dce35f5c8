"""What is measured of the loop: the studies, and their trials, each in a process of its own."""

import json
import sys
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Sequence, Tuple

import srsly
from wasabi import msg

from ..corpora.found import prepare
from ..grid.archive import Archive, read_records, write_record
from ..processes import run
from ..provenance import origin
from . import auditing, choosing, curves, labels, partial, ranking, updating
from .ground import Ground

THREADS = 1  # so that seconds are those of one core
Measure = Callable[[Ground, str], Dict[str, Any]]


class Study(NamedTuple):
    """A question about the loop.

    title (str): What it is called.
    measure (Callable[[Ground, str], Dict[str, Any]]): Makes one trial of one variant.
    variants (Dict[str, Tuple[str, ...]]): By corpus, what is tried.
    seeds (int): How often.
    """

    title: str
    measure: Measure
    variants: Dict[str, Tuple[str, ...]]
    seeds: int


STUDIES: Dict[str, Study] = {
    "update": Study("From saved annotation to a new model", updating.measure, {"gmb": updating.SIZES}, 5),
    "labels": Study(
        "A new label", labels.measure, {"gmb:1700": ("per", "org", "tim"), "wnut17": ("person",)}, 5
    ),
    "partial": Study(
        "Documents annotated for half of the labels",
        partial.measure,
        dict.fromkeys(("gmb:1700", "wnut17"), tuple(partial.WAYS)),
        5,
    ),
    "audit": Study(
        "Planted errors", auditing.measure, dict.fromkeys(("gmb", "wnut17", "ncbi-disease"), ("all",)), 3
    ),
    "suggest": Study(
        "What to annotate next",
        choosing.measure,
        dict.fromkeys(("gmb", "wnut17", "ncbi-disease"), tuple(choosing.STRATEGIES)),
        5,
    ),
    "curve": Study("Twice the data", curves.measure, {"gmb": curves.SHARES}, 1),
    "ranking": Study("Ranking texts", ranking.measure, {"gmb:1700": ranking.TEXTS}, 1),
}


class Trial(NamedTuple):
    """One measurement.

    study (str): Name of the study.
    corpus (str): The corpus, as `prepare` takes it.
    variant (str): What is tried.
    seed (int): Its seed.
    """

    study: str
    corpus: str
    variant: str
    seed: int

    @property
    def place(self) -> str:
        """RETURNS (str): A relative path of its own, within its study."""
        return f"{self.corpus.replace(':', '-')}/{self.variant.replace(' ', '-')}/{self.seed}"


class Setting(NamedTuple):
    """Where trials are made.

    encoder (Path): Folder of the encoder.
    lang (str): Language of the corpora.
    converted (Path): Folder for converted corpora.
    features (Path): Folder for feature stores.
    outputs (Path): Folder for what the trials print.
    metrics (Path): Folder for the figures.
    """

    encoder: Path
    lang: str
    converted: Path
    features: Path
    outputs: Path
    metrics: Path

    def figures(self, study: str) -> Path:
        """RETURNS (Path): The file with the figures of a study."""
        return self.metrics / self.encoder.name / f"{study}.jsonl"

    def read(self, study: str) -> Archive:
        """RETURNS (Archive): The figures of a study, by the places of its trials."""
        path = self.figures(study)
        return read_records(path) if path.is_file() else {}


def trials(study: str, seeds: int) -> Iterator[Trial]:
    """YIELDS (Trial): The trials of a study, the first seed of all variants first; at most so many seeds."""
    of = STUDIES[study]
    for seed in range(min(seeds, of.seeds)):
        for corpus, variants in of.variants.items():
            for variant in variants:
                yield Trial(study, corpus, variant, seed)


def make_missing(setting: Setting, studies: Sequence[str], seeds: int) -> Dict[str, Exception]:
    """Make the trials that are missing, each in a process of its own.

    setting (Setting): Where.
    studies (Sequence[str]): Names of studies.
    seeds (int): How often each variant is tried, at most.
    RETURNS (Dict[str, Exception]): Why trials failed, by what they are called; others go on.
    """
    failed: Dict[str, Exception] = {}
    for trial in [trial for study in studies for trial in trials(study, seeds)]:
        if trial.place in setting.read(trial.study):
            continue
        folder = setting.outputs / trial.study / trial.place
        folder.mkdir(parents=True, exist_ok=True)
        log, taken = folder / "output.txt", folder / "figures.json"
        msg.info(f"{STUDIES[trial.study].title}, {trial.place}: its output is in {log}")
        given = json.dumps([*trial, *map(str, setting[:4]), str(taken)])
        try:
            took = run([sys.executable, "-m", __name__, given], THREADS, log)
            record = {"place": trial.place, **trial._asdict(), "made": origin(Path()), **took._asdict()}
            write_record(setting.figures(trial.study), {**record, "found": srsly.read_json(taken)})
        except Exception as error:  # of any of the libraries; a night shall not end with one trial
            failed[f"{trial.study}, {trial.place}"] = error
    return failed


def make(given: str) -> None:
    """Make one trial, and write what it finds.

    given (str): JSON with the trial, the first four fields of its setting, and the file to write.
    """
    study, name, variant, seed, encoder, lang, converted, features, taken = json.loads(given)
    corpus = prepare(name, lang, Path(converted))
    ground = Ground(corpus, Path(encoder), lang, Path(features), seed)
    srsly.write_json(Path(taken), STUDIES[study].measure(ground, variant))


def found_by(archive: Archive, corpus: str, variant: str) -> List[Dict[str, Any]]:
    """RETURNS (List[Dict[str, Any]]): What the trials of a variant found, seed by seed."""
    return list(by_seed(archive, corpus, variant).values())


def by_seed(archive: Archive, corpus: str, variant: str) -> Dict[int, Dict[str, Any]]:
    """RETURNS (Dict[int, Dict[str, Any]]): The same by their seeds, in order."""
    own = [each for each in archive.values() if (each["corpus"], each["variant"]) == (corpus, variant)]
    return {each["seed"]: each["found"] for each in sorted(own, key=lambda each: each["seed"])}


if __name__ == "__main__":
    make(sys.argv[1])
