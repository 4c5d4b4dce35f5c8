"""The trainings behind the published figures, each made by the project's own commands.

weasel's lock file remembers one run of a command, the last one. Here each run keeps a record of its own, so
that what is there and up to date is not made again.
"""

import json
from pathlib import Path
from typing import Any, Dict, Iterator, NamedTuple

import srsly
from weasel.cli.run import check_rerun, get_lock_entry, run_commands
from weasel.util.config import load_project_config

from posattn_spacy.writing import replacing

STEPS = ("train", "benchmark")


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
        """RETURNS (Path): The folder with its pipelines, the log of its training, and the size of a pass."""
        return Path("training", self.config, self.split, str(self.seed))


def missing_steps(project: Path, run: Run, variables: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    """Find the commands whose results are missing, or were made from something else than there is now.

    project (Path): The project's folder.
    run (Run): The run.
    variables (Dict[str, Any]): Variables of the project that all runs share.
    YIELDS (Dict[str, Any]): The commands, as the project defines them. What comes later may depend on what
        was made of those before.
    """
    overrides = {f"vars.{name}": value for name, value in {**variables, **run._asdict()}.items()}
    commands = {
        command["name"]: command for command in load_project_config(project, overrides=overrides)["commands"]
    }
    for step in STEPS:
        if not _is_made(project, run, commands[step]):
            yield commands[step]


def make(project: Path, run: Run, command: Dict[str, Any]) -> None:
    """Run a command of the project, and keep a record of what it was made from.

    project (Path): The project's folder, in which the command is run.
    run (Run): The run.
    command (Dict[str, Any]): The command, as the project defines it.
    RAISES (SystemExit): If it fails.
    """
    run_commands(command["script"])
    _remember(project, run, command)


def _is_made(project: Path, run: Run, command: Dict[str, Any]) -> bool:
    """Whether a command has been run by `make`, or as the last one of its name by the project."""
    record = _record(project, run, command)
    if record.is_file() and srsly.read_json(record) == get_lock_entry(project, command):
        return True
    if check_rerun(project, command):
        return False
    _remember(project, run, command)
    return True


def _remember(project: Path, run: Run, command: Dict[str, Any]) -> None:
    record = _record(project, run, command)
    record.parent.mkdir(parents=True, exist_ok=True)
    with replacing(record) as temporary:
        temporary.write_text(json.dumps(get_lock_entry(project, command), indent=2) + "\n", encoding="utf-8")


def _record(project: Path, run: Run, command: Dict[str, Any]) -> Path:
    return project / run.metrics / f"{command['name']}.lock.json"
