"""What the project declares about its own code is true of the code."""

import ast
from pathlib import Path
from typing import Dict, Iterator, List, Set

import pytest
import srsly

from processes import ROOT

COMMANDS: Dict[str, Dict[str, List[str]]] = {
    command["name"]: command for command in srsly.read_yaml(ROOT / "project.yml")["commands"]
}
PIPELINE = [
    "posattn_spacy/component.py",
    "posattn_spacy/lexical.py",
    "posattn_spacy/scoring.py",
    "posattn_spacy/frozen/architecture.py",
]
STARTS = {
    "encoder": ["scripts/encoder.py"],
    "corpus": ["scripts/convert.py"],
    "train": [
        "scripts/train.py",
        "posattn_spacy/augmentation.py",
        "posattn_spacy/batching.py",
        "posattn_spacy/calibration.py",
        "posattn_spacy/frozen/callback.py",
        "posattn_spacy/memory.py",
        *PIPELINE,
    ],
    "evaluate": PIPELINE,
    "benchmark": ["scripts/benchmark.py", *PIPELINE],
    "cost": ["scripts/cost.py", "benchmark/posattn_benchmark/cost/systems.py", *PIPELINE],
    "smoke": ["scripts/smoke.py"],
    "package": [path.relative_to(ROOT).as_posix() for path in (ROOT / "posattn_spacy").rglob("*.py")],
}


def imported(path: Path) -> Iterator[Path]:
    """The modules of the package that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom):
            continue
        if node.level:
            folder = path.parents[node.level - 1]
        elif node.module and node.module.split(".")[0] == "posattn_spacy":
            folder = ROOT
        else:
            continue
        module = folder.joinpath(*(node.module or "").split("."))
        for candidate in [module, *(module / name.name for name in node.names)]:
            if candidate.with_suffix(".py").is_file():
                yield candidate.with_suffix(".py")


def closure(starts: List[str]) -> Set[str]:
    """All files of the package that a set of files needs, itself included."""
    found: Set[Path] = set()
    todo = [ROOT / start for start in starts]
    while todo:
        path = todo.pop()
        if path not in found:
            found.add(path)
            todo.extend(imported(path))
    return {path.relative_to(ROOT).as_posix() for path in found}


@pytest.mark.parametrize("command", STARTS)
def test_command_depends_on_all_the_code_it_runs(command: str) -> None:
    needed = {name for name in closure(STARTS[command]) if not name.endswith("__init__.py")}
    assert len(needed) >= len(STARTS[command]) // 2
    assert needed <= set(COMMANDS[command]["deps"])


@pytest.mark.parametrize(
    ("path", "foreign"),
    [
        ("attention.py", {"spacy", "thinc", "spacy_transformers"}),
        ("losses.py", {"spacy", "thinc", "spacy_transformers"}),
        ("tagging.py", {"spacy", "thinc", "spacy_transformers"}),
        ("lattice.py", {"spacy", "thinc", "spacy_transformers"}),
        ("strips.py", {"spacy", "thinc", "spacy_transformers"}),
        ("frozen/pieces.py", {"spacy", "thinc", "spacy_transformers"}),
        ("frozen/loading.py", {"spacy", "thinc", "spacy_transformers"}),
        ("frozen/storing.py", {"spacy", "thinc", "spacy_transformers"}),
        ("frozen/download.py", {"spacy", "thinc", "spacy_transformers"}),
        ("saving.py", {"spacy", "thinc", "spacy_transformers"}),
    ],
)
def test_torch_modules_know_nothing_of_spacy(path: str, foreign: Set[str]) -> None:
    tree = ast.parse((ROOT / "posattn_spacy" / path).read_text())
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    modules |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert not {module.split(".")[0] for module in modules} & foreign
