"""Train and measure the systems on the corpora, as far as that is missing, and show what they give."""

from pathlib import Path
from typing import Annotated, List

import typer
from posattn_benchmark.corpora.chart import draw
from posattn_benchmark.corpora.found import TITLES
from posattn_benchmark.corpora.summary import (
    CORPUS_HEADER,
    ENCODER_PAGE,
    PAGE,
    corpora_markdown,
    corpus_rows,
    encoders_markdown,
    overview_markdown,
)
from posattn_benchmark.corpora.systems import SYSTEMS
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
    system: Annotated[
        List[str] | None, typer.Option(help=f"{', '.join(SYSTEMS)}; by default all of them")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of ours, and of what takes under ten minutes")] = 3,
    encoder: EncoderFolder = ENCODER,
    lang: Lang = "en",
    stale: Annotated[bool, typer.Option("--stale", help="Make anew what older code has made")] = False,
    chart: Annotated[Path, typer.Option(help="Picture for README and docs")] = Path("assets/corpora.png"),
    readme: Annotated[Path | None, typer.Option(help="README to put the overview into")] = None,
    docs: Annotated[Path, typer.Option(help="Folder of corpora.md and encoders.md")] = Path("docs"),
) -> None:
    """Train and measure what is missing; it goes on where it was stopped."""
    unknown = sorted(set(system or []) - SYSTEMS.keys())
    if unknown:
        msg.fail(f"There is no system {', '.join(unknown)}: choose from {', '.join(SYSTEMS)}.", exits=1)
    with told(CorpusError, FileNotFoundError):
        trainings = Path("training/corpora")
        places = workplaces(names or list(TITLES), encoder, lang, converted, trainings, metrics)
    corpora = [place.corpus for place in places]
    failed = make_missing(places, list(system or SYSTEMS), seeds, stale)
    archives = {place.corpus.name: place.read() for place in places}
    for corpus in corpora:
        msg.divider(corpus.title)
        aligns = ["l", *"r" * (len(CORPUS_HEADER) - 1)]
        msg.table(corpus_rows(archives[corpus.name]), header=CORPUS_HEADER, divider=True, aligns=aligns)
    tell(failed)
    all_of_it = [corpus.name for corpus in corpora] == list(TITLES) and system is None
    if readme is None or not all_of_it or not shown_run(encoder, lang, seeds, 3):
        msg.info("README and docs left as they are: they show all systems on the three corpora")
        return
    draw(corpora, archives, chart)
    page = docs / "corpora.md"
    fill_page(page, PAGE, corpora_markdown(corpora, archives, seen_from(page, chart)))
    fill_page(docs / "encoders.md", ENCODER_PAGE, encoders_markdown(corpora, archives))
    fill_page(readme, PAGE, overview_markdown(corpora, archives, seen_from(readme, chart)))
    msg.good(f"Figures written to {readme} and {docs}")


if __name__ == "__main__":
    typer.run(main)
