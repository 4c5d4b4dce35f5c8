"""Training in this process, by the config's own `[training]`: the updates are those of `spacy train`."""

from itertools import islice
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.schemas import ConfigSchemaTraining
from spacy.tokens import Doc
from spacy.training import Example
from spacy.training.loop import create_evaluation_callback, create_train_batches, train_while_improving
from spacy.util import registry, set_dot_to_object
from thinc.api import fix_random_seed
from tqdm import tqdm

from ..calibration import posattn_pipes
from ..fitting import CALIBRATE, CALIBRATE_DOCS, fit_or_warn
from ..partial import restrict
from ..reader import PartialCorpus

Reader = Callable[[Language], Iterable[Example]]


class Trained(NamedTuple):
    """What came of a training; the pipeline has its best weights.

    steps (int): Updates.
    score (Optional[float]): Of the best evaluation, by the config's `score_weights`; None without any.
    scores (Dict[str, Any]): All scores of that evaluation.
    """

    steps: int
    score: Optional[float]
    scores: Dict[str, Any]


class DocsCorpus(PartialCorpus):
    """Reads documents that are in memory, as a reader of .spacy files would.

    docs (Sequence[Doc]): The documents, which are changed if the settings restrict them to some labels.
    settings (Any): As of `PartialCorpus`, but for the path.
    """

    def __init__(self, docs: Sequence[Doc], **settings: Any) -> None:
        super().__init__("", **settings)
        self._docs = docs

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """YIELDS (Example): The examples."""
        make = self.make_examples_gold_preproc if self.gold_preproc else self.make_examples
        if self.annotated_for is not None:
            restrict(self._docs, self.annotated_for)
        for example in make(nlp, self._docs):
            yield from self.augmenter(nlp, example)


def reader_of(config: Dict[str, Any], part: str, docs: Sequence[Doc]) -> DocsCorpus:
    """Make a reader of documents that reads them as a config's own does.

    config (Dict[str, Any]): The config.
    part (str): "train" or "dev", under `[corpora]`.
    docs (Sequence[Doc]): The documents.
    RETURNS (DocsCorpus): The reader.
    """
    section = config["corpora"][part]
    augmenter = section.get("augmenter")
    resolved = registry.resolve({"augmenter": augmenter})["augmenter"] if augmenter else None
    defaults = {"gold_preproc": False, "max_length": 0, "annotated_for": None}
    own = {key: section.get(key, default) for key, default in defaults.items()}
    return DocsCorpus(docs, augmenter=resolved, **own)


def train(nlp: Language, corpus: Reader, dev: Optional[Reader] = None, *, name: str = "training") -> Trained:
    """Train the `posattn_ner` of a pipeline, as `spacy train` would with its config.

    nlp (Language): The pipeline, initialized or trained before. It ends with the weights of the best
        evaluation, calibrated; without dev with the last ones.
    corpus (Reader): What to learn from.
    dev (Optional[Reader]): What to evaluate on.
    name (str): What the progress bar is called.
    RETURNS (Trained): What came of it.
    """
    config = nlp.config.interpolate()
    if config["training"]["seed"] is not None:
        fix_random_seed(config["training"]["seed"])
    settings = registry.resolve(
        {**config["training"], "logger": {"@loggers": "spacy.ConsoleLogger.v1"}}, schema=ConfigSchemaTraining
    )
    optimizer, max_steps = settings["optimizer"], settings["max_steps"]
    evaluate = create_evaluation_callback(nlp, dev, settings["score_weights"]) if dev else _nothing
    learning = _learning(nlp)
    updates = train_while_improving(
        nlp,
        optimizer,
        create_train_batches(nlp, corpus, settings["batcher"], settings["max_epochs"]),
        evaluate,
        dropout=settings["dropout"],
        accumulate_gradient=settings["accumulate_gradient"],
        patience=settings["patience"] if dev else 0,
        max_steps=max_steps,
        eval_frequency=settings["eval_frequency"] if dev else max_steps + 1,
        exclude=[name for name in nlp.pipe_names if name not in learning],
        annotating_components=settings["annotating_components"],
        before_update=settings["before_update"],
    )
    best = Trained(0, None, {})
    weights: List[Tuple[TrainablePipe, bytes]] = []
    for _, info, is_best in tqdm(updates, desc=name, total=max_steps + 1, unit="update", disable=None):
        best = best._replace(steps=info["step"] + 1)
        if is_best and dev:
            with nlp.use_params(optimizer.averages):
                before_saving(nlp, dev)
                weights = _weights(nlp)
            best = best._replace(score=info["score"], scores=info["other_scores"])
    if not dev:
        with nlp.use_params(optimizer.averages):
            weights = _weights(nlp)
    for pipe, data in weights:
        pipe.from_bytes(data, exclude=["vocab"])
    return best


def configure(nlp: Language, overrides: Dict[str, Any]) -> None:
    """Change settings of a pipeline's config.

    nlp (Language): The pipeline.
    overrides (Dict[str, Any]): The settings, as for `spacy train`.
    """
    config = nlp.config
    for key, value in overrides.items():
        set_dot_to_object(config, key, value)
    nlp.config = config


def evaluate(nlp: Language, examples: Sequence[Example]) -> Dict[str, Any]:
    """Evaluate a pipeline as training would.

    nlp (Language): The pipeline.
    examples (Sequence[Example]): What to evaluate on.
    RETURNS (Dict[str, Any]): All scores.
    """
    weights = nlp.config.interpolate()["training"]["score_weights"]
    _, scores = create_evaluation_callback(nlp, lambda nlp: examples, weights)()
    return scores


def before_saving(nlp: Language, dev: Reader) -> None:
    """Do what a training's config has it do before it saves a pipeline.

    nlp (Language): The pipeline.
    dev (Reader): What it was evaluated on, which is what it is calibrated on: not the config's own dev.
    """
    callback = nlp.config.interpolate()["training"]["before_to_disk"]
    if callback is not None and callback["@callbacks"] == CALIBRATE:
        docs = callback.get("docs", CALIBRATE_DOCS)
        fit_or_warn(nlp, docs, lambda: list(islice(dev(nlp), docs)))
    elif callback is not None:
        registry.resolve({"callback": callback})["callback"](nlp)


def _nothing() -> Tuple[float, Dict[str, float]]:
    return 0.0, {}


def _learning(nlp: Language) -> List[str]:
    """The components that are trained: `posattn_ner`, and what it listens to."""
    own = {name for name, _ in posattn_pipes(nlp)}
    return [name for name, pipe in nlp.pipeline if name in own or getattr(pipe, "listening_components", [])]


def _weights(nlp: Language) -> List[Tuple[TrainablePipe, bytes]]:
    """What the components have learned so far, as it would be saved; a frozen encoder has learned nothing."""
    pipes = [nlp.get_pipe(name) for name in _learning(nlp)]
    return [
        (pipe, pipe.to_bytes(exclude=["vocab"]))
        for pipe in pipes
        if isinstance(pipe, TrainablePipe) and not pipe.model.attrs.get("frozen")
    ]
