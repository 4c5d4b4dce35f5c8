"""The chart of the corpora: F1 against what training costs."""

from pathlib import Path
from statistics import mean
from typing import Dict, Mapping, Sequence, Tuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from ..drawing import GREY, TEAL
from ..grid.archive import Archive
from .found import Corpus
from .summary import COLUMNS, by_system
from .systems import OURS, SYSTEMS

CORNERS = ((6, 4), (-6, 4), (6, -11), (-6, -11))  # of a name beside its point
Points = Dict[str, Tuple[float, float]]  # CPU minutes and span F1 of each system


def draw(corpora: Sequence[Corpus], archives: Mapping[str, Archive], path: Path) -> None:
    """Draw span F1 on test against CPU minutes of training, a panel for each corpus.

    corpora (Sequence[Corpus]): The corpora.
    archives (Mapping[str, Archive]): Their figures by their names.
    path (Path): The picture to write.
    """
    figure = Figure(figsize=(4.6 * len(corpora), 4.4), layout="constrained")
    panels = figure.subplots(1, len(corpora), squeeze=False)[0]
    shown = [_panel(axes, archives[corpus.name]) for axes, corpus in zip(panels, corpora, strict=True)]
    for axes, corpus in zip(panels, corpora, strict=True):
        axes.set_title(f"{corpus.title}, {corpus.words('train'):,} words")
    figure.draw_without_rendering()  # so that it is known where everything is
    for axes, points in zip(panels, shown, strict=True):
        _name_points(axes, points)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def _panel(axes: Axes, archive: Archive) -> Points:
    """Draw the systems of a corpus as points, which are returned, ours first."""
    axes.set_xscale("log")
    axes.set_xlabel("CPU minutes of training, one core")
    axes.set_ylabel("span F1 on test")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(0.25, 0.1)
    points: Points = {}
    for name, seeds in by_system(archive).items():
        at, span_f = (
            mean(COLUMNS[key].of(made) or 0.0 for made in seeds) for key in ("CPU minutes", "span F1")
        )
        points[name] = at, span_f
        axes.plot(at, span_f, "o" if name == OURS else "s", color=TEAL if name == OURS else GREY)
    return dict(sorted(points.items(), key=lambda point: point[0] != OURS))


def _name_points(axes: Axes, points: Points) -> None:
    """Write the systems' names beside their points, where nothing else is."""
    taken = [
        Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in axes.transData.transform(list(points.values()))
    ]
    for name, point in points.items():
        for corner in CORNERS:
            label = _named(axes, name, point, corner)
            box = label.get_window_extent()
            inside = axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1
            if inside and not box.count_overlaps(taken):
                break
            label.remove()
        else:
            label = _named(axes, name, point, CORNERS[0])
        taken.append(label.get_window_extent())


def _named(axes: Axes, name: str, point: Tuple[float, float], corner: Tuple[int, int]) -> Annotation:
    return axes.annotate(
        SYSTEMS[name].short,
        point,
        corner,
        ha="left" if corner[0] > 0 else "right",
        textcoords="offset points",
        color=TEAL if name == OURS else GREY,
        weight="bold" if name == OURS else "normal",
        fontsize=8,
    )
