"""What the systems make of the corpora: tables for the terminal, README and docs/corpora.md."""

from statistics import mean
from typing import Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..grid.archive import Archive, Entry
from ..pages import Rows, bold, markdown_table
from ..results import spread
from .found import Corpus
from .standing import GOAL_HEADER, STANDING_HEADER, goal_rows, standing_rows
from .systems import ENCODERS, OURS, SYSTEMS
from .training import how_made, wanted

PAGE = ("<!-- CORPORA: written by `spacy project run corpora` -->", "<!-- END OF CORPORA -->")  # README, too
ENCODER_PAGE = ("<!-- ENCODERS: written by `spacy project run corpora` -->", "<!-- END OF ENCODERS -->")
DIGITS = 3
MOST_SEEDS = 100


class Column(NamedTuple):
    """A figure of a training.

    of (Callable): Takes it from what was measured; None if there is none.
    digits (int): Decimal places.
    """

    of: Callable[[Entry], Optional[float]]
    digits: int = DIGITS


COLUMNS = {
    "span F1": Column(lambda made: made["test"]["span_f"]),
    "macro F1": Column(lambda made: made["test"]["span_macro_f"]),
    "span F1 on dev": Column(lambda made: made["dev"]["span_f"]),
    "CPU minutes": Column(lambda made: made["cpu_seconds"] / 60, 1),
    "memory, GB": Column(lambda made: made["peak_bytes"] / 1e9 if made["peak_bytes"] else None, 1),
    "words/s": Column(lambda made: made["words_per_s"], 0),
    "size, MB": Column(lambda made: made["mb"], 0),
}
CALIBRATION_TEXT = (
    "Expected calibration error on test, and the temperature fitted on dev. *By chance* is what perfect "
    "probabilities would show on as few entities."
)
CALIBRATION = {
    "temperature": "temperature",
    "error without it": "error_uncalibrated",
    "error with it": "error",
    "error by chance": "error_by_chance",
}


def by_system(archive: Archive) -> Dict[str, List[Entry]]:
    """Group figures.

    archive (Archive): Of all trainings on a corpus.
    RETURNS (Dict[str, List[Entry]]): The seeds of each system, best F1 on test first; without trials, and
        without ours with less of the encoder.
    """
    names = [name for name in SYSTEMS if name == OURS or name not in ENCODERS]
    chosen = {name: seeds for name in names if (seeds := seeds_of(archive, name))}
    return dict(sorted(chosen.items(), key=lambda item: -mean(_span_f(made) for made in item[1])))


def seeds_of(archive: Archive, system: str) -> List[Entry]:
    """RETURNS (List[Entry]): The figures of a system's trainings, at the rate that is best now."""
    entrants = wanted(system, SYSTEMS[system], MOST_SEEDS, archive)
    return [archive[each.place] for each in entrants if not each.trial and each.place in archive]


def _span_f(made: Entry) -> float:
    return COLUMNS["span F1"].of(made) or 0.0


def corpus_rows(archive: Archive) -> Rows:
    """RETURNS (Rows): Each system's figures on a corpus, in the order of `COLUMNS`, ours in bold."""
    rows: Rows = []
    for name, seeds in by_system(archive).items():
        row = (SYSTEMS[name].title, str(len(seeds)), *_figures(seeds, COLUMNS))
        rows.append(bold(row) if name == OURS else row)
    return rows


def _figures(seeds: Sequence[Entry], columns: Iterable[str]) -> List[str]:
    """What stands in some columns for the trainings of a system."""
    chosen = [COLUMNS[key] for key in columns]
    return [spread([each.of(made) for made in seeds], each.digits) for each in chosen]


CORPUS_HEADER = ("system", "seeds", *COLUMNS)


def overview_rows(archives: Mapping[str, Archive]) -> Rows:
    """Put F1 and CPU minutes of all corpora side by side.

    archives (Mapping[str, Archive]): Figures by the corpora's names.
    RETURNS (Rows): A row for each system, in the order of `SYSTEMS`.
    """
    grouped = [by_system(archive) for archive in archives.values()]
    rows: Rows = []
    for name, system in SYSTEMS.items():
        cells: List[str] = []
        for systems in grouped:
            shown = ("span F1", "CPU minutes")
            seeds = systems.get(name)
            cells += _figures(seeds, shown) if seeds else ["–"] * len(shown)
        if any(cell != "–" for cell in cells):
            row = (system.title, *cells)
            rows.append(bold(row) if name == OURS else row)
    return rows


def overview_header(corpora: Sequence[Corpus]) -> Tuple[str, ...]:
    """RETURNS (Tuple[str, ...]): The header of `overview_rows`."""
    return ("", *(f"{corpus.title}{what}" for corpus in corpora for what in (", span F1", ", CPU min")))


def confidence_rows(corpora: Sequence[Corpus], archives: Mapping[str, Archive]) -> Rows:
    """RETURNS (Rows): How far our probabilities can be trusted on each corpus."""
    rows: Rows = []
    for corpus in corpora:
        seeds = [made["confidence"] for made in seeds_of(archives[corpus.name], OURS)]
        if seeds:
            values = (spread([each and each[key] for each in seeds]) for key in CALIBRATION.values())
            rows.append((corpus.title, *values))
    return rows


def corpora_markdown(corpora: Sequence[Corpus], archives: Mapping[str, Archive], chart: str) -> str:
    """Write the part of docs/corpora.md that is made.

    corpora (Sequence[Corpus]): The corpora.
    archives (Mapping[str, Archive]): Their figures by their names.
    chart (str): Path of the chart, seen from the page.
    RETURNS (str): Markdown.
    """
    parts = [f"![Span F1 on test against CPU minutes of training, a panel for each corpus]({chart})"]
    for corpus in corpora:
        words = f"{corpus.words('train'):,} words to learn from"
        parts += [f"### {corpus.title}", f"{words}, {corpus.words('test'):,} to be measured on."]
        parts.append(markdown_table(CORPUS_HEADER, corpus_rows(archives[corpus.name])))
    grouped = {name: by_system(archive) for name, archive in archives.items()}
    parts += ["### Who is ahead in span F1", markdown_table(STANDING_HEADER, standing_rows(corpora, grouped))]
    parts += ["### What was aimed at", markdown_table(GOAL_HEADER, goal_rows(corpora, grouped))]
    parts += ["### How sure it is", CALIBRATION_TEXT]
    parts.append(markdown_table(("", *CALIBRATION), confidence_rows(corpora, archives)))
    return "\n\n".join([*parts, how_made(archives, SYSTEMS)])


def encoders_markdown(corpora: Sequence[Corpus], archives: Mapping[str, Archive]) -> str:
    """Write the part of docs/encoders.md that is made; arguments as of `corpora_markdown`."""
    shown = ("span F1", "macro F1", "CPU minutes", "memory, GB", "words/s", "size, MB")
    parts: List[str] = []
    for corpus in corpora:
        archive = archives[corpus.name]
        usual = processors(seeds_of(archive, OURS))
        rows: Rows = []
        for name, title in ENCODERS.items():
            if seeds := seeds_of(archive, name):
                own = processors(seeds)
                where = "" if own == usual else f" (on another machine: {own})"
                rows.append((title + where, *_figures(seeds, shown)))
        parts += [f"### {corpus.title}", markdown_table(("all-MiniLM-L6-v2", *shown), rows)]
    return "\n\n".join([*parts, how_made(archives, SYSTEMS)])


def processors(seeds: Sequence[Entry]) -> str:
    """RETURNS (str): On what trainings were made, as minutes and words/s depend on it."""
    return " and ".join(sorted({made["made"]["processor"] for made in seeds}))


def overview_markdown(corpora: Sequence[Corpus], archives: Mapping[str, Archive], chart: str) -> str:
    """Write the part of the README that is made; arguments as of `corpora_markdown`."""
    table = markdown_table(overview_header(corpora), overview_rows(archives))
    picture = f"![Span F1 on test against CPU minutes of training, a panel for each corpus]({chart})"
    return "\n\n".join([picture, table])
