"""`posattn update`, `add-label`, `audit`, `suggest` and `curve`: while a corpus is being annotated."""

from math import exp
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Dict, List, Optional, Tuple

import typer
from wasabi import msg

from ..telling import insist_writable, told
from .pipeline import ModelPath
from .shared import (
    GpuId,
    export,
    fetched,
    insist_annotated,
    insist_entities,
    insist_tool,
    load,
    read,
    use_gpu,
)

if TYPE_CHECKING:
    from spacy.language import Language
    from thinc.api import Config

    from ..annotating.curve import LabelNeed, Point

STORE_GB = 20.0
Features = Annotated[Path, typer.Option(help="Folder for feature stores")]
EncoderName = Annotated[
    str, typer.Option(help="Folder of a Hugging Face encoder, all-MiniLM-L6-v2, or a name on the hub")
]


def update_model(
    model: ModelPath,
    new: Annotated[Path, typer.Argument(help="Documents annotated since, as .spacy file or folder")],
    output: Annotated[Path, typer.Argument(help="Folder for the new pipeline, which is not there yet")],
    old: Annotated[Optional[Path], typer.Option(help="Documents the pipeline was trained on")] = None,
    dev: Annotated[
        Optional[Path], typer.Option(help="Documents to evaluate on and to calibrate with")
    ] = None,
    features: Features = Path("features"),
    seed: Annotated[int, typer.Option(help="Seed of the training")] = 0,
    gpu_id: GpuId = -1,
) -> None:
    """Teach a trained pipeline new annotation, and new labels, in seconds.

    It goes on from the weights it has. Where labels are new, old documents
    say nothing of them, and new ones nothing of the old labels, if all their
    entities are of new ones. An old document that has the text of a new one
    gives way to it. Without --old, the pipeline's own entities stand
    in for the old labels.
    """
    from ..annotating.update import update

    if output.exists():
        msg.fail(f"{output} is there already. Name another folder for the new pipeline.", exits=1)
    insist_annotated(new, old, dev)
    use_gpu(gpu_id)
    nlp = load(model)
    docs = {part: read(path, nlp) for part, path in (("new", new), ("old", old), ("dev", dev)) if path}
    insist_entities(docs["new"], new, "learn")
    _attach_store(nlp, features)
    with told(ValueError):
        updated = update(nlp, docs["new"], docs.get("old", []), docs.get("dev", []), seed=seed)
    with told(OSError, what=f"{output} can't be written: "):
        _write(nlp, output)
    if updated.added:
        msg.info(f"New labels: {', '.join(updated.added)}")
    if updated.replaced:
        msg.info(f"Old documents that gave way to corrected ones of the same text: {updated.replaced:,}")
    if updated.rehearsed:
        msg.info(f"The pipeline's own entities stood in for its labels in {updated.rehearsed:,} documents")
    if updated.left_open:
        msg.info(
            f"Of these entities, {updated.left_open:,} lie across the edge of an annotated one: whether "
            "their other words have their label is left open."
        )
    if dev is None:
        msg.warn(
            "Nothing was evaluated: the temperature is that of before, and all texts go through the encoder.",
            f"python -m spacy posattn calibrate {output} DEV",
        )
    else:
        _show_scores(updated.before, updated.after)
        if (updated.after["ents_f"] or 0) < (updated.before["ents_f"] or 0):
            msg.warn(
                f"On dev the new weights are worse. {model} is as it was.",
                "If dev is small, that may be chance; else look at the new annotation: posattn audit.",
            )
    msg.good(f"{updated.steps:,} updates; written to {output}")


def audit_corpus(
    corpus: Annotated[Path, typer.Argument(help="Annotated documents, as .spacy file or folder")],
    output: Annotated[Optional[Path], typer.Option(help="A .jsonl file for all findings")] = None,
    html: Annotated[Optional[Path], typer.Option(help="A page to go through them")] = None,
    exported: Annotated[
        Optional[Path], typer.Option("--export", help="A file with their documents, for --to")
    ] = None,
    to: Annotated[str, typer.Option(help="doccano, label-studio, prodigy, conll or jsonl")] = "doccano",
    top: Annotated[int, typer.Option(min=1, help="How many findings to print")] = 20,
    n_folds: Annotated[int, typer.Option("--folds", min=2, help="Parts of the corpus")] = 5,
    encoder: EncoderName = "all-MiniLM-L6-v2",
    lang: Annotated[str, typer.Option(help="Language code")] = "en",
    features: Features = Path("features"),
    seed: Annotated[int, typer.Option(help="Seed of the trainings")] = 0,
    gpu_id: GpuId = -1,
) -> None:
    """Find what is probably annotated wrong.

    The corpus is dealt into parts, and each is judged by a head that was
    trained on the others: entities of the wrong type, with shifted edges,
    made up or missed, each with what is more probable.
    """
    import srsly

    from ..annotating.audit import audit
    from ..annotating.bench import Bench
    from ..annotating.showing import called, doubtful_docs, in_words, page, records
    from ..calibration import posattn_pipes
    from ..corpora.duplicates import annotated_in_two_ways
    from ..writing import replacing

    insist_tool(to)
    insist_annotated(corpus)
    for path in (output, html, exported):
        if path is not None:
            insist_writable(path)
    use_gpu(gpu_id)
    with told(ImportError, OSError, ValueError):
        bench = Bench(training_config(corpus, encoder, lang, features))
    docs = read(corpus, bench.nlp)
    insist_entities(docs, corpus, "go by")
    with told(ValueError):
        findings = audit(bench, docs, n_folds=n_folds, seed=seed)
    ((_, pipe),) = posattn_pipes(bench.nlp)
    labels = pipe.labels
    rows = []
    for finding in findings[:top]:
        said = in_words(finding, docs[finding.doc], labels)
        shares = f"{finding.p_given:.3f} : {finding.p_suggested:.3f}"
        elsewhere = f"{finding.elsewhere_given:,} : {finding.elsewhere_suggested:,}"
        rows.append((called(finding.doc, docs[finding.doc]), finding.kind, *said, shares, elsewhere))
    header = ("document", "probably", "annotated", "suggested", "probabilities", "elsewhere")
    msg.table(rows, header=header, divider=True, aligns=("r", "l", "l", "l", "r", "r"), max_col=40)
    for docs_of, ways in annotated_in_two_ways(docs):
        numbers = ", ".join(called(i, docs[i]) for i in docs_of)
        msg.warn(
            f"Documents {numbers} have the same words, annotated in {len(ways)} ways: {' | '.join(ways)}"
        )
    if output is not None:
        with replacing(output) as temporary:
            srsly.write_jsonl(temporary, records(findings, docs, labels))
    if html is not None:
        with replacing(html) as temporary:
            temporary.write_text(page(findings, docs, labels), encoding="utf-8")
    if exported is not None:
        export(doubtful_docs(findings, docs, labels), exported, to)
    n_entities = sum(len(doc.ents) for doc in docs)
    written = ", ".join(str(path) for path in (output, html, exported) if path is not None)
    msg.good(
        f"{len(findings):,} findings in {len(docs):,} documents with {n_entities:,} entities"
        f"{f'; written to {written}' if written else ''}"
    )


def suggest_texts(
    model: ModelPath,
    texts: Annotated[Path, typer.Argument(help="A .txt file with a text on each line, .jsonl or .spacy")],
    output: Annotated[Path, typer.Argument(help="File for the chosen texts, with what the pipeline finds")],
    to: Annotated[str, typer.Option(help="doccano, label-studio, prodigy, conll or jsonl")] = "doccano",
    n_texts: Annotated[Optional[int], typer.Option("--texts", min=1, help="How many, by default 100")] = None,
    n_words: Annotated[
        Optional[int], typer.Option("--words", min=1, help="How many words together, instead")
    ] = None,
    known: Annotated[
        Optional[List[Path]],
        typer.Option(
            help="What is annotated already, or out to be: .spacy file, folder of these, or a file that "
            "was written for a tool; repeat it for several"
        ),
    ] = None,
    text_field: Annotated[str, typer.Option(help="Where a record of a .jsonl file has its text")] = "text",
    gpu_id: GpuId = -1,
) -> None:
    """Choose what to annotate next.

    Taken are the texts of which the pipeline knows least per word, unlike
    each other. They are written with the entities that it finds, so that
    these can be corrected instead of typed.
    """
    from tqdm import tqdm

    from ..annotating.suggest import suggest, with_entities
    from ..corpora.known import known_texts
    from ..corpora.plain import read_texts
    from ..corpora.sentences import CorpusError

    insist_tool(to)
    if n_texts and n_words:
        msg.fail("Say how many --texts, or how many --words, and not both.", exits=1)
    insist_writable(output)
    with told(CorpusError):
        out = [text for path in known or [] for text in known_texts(path)]
    use_gpu(gpu_id)
    nlp = load(model)
    n_texts = None if n_words else n_texts or 100
    with told(CorpusError, ValueError):
        bar = tqdm(read_texts(texts, text_field), desc="looking", unit=" texts", disable=None)
        found = suggest(nlp, (each.text for each in bar), n_texts=n_texts, n_words=n_words, known=out)
        numbers = {each.number for each in found}
        chosen = {i: each for i, each in enumerate(read_texts(texts, text_field)) if i in numbers}
    if not found:
        msg.fail(f"There is no text in {texts} that has words and is not annotated yet.", exits=1)
    rows = [
        (f"{each.number + 1:,}", f"{each.score:.2f}", f"{exp(each.log_best):.2f}", each.text[:60])
        for each in found[:10]
    ]
    header = ("text", "nats a word", "p", "it begins")
    msg.table(rows, header=header, divider=True, aligns=("r", "r", "r", "l"))
    export(with_entities(nlp, found, chosen), output, to, predicted=True)
    n_found = sum(each.words for each in found)
    msg.good(f"{len(found):,} texts with {n_found:,} words written to {output}, for {to}")


def learning_curve(
    corpus: Annotated[Path, typer.Argument(help="Annotated documents, as .spacy file or folder")],
    dev: Annotated[
        Optional[Path], typer.Option(help="Documents to evaluate on; without them, the last fifth")
    ] = None,
    output: Annotated[Optional[Path], typer.Option(help="A .jsonl file for the figures")] = None,
    chart: Annotated[Optional[Path], typer.Option(help="A picture, as .png, .svg or .pdf")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each size")] = 3,
    encoder: EncoderName = "all-MiniLM-L6-v2",
    lang: Annotated[str, typer.Option(help="Language code")] = "en",
    features: Features = Path("features"),
    gpu_id: GpuId = -1,
) -> None:
    """Show how much better a pipeline gets with more data.

    Heads are trained on an eighth, a quarter, half and all of the corpus. What
    is to be expected of twice the data is a power law's, with its uncertainty.
    """
    import srsly

    from ..annotating.bench import Bench
    from ..annotating.curve import Point, expected_f, hold_out, label_needs
    from ..annotating.curve import learning_curve as measure
    from ..writing import replacing

    insist_annotated(corpus, dev)
    for path in (output, chart):
        if path is not None:
            insist_writable(path)
    if chart is not None:
        with told(ImportError, remedy='Install it: pip install "posattn-spacy[charts]"'):
            from ..annotating.curve_chart import draw_curve, insist_drawable
        with told(ValueError):
            insist_drawable(chart)
    use_gpu(gpu_id)
    with told(ImportError, OSError, ValueError):
        bench = Bench(training_config(corpus, encoder, lang, features))
    docs = read(corpus, bench.nlp)
    train, held_out = (docs, read(dev, bench.nlp)) if dev else hold_out(docs)
    insist_entities(train, corpus, "learn")
    insist_entities(held_out, dev or corpus, "evaluate on")
    with told(ValueError):
        points: List[Point] = list(measure(bench, train, held_out, seeds=seeds))
    if output is not None:
        with replacing(output) as temporary:
            srsly.write_jsonl(temporary, [point._asdict() for point in points])
    if chart is not None:
        with replacing(chart) as temporary:
            draw_curve(points, temporary, chart.suffix[1:].lower())
    _show_curve(points)
    rows = [_label_row(need) for need in label_needs(points, train, held_out)]
    header = ("label", "entities", "F1, half", "F1, all", "F1, twice the data", "")
    msg.table(rows, header=header, divider=True, aligns=("l", "r", "r", "r", "l", "l"))
    twice = expected_f(points, 2 * len(train))
    written = ", ".join(str(path) for path in (output, chart) if path is not None)
    msg.good(
        f"With {2 * len(train):,} documents, twice as many, span F1 is expected at {twice.expected:.3f} "
        f"({twice.low:.3f} to {twice.high:.3f}){f'; written to {written}' if written else ''}"
    )


def _label_row(need: "LabelNeed") -> Tuple[str, ...]:
    """What a label gains with more data, as a row of a table."""
    if not need.judged:
        return need.label, f"{need.entities:,}", "–", "–", "–", "none to evaluate on"
    return (
        need.label,
        f"{need.entities:,}",
        f"{need.half:.3f}",
        f"{need.whole:.3f}",
        f"{need.twice.expected:.3f} ({need.twice.low:.3f} to {need.twice.high:.3f})",
        "lacks data" if need.starved else "",
    )


def _show_curve(points: List["Point"]) -> None:
    """Show span F1 for each size."""
    from statistics import mean, pstdev

    from ..annotating.curve import by_size

    rows = [
        (f"{size:,}", f"{mean(scores):.4f}", f"{pstdev(scores):.4f}")
        for size, scores in by_size(points).items()
    ]
    msg.table(rows, header=("documents", "span F1", "± std"), divider=True, aligns=("r", "r", "r"))


def training_config(corpus: Path, encoder: str, lang: str, features: Path) -> "Config":
    """Make a training config for heads that look once: what a first look adds is not asked for here.

    corpus (Path): Annotated documents.
    encoder (str): Folder or name of an encoder, which is fetched if need be.
    lang (str): Language code.
    features (Path): Folder for feature stores.
    RETURNS (Config): The config.
    RAISES (ImportError, OSError, ValueError): If the encoder can't be had, or the corpus is empty.
    """
    from ..starting.config import make_config

    folder = fetched(encoder)
    config = make_config(corpus, corpus, 0, folder, lang, features / folder.name).config
    config["components"]["posattn_ner"]["model"]["first_width"] = 0
    return config


def _attach_store(nlp: "Language", features: Path) -> None:
    """Read and keep what the frozen encoder makes of texts where trainings do."""
    from ..frozen.callback import FeatureStoreCallback, find_frozen_transformers
    from ..frozen.store import StoreError

    encoders = find_frozen_transformers(nlp)
    if not encoders:
        return
    folder = features / Path(encoders[0].attrs["name"]).name
    try:
        FeatureStoreCallback(folder, STORE_GB, "float16").attach(nlp)
    except StoreError as error:
        msg.warn(f"{error} All texts are encoded anew.")


def _show_scores(before: Dict[str, Any], after: Dict[str, Any]) -> None:
    """Show span F1 on dev before and after, for each label."""
    kinds = [each.get("ents_per_type") or {} for each in (before, after)]
    rows = [("all labels", *(f"{each.get('ents_f') or 0:.4f}" for each in (before, after)))]
    for label in sorted({*kinds[0], *kinds[1]}):
        rows.append((label, *(f"{kind[label]['f']:.4f}" if label in kind else "–" for kind in kinds)))
    msg.table(rows, header=("span F1 on dev", "before", "after"), divider=True, aligns=("l", "r", "r"))


def _write(nlp: "Language", output: Path) -> None:
    """Write a pipeline to a folder that is there as a whole or not at all."""
    from tempfile import TemporaryDirectory

    output.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as folder:
        nlp.to_disk(Path(folder) / "pipeline")
        (Path(folder) / "pipeline").rename(output)
