"""What is fitted on dev once the weights are found: temperatures, and which texts need the encoder."""

import warnings
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence

import typer
from spacy.language import Language
from spacy.training import Example
from wasabi import Printer

from .calibration import DecodedBatch, decode, decode_first, posattn_pipes, stale_thresholds
from .component import PositionalNER
from .evaluation import dev_examples, last_evaluated, scored_batches
from .scored import ScoredBatch
from .second_look import Promise, TextCounts, at_threshold, count_texts, fit_second_look
from .settings import FITTED
from .temperature import PRIOR, fit_temperature

CALIBRATE = "posattn-spacy.calibrate.v1"
CALIBRATE_DOCS = 10_000


class Fitted(NamedTuple):
    """What was fitted for a component, and is in its cfg now.

    name (str): Name of the component.
    temperature (float): By which scores are divided.
    promise (Optional[Promise]): What dev says of the second look, as the settings have it; None if there is
        no first look.
    counts (Optional[TextCounts]): What that was fitted to.
    """

    name: str
    temperature: float
    promise: Optional[Promise] = None
    counts: Optional[TextCounts] = None


def calibrate(nlp: Language, examples: Sequence[Example]) -> List[Fitted]:
    """Fit every `posattn_ner` of a pipeline; warn of thresholds that no longer hold.

    nlp (Language): The pipeline.
    examples (Sequence[Example]): What to fit it on; not what the model was trained on.
    RETURNS (List[Fitted]): What was fitted.
    RAISES (ValueError): If no entity is predicted in the examples.
    """
    return [fit(name, pipe, list(scored_batches(nlp, pipe, examples))) for name, pipe in posattn_pipes(nlp)]


def fit(name: str, pipe: PositionalNER, batches: Sequence[ScoredBatch]) -> Fitted:
    """Fit a component to what it says of documents.

    name (str): Its name.
    pipe (PositionalNER): The component; its cfg is changed.
    batches (Sequence[ScoredBatch]): What it says, and what is right.
    RETURNS (Fitted): What was fitted.
    RAISES (ValueError): If no entity is predicted, or none is annotated.
    """
    fitted = fit_decoded(name, pipe, list(map(decode, batches)))
    stale = stale_thresholds(pipe, pipe.cfg["thresholds_at"])
    if stale:
        warnings.warn(" ".join(stale), stacklevel=2)
    return fitted


def fit_decoded(name: str, pipe: PositionalNER, second: Sequence[DecodedBatch]) -> Fitted:
    """Do as `fit` with batches whose entities are known, and leave thresholds alone.

    second (Sequence[DecodedBatch]): What the head that reads all features makes of the batches. The other
        arguments are those of `fit`.
    """
    temperature = fit_temperature(second)
    if any(each.batch.first is None for each in second):
        pipe.cfg["temperature"] = temperature
        return Fitted(name, temperature)
    first = decode_first(second)
    finds_any = any(len(each.labels) for each in first)
    first_temperature = fit_temperature(first) if finds_any else PRIOR
    counts = count_texts(first, second, (first_temperature, temperature), pipe.thresholds)
    promise = fit_second_look(counts, pipe.cfg["second_look_tolerance"])
    pipe.cfg["temperature"], pipe.cfg["first_temperature"] = temperature, first_temperature
    pipe.cfg["fitted_look"] = promise._asdict()
    if pipe.cfg["second_look"] != FITTED:  # what was fitted is kept, and not in use
        promise = at_threshold(counts, pipe.look_threshold)
    return Fitted(name, temperature, promise, counts)


def configure_calibrate_v1(docs: int = CALIBRATE_DOCS) -> Callable[[Language], Language]:
    """Make `posattn-spacy.calibrate.v1` for `[training.before_to_disk]`: it fits on dev what is to be fitted.

    It takes the scores of the evaluation that was just made, where the weights are still those. spaCy calls
    it for every pipeline that it is about to write, even after a crash: so what goes wrong is only warned
    about.

    docs (int): On how many of the first documents of dev.
    RETURNS (Callable[[Language], Language]): The callback.
    RAISES (ValueError): If the number is not positive.
    """
    if docs < 1:
        raise ValueError(f"training.before_to_disk.docs = {docs}: give at least 1.")

    def fit_all(nlp: Language) -> Language:
        fit_or_warn(nlp, docs, lambda: dev_examples(nlp, docs))
        return nlp

    return fit_all


def fit_or_warn(nlp: Language, docs: int, examples: Callable[[], Sequence[Example]]) -> None:
    """Fit every `posattn_ner` of a pipeline to its last evaluation; warn of what goes wrong.

    nlp (Language): The pipeline.
    docs (int): To how many of the documents, at most.
    examples (Callable[[], Sequence[Example]]): Gives what to fit it to where no evaluation was kept.
    """
    for name, pipe in posattn_pipes(nlp):
        try:
            batches = last_evaluated(pipe, docs) or list(scored_batches(nlp, pipe, examples()))
            fitted = fit(name, pipe, batches)
        except Exception as error:
            warnings.warn(f"The entities' probabilities are not calibrated: {error}", stacklevel=2)
        else:
            tell(nlp, fitted)


def tell(nlp: Language, fitted: Fitted) -> None:
    """Say what dev promises of the second look, also in the meta data of the pipeline.

    nlp (Language): The pipeline.
    fitted (Fitted): What was fitted.
    """
    if fitted.promise is not None:
        typer.echo(Printer(no_print=True).info(f"{fitted.name}: {fitted.promise}"))
        nlp.meta.setdefault("performance", {}).update(promised(fitted))


def promised(fitted: Fitted) -> Dict[str, float]:
    """RETURNS (Dict[str, float]): What dev promises of the second look, under its names in the meta data."""
    name, promise = fitted.name, fitted.promise
    if promise is None:
        return {}
    return {
        f"{name}_words_encoded": promise.words,
        f"{name}_ents_f": promise.f,
        f"{name}_ents_f_all_encoded": promise.f_all,
    }
