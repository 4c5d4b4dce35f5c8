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


def _write(model: Path, name: str, settings: Dict[str, Any]) -> None:
    """Write settings of a component to its pipeline."""
    from ..settings import write_settings

    remedy = "Make room on the disk, or change the folder's permissions."
    with told(OSError, what=f"{model} can't be changed: ", remedy=remedy):
        write_settings(model, name, settings)


def calibrate_model(
    model: ModelPath, corpus: CorpusPath, gold_preproc: GoldTokens = False, gpu_id: GpuId = -1
) -> None:
    """Fit the temperature of a trained pipeline anew, so that its probabilities hold on a corpus.

    With a model that looks twice, it is also found which texts the encoder has to run for.

    Use documents that the pipeline was not trained on. The pipeline is changed where it lies.
    """
    from ..calibration import calibration_error, judge, stale_thresholds
    from ..fitting import fit_decoded
    from ..temperature import ENOUGH, PRIOR

    insist_writable(model / "config.cfg")
    for name, pipe, batches, _ in _scored(model, corpus, gold_preproc, gpu_id):
        before = pipe.cfg["temperature"]
        try:
            _, temperature, promise = fit_decoded(name, pipe, batches)
        except ValueError as error:
            msg.fail(f"'{name}' can't be calibrated: {error}.", exits=1)
        written = ["temperature"] if promise is None else ["temperature", "first_temperature", "fitted_look"]
        _write(model, name, {key: pipe.cfg[key] for key in written})
        rows = [
            (f"{t:.3f}", f"{calibration_error(judge(batches, t)):.4f}") for t in (1.0, before, temperature)
        ]
        msg.table(
            [(label, *row) for label, row in zip(("uncalibrated", "before", "now"), rows, strict=True)],
            header=("", "temperature", "calibration error"),
            aligns=("l", "r", "r"),
            divider=True,
        )
        msg.good(f"Temperature of '{name}' written to {model}")
        if promise is not None:
            msg.info(f"{name}: {promise}")
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
