"""Find the corpus, and write down where it is."""

from pathlib import Path
from typing import Annotated

import typer
from posattn_benchmark.gmb.locate import locate_corpus, write_source
from wasabi import msg

from posattn_spacy.corpora.sentences import CorpusError


def main(
    out_path: Annotated[Path, typer.Argument(help="JSON file for kind, path and checksum")],
    corpus: Annotated[str, typer.Option(help="Own corpus, a file or a folder; empty: look for one")] = "",
    assets: Annotated[Path, typer.Option(help="Folder to look in and to download into")] = Path("assets"),
    sample: Annotated[Path, typer.Option(help="Sample corpus")] = Path("assets/sample/sample.csv"),
) -> None:
    """Find the corpus: own, in assets, in POSATTN_DATA, online; or else take the sample."""
    try:
        source, notes = locate_corpus(Path(corpus) if corpus else None, assets, sample)
        is_new = write_source(source, out_path)
    except CorpusError as error:
        msg.fail(str(error), exits=1)
    for note in notes:
        msg.warn(f"{source.mark}{note}")
    if source.mark:
        msg.warn(
            f"{source.mark}This is not the real corpus but the project's own small sample: "
            "everything runs, but no figure says anything about the real corpus."
        )
    state = "written to" if is_new else "as before in"
    msg.good(f"{source.mark}Corpus ({source.kind}): {source.path}, {state} {out_path}")


if __name__ == "__main__":
    typer.run(main)
