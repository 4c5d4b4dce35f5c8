"""The chart of the corpora: F1 against what training costs."""

from pathlib import Path
from statistics import mean
from typing import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from ..grid.archive import Archive
from .found import Corpus
from .summary import COLUMNS, by_system
from .systems import OURS, SYSTEMS

TEAL, GREY = "#0d9488", "#8a8f98"


def draw(corpora: Sequence[Corpus], archives: Mapping[str, Archive], path: Path) -> None:
    """Draw span F1 on test against CPU minutes of training, a panel for each corpus.

    corpora (Sequence[Corpus]): The corpora.
    archives (Mapping[str, Archive]): Their figures by their names.
    path (Path): The picture to write.
    """
    figure = Figure(figsize=(4.6 * len(corpora), 4.4), layout="constrained")
    for axes, corpus in zip(figure.subplots(1, len(corpora), squeeze=False)[0], corpora, strict=True):
        _panel(axes, archives[corpus.name])
        axes.set_title(f"{corpus.title}, {corpus.words('train'):,} words")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def _panel(axes: Axes, archive: Archive) -> None:
    axes.set_xscale("log")
    axes.set_xlabel("CPU minutes of training, one core")
    axes.set_ylabel("span F1 on test")
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(0.25, 0.1)
    points = {
        name: tuple(
            mean(COLUMNS[key].of(made) or 0.0 for made in seeds) for key in ("CPU minutes", "span F1")
        )
        for name, seeds in by_system(archive).items()
    }
    minutes = sorted(at for at, _ in points.values())
    for name, (at, span_f) in points.items():
        color, marker, weight = (TEAL, "o", "bold") if name == OURS else (GREY, "s", "normal")
        axes.plot(at, span_f, marker, color=color)
        to_the_right = at * at <= minutes[0] * minutes[-1]  # where there is room
        axes.annotate(
            SYSTEMS[name].short,
            (at, span_f),
            (6 if to_the_right else -6, 4),
            ha="left" if to_the_right else "right",
            textcoords="offset points",
            color=color,
            weight=weight,
            fontsize=8,
        )
