"""Fetch an encoder into the project."""

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from posattn_spacy.frozen.download import fetch_encoder


def main(
    name: Annotated[str, typer.Argument(help="all-MiniLM-L6-v2, a Hugging Face name, or a folder")],
    folder: Annotated[Path, typer.Argument(help="Folder to write to")],
) -> None:
    """Write an encoder and its tokenizer to a folder."""
    try:
        n_weights = fetch_encoder(name, folder)
    except ValueError as error:
        msg.fail(str(error), exits=1)
    msg.good(f"Encoder {name} ({n_weights / 1e6:.1f} M weights, all frozen) in {folder}")


if __name__ == "__main__":
    typer.run(main)
