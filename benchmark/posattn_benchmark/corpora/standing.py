"""How ours stands on each corpus: beside the other systems, and beside what was asked for."""

from statistics import mean
from typing import Dict, List, Mapping, NamedTuple, Sequence

from ..grid.archive import Entry
from ..pages import Rows
from ..results import Average, held_against
from .found import Corpus
from .systems import OURS, SYSTEMS

AHEAD, NEAR, BEHIND = "ahead of", "within one standard deviation of", "behind"
STANDING_HEADER = ("", AHEAD, NEAR, BEHIND)
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
        ours = Average.of(_span_f(systems[OURS]))
        titles: Dict[str, List[str]] = {place: [] for place in (AHEAD, NEAR, BEHIND)}
        for name, seeds in systems.items():
            if name != OURS:
                titles[_place(ours, Average.of(_span_f(seeds)))].append(SYSTEMS[name].title)
        rows.append((corpus.title, *("; ".join(of) or "–" for of in titles.values())))
    return rows


def _place(ours: Average, theirs: Average) -> str:
    apart = ours.mean - theirs.mean
    if abs(apart) <= max(ours.spread, theirs.spread):
        return NEAR
    return AHEAD if apart > 0 else BEHIND


def goal_rows(corpora: Sequence[Corpus], grouped: Mapping[str, Grouped]) -> Rows:
    """RETURNS (Rows): What was asked for on each corpus, and what was measured; arguments as before."""
    titles = {corpus.name: corpus.title for corpus in corpora}
    rows: Rows = []
    for goal in GOALS:
        values = _measured(goal, grouped.get(goal.corpus, {}))
        if values:
            held = held_against(goal.value, goal.at_least, values)
            rows.append((goal.figure, titles[goal.corpus], f"{mean(values):.{goal.digits}f}", *held))
    return rows


def _measured(goal: Goal, systems: Grouped) -> List[float]:
    """The figure of each seed of ours, or of all together; none if it was not measured."""
    ours = systems.get(OURS, [])
    if goal.figure == F1:
        return _span_f(ours)
    if goal.figure == ERROR:
        return [made["confidence"]["error"] for made in ours if made["confidence"]]
    if not ours or STOCK not in systems:
        return []
    own, stock = (mean(made["cpu_seconds"] for made in seeds) for seeds in (ours, systems[STOCK]))
    return [own / stock]


def _span_f(seeds: Sequence[Entry]) -> List[float]:
    return [made["test"]["span_f"] or 0.0 for made in seeds]
