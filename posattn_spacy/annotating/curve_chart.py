"""The picture of a learning curve; it takes matplotlib, which the extra `charts` installs."""

from pathlib import Path
from statistics import mean
from typing import Sequence

import numpy as np
from matplotlib.figure import Figure

from .curve import Point, by_size, expected_f

TEAL = "#0d9488"


def insist_drawable(path: Path) -> None:
    """Insist that there are pictures of a file's kind.

    path (Path): The file to be.
    RAISES (ValueError): If there are none.
    """
    kinds = Figure().canvas.get_supported_filetypes()
    if path.suffix[1:].lower() not in kinds:
        raise ValueError(f"{path}: there are no pictures of that kind. Choose from {', '.join(kinds)}.")


def draw_curve(points: Sequence[Point], path: Path, kind: str) -> None:
    """Draw F1 against documents, from all trainings to what is expected of twice the data.

    points (Sequence[Point]): The curve, of three sizes at least.
    path (Path): The picture.
    kind (str): Of which kind it is, such as "png".
    """
    scores = by_size(points)
    sizes = list(scores)
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot([point.docs for point in points], [point.f for point in points], "o", color=TEAL, alpha=0.5)
    axes.plot(sizes, list(map(mean, scores.values())), color=TEAL)
    ahead = np.geomspace(sizes[-1], 2 * sizes[-1], 12)
    expected = [expected_f(points, round(size)) for size in ahead]
    axes.plot(ahead, [each.expected for each in expected], "--", color=TEAL, label="expected")
    low, high = [each.low for each in expected], [each.high for each in expected]
    axes.fill_between(ahead, low, high, color=TEAL, alpha=0.15, label="90 % of the curves that fit")
    axes.set_xscale("log", base=2)
    axes.set_xticks([*sizes, 2 * sizes[-1]], [f"{size:,}" for size in [*sizes, 2 * sizes[-1]]])
    axes.set_xlabel("documents to learn from")
    axes.set_ylabel("span F1")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(path, dpi=120, format=kind)
