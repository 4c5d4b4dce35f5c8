"""Convert the corpus that was located."""

from pathlib import Path
from typing import Annotated

import typer
from posattn_benchmark.gmb.conversion import convert_located
from posattn_benchmark.gmb.known import GMB
from posattn_benchmark.gmb.locate import read_source
from wasabi import msg

from posattn_spacy.corpora.convert import ACCOUNT_NAME
from posattn_spacy.corpora.read import Format
from posattn_spacy.corpora.sentences import CorpusError
from posattn_spacy.corpora.shown import show_account
from posattn_spacy.telling import told


def main(
    source_path: Annotated[Path, typer.Argument(metavar="SOURCE", help="What scripts/locate.py wrote")],
    out_dir: Annotated[Path, typer.Argument(help="Folder to write to")],
    n_sents: Annotated[int, typer.Option(min=1, help="Sentences joined into one document")] = 1,
    tag_column: Annotated[int, typer.Option(help="Tag column of columned text, from 0 (-1: last)")] = -1,
    split: Annotated[str, typer.Option(help="Split that must come out; empty: any")] = "",
    lang: Annotated[str, typer.Option(help="Code of a language that spaCy has")] = "en",
) -> None:
    """Write OUT_DIR/SPLIT/{train,dev,test}.spacy for every split, and OUT_DIR/corpus.json.

    A folder keeps the split it has (given); a single file is cut in two ways (file-order, random42). For
    corpora elsewhere there is `python -m spacy posattn convert`.
    """
    with told(CorpusError):
        source = read_source(source_path)
        account = convert_located(source, out_dir, Format(tag_column=tag_column), n_sents=n_sents, lang=lang)
    if split and split not in account.splits:
        msg.fail(
            f"{source.path} gives the split {' and '.join(account.splits)}, not {split}. In the project, "
            f"pass --vars.split {next(iter(account.splits))}.",
            exits=1,
        )
    if source.mark:
        msg.warn(f"{source.mark}These are not the figures of the real corpus.")
    known = GMB.counts if source.kind == "gmb" else None
    show_account(account, out_dir, out_dir / ACCOUNT_NAME, mark=source.mark, expected=known)


if __name__ == "__main__":
    typer.run(main)
