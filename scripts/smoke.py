"""Install the built wheels into a new environment, and use them there as a stranger would."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Dict, List, Sequence

import srsly
import typer
from posattn_benchmark.pages import EXAMPLE, fill_page, is_readme_run
from wasabi import msg

# Runs in the new environment. Any file that is opened under one of the closed folders ends it.
USE = """
import sys

closed = sys.argv[2:]

def watch(event, args):
    if event == "open" and isinstance(args[0], (str, bytes)):
        import os
        path = os.path.realpath(os.fsdecode(args[0]))
        for folder in closed:
            if path == folder or path.startswith(folder + os.sep):
                raise PermissionError(f"opened {path}, which the installed packages must not need")

sys.addaudithook(watch)
import spacy

nlp = spacy.load(sys.argv[1])
doc = nlp("President Barack Obama flew from London to Iraq on Monday to meet British troops.")
spans = doc.spans["posattn_ner"]
for span, score in zip(spans, spans.attrs["scores"]):
    print(f"{span.text:30} {span.label_:5} {score:.2f}")
"""


def main(
    wheels: Annotated[Path, typer.Argument(help="Folder with the wheels")],
    printed: Annotated[Path, typer.Argument(help="File for the entities that were found")],
    metrics: Annotated[Path, typer.Argument(help="What `benchmark` wrote for the pipeline")],
    name: Annotated[str, typer.Option(help="Name of the pipeline to load")],
    report: Annotated[Path, typer.Option(help="The corpus.json of the corpus trained on")] = Path(
        "corpus/corpus.json"
    ),
    constraints: Annotated[Path, typer.Option(help="Versions to install")] = Path("constraints.txt"),
    encoders: Annotated[Path, typer.Option(help="Folder the packages must not need")] = Path(
        "assets/encoder"
    ),
    readme: Annotated[Path | None, typer.Option(help="README to put the entities into")] = None,
) -> None:
    """Load the packaged pipeline in a new environment, away from the project, and print entities."""
    project = Path.cwd()
    with tempfile.TemporaryDirectory() as temporary:
        python = Path(temporary, "venv", "bin", "python")
        _run([sys.executable, "-m", "venv", python.parent.parent], temporary)
        install: List[str | Path] = [
            python,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--constraint",
            constraints.resolve(),
        ]
        files = [path.resolve() for path in sorted(wheels.glob("*.whl"))]
        msg.info("Installing the wheels into a new environment")
        _run([*install, "--find-links", wheels.resolve(), *files], temporary)
        closed = [os.path.realpath(folder) for folder in (project, encoders)]
        offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
        entities = _run([python, "-I", "-c", USE, name, *closed], temporary, offline)
    printed.write_text(entities, encoding="utf-8")
    typer.echo(entities)
    if not entities.strip():
        # A pipeline trained on one's own corpus may rightly find nothing in a sentence of news.
        if srsly.read_json(report)["kind"] != "own":
            msg.fail("The packaged pipeline found no entity", exits=1)
        msg.warn("The packaged pipeline found no entity in a sentence of news")
    msg.good(f"'{name}' loads and finds entities from its wheels alone")
    if readme is not None and is_readme_run(srsly.read_json(metrics)):
        fill_page(readme, EXAMPLE, f"```\n{entities.strip()}\n```")
        msg.good(f"Entities written to {readme}")


def _run(command: Sequence[str | Path], folder: str, more: Dict[str, str] | None = None) -> str:
    """Run a command away from the project and return what it printed; its errors are shown as they come."""
    environment = {**os.environ, **(more or {})}
    result = subprocess.run(
        command, cwd=folder, env=environment, check=False, stdout=subprocess.PIPE, text=True
    )
    if result.returncode:
        msg.fail(f"Failed: {' '.join(map(str, command[:4]))} ...", result.stdout, exits=1)
    return result.stdout


if __name__ == "__main__":
    typer.run(main)
