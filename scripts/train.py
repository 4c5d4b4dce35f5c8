"""Run `spacy train` with batches, a schedule and layers that fit the corpus."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, List

import srsly
import typer
from posattn_benchmark.processes import LARGE_PAGES
from posattn_benchmark.provenance import origin, training_sources
from spacy.cli._util import parse_config_overrides
from spacy.util import load_config
from wasabi import msg

from posattn_spacy.starting.fitted import fitted_training
from posattn_spacy.writing import replacing


def main(
    context: typer.Context,
    config_path: Annotated[Path, typer.Argument(help="Config")],
    output: Annotated[Path, typer.Option(help="Folder for model-best and model-last")],
    gpu_id: Annotated[int, typer.Option(help="GPU to use, -1 for CPU")] = -1,
) -> None:
    """Train; further options override settings of the config, as with `spacy train`."""
    overrides = parse_config_overrides(list(context.args))
    try:
        config = load_config(config_path, overrides=overrides)
        settings, size = fitted_training(config, overrides)
    except (OSError, ValueError) as error:
        msg.fail(str(error), exits=1)
    fitted = {key: value for key, value in settings.items() if key not in overrides}
    options = [item for key, value in fitted.items() for item in (f"--{key}", str(value))]
    command: List[str] = [sys.executable, "-m", "spacy", "train", str(config_path)]
    command += ["--output", str(output), "--gpu-id", str(gpu_id), *context.args, *options]
    msg.info("Running: python " + " ".join(command[1:]))
    status = subprocess.run(command, env={**LARGE_PAGES, **os.environ}, check=False).returncode
    if not status:
        corpus = [Path(config["paths"][part]) for part in ("train", "dev")]
        encoder = config["paths"].get("encoder")
        sources = training_sources(Path(), config_path, corpus, encoder and Path(encoder))
        with replacing(output / "made.json") as temporary:
            srsly.write_json(temporary, {**size._asdict(), **origin(Path()), "sources": sources})
    sys.exit(status)


app = typer.Typer()
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(main)

if __name__ == "__main__":
    app()
