"""`posattn calibrate`, `find-threshold` and `doctor`: what is done with a trained pipeline."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Dict, Iterator, List, NamedTuple, Optional

import typer
from wasabi import msg

from ..telling import insist_writable, told
from .shared import GpuId, insist_entities, load, read, show, use_gpu

if TYPE_CHECKING:
    from ..calibration import DecodedBatch
    from ..component import PositionalNER
    from ..second_look import TextCounts

TOLERANCES = (0.0, 0.0005, 0.001, 0.002, 0.005, 0.01)  # of span F1, that are shown beside each other
ModelPath = Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of a trained pipeline")]
CorpusPath = Annotated[Path, typer.Argument(help="Annotated documents, as .spacy file or folder")]
GoldTokens = Annotated[bool, typer.Option("--gold-preproc", help="Use the tokens of the corpus")]


class Scored(NamedTuple):
    """What a component makes of a corpus.

    name (str): The component's name.
    pipe (PositionalNER): The component.
    batches (List[DecodedBatch]): Its entities, and whether they are right.
    gold (List[int]): How many entities of each of its labels are annotated.
    """

    name: str
    pipe: "PositionalNER"
    batches: List["DecodedBatch"]
    gold: List[int]


def _scored(model: Path, corpus: Path, gold_preproc: bool, gpu_id: int) -> Iterator[Scored]:
    """Load a pipeline and decode a corpus with each of its components."""
    from ..annotated import make_examples
    from ..calibration import decode, posattn_pipes
    from ..evaluation import scored_batches
    from ..gold import count_labels

    use_gpu(gpu_id)
    nlp = load(model)
    docs = read(corpus, nlp)
    insist_entities(docs, corpus, "go by")
    examples, counts = make_examples(nlp, docs, gold_preproc), count_labels(docs)
    if not posattn_pipes(nlp):
        msg.fail(f"{model} has no component of posattn-spacy.", exits=1)
    for name, pipe in posattn_pipes(nlp):
        batches = list(map(decode, scored_batches(nlp, pipe, examples)))
        yield Scored(name, pipe, batches, [counts[label] for label in pipe.labels])


def _write(
    model: Path, name: str, settings: Dict[str, Any], performance: Optional[Dict[str, float]] = None
) -> None:
    """Write settings of a component to its pipeline, and figures to the pipeline's meta data."""
    from ..settings import write_performance, write_settings

    remedy = "Make room on the disk, or change the folder's permissions."
    with told(OSError, what=f"{model} can't be changed: ", remedy=remedy):
        write_settings(model, name, settings)
        if performance:
            write_performance(model, performance)


def calibrate_model(
    model: ModelPath,
    corpus: CorpusPath,
    tolerance: Annotated[
        Optional[float], typer.Option(min=0.0, max=1.0, help="New second_look_tolerance, in span F1")
    ] = None,
    gold_preproc: GoldTokens = False,
    gpu_id: GpuId = -1,
) -> None:
    """Fit a trained pipeline to a corpus: the temperature, by which its probabilities hold there.

    With a model that looks twice, it is also found which texts the encoder has to run for, and shown what
    other tolerances would give.

    Use documents that the pipeline was not trained on. The pipeline is changed where it lies.
    """
    from ..calibration import stale_thresholds
    from ..fitting import fit_decoded, promised
    from ..temperature import ENOUGH, PRIOR

    insist_writable(model / "config.cfg")
    for name, pipe, batches, _ in _scored(model, corpus, gold_preproc, gpu_id):
        before = pipe.cfg["temperature"]
        if tolerance is not None:
            pipe.cfg["second_look_tolerance"] = tolerance
        try:
            fitted = fit_decoded(name, pipe, batches)
        except ValueError as error:
            msg.fail(f"'{name}' can't be calibrated: {error}.", exits=1)
        looks = ("first_temperature", "fitted_look", "second_look_tolerance")
        written = ("temperature", *(looks if fitted.promise else ()))
        _write(model, name, {key: pipe.cfg[key] for key in written}, promised(fitted))
        _show_temperatures(batches, before, fitted.temperature)
        msg.good(f"Temperature of '{name}' written to {model}")
        if fitted.counts is not None:
            _show_tolerances(fitted.counts)
            msg.good(f"{name}: {fitted.promise}, at the tolerance of {pipe.cfg['second_look_tolerance']:g}")
        n_entities = sum(len(batch.labels) for batch in batches)
        if n_entities < ENOUGH:
            msg.warn(
                f"{corpus} has {n_entities} entities that '{name}' finds: so few say little, and the "
                f"temperature is drawn towards that of other corpora, {PRIOR}.",
                f"Calibrate again with {ENOUGH} or more.",
            )
        stale = stale_thresholds(pipe, pipe.cfg["thresholds_at"] or before)
        if stale:
            msg.warn(*stale)


def _show_temperatures(batches: List["DecodedBatch"], before: float, now: float) -> None:
    """Show how far probabilities are off without a temperature, with the one there was, and with the new."""
    from ..calibration import calibration_error, judge

    temperatures = {"uncalibrated": 1.0, "before": before, "now": now}
    msg.table(
        [
            (name, f"{each:.3f}", f"{calibration_error(judge(batches, each)):.4f}")
            for name, each in temperatures.items()
        ],
        header=("", "temperature", "calibration error"),
        aligns=("l", "r", "r"),
        divider=True,
    )


def _show_tolerances(counts: "TextCounts") -> None:
    """Show which share of the words gets a second look at other tolerances."""
    from ..second_look import fit_second_look

    promises = {tolerance: fit_second_look(counts, tolerance) for tolerance in TOLERANCES}
    msg.table(
        [
            (f"{tolerance:g}", f"{promise.words:.0%}", f"{promise.f:.4f}", f"{promise.f_all:.4f}")
            for tolerance, promise in promises.items()
        ],
        header=("tolerance", "words encoded", "span F1", "all encoded"),
        aligns=("r", "r", "r", "r"),
        divider=True,
    )


def find_threshold(
    model: ModelPath,
    corpus: CorpusPath,
    write: Annotated[bool, typer.Option("--write", help="Write the best thresholds to the pipeline")] = False,
    gold_preproc: GoldTokens = False,
    gpu_id: GpuId = -1,
) -> None:
    """Show what thresholds do to precision and recall, and the best one for each label.

    Use documents that the pipeline was not trained on.
    """
    import numpy as np

    from ..calibration import judge
    from ..thresholds import best_point, of_label, points

    if write:
        insist_writable(model / "config.cfg")

    def cells(point: Any) -> tuple[str, ...]:
        return (
            f"{point.threshold:.2f}",
            f"{point.kept:,}",
            f"{point.p:.4f}",
            f"{point.r:.4f}",
            f"{point.f:.4f}",
        )

    columns = ("threshold", "entities", "P", "R", "F1")
    for name, pipe, batches, gold in _scored(model, corpus, gold_preproc, gpu_id):
        if not batches:
            msg.fail(f"{corpus} has no documents with words.", exits=1)
        temperature = pipe.cfg["temperature"]
        judged = judge(batches, temperature)._replace(gold=np.array(gold))
        msg.divider(f"{name}: all labels")
        grid = [i / 10 for i in range(10)]
        msg.table([cells(p) for p in points(judged, grid)], header=columns, aligns=["r"] * 5, divider=True)
        msg.divider(f"{name}: the best for each label")
        rows, thresholds = [], {}
        for i, label in enumerate(pipe.labels):
            own = of_label(judged, i)
            (plain,), best = points(own, [0.0]), best_point(own)
            thresholds[label] = best.threshold
            rows.append((label, f"{own.gold.sum():,}", *cells(plain)[1:], *cells(best)))
        msg.table(
            rows, header=("label", "gold", *columns[1:], *columns), aligns=["l", *["r"] * 10], divider=True
        )
        if write:
            _write(model, name, {"label_thresholds": thresholds, "thresholds_at": temperature})
            msg.good(f"Thresholds of '{name}' written to {model}")


def doctor(
    model: ModelPath,
    corpus: CorpusPath,
    log: Annotated[
        Optional[Path], typer.Option(exists=True, help="Log of posattn-spacy.DiagnosticLogger.v1")
    ] = None,
    docs: Annotated[int, typer.Option(min=1, help="How many of the documents, at most")] = 2000,
    gold_preproc: GoldTokens = False,
    gpu_id: GpuId = -1,
) -> None:
    """Check whether encoder, mask, attention and training do what they are meant to, and what to change."""
    from ..annotated import make_examples
    from ..diagnosis.doctor import count_verdicts, diagnose
    from ..diagnosis.log_checks import LogError

    use_gpu(gpu_id)
    nlp = load(model)
    stored = read(corpus, nlp)[:docs]
    sections = []
    try:
        for title, findings in diagnose(nlp, make_examples(nlp, stored, gold_preproc), log, stored):
            msg.divider(title)
            show(findings)
            sections.append((title, findings))
    except LogError as error:
        msg.fail(str(error), exits=1)
    if not sections:
        msg.fail(f"{model} has no component that posattn-spacy could check.", exits=1)
    counts = count_verdicts(sections)
    msg.divider("Summary")
    msg.text(f"{counts['pass']} passed, {counts['warn']} to look at, {counts['unknown']} not known")
