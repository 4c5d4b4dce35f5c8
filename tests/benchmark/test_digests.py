"""What the code of each command is: all that it runs, and nothing else."""

import shutil
from pathlib import Path
from typing import Set

import pytest
from posattn_benchmark.digests import KINDS, listing_of, write_digests

from processes import ROOT

CODE = ("posattn_spacy", "benchmark", "scripts", "setup.cfg", "pyproject.toml", "LICENSE")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the code, whose digests have been written."""
    for name in CODE:
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, tmp_path / name)
    assert len(write_digests(tmp_path, tmp_path / "digests")) == len(KINDS)
    return tmp_path


def files_of(kind: str) -> Set[str]:
    return {line.split("  ")[1] for line in listing_of(kind, ROOT).splitlines()}


@pytest.mark.parametrize(
    ("kind", "needed"),
    [
        (
            "encoder",
            {"scripts/encoder.py", "posattn_spacy/frozen/download.py"},
        ),
        ("corpus", {"posattn_spacy/corpora/conll.py", "benchmark/posattn_benchmark/gmb/splits.py"}),
        (
            "train",
            {
                *("scripts/train.py", "posattn_spacy/attention.py", "posattn_spacy/frozen/store.py"),
                *("posattn_spacy/lexical.py", "posattn_spacy/batching.py", "posattn_spacy/process.py"),
                *(
                    "posattn_spacy/component.py",
                    "posattn_spacy/calibration.py",
                    "posattn_spacy/augmentation.py",
                ),
                "benchmark/posattn_benchmark/baselines.py",
            },
        ),
        ("benchmark", {"benchmark/posattn_benchmark/robustness.py", "posattn_spacy/lattice.py"}),
        ("cost", {"benchmark/posattn_benchmark/cost/stock.py", "posattn_spacy/frozen/pieces.py"}),
        ("package", {"posattn_spacy/view/viewer.css", "posattn_spacy/posattn.cfg", "setup.cfg"}),
        ("smoke", {"scripts/smoke.py"}),
    ],
)
def test_a_command_depends_on_the_code_that_it_runs(kind: str, needed: Set[str]) -> None:
    assert needed <= files_of(kind)


def test_training_depends_on_nothing_that_it_does_not_run() -> None:
    files = files_of("train")
    assert not [name for name in files if name.endswith((".css", ".js")) or "/cli/" in name]
    assert not [name for name in files if "/grid/" in name or "/report/" in name or "/cost/" in name]


@pytest.mark.parametrize(
    ("edited", "changed"),
    [
        ("posattn_spacy/view/viewer.css", {"package"}),
        ("posattn_spacy/corpora/conll.py", {"corpus", "package"}),
        ("posattn_spacy/attention.py", {"train", "benchmark", "cost", "package"}),
        ("benchmark/posattn_benchmark/report/page.css", set()),
        ("benchmark/posattn_benchmark/cost/chart.py", {"cost"}),
        ("scripts/smoke.py", {"smoke"}),
    ],
)
def test_an_edit_changes_the_digests_of_what_runs_the_file(
    project: Path, edited: str, changed: Set[str]
) -> None:
    path = project / edited
    path.write_text(path.read_text() + "\n")
    written = {path.stem for path in write_digests(project, project / "digests")}
    assert written == changed
    assert write_digests(project, project / "digests") == []
