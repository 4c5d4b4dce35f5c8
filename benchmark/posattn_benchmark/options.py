"""What several scripts are asked for."""

from pathlib import Path
from typing import Annotated

import typer

ENCODER, CONVERTED = Path("assets/encoder/all-MiniLM-L6-v2"), Path("corpora")

EncoderFolder = Annotated[Path, typer.Option(help="Folder of the encoder")]
ConvertedFolder = Annotated[Path, typer.Option(help="Folder for converted corpora")]
Lang = Annotated[str, typer.Option(help="Language of the corpora")]
