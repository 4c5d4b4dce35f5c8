"""How ours stands on each corpus: beside the other systems, and beside what was asked for."""

from statistics import mean, stdev
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence

from ..grid.archive import Entry
from ..pages import Rows
from .found import Corpus
from .systems import OURS, SYSTEMS

STANDING_HEADER = ("", "ahead of", "within one standard deviation of", "behind")
GOAL_HEADER = ("figure", "corpus", "measured", "asked for", "")
STOCK = "stock"
Grouped = Dict[str, List[Entry]]


class Goal(NamedTuple):
    """What was asked for.

    figure (str): Of what.
    corpus (str): On which corpus.
    value (float): How much.
    at_least (bool): Whether more is better.
    digits (int): Decimal places in which it is shown.
    """

    figure: str
    corpus: str
    value: float
    at_least: bool
    digits: int


F1, SHARE, ERROR = "span F1 on test", "CPU time ÷ that of spaCy's CPU recipe", "calibration error on test"
GOALS = (
    Goal(F1, "ncbi-disease", 0.845, True, 3),
    Goal(F1, "wnut17", 0.45, True, 3),
    Goal(F1, "gmb", 0.8485, True, 4),
    *(Goal(SHARE, corpus, 0.4, False, 2) for corpus in ("ncbi-disease", "wnut17")),
    *(Goal(ERROR, corpus, 0.03, False, 3) for corpus in ("ncbi-disease", "wnut17", "gmb")),
)


def standing_rows(corpora: Sequence[Corpus], grouped: Mapping[str, Grouped]) -> Rows:
    """Sort the other systems by how their span F1 on test stands to ours.

    corpora (Sequence[Corpus]): The corpora.
    grouped (Mapping[str, Dict[str, List[Entry]]]): The seeds of each system, by the corpora's names.
    RETURNS (Rows): A row for each corpus on which ours was measured.
    """
    rows: Rows = []
    for corpus in corpora:
        systems = grouped[corpus.name]
        if OURS not in systems:
            continue
        ours = _span_f(systems[OURS])
        places: Dict[int, List[str]] = {1: [], 0: [], -1: []}
        for name, seeds in systems.items():
            if name != OURS:
                theirs = _span_f(seeds)
                apart = mean(ours) - mean(theirs)
                places[0 if abs(apart) <= max(_std(ours), _std(theirs)) else 1 if apart > 0 else -1].append(
                    SYSTEMS[name].title
                )
        rows.append((corpus.title, *("; ".join(places[place]) or "–" for place in (1, 0, -1))))
    return rows


def goal_rows(corpora: Sequence[Corpus], grouped: Mapping[str, Grouped]) -> Rows:
    """RETURNS (Rows): What was asked for on each corpus, and what was measured; arguments as before."""
    titles = {corpus.name: corpus.title for corpus in corpora}
    rows: Rows = []
    for goal in GOALS:
        measured = _measured(goal, grouped.get(goal.corpus, {}))
        if measured is not None:
            held = measured >= goal.value if goal.at_least else measured <= goal.value
            sign = "≥" if goal.at_least else "≤"
            shown = f"{measured:.{goal.digits}f}"
            rows.append(
                (goal.figure, titles[goal.corpus], shown, f"{sign} {goal.value}", "✓" if held else "✗")
            )
    return rows


def _measured(goal: Goal, systems: Grouped) -> Optional[float]:
    if OURS not in systems:
        return None
    ours = systems[OURS]
    if goal.figure == F1:
        return mean(_span_f(ours))
    if goal.figure == ERROR:
        errors = [made["confidence"]["error"] for made in ours if made["confidence"]]
        return mean(errors) if errors else None
    if STOCK not in systems:
        return None
    return mean(made["cpu_seconds"] for made in ours) / mean(made["cpu_seconds"] for made in systems[STOCK])


def _span_f(seeds: Sequence[Entry]) -> List[float]:
    return [made["test"]["span_f"] or 0.0 for made in seeds]


def _std(values: Sequence[float]) -> float:
    return stdev(values) if len(values) > 1 else 0.0
