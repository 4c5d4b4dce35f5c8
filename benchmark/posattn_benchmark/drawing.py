"""What all charts have in common: their colours, and that series are named where they end."""

import math
from typing import Any, List, Tuple, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

TEAL, GREY = "#0d9488", "#8a8f98"
LINE_HEIGHT = 16  # pixels


def name_series(axes: Axes) -> None:
    """Write the name of each line where it ends, so that nobody needs its color to find it.

    axes (Axes): With all that is drawn in them, and their limits.
    """
    ends: List[Tuple[float, float, str, Any]] = []
    for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
        line = handle if isinstance(handle, Line2D) else cast(Any, handle)[0]
        points = np.column_stack([line.get_xdata(), line.get_ydata()]).astype(float)
        points = points[~np.isnan(points).any(1)]
        if len(points):
            x, y = axes.transAxes.inverted().transform(line.get_transform().transform(points[-1]))
            ends.append((float(y), float(x), label, line.get_color()))
    lowest = -math.inf
    gap = LINE_HEIGHT / (axes.get_window_extent().height or 1)
    for y, x, label, color in sorted(ends, key=lambda end: end[0]):
        lowest = max(y, lowest + gap)  # names that would overlap stand above each other
        axes.annotate(
            label,
            (x, lowest),
            (7, 0),
            xycoords="axes fraction",
            textcoords="offset points",
            va="center",
            color=color,
            fontsize=9,
            annotation_clip=False,
        )
