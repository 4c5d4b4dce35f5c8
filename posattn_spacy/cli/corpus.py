"""`posattn convert` and `init config`: from annotated text to a training."""

import os
import shlex
import subprocess
from pathlib import Path
from typing import Annotated, Iterable, Optional

import typer
from wasabi import msg

from ..telling import insist_writable, told
from .shared import (
    GpuId,
    blank,
    export,
    fetched,
    insist_entities,
    insist_tool,
    listed,
    load,
    read,
    show,
    use_gpu,
)

init = typer.Typer(name="init", help="Start with data of one's own", no_args_is_help=True)


def convert_command(
    source: Annotated[Path, typer.Argument(help="File or folder")],
    out: Annotated[Path, typer.Argument(help="Folder to write to, or a .spacy file for all in one")],
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
    tag_names: Annotated[
        str, typer.Option(help="Names of tags that are numbers in JSON or Parquet, such as O,B-PER,I-PER")
    ] = "",
    annotator: Annotated[
        str, typer.Option(help="Whose annotation to take, if several differ (Label Studio, Prodigy)")
    ] = "",
    annotated_for: Annotated[
        str, typer.Option(help="Labels for which all was annotated, such as per,org; empty: all labels")
    ] = "",
    lang: Annotated[str, typer.Option(help="Code of a language that spaCy has")] = "en",
) -> None:
    """Make train.spacy, dev.spacy and test.spacy of annotated text.

    They are written to OUT/file-order, and counts to OUT/corpus.json.
    SOURCE is one of

    .conll .txt .iob .iob2 .bio .tsv: a word and its tag per line, a blank
    line after each sentence; tags in IOB, IOB2, BILUO, BIOES or BMES

    .csv .zip: a table with the columns "Sentence #", Word, Tag and, if there
    is one, POS

    .jsonl .json: doccano, Label Studio (JSON), Prodigy, spaCy's lines with
    text and entities, or records with tokens and ner_tags

    .parquet: the same (pip install "posattn-spacy[parquet]")

    .ann, or a folder of brat: texts beside them in .txt

    .spacy: documents of spaCy

    a folder with a file of any of these for train, dev and test, whose split
    is kept (OUT/given); a single file is cut 70/15/15 in its order, or
    with a name that ends in .spacy as OUT becomes that one file
    """
    from ..corpora.convert import ACCOUNT_NAME, account_of, convert, convert_to_file
    from ..corpora.read import Format
    from ..corpora.sentences import CorpusError
    from ..corpora.shown import show_account

    options = Format(
        encoding=encoding or None,
        word_column=word_column,
        tag_column=tag_column,
        spans_key=spans_key or None,
        repair=repair,
        tag_names=listed(tag_names),
        annotator=annotator or None,
        annotated_for=listed(annotated_for),
    )
    given = {"dev": dev_share, "test": test_share}
    shares = {part: share for part, share in given.items() if share is not None}
    with told(CorpusError):
        if out.suffix == ".spacy" and not out.is_dir():
            if shares:
                raise CorpusError(
                    f"{out} is one file, without parts: leave --dev-share and --test-share out."
                )
            account = convert_to_file(source, out, options, n_sents=n_sents, lang=lang)
            counts = account_of(out)
        else:
            account = convert(source, out, options, n_sents=n_sents, lang=lang, shares=shares)
            counts = out / ACCOUNT_NAME
    show_account(account, out, counts)


def export_command(
    source: Annotated[Path, typer.Argument(help="Annotated .spacy file; with --model any texts")],
    output: Annotated[Path, typer.Argument(help="File to write")],
    to: Annotated[str, typer.Option(help="doccano, label-studio, prodigy, conll or jsonl")],
    model: Annotated[
        Optional[Path], typer.Option(exists=True, file_okay=False, help="Pipeline whose entities to write")
    ] = None,
    text_field: Annotated[str, typer.Option(help="Where a record of a .jsonl file has its text")] = "text",
    gpu_id: GpuId = -1,
) -> None:
    """Write documents, or what a pipeline finds in texts, for an annotation tool.

    With --model, SOURCE is a .txt file with a text on each line, a .jsonl or
    a .spacy file, and entities are written with their probabilities, so that
    they can be corrected instead of typed.
    """
    from spacy.tokens import Doc
    from tqdm import tqdm

    from ..corpora.plain import PLAIN, annotated, read_texts

    insist_tool(to)
    insist_writable(output)
    if model is None and source.suffix.lower() in {*PLAIN} - {".spacy"}:
        msg.fail(
            f"{source}: texts are written with what a pipeline finds in them; name one with --model.",
            "Annotation is written as it is, from a .spacy file that posattn convert has made.",
            exits=1,
        )
    docs: Iterable[Doc]
    if model is None:
        docs = read(source, blank("xx"))
    else:
        use_gpu(gpu_id)
        docs = annotated(load(model), read_texts(source, text_field))
    bar = tqdm(docs, desc=output.name, unit="doc", disable=None)
    export(bar, output, to, predicted=model is not None)
    msg.good(f"Written to {output}, for {to}")


@init.command("config")
def init_config(
    output: Annotated[Path, typer.Argument(help="Config to write")],
    train: Annotated[Path, typer.Option(help="Training documents, as .spacy file or folder")],
    dev: Annotated[Path, typer.Option(help="Documents to evaluate on, likewise")],
    encoder: Annotated[
        str,
        typer.Option(
            help="Folder of a Hugging Face encoder, all-MiniLM-L6-v2, or a name on the hub; with :3 after "
            "it, its first three layers alone"
        ),
    ] = "all-MiniLM-L6-v2",
    lang: Annotated[str, typer.Option(help="Language code")] = "en",
    features: Annotated[Path, typer.Option(help="Folder for feature stores")] = Path("features"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite a config that is there")] = False,
) -> None:
    """Write a training config that fits a corpus, and say what to know of the corpus beforehand.

    An encoder that is no folder is put into assets/encoder/.
    """
    from ..annotated import make_examples
    from ..starting.config import make_config
    from ..starting.doubts import count_labels, find_doubts
    from ..writing import replacing

    if output.exists() and not force:
        msg.fail(f"{output} is there already. Give another name, or --force to overwrite it.", exits=1)
    insist_writable(output)
    nlp = blank(lang)
    docs = [read(path, nlp) for path in (train, dev)]
    insist_entities(docs[0], train, "learn")
    with told(ImportError, OSError, ValueError):
        folder = fetched(encoder)
        start = make_config(train, dev, sum(map(len, docs[1])), folder, lang, features / folder.name)
        with replacing(output) as temporary:
            start.config.to_disk(temporary)
    examples = [make_examples(nlp, part) for part in docs]
    rows = [(label, f"{n_train:,}", f"{n_dev:,}") for label, n_train, n_dev in count_labels(*examples)]
    msg.table(rows, header=("label", "train", "dev"), divider=True, aligns=("l", "r", "r"))
    show(find_doubts(*examples))
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
