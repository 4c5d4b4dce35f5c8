"""Note what the code of each command is, so that it runs again when that has changed."""

from pathlib import Path
from typing import Annotated

import typer
from posattn_benchmark.digests import write_digests


def main(folder: Annotated[Path, typer.Argument(help="For a file for each kind of command")]) -> None:
    """Write the files that changed."""
    write_digests(Path(), folder)


if __name__ == "__main__":
    typer.run(main)
