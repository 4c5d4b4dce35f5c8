"""The experiments: what is varied in each, and which figures tell."""

from dataclasses import dataclass, field
from itertools import product
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from spacy.util import load_config

from .cells import Cell, config_path

NER = "components.posattn_ner"
MODEL = f"{NER}.model"
RATE = "training.optimizer.learn_rate.initial_rate"
LAYERS = "components.transformer.model.layers"
POOLING = "components.transformer.model.pooling"
AUGMENTER = "corpora.train.augmenter"
WHOLE = 100  # percent
PAD_RATIOS = (0.5, 0.7, 0.8, 0.85, 0.9, 0.95)
CNN = "spaCy ner on its own tok2vec"
# Passes by share, 0 for the config's own; it starts from nothing, so few documents take many.
CNN_PASSES = {1: 40, 5: 20, 10: 0, 25: 0, WHOLE: 0}


@dataclass(frozen=True)
class Variant:
    """One row of an experiment.

    config (str): Name of the config in configs/.
    changes (Dict[str, Any]): Settings of the config that it changes, by their dotted paths.
    share (Optional[int]): Percentage of the training documents; None for that of the experiments.
    passes (Optional[int]): Passes over them; None for those of the experiments, 0 for the config's own.
    seeds (Optional[int]): How many seeds, at most.
    """

    config: str
    changes: Dict[str, Any] = field(default_factory=dict)
    share: Optional[int] = None
    passes: Optional[int] = None
    seeds: Optional[int] = None


class Experiment(NamedTuple):
    """Trainings that are compared with each other.

    title (str): What is asked.
    varied (str): What the names of the variants say.
    variants (Dict[str, Variant]): The trainings by name.
    figures (Tuple[str, ...]): The figures that tell, of `comparison.COLUMNS`.
    on_test (bool): Whether they are measured on test, too, once.
    history (bool): Whether the steps of the first seed are kept, for a chart.
    shipped (str): The variant that is as shipped, if there is one.
    """

    title: str
    varied: str
    variants: Dict[str, Variant]
    figures: Tuple[str, ...]
    on_test: bool = False
    history: bool = False
    shipped: str = ""

    @property
    def header(self) -> Tuple[str, ...]:
        """RETURNS (Tuple[str, ...]): The header of its table, see `comparison.variant_rows`."""
        return (self.varied, "seeds", *self.figures)


class Plan(NamedTuple):
    """How much of everything.

    split (str): Name of the split.
    share (int): Percentage of the training documents that most experiments learn from.
    passes (int): How many passes over them.
    seeds (int): How many seeds of each training.
    """

    split: str
    share: int
    passes: int
    seeds: int

    @property
    def csv_name(self) -> str:
        """RETURNS (str): A file for its figures, lest those of another plan are lost."""
        if self == PUBLISHED:
            return "experiments.csv"
        return f"experiments-{self.split}-{self.share}-{self.passes}-passes-{self.seeds}-seeds.csv"


# The one whose figures the README shows, or one with more seeds.
PUBLISHED = Plan("file-order", 25, 6, 3)


def _varied(config: str, key: str, values: Sequence[Any]) -> Dict[str, Variant]:
    return {str(value): Variant(config, {key: value}) for value in values}


def _whole(config: str, seeds: Optional[int] = None) -> Variant:
    return Variant(config, share=WHOLE, passes=0, seeds=seeds)


def _masks() -> Dict[str, Variant]:
    alone = {mask: Variant("positional", {f"{MODEL}.mask": mask}) for mask in ("none", "soft")}
    by_ratio = {
        f"{mask} {ratio}": Variant("positional", {f"{MODEL}.mask": mask, f"{MODEL}.pad_ratio": ratio})
        for mask, ratio in product(("pad", "hard"), PAD_RATIOS)
    }
    return {**alone, **by_ratio}


def lower_case(level: float, variants: int = 2) -> Dict[str, Any]:
    """Let the augmenter write some texts in lower case, in place of splitting names.

    level (float): Their share, at most 1.
    variants (int): How many different outcomes a text may have.
    RETURNS (Dict[str, Any]): The setting.
    """
    lower = {"@augmenters": "spacy.lower_case.v1", "level": level}
    pooled = {"@augmenters": "posattn-spacy.pool.v1", "augmenter": lower, "variants": variants, "seed": 0}
    return {AUGMENTER: pooled}


def _augmenters() -> Dict[str, Variant]:
    return {
        "none": Variant("posattn", {AUGMENTER: None}),
        "posattn-spacy.retokenize.v1 (as shipped)": Variant("posattn"),
        "spacy.lower_case.v1 for 10 %": Variant("posattn", lower_case(0.1)),
        "spacy.lower_case.v1 for 30 %": Variant("posattn", lower_case(0.3)),
    }


def _layers() -> Dict[str, Variant]:
    chosen = {
        "embeddings": [0],
        "last": [-1],
        "last four": [-4, -3, -2, -1],
        "three, evenly spaced (as shipped)": 3,
        "all": None,
    }
    return {name: Variant("posattn", {LAYERS: layers}) for name, layers in chosen.items()}


def _pooling() -> Dict[str, Variant]:
    return {f"{pooling} piece": Variant("posattn", {POOLING: pooling}) for pooling in ("first", "last")}


def _sizes() -> Dict[str, Variant]:
    ours = {
        f"{share} %, {config}": Variant(config, share=share)
        for share, config in product((1, 5, 10, 25, 50, WHOLE), ("posattn", "positional"))
    }
    rival = {
        f"{share} %, {CNN}": Variant("baselines/cnn", share=share, passes=passes, seeds=1)
        for share, passes in CNN_PASSES.items()
    }
    return {**ours, **rival}


EXPERIMENTS = {
    "replication": Experiment(
        "Replication of the paper: twelve epochs at 3e-5, [PAD] mask, positional loss",
        "config",
        {"configs/paper.cfg": _whole("paper")},
        ("span F1", "flat F1", "test span F1", "test flat F1", "dev loss", "training loss"),
        on_test=True,
        history=True,
    ),
    "learning_rate": Experiment(
        "Learning rate of the paper's config",
        "learning rate",
        _varied("paper", RATE, (3e-5, 1e-4, 3e-4, 1e-3, 3e-3)),
        ("span F1", "flat F1", "dev loss"),
    ),
    "positional_loss": Experiment(
        "Weight of the positional loss",
        "weight",
        _varied("positional", f"{NER}.positional_weight", (0.0, 0.1, 0.25, 0.5, 1.0, 2.0)),
        ("span P", "span R", "span F1", "flat F1", "exact F1", "partial F1", "type F1", "shifted edges"),
        shipped="0.0",
    ),
    "mask": Experiment(
        "Mask and share of the tokens it takes out",
        "mask, pad_ratio",
        _masks(),
        ("span F1", "flat F1", "gate recall", "entities kept", "span F1, gold mask", "minutes"),
        shipped="none",
    ),
    "dropout": Experiment(
        "Dropout",
        "dropout",
        _varied("posattn", "training.dropout", (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)),
        ("span F1", "flat F1", "dev loss"),
        shipped="0.5",
    ),
    "augmentation": Experiment(
        "Augmentation of the training texts",
        "augmenter",
        _augmenters(),
        ("span F1", "flat F1", "raw text span F1", "dev loss"),
        shipped="posattn-spacy.retokenize.v1 (as shipped)",
    ),
    "layers": Experiment(
        "Encoder layers that are mixed, and pooling of a token's pieces",
        "layers; pooling",
        {**_layers(), **_pooling()},
        ("span F1", "flat F1", "dev loss"),
        shipped="three, evenly spaced (as shipped)",
    ),
    "size": Experiment(
        "Size of the training set",
        "share of train, system",
        _sizes(),
        ("span F1", "flat F1", "passes", "passes to 0.80", "risk–coverage area"),
    ),
    "baselines": Experiment(
        "Other systems on the same split",
        "system",
        {
            "most frequent tag of each word": _whole("baselines/lexicon", seeds=1),
            "linear layer on the frozen encoder": _whole("baselines/linear"),
            "BiLSTM on the same features": _whole("baselines/bilstm"),
            "posattn-spacy": _whole("posattn"),
            CNN: _whole("baselines/cnn", seeds=1),
            "spaCy ner on the frozen transformer": _whole("baselines/frozen", seeds=1),
            "spaCy ner, transformer fine-tuned": _whole("baselines/finetuned", seeds=1),
        },
        (
            *("test span F1", "test flat F1", "dev loss", "parameters", "minutes", "memory, GB", "words/s"),
            "passes",
        ),
        on_test=True,
        shipped="posattn-spacy",
    ),
}


def cells_by_variant(experiment: Experiment, plan: Plan) -> Dict[str, List[Cell]]:
    """List the trainings of an experiment.

    experiment (Experiment): The experiment.
    plan (Plan): How much of everything.
    RETURNS (Dict[str, List[Cell]]): The cells of each variant, one for each seed; the same where experiments
        ask for the same training.
    RAISES (KeyError): If a config has not the settings that a variant changes.
    """
    return {name: _cells_of(variant, plan) for name, variant in experiment.variants.items()}


def _cells_of(variant: Variant, plan: Plan) -> List[Cell]:
    share = plan.share if variant.share is None else variant.share
    passes = plan.passes if variant.passes is None else variant.passes or None
    seeds = range(min(plan.seeds, variant.seeds or plan.seeds))
    changes = tuple(variant.changes.items())
    cells = [Cell(variant.config, changes, plan.split, share, passes, seed) for seed in seeds]
    config = load_config(config_path(cells[0]))
    return [cell.without(config) for cell in cells]
