"""The same training with the same seed, again and again."""

import random
from hashlib import blake2b
from pathlib import Path
from typing import Any, Dict

import spacy
from spacy.cli.train import train as spacy_train
from spacy.tokens import Doc, DocBin

from pipelines import TEXTS
from processes import ROOT

from .running import Found, Outcome, Setting

STEPS = 100
NLP = spacy.blank("en")
DOCS = {"train": 400, "dev": 40}
WORDS = sorted({word for text in TEXTS for word in text.split()})


def repeat(setting: Setting) -> Outcome:
    """Train with the shipped config, each time in a new process, and compare the heads byte by byte."""
    for name, n in DOCS.items():
        DocBin(docs=[annotated(f"{name} {i}") for i in range(n)]).to_disk(setting.folder / f"{name}.spacy")
    first = setting.alone(head_of_training, setting, "first")

    def again(item: int) -> Found:
        return Found({"different": setting.alone(head_of_training, setting, f"again-{item}") != first})

    tally = setting.go_through(setting.reach - 1, again)
    different = int(tally.counts["different"])
    return Outcome(setting.reach, not different, {"trainings": setting.reach, "different heads": different})


def head_of_training(setting: Setting, name: str) -> str:
    """Train, each time with a new feature store.

    setting (Setting): The setting.
    name (str): Name of the training.
    RETURNS (str): A digest of the head's file.
    """
    output = setting.folder / name
    overrides: Dict[str, Any] = {
        "paths.train": str(setting.folder / "train.spacy"),
        "paths.dev": str(setting.folder / "dev.spacy"),
        "paths.encoder": str(setting.encoder("bert")),
        "initialize.after_init.path": str(output / "features"),
        "initialize.after_init.max_gb": 0.1,
        "training.max_steps": STEPS,
        "training.eval_frequency": STEPS,
        "training.logger.logger1.progress_bar": None,
    }
    spacy_train(ROOT / "configs" / "posattn.cfg", output, overrides=overrides)
    return digest(output / "model-last" / "posattn_ner" / "model")


def annotated(seed: str) -> Doc:
    """RETURNS (Doc): A sentence of random words, some of which are entities."""
    chance = random.Random(seed)
    words = chance.choices(WORDS, k=chance.randrange(3, 20))
    tags = [f"B-{'per' if word < 'K' else 'geo'}" if word[0].isupper() else "O" for word in words]
    return Doc(NLP.vocab, words=words, ents=tags)


def digest(path: Path) -> str:
    """RETURNS (str): A digest of a file."""
    return blake2b(path.read_bytes(), digest_size=16).hexdigest()
