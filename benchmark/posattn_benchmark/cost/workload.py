"""What the systems are given to do."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Dict, List

from spacy.language import Language
from spacy.tokens import Doc, DocBin

Figures = Dict[str, float]


@dataclass(frozen=True)
class Workload:
    """What every system is given to do.

    config (str): Our training config.
    encoder (str): Folder of the encoder.
    train (str): Training documents.
    dev (str): Development documents; the short measurements run on their beginning.
    model (str): A finished pipeline of ours.
    folder (str): Folder for the feature stores and pipelines of the measurements.
    docs (int): Documents of the short measurements.
    epochs (int): Epochs of a whole training.
    """

    config: str
    encoder: str
    train: str
    dev: str
    model: str
    folder: str
    docs: int
    epochs: int

    @classmethod
    def read(cls, path: Path) -> "Workload":
        """Read what `write` wrote."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def write(self, path: Path) -> None:
        """Write it for another process."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @property
    def store(self) -> Path:
        """RETURNS (Path): The feature store that a whole training from a cold store leaves behind."""
        return Path(self.folder) / "features"

    def overrides(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): Overrides for our config."""
        return {
            "paths.train": self.train,
            "paths.dev": self.dev,
            "paths.encoder": self.encoder,
            "initialize.after_init.path": str(self.store),
        }

    def dev_docs(self, nlp: Language) -> List[Doc]:
        """RETURNS (List[Doc]): The documents of the short measurements."""
        docs = DocBin().from_disk(self.dev).get_docs(nlp.vocab)
        return [doc for _, doc in zip(range(self.docs), docs, strict=False)]


def count_words(docs: List[Doc]) -> int:
    """RETURNS (int): Number of tokens."""
    return sum(len(doc) for doc in docs)
