"""Say it when figures that follow are those of the sample corpus."""

from pathlib import Path
from typing import Annotated

import srsly
import typer
from posattn_benchmark.gmb.locate import sample_mark
from wasabi import msg


def main(account: Annotated[Path, typer.Argument(help="The corpus.json of the converted corpus")]) -> None:
    """Print a notice if a converted corpus is the sample corpus; else nothing."""
    if not account.is_file():
        msg.fail(f"There is no {account}: run `python -m spacy project run all` first.", exits=1)
    mark = sample_mark(srsly.read_json(account)["kind"])
    if mark:
        msg.warn(f"{mark}The figures that follow come from the project's small sample and mean nothing.")


if __name__ == "__main__":
    typer.run(main)
