"""What the systems are given to do."""

import json
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Dict, List, Union

import torch
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

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
    gpu_id (int): GPU to use, -1 for the CPU.
    """

    config: str
    encoder: str
    train: str
    dev: str
    model: str
    folder: str
    docs: int
    epochs: int
    gpu_id: int = -1

    @property
    def device(self) -> torch.device:
        """RETURNS (torch.device): Where models are run."""
        return torch.device("cpu") if self.gpu_id < 0 else torch.device("cuda", self.gpu_id)

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
        return first_docs(self.dev, self.docs, nlp.vocab)


def first_docs(path: Union[str, Path], n_docs: int, vocab: Vocab) -> List[Doc]:
    """RETURNS (List[Doc]): The first documents of a .spacy file, as many as are wanted."""
    return list(islice(DocBin().from_disk(path).get_docs(vocab), n_docs))


def count_words(docs: List[Doc]) -> int:
    """RETURNS (int): Number of tokens."""
    return sum(len(doc) for doc in docs)
