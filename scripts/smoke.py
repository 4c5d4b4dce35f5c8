"""Install the built wheels into a new environment, and use them there as a stranger would."""

import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, List, NamedTuple, Sequence

import srsly
import typer
from posattn_benchmark.pages import EXAMPLE, fill_page, is_readme_run
from wasabi import msg

# Runs in every Python of the new environment. A file that is opened in a closed folder ends it.
WATCH = """
import os
import sys

CLOSED = os.environ.get("CLOSED", "").split(os.pathsep)

def watch(event, args):
    if event == "open" and isinstance(args[0], (str, bytes)):
        path = os.path.realpath(os.fsdecode(args[0]))
        for folder in filter(None, CLOSED):
            if path == folder or path.startswith(folder + os.sep):
                raise PermissionError(f"opened {path}, which the installed packages must not need")

sys.addaudithook(watch)
"""
USE = """
import sys
import spacy

nlp = spacy.load(sys.argv[1])
doc = nlp("President Barack Obama flew from London to Iraq on Monday to meet British troops.")
spans = doc.spans["posattn_ner"]
for span, score in zip(spans, spans.attrs["scores"]):
    print(f"{span.text:30} {span.label_:5} {score:.2f}")
"""
# From a CoNLL file to a package, by the commands of the README.
OWN = (
    "posattn convert corpus.conll corpus",
    "posattn init config config.cfg --train corpus/file-order/train.spacy --dev corpus/file-order/dev.spacy",
    "train config.cfg --output model",
    "evaluate model/model-best corpus/file-order/test.spacy --gold-preproc",
    "package model/model-best packages --name own --build wheel",
)


class Place(NamedTuple):
    """Where the wheels are tried.

    folder (Path): An empty folder, with an environment in it.
    closed (Sequence[str]): Folders that must not be read.
    """

    folder: Path
    closed: Sequence[str]

    @property
    def python(self) -> Path:
        """RETURNS (Path): The environment's Python."""
        return self.folder / "venv" / "bin" / "python"

    def run(self, *command: str | Path, watched: bool = True) -> str:
        """Run Python, away from the project and the network; its errors are shown as they come.

        command (str | Path): What comes after `python`.
        watched (bool): Whether the closed folders are closed.
        RETURNS (str): What it printed.
        """
        more = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "CLOSED": os.pathsep.join(self.closed)}
        result = subprocess.run(
            [self.python, *command],
            cwd=self.folder,
            env={**os.environ, **(more if watched else {})},
            check=False,
            stdout=subprocess.PIPE,
            text=True,
        )
        if result.returncode:
            msg.fail(f"Failed: python {' '.join(map(str, command[:6]))} …", result.stdout, exits=1)
        return result.stdout


def main(
    wheels: Annotated[Path, typer.Argument(help="Folder with the wheels")],
    printed: Annotated[Path, typer.Argument(help="File for the entities that were found")],
    metrics: Annotated[Path, typer.Argument(help="What `benchmark` wrote for the pipeline")],
    name: Annotated[str, typer.Option(help="Name of the pipeline to load")],
    account: Annotated[Path, typer.Option(help="The corpus.json of the corpus trained on")] = Path(
        "corpus/corpus.json"
    ),
    constraints: Annotated[Path, typer.Option(help="Versions to install")] = Path("constraints.txt"),
    encoders: Annotated[Path, typer.Option(help="Folder the packages must not need")] = Path(
        "assets/encoder"
    ),
    sample: Annotated[Path, typer.Option(help="Table of words and tags to learn from")] = Path(
        "assets/sample/sample.csv"
    ),
    readme: Annotated[Path | None, typer.Option(help="README to put the entities into")] = None,
) -> None:
    """Load the packaged pipeline in a new environment, and make one there from a CoNLL file to a package."""
    with tempfile.TemporaryDirectory() as temporary:
        place = Place(Path(temporary), [os.path.realpath(folder) for folder in (Path.cwd(), encoders)])
        install(place, wheels, constraints)
        entities = place.run("-c", USE, name)
        own = make_own(place, sample)
    printed.write_text(entities, encoding="utf-8")
    typer.echo(entities)
    if not entities.strip():
        # A pipeline trained on one's own corpus may rightly find nothing in a sentence of news.
        if srsly.read_json(account)["kind"] != "own":
            msg.fail("The packaged pipeline found no entity", exits=1)
        msg.warn("The packaged pipeline found no entity in a sentence of news")
    msg.good(f"'{name}' loads and finds entities from its wheels alone")
    if not own.strip():
        msg.fail("The pipeline that was made from a CoNLL file found no entity", exits=1)
    msg.good("From a CoNLL file to a package, and entities, with the wheels alone")
    if readme is not None and is_readme_run(srsly.read_json(metrics)):
        fill_page(readme, EXAMPLE, f"```\n{entities.strip()}\n```")
        msg.good(f"Entities written to {readme}")


def install(place: Place, wheels: Path, constraints: Path) -> None:
    """Make the environment, with the wheels and what a user installs beside them."""
    msg.info("Installing the wheels into a new environment")
    subprocess.run([sys.executable, "-m", "venv", place.folder / "venv"], check=True)
    files: List[str | Path] = []
    for path in sorted(wheels.resolve().glob("*.whl")):
        files.append(f"{path}[minilm]" if path.name.startswith("posattn_spacy-") else path)
    options: List[str | Path] = [
        "--quiet",
        "--constraint",
        constraints.resolve(),
        "--find-links",
        wheels.resolve(),
    ]
    place.run("-m", "pip", "install", *options, *files, "build", watched=False)
    (packages,) = place.folder.glob("venv/lib/python*/site-packages")
    (packages / "sitecustomize.py").write_text(WATCH, encoding="utf-8")


def make_own(place: Place, sample: Path) -> str:
    """Go from a CoNLL file to a package of one's own.

    place (Place): Where.
    sample (Path): Table of words and tags.
    RETURNS (str): The entities that the package finds.
    """
    write_conll(sample, place.folder / "corpus.conll")
    (place.folder / "packages").mkdir()
    for step in OWN:
        msg.info(f"Running: python -m spacy {step}")
        place.run("-m", "spacy", *step.split())
    (wheel,) = place.folder.glob("packages/*/dist/*.whl")
    place.run("-m", "pip", "install", "--quiet", "--no-deps", wheel, watched=False)
    return place.run("-c", USE, "en_own")


def write_conll(table: Path, path: Path) -> None:
    """Write a table of words and tags as a CoNLL file."""
    lines: List[str] = []
    with table.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            if row["Sentence #"] and lines:
                lines.append("")
            lines.append(f"{row['Word']}\t{row['Tag']}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
