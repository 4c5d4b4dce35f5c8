"""What the second look gives on the corpora: a table and a chart for README and docs/second-look.md."""

from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ..drawing import GREY, TEAL
from ..grid.archive import Archive
from ..pages import Rows, markdown_table
from ..results import spread
from .found import Corpus
from .summary import seeds_of
from .systems import OURS, SYSTEMS
from .training import how_made

PAGE = ("<!-- SECOND LOOK: written by `spacy project run second-look` -->", "<!-- END OF SECOND LOOK -->")
HEADER = (
    *("corpus", "seeds", "words encoded", "span F1", "all encoded", "first look alone"),
    *("words/s", "all encoded, words/s"),
)
ALT = "Span F1 and words per second by the share of the words that are encoded, a panel for each corpus"

Shares = Dict[str, Any]  # what `share_figures` gave


def shares_of(archive: Archive) -> List[Shares]:
    """RETURNS (List[Shares]): What was measured of the second look, for each seed of ours."""
    return [made["shares"] for made in seeds_of(archive, OURS) if made.get("shares")]


def look_rows(corpora: Sequence[Corpus], archives: Mapping[str, Archive]) -> Rows:
    """Show what the fitted threshold gives on test.

    corpora (Sequence[Corpus]): The corpora.
    archives (Mapping[str, Archive]): Their figures by their names.
    RETURNS (Rows): A row for each corpus that was measured, in the order of `HEADER`.
    """
    rows: Rows = []
    for corpus in corpora:
        seeds = shares_of(archives[corpus.name])
        if seeds:
            fitted = [each["fitted"] for each in seeds]
            alone, every = ([each["curve"][i] for each in seeds] for i in (0, -1))
            rows.append(
                (
                    corpus.title,
                    str(len(seeds)),
                    f"{np.mean([each['words'] for each in fitted]):.0%}",
                    *(spread([each["f"] for each in points], 4) for points in (fitted, every, alone)),
                    *(spread([each["words_per_s"] for each in points], 0) for points in (fitted, every)),
                )
            )
    return rows


def looks_markdown(corpora: Sequence[Corpus], archives: Mapping[str, Archive], chart: str) -> str:
    """Write the part of docs/second-look.md that is made.

    chart (str): Path of the chart, seen from the page. The other arguments are those of `look_rows`.
    RETURNS (str): Markdown.
    """
    measured = {
        name: {place: made for place, made in archive.items() if made.get("shares")}
        for name, archive in archives.items()
    }
    return "\n\n".join([overview_markdown(corpora, archives, chart), how_made(measured, SYSTEMS)])


def overview_markdown(corpora: Sequence[Corpus], archives: Mapping[str, Archive], chart: str) -> str:
    """Write the part of the README that is made; arguments as of `looks_markdown`."""
    return "\n\n".join([f"![{ALT}]({chart})", markdown_table(HEADER, look_rows(corpora, archives))])


def draw_looks(corpora: Sequence[Corpus], archives: Mapping[str, Archive], path: Path) -> None:
    """Draw span F1 and words per second by the share of the words that are encoded.

    path (Path): The picture to write. The other arguments are those of `look_rows`.
    """
    figure = Figure(figsize=(4.2 * len(corpora), 6.0), layout="constrained")
    panels = figure.subplots(2, len(corpora), squeeze=False, sharex=True)
    for (upper, lower), corpus in zip(panels.T, corpora, strict=True):
        seeds = shares_of(archives[corpus.name])
        upper.set_title(f"{corpus.title}, {len(seeds)} seeds")
        if seeds:
            _curve(upper, seeds, "f")
            _curve(lower, seeds, "words_per_s")
        lower.set_xlabel("words encoded")
        lower.set_ylim(bottom=0)
        lower.xaxis.set_major_formatter(PercentFormatter(1.0))
    panels[0, 0].set_ylabel("span F1 on test")
    panels[1, 0].set_ylabel("words per second, one core")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def _curve(axes: Axes, seeds: Sequence[Shares], key: str) -> None:
    """A line through the means, a band of one standard deviation, and what was fitted on dev."""
    at, values = (
        np.array([[point[name] for point in each["curve"]] for each in seeds]) for name in ("words", key)
    )
    shares, means, std = at.mean(0), values.mean(0), values.std(0)
    axes.plot(shares, means, "o-", color=TEAL, markersize=4)
    axes.fill_between(shares, means - std, means + std, color=TEAL, alpha=0.15, linewidth=0)
    fitted = float(np.mean([each["fitted"]["words"] for each in seeds]))
    axes.axvline(fitted, color=GREY, linestyle="--")
    axes.annotate(
        "fitted on dev",
        (fitted, 0.03),
        (4 if fitted < 0.6 else -4, 0),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="left" if fitted < 0.6 else "right",
        color=GREY,
        fontsize=8,
    )
    axes.spines[["top", "right"]].set_visible(False)
