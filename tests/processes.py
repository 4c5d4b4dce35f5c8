"""Running commands as a user does: in a process of their own, or where that is not the point, in this one."""

import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import typer
from typer.testing import CliRunner

from posattn_spacy.cli import posattn

ROOT = Path(__file__).resolve().parent.parent


def run(
    *arguments: object, folder: Path = ROOT, fails: bool = False, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Run Python with arguments; its output is captured, and its success asserted.

    arguments (object): What comes after `python`.
    folder (Path): Where to run it.
    fails (bool): Whether the command is expected to fail instead.
    environment (str): Variables to set.
    RETURNS (subprocess.CompletedProcess[str]): With stdout and stderr.
    """
    plain = {"NO_COLOR": "1", "ANSI_COLORS_DISABLED": "1", "HF_HUB_OFFLINE": "1", "COLUMNS": "200"}
    result = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, **plain, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode != 0) == fails, f"{result.stdout}\n{result.stderr}"
    return result


def command(*arguments: object, fails: bool = False, app: typer.Typer = posattn) -> str:
    """Run a command of `spacy posattn` in this process, and assert its success.

    arguments (object): What comes after `spacy posattn`.
    fails (bool): Whether the command is expected to end with a message instead.
    app (typer.Typer): Another program to run.
    RETURNS (str): What it says, on one line and without colours.
    """
    return " ".join(printed(*arguments, fails=fails, app=app).split())


def printed(*arguments: object, fails: bool = False, app: typer.Typer = posattn) -> str:
    """RETURNS (str): The same with its lines as they are."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert (result.exit_code != 0) == fails, result.output
    return re.sub(r"\x1b\[[\d;]*m", "", result.output)


def script(name: str) -> typer.Typer:
    """RETURNS (typer.Typer): The program in a file of scripts/."""
    module = import_module(f"scripts.{name}")
    app: typer.Typer | None = getattr(module, "app", None)
    if app is None:
        app = typer.Typer()
        app.command()(module.main)
    return app
