"""Convert a corpus to .spacy files."""

from pathlib import Path
from typing import Annotated, List, Optional

import typer
from wasabi import msg

from posattn_spacy.corpora.convert import REPORT_NAME, Report, convert
from posattn_spacy.corpora.known import GMB
from posattn_spacy.corpora.locate import find_source
from posattn_spacy.corpora.read import Format
from posattn_spacy.corpora.sentences import CorpusError, Counts


def main(
    source_path: Annotated[Path, typer.Argument(metavar="SOURCE", help="source.json, file or folder")],
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
    split: Annotated[str, typer.Option(help="Split that must come out; empty: any")] = "",
    lang: Annotated[str, typer.Option(help="Code of a language that spaCy has")] = "en",
) -> None:
    """Write OUT_DIR/SPLIT/{train,dev,test}.spacy for every split, and OUT_DIR/corpus.json.

    SOURCE is one of

    .conll .txt .iob .iob2 .bio .tsv: a word and its tag per line, a blank
    line after each sentence; tags in IOB, IOB2, BILUO, BIOES or BMES

    .csv .zip: a table with the columns "Sentence #", Word, Tag and, if there
    is one, POS

    .spacy: documents of spaCy

    a folder with a file of any of these for train, dev and test, whose split
    is kept (given); a single file is cut in two ways (file-order, random42)

    source.json, which scripts/locate.py wrote
    """
    options = Format(encoding or None, word_column, tag_column, spans_key or None, repair)
    shares = {"dev": dev_share, "test": test_share}
    try:
        source = find_source(source_path)
        report = convert(
            source,
            out_dir,
            options,
            n_sents=n_sents,
            lang=lang,
            shares={part: share for part, share in shares.items() if share is not None},
        )
    except CorpusError as error:
        msg.fail(str(error), exits=1)
    if split and split not in report.splits:
        msg.fail(
            f"{source.path} gives the split {' and '.join(report.splits)}, not {split}. In the project, pass "
            f"--vars.split {next(iter(report.splits))}.",
            exits=1,
        )
    mark = report.source.mark
    for file in report.removed:
        msg.warn(f"Removed {file}, which was made from another corpus.")
    for note in report.notes:
        msg.warn(f"{mark}{note}")
    for kind, n in report.repairs.items():
        msg.warn(f"{mark}Repaired: {kind.said(n)}")
    if mark:
        msg.warn(f"{mark}These are not the figures of the real corpus.")
    _print_counts(report)
    msg.good(f"{mark}Converted to {out_dir}, counts in {out_dir / REPORT_NAME}")


def _print_counts(report: Report) -> None:
    """Print a row per part, after one for the whole file and, if known, what it should be."""
    types = list(report.read.types)
    rows = [["whole", "read", "", *_cells(report.read, types)]]
    if report.source.kind == "gmb":
        rows.append(["whole", "known", "", *_cells(GMB.counts, types)])
    for split, parts in report.splits.items():
        for part, of in parts.items():
            rows.append([split, part, f"{of.documents:,}", *_cells(of.counts, types)])
    header = ["Split", "Part", "Docs", "Sents", "Tokens", "Ents", *types]
    msg.divider(f"{report.source.mark}Counts")
    msg.table(rows, header=header, divider=True, aligns=["l", "l", *"r" * (len(header) - 2)])


def _cells(counts: Counts, types: List[str]) -> List[str]:
    numbers = [counts.sentences, counts.tokens, counts.entities]
    return [f"{n:,}" for n in [*numbers, *(counts.types.get(label, 0) for label in types)]]


if __name__ == "__main__":
    typer.run(main)
