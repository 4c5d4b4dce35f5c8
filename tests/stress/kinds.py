"""Kinds of malformed corpora and hostile pipelines, each tried by its own test."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from processes import ROOT

from .running import Outcome, Setting

CORPORA = "tests/corpora/test_malformed.py::test_a_malformed_corpus_is_named_and_converts_when_mended"
PIPELINES = "tests/test_hostile.py::test_a_spoilt_folder_is_named_and_runs_nothing"


def corpora(setting: Setting) -> Outcome:
    """Convert corpora of every malformed kind, and the same mended; the reach is the number of kinds."""
    return try_kinds(setting, CORPORA)


def pipelines(setting: Setting) -> Outcome:
    """Load pipelines from every hostile kind of folder; the reach is the number of kinds."""
    return try_kinds(setting, PIPELINES)


def try_kinds(setting: Setting, test: str) -> Outcome:
    """Run a test that has one case for each kind."""
    report = setting.folder / "report.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    pytest = [sys.executable, "-m", "pytest", test, f"--junitxml={report}"]
    subprocess.run(pytest, cwd=ROOT, check=False)
    return outcome_of(report, setting.reach)


def outcome_of(report: Path, least: int) -> Outcome:
    """Read what came of a test.

    report (Path): What pytest wrote.
    least (int): How many kinds there should be.
    RETURNS (Outcome): The outcome.
    """
    (suite,) = ElementTree.parse(report).getroot().iter("testsuite")
    kinds, failed = int(suite.attrib["tests"]), int(suite.attrib["failures"]) + int(suite.attrib["errors"])
    held = kinds >= least and not failed
    return Outcome(kinds, held, {"kinds": kinds, "failed": failed})
