"""The figures as one chart."""

from pathlib import Path
from typing import Any, Dict, List

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..drawing import name_series
from .summary import speeds, training_minutes

OURS, OTHERS = "#0f766e", "#9ca3af"
OUR_SYSTEMS = ("pipe", "pipe_all", "pipe_float32", "pipe_float32_all", "base_pipe", "encoding", "head_epoch")


def draw(cost: Dict[str, Any], path: Path) -> None:
    """Draw words per second, the time of a whole training, and what the hard mask saves.

    cost (Dict[str, Any]): What the cost command wrote.
    path (Path): PNG file to write.
    """
    figure = Figure(figsize=(9, 8.5), layout="constrained", dpi=120)
    grid = figure.add_gridspec(3, 1, height_ratios=[8, 4, 6])
    medians = cost["medians"]
    names = dict(reversed(speeds(cost).items()))
    _bars(
        figure.add_subplot(grid[0]),
        [name.replace("`", "") for name in names.values()],
        [medians[system]["words_per_s"] for system in names],
        [system in OUR_SYSTEMS for system in names],
        "words per second",
        "{:,.0f}",
    )
    minutes = dict(reversed(training_minutes(cost).items()))
    _bars(
        figure.add_subplot(grid[1]),
        list(minutes),
        list(minutes.values()),
        [name.startswith("posattn") for name in minutes],
        f"minutes for {cost['setting']['epochs']} epochs (spaCy's extrapolated)",
        "{:,.1f}",
    )
    _curve(figure.add_subplot(grid[2]), medians["mask_curve"])
    figure.savefig(path, metadata={"Software": None})


def _bars(
    axes: Axes, names: List[str], values: List[float], ours: List[bool], label: str, number: str
) -> None:
    bars = axes.barh(names, values, color=[OURS if own else OTHERS for own in ours])
    axes.bar_label(bars, [number.format(value) for value in values], padding=3)
    axes.set_xlabel(label)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.margins(x=0.12)
    axes.spines[["top", "right"]].set_visible(False)


def _curve(axes: Axes, curve: Dict[str, float]) -> None:
    points = sorted((float(name.removeprefix("hard_")), ms) for name, ms in curve.items() if "hard_" in name)
    ratios, times = zip(*points, strict=True)
    axes.plot(ratios, times, marker="o", color=OURS, label="hard mask")
    axes.axhline(curve["none"], color=OTHERS, linestyle="--", label="no mask")
    axes.set_xlabel("pad_ratio: share of the tokens left out")
    axes.set_ylabel("ms per batch: attention\nand feed-forward")
    axes.set_ylim(bottom=0)
    name_series(axes)
    axes.spines[["top", "right"]].set_visible(False)
