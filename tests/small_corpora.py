"""Small corpora in every format, and running the scripts on them."""

import contextlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import List

from typer.testing import CliRunner

from posattn_spacy.cli import posattn

ROOT = Path(__file__).parents[1]
# Words and tags that every small corpus of these tests is made of.
SENTENCE = [("Ann", "B-per"), ("Lee", "I-per"), ("left", "O"), ("Oslo", "B-geo"), (".", "O")]


@dataclass(frozen=True)
class ScriptResult:
    """How a script ended, and all it said, line breaks taken out."""

    code: int
    output: str


def kaggle_rows(n_sentences: int) -> List[List[str]]:
    """Make rows as on Kaggle: the number of a sentence stands in its first row alone."""
    rows = [["Sentence #", "Word", "POS", "Tag"]]
    for i in range(n_sentences):
        for j, (word, tag) in enumerate(SENTENCE):
            number = f"Sentence: {i + 1}" if j == 0 else ""
            rows.append([number, word if j else f"{word}{i}", "NNP", tag])
    return rows


def conll_text(n_sentences: int) -> str:
    """Make a two-column file of equal sentences."""
    return "\n".join("".join(f"{word} {tag}\n" for word, tag in SENTENCE) for _ in range(n_sentences)) + "\n"


def run_convert(*args: object, cwd: Path) -> ScriptResult:
    """Run `posattn convert` in another folder, within this process."""
    with contextlib.chdir(cwd):
        result = CliRunner().invoke(posattn, ["convert", *map(str, args)], env={"COLUMNS": "200"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return ScriptResult(result.exit_code, " ".join(result.output.split()))


def run_script(name: str, *args: object, cwd: Path, data: str = "") -> ScriptResult:
    """Run a script of the project in another folder, as a user would."""
    env = {**os.environ, "POSATTN_DATA": data, "COLUMNS": "200"}
    result = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / name), *map(str, args)],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    return ScriptResult(result.returncode, " ".join((result.stdout + result.stderr).split()))
