"""The figures of the cells: one csv with all of them, and a table for each experiment."""

import csv
from collections import Counter
from pathlib import Path
from typing import Callable, Dict, NamedTuple, Optional, Sequence, Tuple

from posattn_spacy.writing import replacing

from ..pages import Rows
from ..results import spread
from .archive import Entry, Variants


class Column(NamedTuple):
    """A figure of a cell.

    of (Callable): Takes it from what was measured; None if there is none.
    digits (int): Decimal places.
    by_machine (bool): Whether it depends on the machine, so that only figures of one machine are compared.
    """

    of: Callable[[Entry], Optional[float]]
    digits: int = 3
    by_machine: bool = False


def _dev(key: str) -> Column:
    return Column(lambda cell: cell["dev"][key])


def _test(key: str) -> Column:
    return Column(lambda cell: (cell["test"] or {}).get(key))


def _boundary(key: str, digits: int = 3) -> Column:
    return Column(lambda cell: cell["boundaries"][key], digits)


def _head(key: str) -> Column:
    return Column(lambda cell: (cell["head"] or {}).get(key))


def passes_until(cell: Entry, span_f: float) -> Optional[float]:
    """RETURNS (Optional[float]): Passes over the training documents until dev reached a span F1."""
    return next((passes_at(cell, point) for point in cell["curve"] if point["span_f"] >= span_f), None)


def passes_at(cell: Entry, point: Entry) -> float:
    """Tell how far a training had come; spaCy's own count of epochs can be one behind.

    cell (Entry): The cell.
    point (Entry): A point of its curve, which ends with the training.
    RETURNS (float): Passes over the training documents.
    """
    return point["step"] * cell["passes_made"] / cell["curve"][-1]["step"]


def _billionth(value: Optional[float]) -> Optional[float]:
    return None if value is None else value / 1e9


COLUMNS = {
    "span P": _dev("span_p"),
    "span R": _dev("span_r"),
    "span F1": _dev("span_f"),
    "flat F1": _dev("flat_f"),
    "raw text span F1": _dev("raw_text"),
    "test span F1": _test("span_f"),
    "test flat F1": _test("flat_f"),
    "dev loss": Column(lambda cell: cell["dev_loss"]),
    "training loss": Column(lambda cell: cell["training_loss"]),
    "exact F1": _boundary("exact"),
    "partial F1": _boundary("partial"),
    "type F1": _boundary("type"),
    "shifted edges": _boundary("shifted", 0),
    "gate recall": _head("gate_recall"),
    "entities kept": _head("entities_kept"),
    "span F1, gold mask": Column(lambda cell: cell["gold_mask_span_f"]),
    "passes to 0.80": Column(lambda cell: passes_until(cell, 0.80), 1),
    "risk–coverage area": Column(lambda cell: (cell["confidence"] or {}).get("risk_coverage_area")),
    "parameters": Column(lambda cell: cell["trained_parameters"], 0),
    "passes": Column(lambda cell: cell["passes_made"], 1),
    "minutes": Column(lambda cell: cell["seconds"] / 60, 1, by_machine=True),
    "memory, GB": Column(lambda cell: _billionth(cell["peak_bytes"]), 2, by_machine=True),
    "words/s": Column(lambda cell: cell["words_per_s"], 0, by_machine=True),
}
ABOUT = (
    "config",
    "setting",
    "split",
    "share",
    "passes_made",
    "seed",
    "threads",
    "encoder",
    "source",
    "n_sents",
)
MADE = ("commit", "posattn-spacy", "spacy", "torch", "processor")


def write_csv(experiments: Dict[str, Variants], path: Path) -> None:
    """Write the figures of all cells, one row for each that an experiment shows.

    experiments (Dict[str, Variants]): The seeds of each variant of each experiment.
    path (Path): The file, as a whole or not at all.
    """
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["experiment", "variant", *ABOUT, *MADE, "stale", *COLUMNS])
        for experiment, variants in experiments.items():
            for variant, cells in variants.items():
                for cell in cells:
                    figures = [figure.of(cell) for figure in COLUMNS.values()]
                    about = [
                        *(cell[key] for key in ABOUT),
                        *(cell["made"][key] for key in MADE),
                        cell["stale"],
                    ]
                    writer.writerow([experiment, variant, *about, *figures])


def variant_rows(variants: Variants, figures: Sequence[str]) -> Rows:
    """Show an experiment, one row for each variant.

    variants (Variants): The figures of its seeds, by variant.
    figures (Sequence[str]): Which figures, of `COLUMNS`.
    RETURNS (Rows): The variant, its number of seeds, and mean ± standard deviation of each figure.
    """
    comparable = on_one_machine(variants)
    return [
        (variant, str(len(seeds)), *(_spread(name, seeds, comparable[variant]) for name in figures))
        for variant, seeds in variants.items()
        if seeds
    ]


def stale_sentence(variants: Variants) -> str:
    """RETURNS (str): How many seeds were made by older training code, and by which; empty if none was."""
    seeds = [seed for each in variants.values() for seed in each]
    stale = [seed["made"] for seed in seeds if seed["stale"]]
    if not stale:
        return ""
    versions = sorted({f"{made['posattn-spacy']} ({made['commit'] or 'unknown'})" for made in stale})
    made = "Made" if len(stale) == len(seeds) else f"{len(stale)} of {len(seeds)} trainings were made"
    return f"{made} by older training code: {', '.join(versions)}."


def on_one_machine(variants: Variants) -> Variants:
    """Leave out the seeds whose times can't be compared.

    variants (Variants): The seeds of each variant.
    RETURNS (Variants): Those made on the machine that most variants, then most seeds, were made on.
    """
    machines = Counter(machine for seeds in variants.values() for machine in {machine_of(c) for c in seeds})
    seeds_on = Counter(machine_of(cell) for seeds in variants.values() for cell in seeds)
    common = max(machines, key=lambda machine: (machines[machine], seeds_on[machine]), default=None)
    return {name: [c for c in seeds if machine_of(c) == common] for name, seeds in variants.items()}


def machine_of(cell: Entry) -> Tuple[int, Optional[str]]:
    """RETURNS (Tuple[int, Optional[str]]): Threads and processor of a cell; None if it was not kept."""
    return cell["threads"], cell["made"]["processor"]


def _spread(name: str, seeds: Sequence[Entry], comparable: Sequence[Entry]) -> str:
    figure = COLUMNS[name]
    return spread([figure.of(cell) for cell in (comparable if figure.by_machine else seeds)], figure.digits)
