"""The figures of the cells: one csv with all of them, and a table for each experiment."""

import csv
from collections import Counter
from pathlib import Path
from statistics import mean
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from posattn_spacy.writing import replacing

from ..results import spread
from ..tables import Rows

Figures = Dict[str, Any]
Variants = Dict[str, List[Figures]]


class Figure(NamedTuple):
    """A figure of a cell.

    of (Callable): Takes it from what was measured; None if there is none.
    digits (int): Decimal places.
    by_machine (bool): Whether it depends on the machine, so that only figures of one machine are compared.
    """

    of: Callable[[Figures], Optional[float]]
    digits: int = 4
    by_machine: bool = False


def _dev(key: str) -> Figure:
    return Figure(lambda cell: cell["dev"][key])


def _test(key: str) -> Figure:
    return Figure(lambda cell: (cell["test"] or {}).get(key))


def _boundary(key: str, digits: int = 4) -> Figure:
    return Figure(lambda cell: cell["boundaries"][key], digits)


def _head(key: str) -> Figure:
    return Figure(lambda cell: (cell["head"] or {}).get(key))


def passes_until(cell: Figures, span_f: float) -> Optional[float]:
    """RETURNS (Optional[float]): Passes over the training documents until dev reached a span F1."""
    return next((passes_at(cell, point) for point in cell["curve"] if point["span_f"] >= span_f), None)


def passes_at(cell: Figures, point: Figures) -> float:
    """Tell how far a training had come; spaCy's own count of epochs can be one behind.

    cell (Figures): The cell.
    point (Figures): A point of its curve, which ends with the training.
    RETURNS (float): Passes over the training documents.
    """
    return point["step"] * cell["passes_made"] / cell["curve"][-1]["step"]


def training_loss(cell: Figures) -> Optional[float]:
    """RETURNS (Optional[float]): Mean categorical loss of the last pass, with dropout; None if not logged."""
    if cell["history"] is None:
        return None
    start = [0, *(point["step"] for point in cell["curve"])][-2]
    losses = [row["categorical"] for row in cell["history"]["steps"] if row["step"] > start]
    return mean(losses) if losses else None


def _billionth(value: Optional[float]) -> Optional[float]:
    return None if value is None else value / 1e9


FIGURES = {
    "span P": _dev("span_p"),
    "span R": _dev("span_r"),
    "span F1": _dev("span_f"),
    "flat F1": _dev("flat_f"),
    "raw text span F1": _dev("raw_text"),
    "test span F1": _test("span_f"),
    "test flat F1": _test("flat_f"),
    "dev loss": Figure(lambda cell: cell["dev_loss"]),
    "training loss": Figure(training_loss),
    "exact F1": _boundary("exact"),
    "partial F1": _boundary("partial"),
    "type F1": _boundary("type"),
    "shifted edges": _boundary("shifted", 0),
    "gate recall": _head("gate_recall"),
    "entities kept": _head("entities_kept"),
    "span F1, gold mask": Figure(lambda cell: cell["gold_mask_span_f"]),
    "passes to 0.80": Figure(lambda cell: passes_until(cell, 0.80), 1),
    "risk–coverage area": Figure(lambda cell: (cell["confidence"] or {}).get("risk_coverage_area")),
    "parameters": Figure(lambda cell: cell["trained_parameters"], 0),
    "passes": Figure(lambda cell: cell["passes_made"], 1),
    "minutes": Figure(lambda cell: cell["seconds"] / 60, 1, by_machine=True),
    "memory, GB": Figure(lambda cell: _billionth(cell["peak_bytes"]), 2, by_machine=True),
    "words/s": Figure(lambda cell: cell["words_per_s"], 0, by_machine=True),
}
ABOUT = (
    "config",
    "setting",
    "split",
    "share",
    "passes_made",
    "seed",
    "threads",
    "processor",
    "encoder",
    "source",
    "n_sents",
)


def write_csv(experiments: Dict[str, Variants], path: Path) -> None:
    """Write the figures of all cells, one row for each that an experiment shows.

    experiments (Dict[str, Variants]): The seeds of each variant of each experiment.
    path (Path): The file, as a whole or not at all.
    """
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["experiment", "variant", *ABOUT, *FIGURES])
        for experiment, variants in experiments.items():
            for variant, cells in variants.items():
                for cell in cells:
                    figures = [figure.of(cell) for figure in FIGURES.values()]
                    writer.writerow([experiment, variant, *(cell[key] for key in ABOUT), *figures])


def variant_rows(variants: Variants, figures: Sequence[str]) -> Rows:
    """Show an experiment, one row for each variant.

    variants (Variants): The figures of its seeds, by variant.
    figures (Sequence[str]): Which figures, of `FIGURES`.
    RETURNS (Rows): The variant, its number of seeds, and mean ± standard deviation of each figure.
    """
    comparable = on_one_machine(variants)
    return [
        (variant, str(len(seeds)), *(_spread(name, seeds, comparable[variant]) for name in figures))
        for variant, seeds in variants.items()
        if seeds
    ]


def on_one_machine(variants: Variants) -> Variants:
    """Leave out the seeds whose times can't be compared.

    variants (Variants): The seeds of each variant.
    RETURNS (Variants): Those made on the machine that most variants, then most seeds, were made on.
    """
    machines = Counter(machine for seeds in variants.values() for machine in {machine_of(c) for c in seeds})
    seeds_on = Counter(machine_of(cell) for seeds in variants.values() for cell in seeds)
    common = max(machines, key=lambda machine: (machines[machine], seeds_on[machine]), default=None)
    return {name: [c for c in seeds if machine_of(c) == common] for name, seeds in variants.items()}


def machine_of(cell: Figures) -> Tuple[int, Optional[str]]:
    """RETURNS (Tuple[int, Optional[str]]): Threads and processor of a cell; None if it was not kept."""
    return cell["threads"], cell["processor"]


def _spread(name: str, seeds: Sequence[Figures], comparable: Sequence[Figures]) -> str:
    figure = FIGURES[name]
    return spread([figure.of(cell) for cell in (comparable if figure.by_machine else seeds)], figure.digits)
