"""Say it when figures that follow are those of the sample corpus."""

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from posattn_spacy.corpora.locate import read_source


def main(source: Annotated[Path, typer.Argument(help="Where the corpus came from")]) -> None:
    """Print a notice if the project runs on its sample corpus; else nothing."""
    mark = read_source(source).mark
    if mark:
        msg.warn(f"{mark}The figures that follow come from the project's small sample and mean nothing.")


if __name__ == "__main__":
    typer.run(main)
