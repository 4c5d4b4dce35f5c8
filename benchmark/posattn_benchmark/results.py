"""What several seeds of the same training give: figures with their spread, held against goals."""

import json
from itertools import product
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Callable, Container, Dict, List, NamedTuple, Optional, Sequence, Tuple

import srsly

from .pages import METRICS, README_RUN, SETS, Rows, bold, figure, markdown_table
from .provenance import made_sentence
from .runs import Run

Measured = Dict[str, Any]
Training = Tuple[str, str]  # config and split
Take = Callable[[Measured], Optional[float]]

SYSTEMS = ("<!-- SYSTEMS: written by `spacy project run results` -->", "<!-- END OF SYSTEMS -->")
ACCURACY = ("<!-- ACCURACY: written by `spacy project run results` -->", "<!-- END OF ACCURACY -->")
CONFIDENCE = ("<!-- CONFIDENCE: written by `spacy project run results` -->", "<!-- END OF CONFIDENCE -->")
SYSTEM_HEADER = ("system", "split", "seeds", "span F1", "flat F1")
GOAL_HEADER = ("figure, split", "measured", "goal", "met")
SHOWN = {name: key for name, key in METRICS.items() if name != "token F1"}  # on a page
FULL_HEADER = ("split, test set", "entities", *SHOWN)
SHIPPED, WEIGHTED = "posattn", "rare"
README_SEEDS = 3
CONFIGS = {
    "posattn": "posattn-spacy",
    "positional": "posattn-spacy with gate, soft mask and positional loss",
    "features": "posattn-spacy without the lexical channel",
    "rare": "posattn-spacy with weights for rare labels",
}
DEV_GOAL = 0.84
RARE = ("art", "eve", "nat")


class Goal(NamedTuple):
    """A figure, and what it should reach.

    name (str): What it says.
    config (str): Name of the config it is measured with.
    split (str): The split it is measured on.
    of (Take): Takes it from what one run measured; None if the run has none.
    bound (Optional[float]): The goal, if one was set.
    at_least (bool): Whether the goal is a lower bound.
    digits (int): Decimal places.
    """

    name: str
    config: str
    split: str
    of: Take
    bound: Optional[float] = None
    at_least: bool = True
    digits: int = 3


def _f1(name: str, config: str, split: str, key: str, bound: float) -> Goal:
    return Goal(name, config, split, lambda measured: measured["test"][key], bound)


def _joined(n_sents: int) -> Take:
    return lambda measured: measured["joined"][str(n_sents)]


def _drop(to: Take) -> Take:
    """How much a span F1 differs from that on given sentences and tokens."""

    def difference(measured: Measured) -> Optional[float]:
        other, span_f = to(measured), measured["test"]["span_f"]
        return None if other is None or span_f is None else other - span_f

    return difference


def _confidence(key: str) -> Take:
    return lambda measured: (measured["confidence"] or {}).get(key)


ACCURACY_GOALS = (
    _f1("span F1", "posattn", "random42", "span_f", 0.855),
    _f1("span F1", "posattn", "file-order", "span_f", 0.85),
    _f1("flat F1", "posattn", "file-order", "flat_f", 0.86),
    _f1("flat F1 without the lexical channel", "features", "file-order", "flat_f", 0.83),
    Goal(
        f"passes over train until span F1 {DEV_GOAL} on dev",
        *("posattn", "file-order", lambda measured: measured["passes"], 5, False, 1),
    ),
    Goal(
        "the same in millions of words",
        *("posattn", "file-order", lambda measured: measured["words"] and measured["words"] / 1e6),
        digits=1,
    ),
    Goal(
        "trained parameters in millions",
        *("posattn", "file-order", lambda measured: measured["trained_parameters"] / 1e6, 2, False, 2),
    ),
    *(
        Goal(
            f"span F1 of {n} sentences joined, against single ones",
            *("posattn", "file-order", _drop(_joined(n)), -0.005, True, 4),
        )
        for n in (5, 20)
    ),
    Goal(
        "span F1 from raw text, against given tokens",
        *("posattn", "file-order", _drop(lambda measured: measured["raw_text"]), -0.01, True, 4),
    ),
)
CONFIDENCE_GOALS = tuple(
    Goal(name, "posattn", split, of, bound, False)
    for split, (name, of, bound) in product(
        ("file-order", "random42"),
        (
            ("temperature, fitted on dev", _confidence("temperature"), None),
            ("expected calibration error without it", _confidence("error_uncalibrated"), None),
            ("expected calibration error with it", _confidence("error"), 0.02),
            ("area under the risk–coverage curve", _confidence("risk_coverage_area"), None),
            ("share of the time of `nlp.pipe`", lambda measured: measured["confidence_share"], 0.03),
        ),
    )
)


def planned_runs(splits: Sequence[str], labels: Container[str], seeds: int) -> List[Run]:
    """List the trainings that the tables need.

    splits (Sequence[str]): The splits of the corpus, the main one first; only the shipped config is trained
        on the others.
    labels (Container[str]): The labels of the corpus; without those that are weighted, nothing is.
    seeds (int): How many seeds of each.
    RETURNS (List[Run]): The runs.
    """
    left_out = {SHIPPED} if all(label in labels for label in RARE) else {SHIPPED, WEIGHTED}
    variants = [(config, splits[0]) for config in CONFIGS if config not in left_out]
    groups = [*((SHIPPED, split) for split in splits), *variants]
    return [Run(config, split, seed) for (config, split), seed in product(groups, range(seeds))]


def read_run(project: Path, run: Run) -> Measured:
    """Read what a finished run left.

    project (Path): The project's folder.
    run (Run): The run.
    RETURNS (Measured): What `benchmark` wrote, and `passes` over train and `words` of it until dev reached
        `DEV_GOAL`, None if it never did.
    """
    measured = json.loads((project / run.metrics / "test.json").read_text(encoding="utf-8"))
    log = srsly.read_jsonl(project / run.training / "log.jsonl")
    size = measured["made"]
    # Not by spaCy's count of epochs, which can be one behind.
    step = next((line["step"] for line in log if line["score"] >= DEV_GOAL), None)
    passes = step and step / size["batches"]
    return {**measured, "passes": passes, "words": passes and passes * size["words"]}


class Average(NamedTuple):
    """A figure over seeds.

    mean (float): The mean.
    spread (float): The standard deviation (n − 1); 0 for a single seed.
    """

    mean: float
    spread: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Average":
        """Sum up the figures of at least one seed."""
        return cls(mean(values), stdev(values) if len(values) > 1 else 0.0)


def spread(values: Sequence[Optional[float]], digits: int = 3) -> str:
    """Show a figure over seeds.

    values (Sequence[Optional[float]]): The figure of each seed.
    digits (int): Decimal places.
    RETURNS (str): Mean ± standard deviation (n − 1), where seeds differ; "–" if a seed has no figure.
    """
    known = complete(values)
    if not known:
        return "–"
    shown = f"{mean(known):,.{digits}f}".replace("-", "−")
    return f"{shown} ± {stdev(known):,.{digits}f}" if len({*known}) > 1 else shown


def complete(values: Sequence[Optional[float]]) -> List[float]:
    """RETURNS (List[float]): The figures of all seeds; none if one of them has none."""
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) else []


def of(measured: Sequence[Measured], config: str, split: str) -> List[Measured]:
    """RETURNS (List[Measured]): The seeds of one training."""
    return [each for each in measured if (each["config"], each["split"]) == (config, split)]


def goal_rows(measured: Sequence[Measured], goals: Sequence[Goal]) -> Rows:
    """Hold figures against goals.

    measured (Sequence[Measured]): What the runs measured.
    goals (Sequence[Goal]): The figures.
    RETURNS (Rows): Cells in the order of `GOAL_HEADER`; figures that no run measured are left out.
    """
    rows: Rows = []
    for goal in goals:
        seeds = of(measured, goal.config, goal.split)
        values = [goal.of(each) for each in seeds]
        if not values:
            continue
        name = f"{goal.name}, {goal.split}"
        held = ("", "") if goal.bound is None else held_against(goal.bound, goal.at_least, values)
        rows.append((name, spread(values, goal.digits), *held))
    return rows


def held_against(goal: float, at_least: bool, values: Sequence[Optional[float]]) -> Tuple[str, str]:
    """Hold a figure over seeds against a goal.

    goal (float): What its mean should reach.
    at_least (bool): Whether that is a lower bound.
    values (Sequence[Optional[float]]): The figure of each seed.
    RETURNS (Tuple[str, str]): The goal as it is shown, and "✓" or "✗", this where a seed has no figure.
    """
    known = complete(values)
    bound = f"{'≥' if at_least else '≤'} {goal:g}".replace("-", "−")
    if not known:
        return bound, "✗"
    reached = mean(known) >= goal if at_least else mean(known) <= goal
    return bound, "✓" if reached else "✗"


def system_rows(measured: Sequence[Measured], published: Sequence[Dict[str, Any]]) -> Rows:
    """Put our systems beside published ones.

    measured (Sequence[Measured]): What the runs measured.
    published (Sequence[Dict[str, Any]]): Other systems, with `system`, `split`, `span_f` and `flat_f`.
    RETURNS (Rows): Cells in the order of `SYSTEM_HEADER`.
    """
    rows: Rows = []
    for config, split in _trainings(measured):
        tests = [each["test"] for each in of(measured, config, split)]
        figures = (spread([test[key] for test in tests]) for key in ("span_f", "flat_f"))
        row = (f"{CONFIGS[config]}, `configs/{config}.cfg`", split, str(len(tests)), *figures)
        rows.append(bold(row) if config == SHIPPED else row)
    return rows + [
        (str(row["system"]), str(row["split"]), "", figure(row["span_f"]), figure(row["flat_f"]))
        for row in published
    ]


def full_rows(measured: Sequence[Measured]) -> Rows:
    """Show every metric of the shipped config, on all of test and without what stands in train too.

    measured (Sequence[Measured]): What the runs measured.
    RETURNS (Rows): Cells in the order of `FULL_HEADER`.
    """
    rows: Rows = []
    for (config, split), (part, name) in product(_trainings(measured), SETS.items()):
        if config == SHIPPED:
            tests = [each[part] for each in of(measured, config, split)]
            figures = (spread([test[key] for test in tests]) for key in SHOWN.values())
            rows.append((f"{split}, {name}", f"{tests[0]['entities']:,}", *figures))
    return rows


def label_rows(measured: Sequence[Measured], trainings: Sequence[Training], labels: Sequence[str]) -> Rows:
    """Show span F1 on test label by label.

    measured (Sequence[Measured]): What the runs measured.
    trainings (Sequence[Training]): Config and split of each column.
    labels (Sequence[str]): The labels, one row each.
    RETURNS (Rows): The label, and a cell for each training.
    """
    columns = [
        [each["test"]["span_f_per_type"] for each in of(measured, *training)] for training in trainings
    ]
    return [
        (label, *(spread([seed.get(label) for seed in column]) for column in columns)) for label in labels
    ]


def accuracy_markdown(measured: Sequence[Measured]) -> str:
    """Write the part of docs/accuracy.md that is made.

    measured (Sequence[Measured]): What the runs measured.
    RETURNS (str): Markdown.
    """
    shipped = [training for training in _trainings(measured) if training[0] == SHIPPED]
    first = of(measured, *shipped[0])[0]["test"]["span_f_per_type"]
    labels = sorted(first, key=lambda label: -first[label])
    header = ("span F1 on test", *(split for _, split in shipped))
    parts = [
        markdown_table(GOAL_HEADER, goal_rows(measured, ACCURACY_GOALS)),
        markdown_table(FULL_HEADER, full_rows(measured)),
        markdown_table(header, label_rows(measured, shipped, labels)),
        _made(measured),
    ]
    return "\n\n".join(parts)


def _made(measured: Sequence[Measured]) -> str:
    return made_sentence([each["made"] for each in measured])


def confidence_markdown(measured: Sequence[Measured]) -> str:
    """Write the part of docs/confidence.md that is made.

    measured (Sequence[Measured]): What the runs measured.
    RETURNS (str): Markdown.
    """
    main = next(split for config, split in _trainings(measured) if config == SHIPPED)
    trainings = [(SHIPPED, main), (WEIGHTED, main)]
    header = (f"span F1 on test, {main}", *(f"`configs/{config}.cfg`" for config, _ in trainings))
    rows = label_rows(measured, trainings, RARE)
    overall = [[each["test"]["span_f"] for each in of(measured, *training)] for training in trainings]
    rows.append(("all labels", *map(spread, overall)))
    return "\n\n".join(
        [
            markdown_table(GOAL_HEADER, goal_rows(measured, CONFIDENCE_GOALS)),
            "What `label_weights` do for rare labels:",
            markdown_table(header, rows),
            _made(measured),
        ]
    )


def systems_markdown(measured: Sequence[Measured], published: Sequence[Dict[str, Any]]) -> str:
    """Write the table of the README.

    measured (Sequence[Measured]): What the runs measured.
    published (Sequence[Dict[str, Any]]): Figures of others.
    RETURNS (str): Markdown.
    """
    table = markdown_table(SYSTEM_HEADER, system_rows(measured, published))
    made = _made(measured)
    return f"{table}\n\nOur figures: {made[0].lower()}{made[1:]}"


def may_stand_in_readme(measured: Sequence[Measured], seeds: int) -> bool:
    """Whether these are figures of the shipped defaults on the published corpus, of at least three seeds."""
    return seeds >= README_SEEDS and all(
        each[key] == README_RUN[key] for each in measured for key in ("source", "n_sents", "encoder")
    )


def _trainings(measured: Sequence[Measured]) -> List[Training]:
    """Config and split of what was measured, in order."""
    return list(dict.fromkeys((each["config"], each["split"]) for each in measured))
