"""Train with other settings than `init config` writes, as far as that is missing, and show what they give."""

from pathlib import Path
from typing import Annotated, List

import typer
from posattn_benchmark.corpora.systems import fill_store
from posattn_benchmark.corpora.training import make_missing, shown_run, tell, workplaces
from posattn_benchmark.corpora.variants import (
    AS_WRITTEN,
    PAGE,
    SEEDS_AS_WRITTEN,
    STUDIED,
    VARIANTS,
    defaults_markdown,
    variant_rows,
)
from posattn_benchmark.options import CONVERTED, ENCODER, ConvertedFolder, EncoderFolder, Lang
from posattn_benchmark.pages import fill_page
from wasabi import msg

from posattn_spacy.corpora.sentences import CorpusError
from posattn_spacy.telling import told


def main(
    names: Annotated[
        List[str] | None, typer.Argument(help=f"{', '.join(VARIANTS)}; by default all of them")
    ] = None,
    corpus: Annotated[List[str] | None, typer.Option(help=f"By default {', '.join(STUDIED)}")] = None,
    metrics: Annotated[Path, typer.Option(help="Folder for the figures")] = Path("metrics/corpora/defaults"),
    converted: ConvertedFolder = CONVERTED,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of each training")] = 1,
    encoder: EncoderFolder = ENCODER,
    lang: Lang = "en",
    stale: Annotated[bool, typer.Option("--stale", help="Make anew what older code has made")] = False,
    page: Annotated[Path | None, typer.Option(help="Page to put the tables into")] = None,
) -> None:
    """Train what is missing and measure it on dev; it goes on where it was stopped."""
    chosen = list(names or VARIANTS)
    unknown = sorted(set(chosen) - VARIANTS.keys())
    if unknown:
        msg.fail(f"There is no variant {', '.join(unknown)}: choose from {', '.join(VARIANTS)}.", exits=1)
    with told(CorpusError, FileNotFoundError):
        trainings = Path("training/defaults")
        places = workplaces(
            corpus or list(STUDIED), encoder, lang, converted, trainings, metrics, systems=VARIANTS
        )
    corpora = [place.corpus for place in places]
    for place in places:
        if entrant := place.next(chosen, seeds, stale):
            msg.info(f"{place.corpus.title}: encoding what has not been encoded yet")
            fill_store(place.task(entrant))
    failed = make_missing(places, chosen, seeds, stale)
    if AS_WRITTEN in chosen:
        failed |= make_missing(places, [AS_WRITTEN], max(seeds, SEEDS_AS_WRITTEN), stale)
    archives = {place.corpus.name: place.read() for place in places}
    header = ("span F1 on dev", *(each.title for each in corpora), "CPU minutes")
    aligns = ["l", *"r" * (len(header) - 1)]
    msg.table(variant_rows(chosen, corpora, archives, "span_f"), header=header, divider=True, aligns=aligns)
    tell(failed)
    if page is None or corpus or names or not shown_run(encoder, lang, seeds, 1):
        msg.info("The page is left as it is: it shows all variants on all corpora")
        return
    fill_page(page, PAGE, defaults_markdown(corpora, archives))
    msg.good(f"Figures written to {page}")


if __name__ == "__main__":
    typer.run(main)
