"""Train ours on the corpora, as far as that is missing, and show what the second look gives."""

from pathlib import Path
from typing import Annotated, List

import typer
from posattn_benchmark.corpora.found import TITLES
from posattn_benchmark.corpora.looks import (
    HEADER,
    PAGE,
    draw_looks,
    look_rows,
    looks_markdown,
    overview_markdown,
)
from posattn_benchmark.corpora.systems import OURS
from posattn_benchmark.corpora.training import make_missing, shown_run, tell, workplaces
from posattn_benchmark.options import CONVERTED, ENCODER, ConvertedFolder, EncoderFolder, Lang
from posattn_benchmark.pages import fill_page, seen_from
from wasabi import msg

from posattn_spacy.corpora.sentences import CorpusError
from posattn_spacy.telling import told


def main(
    names: Annotated[
        List[str] | None,
        typer.Argument(help=f"{', '.join(TITLES)}, or a corpus of one's own; by default the three of them"),
    ] = None,
    metrics: Annotated[Path, typer.Option(help="Folder for the figures")] = Path("metrics/corpora"),
    converted: ConvertedFolder = CONVERTED,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds on each corpus")] = 3,
    encoder: EncoderFolder = ENCODER,
    lang: Lang = "en",
    stale: Annotated[bool, typer.Option("--stale", help="Make anew what older code has made")] = False,
    chart: Annotated[Path, typer.Option(help="Picture for README and docs")] = Path("assets/second-look.png"),
    readme: Annotated[Path | None, typer.Option(help="README to put the table into")] = None,
    docs: Annotated[Path, typer.Option(help="Folder of second-look.md")] = Path("docs"),
) -> None:
    """Train and measure what is missing; it goes on where it was stopped."""
    with told(CorpusError, FileNotFoundError):
        trainings = Path("training/corpora")
        places = workplaces(names or list(TITLES), encoder, lang, converted, trainings, metrics)
    corpora = [place.corpus for place in places]
    failed = make_missing(places, [OURS], seeds, stale)
    archives = {place.corpus.name: place.read() for place in places}
    aligns = ["l", *"r" * (len(HEADER) - 1)]
    msg.table(look_rows(corpora, archives), header=HEADER, divider=True, aligns=aligns)
    tell(failed)
    if readme is None or names or not shown_run(encoder, lang, seeds, 3):
        msg.info("README and docs left as they are: they show three seeds on the three corpora")
        return
    draw_looks(corpora, archives, chart)
    page = docs / "second-look.md"
    fill_page(page, PAGE, looks_markdown(corpora, archives, seen_from(page, chart)))
    fill_page(readme, PAGE, overview_markdown(corpora, archives, seen_from(readme, chart)))
    msg.good(f"Figures written to {readme} and {docs}")


if __name__ == "__main__":
    typer.run(main)
