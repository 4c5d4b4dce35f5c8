"""Package a trained pipeline together with the library it needs."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated, List

import srsly
import typer
from posattn_benchmark.gmb.packaging import package_meta
from wasabi import msg

from posattn_spacy.telling import insist_writable
from posattn_spacy.writing import replacing


def main(
    model: Annotated[Path, typer.Argument(help="Trained pipeline")],
    metrics: Annotated[Path, typer.Argument(help="What the benchmark command wrote")],
    out_dir: Annotated[Path, typer.Argument(help="Folder for packages and wheels")],
    name: Annotated[str, typer.Option(help="Name of the package, without the language")],
    version: Annotated[str, typer.Option(help="Version of the package")],
    encoder: Annotated[str, typer.Option(help="Name of the encoder, for the licence notes")],
) -> None:
    """Write the wheels of the pipeline and of posattn-spacy."""
    insist_writable(out_dir / "meta.json")
    meta = package_meta(srsly.read_json(model / "meta.json"), srsly.read_json(metrics), encoder)
    meta_path = out_dir / "meta.json"
    with replacing(meta_path) as temporary:
        srsly.write_json(temporary, meta)
    python = [sys.executable, "-m"]
    options = ["--name", name, "--version", version, "--meta-path", str(meta_path)]
    _run([*python, "spacy", "package", str(model), str(out_dir), *options, "--build", "wheel", "--force"])
    wheels = out_dir / "wheels"
    for stale in (wheels, Path("build")):  # wheels and modules of earlier versions
        shutil.rmtree(stale, ignore_errors=True)
    _run([*python, "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(wheels), "."])
    for wheel in sorted(out_dir.glob("*/dist/*.whl")):
        wheel.replace(wheels / wheel.name)
    msg.good(f"Wheels in {wheels}: {', '.join(sorted(path.name for path in wheels.glob('*.whl')))}")


def _run(command: List[str]) -> None:
    """Run a command that is shown by name; its many lines are shown only if it fails."""
    msg.info(f"Running: python {' '.join(command[1:])}")
    result = subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode:
        typer.echo(result.stdout)
        msg.fail(f"Failed: {' '.join(command)}", exits=1)


if __name__ == "__main__":
    typer.run(main)
