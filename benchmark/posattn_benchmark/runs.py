"""The trainings behind the published figures, each made by the project's own commands.

Each run says what it was made of, so that what is there and up to date is not made again.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple

import srsly

from .provenance import MEASURING_CODE, differences, digest, training_sources

Variables = Mapping[str, Any]


class Run(NamedTuple):
    """One training, measured once on the test part of its split.

    config (str): Name of the config in configs/.
    split (str): Name of the split.
    seed (int): Seed of the training.
    """

    config: str
    split: str
    seed: int

    @property
    def metrics(self) -> Path:
        """RETURNS (Path): The folder with its figures, in the project."""
        return Path("metrics", self.config, self.split, str(self.seed))

    @property
    def training(self) -> Path:
        """RETURNS (Path): The folder with its pipelines, the log of its training, and what it was made of."""
        return Path("training", self.config, self.split, str(self.seed))


def missing_steps(project: Path, run: Run, variables: Variables) -> List[str]:
    """Find the commands whose results are missing, or were made of something else than there is now.

    project (Path): The project's folder.
    run (Run): The run.
    variables (Variables): Variables of the project that all runs share, among them `encoder`.
    RETURNS (List[str]): Names of the project's commands, in order.
    """
    made, measured = project / run.training / "made.json", project / run.metrics / "test.json"
    corpus = [project / "corpus" / run.split / f"{part}.spacy" for part in ("train", "dev")]
    encoder = project / f"assets/encoder/{variables['encoder']}"  # also if it is an absolute path
    now = training_sources(project, project / f"configs/{run.config}.cfg", corpus, encoder)
    if not made.is_file() or differences(srsly.read_json(made)["sources"], now):
        return ["train-head", "measure-test"]
    now["measuring code"] = digest([project / MEASURING_CODE])
    before = srsly.read_json(measured) if measured.is_file() else {}
    return ["measure-test"] if differences(before.get("made", {}).get("sources", {}), now) else []


def make(project: Path, run: Run, step: str, variables: Variables) -> None:
    """Run a command of the project, without making weasel forget the user's own runs.

    It remembers one run of a command, the last one.

    project (Path): The project's folder, in which the command is run.
    run (Run): The run.
    step (str): Name of the command.
    variables (Variables): Variables of the project that all runs share.
    RAISES (subprocess.CalledProcessError): If it fails.
    """
    settings: Dict[str, Any] = {**variables, **run._asdict()}
    options = [item for name, value in settings.items() for item in (f"--vars.{name}", str(value))]
    lock = project / "project.lock"
    before = lock.read_bytes() if lock.is_file() else None
    command = [sys.executable, "-m", "spacy", "project", "run", step, ".", *options]
    try:
        subprocess.run(command, cwd=project, check=True)
    finally:
        if before is not None:
            lock.write_bytes(before)
