"""Measure the annotation loop, as far as that is missing, and show what was found."""

from pathlib import Path
from typing import Annotated, List

import typer
from posattn_benchmark.corpora.training import require_encoder, shown_run, tell
from posattn_benchmark.loop.page import PAGE, TABLES, draw_choosing, loop_markdown
from posattn_benchmark.loop.studies import STUDIES, Setting, make_missing
from posattn_benchmark.options import CONVERTED, ENCODER, ConvertedFolder, EncoderFolder, Lang
from posattn_benchmark.pages import fill_page, seen_from
from wasabi import msg

from posattn_spacy.telling import told


def main(
    names: Annotated[
        List[str] | None, typer.Argument(help=f"{', '.join(STUDIES)}; by default all of them")
    ] = None,
    metrics: Annotated[Path, typer.Option(help="Folder for the figures")] = Path("metrics/loop"),
    converted: ConvertedFolder = CONVERTED,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of each variant, at most")] = 5,
    encoder: EncoderFolder = ENCODER,
    lang: Lang = "en",
    chart: Annotated[Path, typer.Option(help="Picture for the page")] = Path("assets/loop.png"),
    page: Annotated[Path | None, typer.Option(help="Page to put the tables into")] = None,
) -> None:
    """Make the trials that are missing; it goes on where it was stopped."""
    unknown = sorted(set(names or ()) - STUDIES.keys())
    if unknown:
        msg.fail(f"There is no study {', '.join(unknown)}: choose from {', '.join(STUDIES)}.", exits=1)
    with told(FileNotFoundError):
        require_encoder(encoder)
    folders = converted, Path("features") / encoder.name, Path("training/loop"), metrics
    setting = Setting(encoder, lang, *folders)
    chosen = names or list(STUDIES)
    failed = make_missing(setting, chosen, seeds)
    archives = {study: setting.read(study) for study in STUDIES}
    for study in chosen:
        for table in TABLES[study] if archives[study] else ():
            header, rows = table(archives[study])
            msg.divider(STUDIES[study].title)
            msg.table(rows, header=header, divider=True, aligns=["l", *"r" * (len(header) - 1)])
    tell(failed)
    if page is None or not shown_run(encoder, lang, seeds, 5):
        msg.info("The page is left as it is: it shows all seeds")
        return
    if archives["suggest"]:
        draw_choosing(archives["suggest"], chart)
    fill_page(page, PAGE, loop_markdown(archives, seen_from(page, chart)))
    msg.good(f"Figures written to {page}")


if __name__ == "__main__":
    typer.run(main)
