"""The systems: for each, the command that trains it on a corpus."""

import sys
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Tuple

from spacy.cli import init_config
from spacy.util import load_config
from thinc.api import Config

from posattn_spacy.frozen.download import encoder_folder, fetch_encoder
from posattn_spacy.frozen.warming import corpora_docs, open_for_warming, warm
from posattn_spacy.schedule import measure_pass, own_passes, scaled_schedule, schedule_of
from posattn_spacy.starting.config import make_config, split_as_language
from posattn_spacy.starting.fitted import LAYERS, SIZE, fitted_training

from .. import crf
from .. import hugging_face as token_classifier
from ..provenance import TRAINING_CODE, digest

RATE = "training.optimizer.learn_rate.initial_rate"
LOG = "log.jsonl"
STORE = Path("features")
BASELINES = Path("configs/baselines")
PASSES, MORE_PASSES = 4, 8  # of fine-tuning, on a corpus of so many words and on smaller ones
MUCH_TEXT = 400_000
MUCH_GB = 50.0
STORED_IN = "initialize.after_init"
FIRST_WIDTH = "components.posattn_ner.model.first_width"
AT_ONCE = 0  # passes of what is trained when it is initialized
CONSOLE = {
    "@loggers": "spacy.ConsoleLogger.v3",
    "progress_bar": None,
    "console_output": True,
    "output_file": None,
}


class Task(NamedTuple):
    """A training that is wanted.

    corpus (Path): Folder with train.spacy and dev.spacy.
    words (int): How many tokens train has.
    dev_words (int): The same of dev.
    encoder (Path): Folder of a Hugging Face encoder.
    lang (str): Language of the corpus.
    seed (int): Seed of the training.
    folder (Path): Where its pipeline and its log go.
    rate (float): Learning rate; 0 for the system's own.
    """

    corpus: Path
    words: int
    dev_words: int
    encoder: Path
    lang: str
    seed: int
    folder: Path
    rate: float = 0.0

    @property
    def paths(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): What every config is told."""
        return {
            "paths.train": str(self.corpus / "train.spacy"),
            "paths.dev": str(self.corpus / "dev.spacy"),
            "nlp.lang": self.lang,
            "system.seed": self.seed,
        }


Command = Callable[[Task], List[str]]
Changes = Mapping[str, Any] | Callable[[Path], Mapping[str, Any]]


class System(NamedTuple):
    """One way to make a pipeline of a corpus.

    title (str): As it is called in tables.
    short (str): As it is called in charts.
    command (Command): Gives the command that leaves `model-best` in the folder of a task.
    rates (Tuple[float, ...]): Learning rates to choose from on dev, with the first seed.
    trial (Command): Gives the command of such a trial.
    random (bool): Whether it comes out differently with another seed.
    made_of (Tuple[Path, ...]): Files of the project that decide what comes out.
    on_test (bool): Whether it is measured on test, and not only on dev.
    """

    title: str
    short: str
    command: Command
    rates: Tuple[float, ...] = ()
    trial: Command | None = None
    random: bool = True
    made_of: Tuple[Path, ...] = ()
    on_test: bool = True

    @property
    def code(self) -> str:
        """RETURNS (str): Digest of what it is made of."""
        return digest(self.made_of)


def _train(config: Config, task: Task) -> List[str]:
    """Write a config into the folder of a task."""
    path = task.folder / "config.cfg"
    config.to_disk(path, interpolate=False)
    return [sys.executable, "-m", "spacy", "train", str(path), "--output", str(task.folder)]


def ours(task: Task) -> List[str]:
    """Train what `posattn init config` writes; its features are stored in the folder of the task."""
    return _train(_written(task, task.folder / "features"), task)


def ours_changed(task: Task, changes: Changes, words: float = 1.0) -> List[str]:
    """Train the same with other settings; all such trainings share a feature store.

    task (Task): The training.
    changes (Changes): The settings, or what makes them of the training documents.
    words (float): How many times as many tokens to learn from.
    RETURNS (List[str]): The command.
    """
    written = _sharing(task)
    settings = changes(task.corpus / "train.spacy") if callable(changes) else changes
    config = _changed(written, settings)
    updates = written["training"]["max_steps"] * words
    updates *= written["training"]["batcher"]["size"] / config["training"]["batcher"]["size"]
    return _train(_changed(config, schedule_of(config, round(updates), own_passes(written))), task)


def ours_as_before(task: Task) -> List[str]:
    """Train what `posattn init config` wrote in version 0.1: three layers, large batches, eight passes."""
    config = _changed(_sharing(task), {SIZE: 4096, LAYERS: 3})
    return _train(_changed(config, scaled_schedule(config, measure_pass(config).batches)), task)


def fill_store(task: Task) -> None:
    """Encode a corpus for `ours_changed`, so that no training takes the time."""
    config = _changed(_sharing(task), {LAYERS: None}).interpolate()
    nlp, transformers, stores = open_for_warming(config)
    for _ in warm(transformers, stores, corpora_docs(config, nlp)):
        pass


def shared_store(task: Task, what: str = "defaults") -> Path:
    """RETURNS (Path): The feature store of trainings that differ in their settings alone."""
    return STORE / what / task.encoder.name


def _sharing(task: Task) -> Config:
    """What `posattn init config` writes, with a store that has room for many corpora.

    There is no first look, beside which the other head learns the same, but takes longer.
    """
    changes = {f"{STORED_IN}.max_gb": MUCH_GB, FIRST_WIDTH: 0}
    return _changed(_written(task, shared_store(task)), changes)


def _written(task: Task, features: Path) -> Config:
    """What `posattn init config` writes."""
    train, dev = (task.corpus / f"{part}.spacy" for part in ("train", "dev"))
    start = make_config(train, dev, task.dev_words, task.encoder, task.lang, features)
    more = {"system.seed": task.seed, "training.logger.logger1.output_file": str(task.folder / LOG)}
    return _changed(start.config, more)


def cut_off(task: Task, layers: int) -> List[str]:
    """Train what `posattn init config` writes for the lowest layers of the encoder."""
    name = f"{task.encoder}:{layers}"
    folder = encoder_folder(name)
    fetch_encoder(name, folder)  # anew: the encoder may be another than it was
    return ours(task._replace(encoder=folder.absolute()))


def stock(task: Task) -> List[str]:
    """Train what `spacy init config --pipeline ner --optimize efficiency` writes, until it stops itself."""
    config = init_config(lang=task.lang, pipeline=["ner"], optimize="efficiency", gpu=False, silent=True)
    return _train(_changed(config, {**task.paths, **_logger(task)}), task)


def baseline(
    task: Task,
    name: str,
    passes: int | None = None,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> List[str]:
    """Train a config of configs/baselines/, fitted to the corpus as ours is, or with so many passes."""
    changes: Dict[str, Any] = {}
    config = load_config(BASELINES / f"{name}.cfg", overrides=task.paths)
    if "encoder" in config["paths"]:
        changes["paths.encoder"] = str(task.encoder)
    if task.rate:
        changes[RATE] = task.rate
    if config["initialize"]["after_init"]:
        changes[f"{STORED_IN}.path"] = str(task.folder / "features")
    if "logger1" in config["training"]["logger"]:
        changes["training.logger.logger1.output_file"] = str(task.folder / LOG)
    else:
        changes |= _logger(task)
    config = _changed(config, {**changes, **more})
    split_as_language(config, task.lang)
    if passes is None:
        config = _changed(config, fitted_training(config).overrides)
    elif passes != AT_ONCE:
        config = _changed(config, scaled_schedule(config, measure_pass(config).batches, passes))
    return _train(config, task)


def frozen_trial(task: Task) -> List[str]:
    """Train spaCy's `ner` on stored features of the encoder's last layer; all rates share the store."""
    return baseline(task, "parser", more={f"{STORED_IN}.path": str(shared_store(task, "parser"))})


def finetuned(task: Task, rate: float) -> List[str]:
    """Fine-tune the encoder under spaCy's `ner`; the best pass on dev counts."""
    return baseline(task._replace(rate=rate), "finetuned", _fine_tuning_passes(task))


def _fine_tuning_passes(task: Task) -> int:
    return MORE_PASSES if task.words < MUCH_TEXT else PASSES


def hugging_face(task: Task) -> List[str]:
    """Fine-tune the encoder by Hugging Face's own trainer."""
    parts = [str(task.corpus / f"{part}.spacy") for part in ("train", "dev")]
    command = [sys.executable, "-m", "posattn_benchmark.hugging_face", *parts, str(task.encoder)]
    options = {"--seed": task.seed, "--lang": task.lang, "--passes": _fine_tuning_passes(task)}
    return [*command, str(task.folder), *(str(each) for option in options.items() for each in option)]


def _logger(task: Task) -> Dict[str, Any]:
    return {"training.logger": {**CONSOLE, "output_file": str(task.folder / LOG)}}


def _changed(config: Config, changes: Mapping[str, Any]) -> Config:
    """Set settings by their dotted paths, also such as are sections."""
    changed = config.copy()
    for key, value in changes.items():
        *sections, last = key.split(".")
        place: Any = changed
        for section in sections:
            place = place[section]
        place[last] = value
    return changed


def _config(name: str) -> Path:
    return BASELINES / f"{name}.cfg"


OURS = "posattn"
SYSTEMS = {
    OURS: System(
        "posattn-spacy, as `init config` writes it", "posattn-spacy", ours, made_of=(TRAINING_CODE,)
    ),
    "stock": System("spaCy's CPU recipe, as `init config` writes it", "spaCy's CPU recipe", stock),
    "crf": System(
        "CRF on hand-made features",
        "CRF",
        partial(baseline, name="crf", passes=AT_ONCE),
        random=False,
        made_of=(_config("crf"), Path(crf.__file__)),
    ),
    "linear": System(
        "linear layer on the same features",
        "linear",
        partial(baseline, name="linear"),
        made_of=(TRAINING_CODE, _config("linear")),
    ),
    "bilstm": System(
        "BiLSTM on the same features",
        "BiLSTM",
        partial(baseline, name="bilstm"),
        made_of=(TRAINING_CODE, _config("bilstm")),
    ),
    "frozen": System(
        "spaCy's `ner` on the frozen encoder",
        "ner, frozen",
        partial(baseline, name="frozen", passes=8),
        rates=(3e-4, 1e-3, 3e-3, 1e-2),
        trial=frozen_trial,
        made_of=(_config("frozen"), _config("parser")),
    ),
    "finetuned": System(
        "spaCy's `ner`, encoder fine-tuned",
        "ner, fine-tuned",
        partial(finetuned, rate=1e-4),
        made_of=(_config("finetuned"),),
    ),
    "hugging_face": System(
        "Hugging Face's token classification, encoder fine-tuned",
        "Hugging Face",
        hugging_face,
        made_of=(Path(token_classifier.__file__),),
    ),
    **{
        f"layers_{n}": System(
            f"the first {n} layers", f"{n} layers", partial(cut_off, layers=n), made_of=(TRAINING_CODE,)
        )
        for n in (0, 2, 3)
    },
}
# Ours with more or less of an encoder, which are no other systems.
ENCODERS = {
    "layers_0": "its embeddings alone",
    "layers_2": "2 layers",
    "layers_3": "3 layers",
    OURS: "all layers",
}
