"""Charts of the experiments; each function draws one, from the figures of the cells."""

from itertools import cycle
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from ..drawing import GREY, TEAL, name_series
from ..grid.comparison import COLUMNS, Variants, on_one_machine, passes_at
from ..results import Average, complete

# Each stands out from white and from black.
ORANGE, VIOLET = "#d97706", "#8b5cf6"
MARKERS = "osD^vPX*"  # one for each system
COLORS = (TEAL, ORANGE, GREY, VIOLET)  # one for each line
STYLES = ("o-", "s--", "^:", "D-.")  # likewise
Cells = Sequence[Dict[str, Any]]


def point(cells: Cells, name: str) -> Optional[Average]:
    """RETURNS (Optional[Average]): A figure of `comparison.COLUMNS` over seeds; None if a seed has none."""
    known = complete([COLUMNS[name].of(cell) for cell in cells])
    return Average.of(known) if known else None


def training(history: Dict[str, List[Dict[str, Any]]]) -> Figure:
    """Draw both parts of the loss, the learning rate, and what gate and attention do meanwhile."""
    figure, (losses, rate, head) = _panels(3, 7.5)
    steps = [row["step"] for row in history["steps"]]
    for part, color in (("categorical", TEAL), ("positional", ORANGE)):
        losses.plot(steps, [row[part] for row in history["steps"]], color=color, label=part)
    evaluated = [row["step"] for row in history["dev"]]
    losses.plot(evaluated, [row["loss"] for row in history["dev"]], "o--", color=VIOLET, label="dev")
    _name(losses, "", "loss, nats per token", log=True)
    rate.plot(steps, [row["learn_rate"] for row in history["steps"]], color=GREY, label="learning rate")
    _name(rate, "", "learning rate")
    shown = {"gate_recall": TEAL, "gate_precision": ORANGE, "attention_entropy": VIOLET}
    for key, color in shown.items():
        values = [np.nan if row[key] is None else row[key] for row in history["dev"]]
        head.plot(evaluated, values, "o-", color=color, label=key.replace("_", " "))
    _name(head, "step", "share")
    return figure


def curves(named: Variants) -> Figure:
    """Draw span F1 on dev after each pass, mean and range over seeds."""
    figure, (axes,) = _panels(1, 4)
    for (name, cells), color, style in zip(named.items(), COLORS, STYLES, strict=False):
        runs = [[row["span_f"] for row in cell["curve"][1:]] for cell in cells]
        passes = [passes_at(cells[0], row) for row in cells[0]["curve"][1:]]
        scores = np.array([run[: min(map(len, runs))] for run in runs])
        passes = passes[: scores.shape[1]]
        axes.plot(passes, scores.mean(0), style, color=color, label=_plain(name))
        axes.fill_between(passes, scores.min(0), scores.max(0), color=color, alpha=0.25, linewidth=0)
    _name(axes, "passes over the training documents", "span F1, dev")
    return figure


def masks(variants: Variants) -> Figure:
    """Draw span F1 by the share of tokens that the mask takes out, and how many entities it leaves in."""
    figure, (scores, kept) = _panels(2, 7)
    for mask, color, style in (("pad", TEAL, "o-"), ("hard", ORANGE, "s--")):
        rows = {float(name.split()[1]): cells for name, cells in variants.items() if name.startswith(mask)}
        _line(scores, rows, "span F1", mask, color, style)
        _line(scores, rows, "span F1, gold mask", f"{mask}, told which tokens are entities", color, "x:")
        _line(kept, rows, "entities kept", mask, color, style)
    for mask, color in (("none", GREY), ("soft", VIOLET)):
        alone = point(variants.get(mask, []), "span F1")
        if alone:
            scores.axhline(alone.mean, color=color, linestyle="--", label=mask)
    _name(scores, "", "span F1, dev")
    _name(kept, "pad_ratio: share of the tokens taken out", "entity tokens left in")
    return figure


def by_setting(variants: Variants, label: str, upper: str, lower: str) -> Figure:
    """Draw two figures by a setting that is a number, the variants' names."""
    figure, (above, below) = _panels(2, 6)
    rows = {float(name): cells for name, cells in variants.items()}
    _line(above, rows, upper, "", TEAL)
    _line(below, rows, lower, "", ORANGE)
    _name(above, "", f"{upper}, dev")
    _name(below, label, f"{lower}, dev")
    return figure


def learning_rates(variants: Variants) -> Figure:
    """Draw span F1 by learning rate."""
    figure, (axes,) = _panels(1, 3.5)
    _line(axes, {float(name): cells for name, cells in variants.items()}, "span F1", "", TEAL)
    axes.set_xscale("log")
    axes.set_xticks([float(name) for name in variants], list(variants))
    axes.minorticks_off()
    _name(axes, "learning rate (log)", "span F1, dev")
    return figure


def sizes(variants: Variants) -> Figure:
    """Draw span F1 by the share of the training documents, for each system."""
    figure, (axes,) = _panels(1, 4)
    systems: Dict[str, Dict[float, List[Dict[str, Any]]]] = {}
    for name, cells in variants.items():
        share, system = name.split(" %, ")
        systems.setdefault(system, {})[float(share)] = cells
    for (system, by_share), color, style in zip(systems.items(), COLORS, STYLES, strict=False):
        _line(axes, by_share, "span F1", system, color, style)
    shares = sorted(set().union(*systems.values()))
    axes.set_xscale("log")
    axes.set_xticks(shares, [f"{share:g} %" for share in shares])
    axes.minorticks_off()
    _name(axes, "share of the training documents (log)", "span F1, dev")
    return figure


def costs(variants: Variants) -> Figure:
    """Draw what each system reaches on test, by the time its training takes."""
    figure, (axes,) = _panels(1, 4.5, width=9)
    comparable = on_one_machine(variants)
    for (name, cells), marker in zip(variants.items(), cycle(MARKERS), strict=False):
        reached, took = point(cells, "test span F1"), point(comparable[name], "minutes")
        if reached is None or took is None:
            continue
        color, size = (TEAL, 11) if name == "posattn-spacy" else (GREY, 8)
        place = (took.mean, reached.mean, reached.spread, took.spread)
        axes.errorbar(*place, fmt=marker, color=color, markersize=size, label=_plain(name))
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    _name(axes, "minutes of training (log)", "span F1, test")
    return figure


def reliability(before: np.ndarray, after: np.ndarray) -> Figure:
    """Draw how many entities are right by how sure the pipeline is.

    before (np.ndarray): (bins, 2) mean probability and share that is right, without temperature.
    after (np.ndarray): The same with it.
    """
    figure, (axes,) = _panels(1, 5, width=5)
    axes.plot([0, 1], [0, 1], "--", color=GREY, label="perfect")
    axes.plot(*before.T, "x-", color=ORANGE, label="without temperature")
    axes.plot(*after.T, "o-", color=TEAL, label="with temperature")
    _name(axes, "how sure it is: mean probability", "share that is right")
    return figure


def labels(per_label: Dict[str, Average]) -> Figure:
    """Draw span F1 of each label."""
    figure, (axes,) = _panels(1, 0.4 * len(per_label) + 1)
    names = sorted(per_label, key=lambda name: per_label[name].mean)
    values = [per_label[name] for name in names]
    bars = axes.barh(
        list(map(_plain, names)),
        [each.mean for each in values],
        xerr=[each.spread for each in values],
        color=TEAL,
    )
    axes.bar_label(bars, [f"{each.mean:.3f}" for each in values], padding=6)
    axes.set_xlim(0, 1.1)
    _name(axes, "span F1, test", "")
    return figure


def confusion(names: Sequence[str], counts: np.ndarray) -> Figure:
    """Draw which label is taken for which.

    names (Sequence[str]): The labels, and "none".
    counts (np.ndarray): (gold, predicted) entities.
    """
    figure, (axes,) = _panels(1, 5.5, width=6)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="viridis", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), list(map(_plain, names)), rotation=45)
    axes.set_yticks(range(len(names)), list(map(_plain, names)))
    for i, j in np.ndindex(*counts.shape):
        if counts[i, j]:
            color = "black" if shares[i, j] > 0.5 else "white"
            axes.text(j, i, f"{counts[i, j]:,}", ha="center", va="center", fontsize=7, color=color)
    figure.colorbar(image, ax=axes, label="share of the gold label")
    axes.set_xlabel("predicted")
    axes.set_ylabel("gold")
    return figure


def _panels(n: int, height: float, width: float = 7) -> Tuple[Figure, List[Axes]]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = [figure.add_subplot(n, 1, i + 1) for i in range(n)]
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
        each.patch.set_alpha(0)
    figure.patch.set_alpha(0)
    return figure, axes


def _line(
    axes: Axes, rows: Dict[float, List[Dict[str, Any]]], name: str, label: str, color: str, style: str = "o-"
) -> None:
    """Draw a figure over seeds, with error bars, by a number; what has none is left out."""
    points = {x: found for x, cells in sorted(rows.items()) if (found := point(cells, name))}
    if points:
        axes.errorbar(
            list(points),
            [each.mean for each in points.values()],
            [each.spread for each in points.values()],
            fmt=style,
            capsize=3,
            color=color,
            label=_plain(label) or None,
        )


def _plain(name: str) -> str:
    """A name as matplotlib writes it as it is: what stands between dollars is a formula otherwise."""
    return name.replace("$", r"\$")


def _name(axes: Axes, x: str, y: str, log: bool = False) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    if log:
        axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        if max(map(abs, axis.get_view_interval())) >= 1_000:
            axis.set_major_formatter("{x:,.0f}")
    name_series(axes)
