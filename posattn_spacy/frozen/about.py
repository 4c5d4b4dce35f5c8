"""What a feature store says that it holds, whoever wrote it there."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Optional

import numpy as np

from .files import MOVE_AWAY, StoreError, printable

FORMAT = 1
MAX_ABOUT = 1 << 14  # bytes


@dataclass(frozen=True)
class About:
    """What a store holds; written into it when it is made.

    encoder (str): Name of the encoder, for people.
    fingerprint (str): Tells encoders apart, see `encoder_fingerprint`.
    width (int): Width of a layer.
    dtype (str): Type of the stored numbers, "float16" or "float32".
    format (int): Version of the layout of the records.
    """

    encoder: str
    fingerprint: str
    width: int
    dtype: str
    format: int = FORMAT

    @property
    def row_bytes(self) -> int:
        """RETURNS (int): Bytes of one token at one layer."""
        return self.width * np.dtype(self.dtype).itemsize


def read_about(path: Path, value: Optional[bytes]) -> About:
    """Read what a store holds.

    path (Path): Folder of the store, for the message.
    value (Optional[bytes]): What is written in it.
    RETURNS (About): What it holds.
    RAISES (StoreError): If the store is of another format than this version's, or that can't be read.
    """
    try:
        facts = json.loads(value) if value and len(value) <= MAX_ABOUT else None
    except (ValueError, RecursionError):
        facts = None
    version = facts.get("format") if isinstance(facts, dict) else None
    if type(version) is int and version > FORMAT:
        raise StoreError(
            f"The feature store {path} has format {version}, and this version of posattn-spacy reads format "
            f"{FORMAT}: update posattn-spacy, or choose another folder."
        )
    if not isinstance(facts, dict) or not _is_about(facts):
        raise StoreError(f"The feature store {path} is damaged: it does not say what it holds. {MOVE_AWAY}.")
    return About(**{**facts, "encoder": printable(facts["encoder"])})


def _is_about(facts: Dict[str, Any]) -> bool:
    """Whether facts are those of a store, whoever wrote them."""
    return (
        facts.keys() == About.__annotations__.keys()
        and isinstance(facts["encoder"], str)
        and isinstance(facts["fingerprint"], str)
        and re.fullmatch("[0-9a-f]{32}", facts["fingerprint"]) is not None
        and type(facts["width"]) is int
        and facts["width"] > 0
        and facts["dtype"] in ("float16", "float32")
        and type(facts["format"]) is int
        and facts["format"] == FORMAT
    )


def check_about(path: Path, found: About, expected: About) -> None:
    """Insist that a store holds what is asked of it.

    path (Path): Folder of the store, for the message.
    found (About): What it holds.
    expected (About): What is asked of it.
    RAISES (StoreError): If that is not the same.
    """
    if (found.fingerprint, found.width) != (expected.fingerprint, expected.width):
        raise StoreError(
            f"The feature store {path} was made by another encoder, '{found.encoder}'; this one is "
            f"'{expected.encoder}'. Choose a folder of its own for each encoder."
        )
    if found.dtype != expected.dtype:
        raise StoreError(
            f"The feature store {path} holds {found.dtype}, and {expected.dtype} is asked for. Choose "
            "another folder, or set dtype to what is there."
        )
