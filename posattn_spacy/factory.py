"""What spaCy imports for every pipeline: factories and loggers. What is heavy comes with the call."""

from typing import TYPE_CHECKING, Any, Callable, Dict, Literal, Optional, Union

from spacy.language import Language
from thinc.api import Config, Model

from .settings import DEFAULTS

if TYPE_CHECKING:
    from .component import PositionalNER

default_model_config = """
[model]
@architectures = "posattn-spacy.PosAttnTagger.v1"

[model.tok2vec]
@architectures = "spacy.HashEmbedCNN.v2"
pretrained_vectors = null
width = 96
depth = 4
embed_size = 2000
window_size = 1
maxout_pieces = 3
subword_features = true
"""
DEFAULT_MODEL = Config().from_str(default_model_config)["model"]


@Language.factory(
    "posattn_ner",
    assigns=["doc.ents", "doc.spans", "token.ent_iob", "token.ent_type"],
    default_config={
        "model": DEFAULT_MODEL,
        **DEFAULTS,
        "scorer": {"@scorers": "posattn-spacy.ner_scorer.v1"},
    },
    default_score_weights={
        "ents_f": 1.0,
        "ents_p": 0.0,
        "ents_r": 0.0,
        "ents_per_type": None,
        "flat_f": 0.0,
        "flat_p": None,
        "flat_r": None,
        "flat_per_type": None,
    },
)
def make_posattn_ner(
    nlp: Language,
    name: str,
    model: Model,
    positional_weight: float,
    label_weights: Dict[str, float],
    threshold: float,
    label_thresholds: Dict[str, float],
    candidates: Optional[float],
    second_look: Union[Literal["fitted"], float, None],
    second_look_tolerance: float,
    show_second_look: bool,
    incorrect_spans_key: Optional[str],
    overwrite: bool,
    scorer: Optional[Callable],
) -> "PositionalNER":
    """Make a `posattn_ner` component.

    model (Model[List[Doc], TokenScores]): A `posattn-spacy.PosAttnTagger.v2`, or version 1 of it.
    positional_weight (float): Weight λ of the positional loss, at least 0.
    label_weights (Dict[str, float]): How heavily a type's tokens weigh in the categorical loss, where it is
        not 1: by this factor their other tags count for more.
    threshold (float): Entities that are less probable are left out.
    label_thresholds (Dict[str, float]): The same for single types, in place of `threshold`.
    candidates (Optional[float]): If given, every span that is at least so probable is written to `doc.spans`,
        overlapping ones too.
    second_look (Union[str, float, None]): With a model that has a first look, the encoder runs for those
        texts alone whose best tags are less probable than this, per word, to the first look; None: for all;
        "fitted": as `posattn-spacy.calibrate.v1` has found on dev, for all until it has.
    second_look_tolerance (float): What that may cost of span F1 on dev.
    show_second_look (bool): Whether the texts for which the encoder ran are written to `doc.spans`, under
        `<name>_twice`.
    incorrect_spans_key (Optional[str]): Group in `doc.spans` of training documents with the spans that are
        known to be no entities of their label, as in spaCy's `ner`; None for none.
    overwrite (bool): Whether entities that are already there give way to predicted ones. By default they
        stay, as they do in spaCy's `ner`.
    scorer (Optional[Callable]): The scoring method.
    """
    from .component import PositionalNER
    from .neighbours import Pipeline

    pipe = PositionalNER(
        nlp.vocab,
        model,
        name,
        positional_weight=positional_weight,
        label_weights=label_weights,
        threshold=threshold,
        label_thresholds=label_thresholds,
        candidates=candidates,
        second_look=second_look,
        second_look_tolerance=second_look_tolerance,
        show_second_look=show_second_look,
        incorrect_spans_key=incorrect_spans_key,
        overwrite=overwrite,
        scorer=scorer,
    )
    pipe.pipeline = Pipeline(nlp)
    pipe.pipeline.mend()
    return pipe


def configure_diagnostic_logger_v1(output_file: Optional[str], docs: int = 500) -> Callable[..., Any]:
    """Make a logger for `[training.logger]`; see `diagnosis.logger.diagnostic_logger`."""
    from .diagnosis.logger import diagnostic_logger

    return diagnostic_logger(output_file, docs)
