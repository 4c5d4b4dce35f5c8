"""What imports what: one way within the library, and little into processes that only have it installed."""

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Sequence, Set

import grimp
import pytest
import spacy

LIBRARY, BENCHMARK = "posattn_spacy", "posattn_benchmark"
TORCH_ALONE = (
    *("attention", "layout", "losses", "lattice", "strips", "tagging", "saving"),
    *("frozen.pieces", "frozen.loading", "frozen.storing", "frozen.download"),
)
# What one imports may import those behind it.
LAYERS = (
    *("cli", "starting", "view", "diagnosis", "thresholds", "calibration", "evaluation", "component"),
    *("configured_pipe", "model", "head", "losses", "lattice", "strips", "frozen", "corpora"),
)
BENCHMARK_LAYERS = ("report", "grid", "results", "benchmark", "runs", "processes")
# Prints what a process has imported. With "without", what we install is not found.
IMPORTED = """
import sys
from importlib import metadata

if sys.argv[1] == "without":
    all_of = metadata.distributions
    metadata.distributions = lambda **options: (
        each for each in all_of(**options) if not each.metadata["Name"].startswith("posattn")
    )
import spacy

for nlp in (spacy.blank("en"), spacy.load(sys.argv[2])):
    nlp("A text.")
print(*sorted(sys.modules))
"""


@cache
def graph(external: bool = False) -> grimp.ImportGraph:
    packages = (LIBRARY, BENCHMARK)
    return grimp.build_graph(*packages, include_external_packages=external, cache_dir=None)


def imported(*arguments: object) -> Set[str]:
    """The modules that a process has after it made a pipeline and loaded another."""
    command = [sys.executable, "-c", IMPORTED, *map(str, arguments)]
    return set(subprocess.run(command, cwd="/", capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("module", TORCH_ALONE)
def test_torch_modules_know_nothing_of_spacy(module: str) -> None:
    name = f"{LIBRARY}.{module}"
    known = {name, *graph().find_upstream_modules(name)}
    direct = {
        other.split(".")[0] for each in known for other in graph(True).find_modules_directly_imported_by(each)
    }
    assert not direct & {"spacy", "thinc", "spacy_transformers"}


@pytest.mark.parametrize("module", ["posattn_benchmark.gmb.locate", "posattn_spacy.corpora.json_formats"])
def test_what_only_looks_at_files_does_not_wait_for_spacy(module: str) -> None:
    command = f"import sys, {module}; print(*sorted(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert not {"spacy", "thinc", "torch"} & set(ran.stdout.split())


def test_no_module_imports_itself_by_way_of_others() -> None:
    modules = graph().modules
    assert len(modules) > 100
    for module in modules:
        for other in graph().find_modules_directly_imported_by(module):
            assert not graph().chain_exists(other, module), f"{module} and {other} import each other"


@pytest.mark.parametrize(("package", "layers"), [(LIBRARY, LAYERS), (BENCHMARK, BENCHMARK_LAYERS)])
def test_imports_go_one_way(package: str, layers: Sequence[str]) -> None:
    for i, lower in enumerate(layers):
        for upper in layers[:i]:
            importer, name = f"{package}.{lower}", f"{package}.{upper}"
            assert not graph().chain_exists(importer, name, as_packages=True), f"{lower} imports {upper}"


def test_the_library_does_not_know_the_benchmark() -> None:
    assert not graph().chain_exists(LIBRARY, BENCHMARK, as_packages=True)


def test_blank_and_foreign_pipelines_import_a_light_file_of_ours_and_nothing_else(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path)
    more = imported("with", tmp_path) - imported("without", tmp_path)
    assert {f"{LIBRARY}.factory", f"{BENCHMARK}.factory"} <= more  # else nothing of ours was found
    assert more <= {
        *(LIBRARY, f"{LIBRARY}.factory", f"{LIBRARY}.settings", f"{LIBRARY}.writing"),
        *(BENCHMARK, f"{BENCHMARK}.factory"),
    }
