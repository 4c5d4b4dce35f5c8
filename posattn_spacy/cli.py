"""`python -m spacy posattn …`: the commands of posattn-spacy, found by spaCy through an entry point.

spaCy imports this module for every command of its own, so what is heavy is imported inside the commands.
"""

import os
import shlex
import subprocess
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Dict, Iterable, Iterator, List, NamedTuple, Optional

import typer
from spacy.cli import app
from spacy.cli._util import parse_config_overrides
from wasabi import msg

from .telling import insist_writable, told

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

    from .calibration import DecodedBatch
    from .component import PositionalNER
    from .diagnosis.findings import Finding

posattn = typer.Typer(name="posattn", help="Commands of posattn-spacy", no_args_is_help=True)
store = typer.Typer(
    name="store", help="The feature store, in which the frozen encoder's output is kept", no_args_is_help=True
)
init = typer.Typer(name="init", help="Start with data of one's own", no_args_is_help=True)
posattn.add_typer(store)
posattn.add_typer(init)
app.add_typer(posattn)

StorePath = Annotated[Path, typer.Argument(help="Folder of the store")]


@store.command("info")
def info(path: StorePath) -> None:
    """Show what is in a store: encoder, texts, size and hit rate."""
    from .frozen.maintenance import contents_of
    from .frozen.store import StoreError

    try:
        contents = contents_of(path)
    except StoreError as error:
        msg.fail(str(error), exits=1)
    lookups = contents.hits + contents.misses
    used = contents.last_used
    layers = ", ".join(
        str(layer) if n == contents.texts else f"{layer} ({n:,} texts)"
        for layer, n in contents.layers.items()
    )
    msg.table(
        [
            ("Encoder", contents.about.encoder),
            ("Fingerprint", contents.about.fingerprint),
            ("Layers", layers or "-"),
            ("Numbers", f"{contents.about.width} × {contents.about.dtype} per token and layer"),
            ("Texts", f"{contents.texts:,}"),
            ("Tokens", f"{contents.tokens:,}"),
            ("Size on disk", f"{contents.disk_bytes / 1e9:.3f} GB"),
            ("Hit rate", f"{contents.hits / lookups:.1%} of {lookups:,} lookups" if lookups else "-"),
            ("Last used", f"{datetime.fromtimestamp(used):%Y-%m-%d %H:%M}" if used else "-"),
        ]
    )


@store.command("verify")
def verify_store(path: StorePath) -> None:
    """Check every record of a store against what was written."""
    from tqdm import tqdm

    from .frozen.maintenance import verify
    from .frozen.store import StoreError

    def progress(records: Iterator[Any], total: int) -> Iterator[Any]:
        return iter(tqdm(records, total=total, unit=" records", disable=None))

    try:
        verified = verify(path, progress)
    except StoreError as error:
        msg.fail(str(error), exits=1)
    if verified.damaged:
        msg.fail(
            f"{verified.damaged:,} of {verified.records:,} records differ from what was written. Training "
            "and `store warm` encode their texts anew.",
            exits=1,
        )
    msg.good(f"All {verified.records:,} records are as they were written.")


@store.command("prune")
def prune_store(
    path: StorePath,
    max_gb: Annotated[float, typer.Option(min=0, help="Size in 10⁹ bytes that the store may keep")],
) -> None:
    """Remove the texts that were not used for longest, and give their space back."""
    from .frozen.maintenance import prune
    from .frozen.store import StoreError

    try:
        pruned = prune(path, max_gb)
    except StoreError as error:
        msg.fail(str(error), exits=1)
    msg.good(
        f"Removed {pruned.removed:,} texts, kept {pruned.kept:,}; "
        f"{pruned.bytes_before / 1e9:.3f} GB are now {pruned.bytes_after / 1e9:.3f} GB."
    )


@store.command("warm", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def warm_store(
    context: typer.Context,
    config_path: Annotated[Path, typer.Argument(exists=True, help="Training config")],
    gpu_id: Annotated[int, typer.Option(help="GPU to use, -1 for CPU")] = -1,
) -> None:
    """Encode the texts that a config trains and evaluates on ahead of training.

    Further options override settings of the config, as with `spacy train`.
    """
    from spacy.util import load_config
    from tqdm import tqdm

    from .frozen.store import StoreError
    from .frozen.warming import corpora_docs, open_for_warming, warm

    overrides = parse_config_overrides(list(context.args))
    _use_gpu(gpu_id)
    try:
        config = load_config(config_path, overrides=overrides, interpolate=True)
        nlp, transformers, stores = open_for_warming(config)
        docs = corpora_docs(config, nlp)
    except (OSError, ValueError) as error:
        msg.fail(str(error), exits=1)
    n_words = sum(len(doc) for doc in docs)
    started = time.monotonic()
    try:
        with tqdm(total=n_words, unit=" words", unit_scale=True) as progress:
            for words in warm(transformers, stores, docs):
                progress.update(words)
    except StoreError as error:
        msg.fail(str(error), exits=1)
    seconds = time.monotonic() - started
    msg.good(f"{len(docs):,} texts, {n_words:,} words in {seconds:,.0f} s: {n_words / seconds:,.0f} words/s")


ModelPath = Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of a trained pipeline")]
CorpusPath = Annotated[Path, typer.Argument(help="Annotated documents, as .spacy file or folder")]
GoldTokens = Annotated[bool, typer.Option("--gold-preproc", help="Use the tokens of the corpus")]
GpuId = Annotated[int, typer.Option(help="GPU to use, -1 for CPU")]


def _use_gpu(gpu_id: int) -> None:
    """Work on a GPU, or on the CPU if its number is negative."""
    from spacy.cli._util import setup_gpu

    remedy = (
        'Install the CuPy that fits your CUDA, such as pip install "spacy[cuda12x]", and give the number of '
        "a GPU that nvidia-smi lists; or leave --gpu-id out, to use the CPU."
    )
    # Of thinc, CuPy or CUDA, by what is missing.
    with told(Exception, what=f"GPU {gpu_id} can't be used: ", remedy=remedy):
        setup_gpu(gpu_id)


def _load(model: Path) -> "Language":
    """Load a pipeline."""
    import spacy

    with told(ImportError, OSError, ValueError, what=f"{model} can't be loaded as a pipeline: "):
        nlp = spacy.load(model)
    return nlp


def _blank(lang: str) -> "Language":
    """Make an empty pipeline of a language."""
    import spacy

    remedy = "Install the tokenizer that is missing; for a language that spaCy does not know, take xx."
    with told(ImportError, what=f"--lang {lang}: ", remedy=remedy):
        nlp = spacy.blank(lang)
    return nlp


def _read(corpus: Path, nlp: "Language") -> List["Doc"]:
    """Read annotated documents."""
    from .annotated import UnreadableError, read_annotated

    with told(UnreadableError):
        docs = read_annotated(corpus, nlp.vocab)
    return docs


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
    from .annotated import make_examples
    from .calibration import decode, posattn_pipes
    from .evaluation import scored_batches
    from .gold import count_labels, describe_spans, span_keys

    _use_gpu(gpu_id)
    nlp = _load(model)
    docs = _read(corpus, nlp)
    examples, counts = make_examples(nlp, docs, gold_preproc), count_labels(docs)
    if not counts:
        spans = describe_spans(span_keys(docs))
        msg.fail(f"No entity is annotated in {corpus}: there is nothing to go by.{spans}", exits=1)
    if not posattn_pipes(nlp):
        msg.fail(f"{model} has no component of posattn-spacy.", exits=1)
    for name, pipe in posattn_pipes(nlp):
        batches = list(map(decode, scored_batches(nlp, pipe, examples)))
        yield Scored(name, pipe, batches, [counts[label] for label in pipe.labels])


def _write(model: Path, name: str, settings: Dict[str, Any]) -> None:
    """Write settings of a component to its pipeline."""
    from .settings import write_settings

    remedy = "Make room on the disk, or change the folder's permissions."
    with told(OSError, what=f"{model} can't be changed: ", remedy=remedy):
        write_settings(model, name, settings)


@posattn.command("calibrate")
def calibrate_model(
    model: ModelPath, corpus: CorpusPath, gold_preproc: GoldTokens = False, gpu_id: GpuId = -1
) -> None:
    """Fit the temperature of a trained pipeline anew, so that its probabilities hold on a corpus.

    Use documents that the pipeline was not trained on. The pipeline is changed where it lies.
    """
    from .calibration import calibration_error, fit_temperature, judge, stale_thresholds

    insist_writable(model / "config.cfg")
    for name, pipe, batches, _ in _scored(model, corpus, gold_preproc, gpu_id):
        before = pipe.cfg["temperature"]
        try:
            temperature = fit_temperature(batches)
        except ValueError as error:
            msg.fail(f"'{name}' can't be calibrated: {error}.", exits=1)
        pipe.cfg["temperature"] = temperature
        _write(model, name, {"temperature": temperature})
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
        stale = stale_thresholds(pipe, pipe.cfg["thresholds_at"] or before)
        if stale:
            msg.warn(*stale)


@posattn.command("find-threshold")
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

    from .calibration import judge
    from .thresholds import best_point, of_label, points

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


@posattn.command("doctor")
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
    from .annotated import make_examples
    from .diagnosis.doctor import count_verdicts, diagnose
    from .diagnosis.log_checks import LogError

    _use_gpu(gpu_id)
    nlp = _load(model)
    stored = _read(corpus, nlp)[:docs]
    sections = []
    try:
        for title, findings in diagnose(nlp, make_examples(nlp, stored, gold_preproc), log, stored):
            msg.divider(title)
            _show(findings)
            sections.append((title, findings))
    except LogError as error:
        msg.fail(str(error), exits=1)
    if not sections:
        msg.fail(f"{model} has no component that posattn-spacy could check.", exits=1)
    counts = count_verdicts(sections)
    msg.divider("Summary")
    msg.text(f"{counts['pass']} passed, {counts['warn']} to look at, {counts['unknown']} not known")


def _show(findings: Iterable["Finding"]) -> None:
    for finding in findings:
        show = {"pass": msg.good, "warn": msg.warn, "unknown": msg.info}[finding.verdict]
        show(finding.said, finding.remedy)


@posattn.command("convert")
def convert_command(
    source: Annotated[Path, typer.Argument(help="File or folder")],
    out_dir: Annotated[Path, typer.Argument(help="Folder to write to")],
    n_sents: Annotated[
        int, typer.Option(min=1, help="Sentences joined into one document, in which they stay marked")
    ] = 1,
    tag_column: Annotated[int, typer.Option(help="Tag column of columned text, from 0 (-1: last)")] = -1,
    word_column: Annotated[int, typer.Option(help="Word column of columned text, from 0")] = 0,
    spans_key: Annotated[
        str, typer.Option(help="Key in doc.spans of the entities of a .spacy file; empty: doc.ents")
    ] = "",
    dev_share: Annotated[
        Optional[float],
        typer.Option(help="Share of train to cut off for dev, if a folder has no file for it"),
    ] = None,
    test_share: Annotated[Optional[float], typer.Option(help="The same for test")] = None,
    encoding: Annotated[str, typer.Option(help="Encoding; empty: the default of the kind of file")] = "",
    repair: Annotated[bool, typer.Option("--repair", help="Repair and count what can be repaired")] = False,
    lang: Annotated[str, typer.Option(help="Code of a language that spaCy has")] = "en",
) -> None:
    """Make train.spacy, dev.spacy and test.spacy of annotated text.

    They are written to OUT_DIR/file-order, and counts to OUT_DIR/corpus.json.
    SOURCE is one of

    .conll .txt .iob .iob2 .bio .tsv: a word and its tag per line, a blank
    line after each sentence; tags in IOB, IOB2, BILUO, BIOES or BMES

    .csv .zip: a table with the columns "Sentence #", Word, Tag and, if there
    is one, POS

    .spacy: documents of spaCy

    a folder with a file of any of these for train, dev and test, whose split
    is kept (OUT_DIR/given); a single file is cut 70/15/15 in its order
    """
    from .corpora.convert import convert
    from .corpora.read import Format
    from .corpora.sentences import CorpusError
    from .corpora.shown import show_account

    options = Format(encoding or None, word_column, tag_column, spans_key or None, repair)
    given = {"dev": dev_share, "test": test_share}
    shares = {part: share for part, share in given.items() if share is not None}
    with told(CorpusError):
        account = convert(source, out_dir, options, n_sents=n_sents, lang=lang, shares=shares)
    show_account(account, out_dir)


@init.command("config")
def init_config(
    output: Annotated[Path, typer.Argument(help="Config to write")],
    train: Annotated[Path, typer.Option(help="Training documents, as .spacy file or folder")],
    dev: Annotated[Path, typer.Option(help="Documents to evaluate on, likewise")],
    encoder: Annotated[
        str, typer.Option(help="Folder of a Hugging Face encoder, all-MiniLM-L6-v2, or a name on the hub")
    ] = "all-MiniLM-L6-v2",
    lang: Annotated[str, typer.Option(help="Language code")] = "en",
    features: Annotated[Path, typer.Option(help="Folder for feature stores")] = Path("features"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite a config that is there")] = False,
) -> None:
    """Write a training config that fits a corpus, and say what to know of the corpus beforehand.

    An encoder that is no folder is put into assets/encoder/.
    """
    from . import gold
    from .annotated import make_examples
    from .frozen.download import fetch_encoder
    from .starting.config import make_config
    from .starting.doubts import count_labels, find_doubts
    from .writing import replacing

    if output.exists() and not force:
        msg.fail(f"{output} is there already. Give another name, or --force to overwrite it.", exits=1)
    insist_writable(output)
    nlp = _blank(lang)
    docs = [_read(path, nlp) for path in (train, dev)]
    if not gold.count_labels(docs[0]):
        spans = gold.describe_spans(gold.span_keys(docs[0]))
        msg.fail(f"No entity is annotated in {train}: there is nothing to learn.{spans}", exits=1)
    folder = Path(encoder) if Path(encoder).is_dir() else Path("assets/encoder", encoder)
    with told(ImportError, OSError, ValueError):
        if not folder.is_dir():
            n_weights = fetch_encoder(encoder, folder)
            msg.good(f"Encoder {encoder} ({n_weights / 1e6:.1f} M weights, all frozen) put into {folder}")
        start = make_config(train, dev, sum(map(len, docs[1])), folder, lang, features / folder.name)
        with replacing(output) as temporary:
            start.config.to_disk(temporary)
    examples = [make_examples(nlp, part) for part in docs]
    rows = [(label, f"{n_train:,}", f"{n_dev:,}") for label, n_train, n_dev in count_labels(*examples)]
    msg.table(rows, header=("label", "train", "dev"), divider=True, aligns=("l", "r", "r"))
    _show(find_doubts(*examples))
    if start.store_gb is None:
        msg.warn(
            f"The disk has no room for a feature store in {features}: the encoder will run in every epoch.",
            "Give a folder on another disk with --features.",
        )
    msg.good(
        f"{output}: {start.steps:,} steps, {start.steps / start.size.batches:.0f} passes over "
        f"{start.size.words:,} words; {start.layers} layers, store of at most {start.store_gb} GB"
    )
    command = ["python", "-m", "spacy", "train", output, "--output", output.with_name("model")]
    command += ["--training.logger.logger2.output_file", output.with_name("steps.jsonl")]
    join = subprocess.list2cmdline if os.name == "nt" else shlex.join
    typer.echo(join(list(map(str, command))))  # in one line, to be copied
