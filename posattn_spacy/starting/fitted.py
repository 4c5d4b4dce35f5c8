"""What of a training config follows from the corpus: batches, passes and layers (docs/defaults.md)."""

from pathlib import Path
from typing import Any, Container, Dict, NamedTuple, Optional, Sequence, Set, Tuple

from spacy.training import Example
from spacy.util import dot_to_object, load_config
from thinc.api import Config
from transformers import AutoConfig, PretrainedConfig

from ..schedule import BATCHER, PassSize, least_steps, measure_pass, scaled_schedule, schedule_of

TEMPLATE = Path(__file__).parents[1] / "posattn.cfg"
SIZE = "training.batcher.size"
LAYERS = "components.transformer.model.layers"
SCHEDULE = (SIZE, "training.max_steps", "training.eval_frequency")
TRANSFORMER = "posattn-spacy.FrozenTransformer.v1"
LARGE = 400_000  # tokens in one pass, from which on everything is as the config has it
SMALL_BATCH, SMALL_PASSES = 1024, 4  # below; padded tokens in a batch, and there are as many evaluations
# From so many tokens on all layers are read, up to so many 10⁹ bytes of features; with less to learn from the
# head does better with fewer.
ALL_LAYERS_WORDS, ALL_LAYERS_GB = 50_000, 3.0
BYTES = 2  # of a number in float16
SPARE = 1.3  # for keys and pages


class Fit(NamedTuple):
    """What was fitted to a corpus.

    overrides (Dict[str, Any]): Settings, as for `spacy train`.
    size (PassSize): One pass with them.
    """

    overrides: Dict[str, Any]
    size: PassSize


def fitted_training(
    config: Config, given: Container[str] = (), examples: Optional[Sequence[Example]] = None
) -> Fit:
    """Fit batches, schedule and layers to the training corpus.

    A small corpus wants smaller batches, of which a pass makes more, and fewer passes. Who has chosen other
    batches, passes or layers than the shipped config has keeps them; the schedule is fitted in any case.

    config (Config): A training config, with the path of its corpus.
    given (Container[str]): Settings that have been chosen, even if they are those of the shipped config.
    examples (Optional[Sequence[Example]]): The corpus, if it is another.
    RETURNS (Fit): The settings.
    RAISES (ValueError): If the corpus is empty, there is no encoder where it should be, or the config has
        another schedule than `warmup_linear.v1`.
    """
    size = measure_pass(config, examples)
    chosen = _chosen(config, given)
    layers = {} if LAYERS in chosen else fitting_layers(config, size.words)
    own_batcher = config["training"]["batcher"].get("@batchers") == BATCHER
    if size.words >= LARGE or not chosen.isdisjoint(SCHEDULE) or not own_batcher:
        return Fit({**layers, **scaled_schedule(config, size.batches)}, size)
    smaller, size = in_small_batches(config, examples)
    steps = max(SMALL_PASSES * size.batches, least_steps(smaller))
    return Fit({**layers, SIZE: SMALL_BATCH, **schedule_of(config, steps, SMALL_PASSES)}, size)


def in_small_batches(config: Config, examples: Optional[Sequence[Example]]) -> Tuple[Config, PassSize]:
    """Let a config learn in small batches; arguments as of `fitted_training`.

    RETURNS (Tuple[Config, PassSize]): A config that does, and one pass with it.
    """
    smaller = config.copy()
    smaller["training"]["batcher"]["size"] = SMALL_BATCH
    return smaller, measure_pass(smaller, examples)


def _chosen(config: Config, given: Container[str]) -> Set[str]:
    """Which settings are not those of the shipped config, or somebody has said that they shall be."""
    shipped = load_config(TEMPLATE)
    return {key for key in (*SCHEDULE, LAYERS) if key in given or _get(config, key) != _get(shipped, key)}


def _get(config: Config, setting: str) -> Any:
    try:
        return dot_to_object(config, setting)
    except KeyError:
        return None


def fitting_layers(config: Config, words: int) -> Dict[str, Any]:
    """Read all layers, if there is enough to learn from and their features are not too many.

    config (Config): A training config.
    words (int): How many words there are to learn from.
    RETURNS (Dict[str, Any]): The setting; none if the encoder is not frozen.
    """
    model = config.interpolate()["components"]["transformer"]["model"]
    if model["@architectures"] != TRANSFORMER:
        return {}
    shape = encoder_shape(Path(model["name"]))
    every = shape.num_hidden_layers + 1
    fits = every * bytes_per_layer(words, shape) <= ALL_LAYERS_GB * 1e9
    return {LAYERS: every if words >= ALL_LAYERS_WORDS and fits else min(model["layers"], every)}


def bytes_per_layer(words: int, shape: PretrainedConfig) -> float:
    """RETURNS (float): What the features of one layer take in a store."""
    return words * shape.hidden_size * BYTES * SPARE


def encoder_shape(encoder: Path) -> PretrainedConfig:
    """Read how many layers an encoder has, and how wide they are.

    encoder (Path): Folder of a Hugging Face encoder.
    RETURNS (PretrainedConfig): `num_hidden_layers` and `hidden_size`.
    RAISES (ValueError): If there is no encoder.
    """
    try:
        return AutoConfig.from_pretrained(encoder)
    except (OSError, ValueError) as error:
        raise ValueError(f"There is no Hugging Face encoder in {encoder}: {error}") from error
