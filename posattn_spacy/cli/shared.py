"""What several commands do: take a GPU, read a pipeline and documents, show findings."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Iterable, List, Optional, Sequence

import typer
from wasabi import msg

from ..telling import told

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

    from ..diagnosis.findings import Finding

GpuId = Annotated[int, typer.Option(help="GPU to use, -1 for CPU")]


def listed(value: str) -> Optional[List[str]]:
    """RETURNS (Optional[List[str]]): What stands between the commas of an option; None if it is empty."""
    return [part.strip() for part in value.split(",") if part.strip()] or None


def use_gpu(gpu_id: int) -> None:
    """Work on a GPU, or on the CPU if its number is negative."""
    from spacy.cli._util import setup_gpu

    remedy = (
        'Install the CuPy that fits your CUDA, such as pip install "spacy[cuda12x]", and give the number of '
        "a GPU that nvidia-smi lists; or leave --gpu-id out, to use the CPU."
    )
    # Of thinc, CuPy or CUDA, by what is missing.
    with told(Exception, what=f"GPU {gpu_id} can't be used: ", remedy=remedy):
        setup_gpu(gpu_id)


def load(model: Path) -> "Language":
    """Load a pipeline."""
    import spacy

    best = model / "model-best"
    remedy = f"There is a pipeline in it: {best}." if best.is_dir() else ""
    with told(
        ImportError, OSError, ValueError, what=f"{model} can't be loaded as a pipeline: ", remedy=remedy
    ):
        nlp = spacy.load(model)
    return nlp


def blank(lang: str) -> "Language":
    """Make an empty pipeline of a language."""
    import spacy

    remedy = "Install the tokenizer that is missing; for a language that spaCy does not know, take xx."
    with told(ImportError, what=f"--lang {lang}: ", remedy=remedy):
        nlp = spacy.blank(lang)
    return nlp


def fetched(encoder: str) -> Path:
    """Find the folder of an encoder, and put it there if need be.

    encoder (str): A folder, or a name.
    RETURNS (Path): The folder.
    RAISES (ImportError, OSError, ValueError): If it can't be had.
    """
    from ..frozen.download import encoder_folder, fetch_encoder

    folder = encoder_folder(encoder)
    if not folder.is_dir():
        n_weights = fetch_encoder(encoder, folder)
        msg.good(f"Encoder {encoder} ({n_weights / 1e6:.1f} M weights, all frozen) put into {folder}")
    return folder


def read(corpus: Path, nlp: "Language") -> List["Doc"]:
    """Read annotated documents."""
    from ..annotated import UnreadableError, read_annotated

    with told(UnreadableError):
        docs = read_annotated(corpus, nlp.vocab)
    return docs


def insist_annotated(*paths: Optional[Path]) -> None:
    """End the program if one of some paths, None among them, is no .spacy file and no folder of such."""
    from ..annotated import UnreadableError, annotated_files

    with told(UnreadableError):
        for path in paths:
            if path is not None:
                annotated_files(path)


def insist_entities(docs: Sequence["Doc"], path: Path, what_for: str) -> None:
    """End the program if nothing is annotated in documents, with what they have instead."""
    from ..gold import describe_spans, span_keys
    from ..partial import is_annotated

    if not any(map(is_annotated, docs)):
        spans = describe_spans(span_keys(docs))
        msg.fail(f"No entity is annotated in {path}: there is nothing to {what_for}.{spans}", exits=1)


def export(docs: Iterable["Doc"], output: Path, to: str, *, predicted: bool = False) -> None:
    """Write documents as `export_docs` does, and tell of what the tool can't say."""
    from ..corpora.export import export_docs
    from ..corpora.sentences import CorpusError

    with told(CorpusError):
        n_partial = export_docs(docs, output, to, predicted=predicted)
    if n_partial:
        lost = (
            "what is known to be no entity is lost" if to == "conll" else "what is not annotated is no entity"
        )
        msg.warn(
            f"{n_partial:,} documents were annotated in part. {to} can't say so: there, and read from there, "
            f"{lost}.",
            "Write them --to jsonl to keep what is known.",
        )


def insist_tool(name: str) -> None:
    """End the program if there is no annotation tool of that name."""
    from ..corpora.export import TOOLS

    if name not in TOOLS:
        msg.fail(f"--to {name}: there is no such tool. Choose from {', '.join(TOOLS)}.", exits=1)


def show(findings: Iterable["Finding"]) -> None:
    """Print what checks have found."""
    for finding in findings:
        say = {"pass": msg.good, "warn": msg.warn, "unknown": msg.info}[finding.verdict]
        say(finding.said, finding.remedy)
