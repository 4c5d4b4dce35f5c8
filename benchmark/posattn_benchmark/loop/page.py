"""The tables of docs/loop.md, and its chart."""

from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..drawing import GREY, TEAL, name_series
from ..grid.archive import Archive
from ..pages import Rows, bold, markdown_table
from ..provenance import made_sentence
from ..results import spread
from .choosing import STRATEGIES
from .partial import WAYS
from .studies import STUDIES, by_seed, found_by

PAGE = ("<!-- LOOP: written by `spacy project run loop` -->", "<!-- END OF LOOP -->")
OURS, CHANCE = "suggest", "random"
CORPORA = {
    "gmb": "GMB",
    "gmb:1700": "GMB, 1,700 sentences",
    "wnut17": "WNUT-17",
    "ncbi-disease": "NCBI-disease",
}
Table = Tuple[Sequence[str], Rows]


def _each(archive: Archive, study: str) -> List[Tuple[str, str, List[Dict[str, Any]]]]:
    """Corpus, variant and what its trials found, where there are any."""
    of = STUDIES[study].variants
    pairs = [(corpus, variant) for corpus, variants in of.items() for variant in variants]
    every = [(corpus, variant, found_by(archive, corpus, variant)) for corpus, variant in pairs]
    return [each for each in every if each[2]]


def _spread(found: Sequence[Mapping[str, Any]], key: str, digits: int = 3) -> str:
    return spread([each[key] for each in found], digits)


def update_table(archive: Archive) -> Table:
    """RETURNS (Table): Seconds of an update, and its F1 beside that of a whole training."""
    header = ("sentences", "CPU seconds", "updates", "F1 before", "updated", "trained on all", "difference")
    rows = []
    for _, variant, found in _each(archive, "update"):
        differences = [each["f_update"] - each["f_full"] for each in found]
        scores = (_spread(found, key) for key in ("f_before", "f_update", "f_full"))
        seconds, steps = _spread(found, "cpu_seconds", 1), f"{mean(each['updates'] for each in found):.0f}"
        rows.append((f"{int(variant):,}", seconds, steps, *scores, spread(differences)))
    return header, rows


def labels_table(archive: Archive) -> Table:
    """RETURNS (Table): F1 of old labels and of a new one, beside that of trainings from the beginning."""
    ways = {"joint": "hidden nowhere", "same": "trained on the same", "added": "added later"}
    header = (
        "corpus",
        "new label",
        *(f"{which}: {way}" for which in ("old", "new") for way in ways.values()),
    )
    rows = [
        (
            CORPORA[corpus],
            variant,
            *(_spread(found, f"{way}_{which}") for which in ("old", "new") for way in ways),
        )
        for corpus, variant, found in _each(archive, "labels")
    ]
    return header, rows


def partial_table(archive: Archive) -> Table:
    """RETURNS (Table): F1 by what is made of documents that are annotated for half of the labels."""
    by = {(corpus, variant): _spread(found, "f") for corpus, variant, found in _each(archive, "partial")}
    corpora = [corpus for corpus in STUDIES["partial"].variants if any(key[0] == corpus for key in by)]
    rows = [(title, *(by.get((corpus, way), "–") for corpus in corpora)) for way, title in WAYS.items()]
    return ("learned", *(CORPORA[corpus] for corpus in corpora)), rows if by else []


def audit_table(archive: Archive) -> Table:
    """RETURNS (Table): Who finds planted errors."""
    header = ("corpus", "ranked by", "planted among the first k", "average precision")
    rows: Rows = []
    for corpus, _, found in _each(archive, "audit"):
        for name in ("audit", "cleanlab", "loss"):
            scores = (spread([each[name][key] for each in found]) for key in ("share", "average_precision"))
            row = (CORPORA[corpus], name, *scores)
            rows.append(bold(row) if name == "audit" else row)
    return header, rows


def kinds_table(archive: Archive) -> Table:
    """RETURNS (Table): Of each kind of planted error, how many are among the first findings."""
    found = {corpus: each for corpus, _, each in _each(archive, "audit")}
    kinds = sorted({kind for each in found.values() for kind in each[0]["kinds"]})
    rows: Rows = [
        (CORPORA[corpus], *(spread([one["audit"]["by_kind"].get(kind) for one in each]) for kind in kinds))
        for corpus, each in found.items()
    ]
    return ("corpus", *kinds), rows


def words_needed(points: Sequence[Sequence[float]], f: float) -> Optional[float]:
    """Find how many annotated words it takes to reach an F1, between the trainings that were made.

    points (Sequence[Sequence[float]]): Words and F1 of each training, in order.
    f (float): The F1.
    RETURNS (Optional[float]): The words; None if it is not reached.
    """
    for (words, before), (more, after) in pairwise(points):
        if before >= f:
            return words
        if after >= f:
            share = (f - before) / (after - before)
            return float(np.exp(np.log(words) + share * (np.log(more) - np.log(words))))
    return None


def suggest_table(archive: Archive) -> Table:
    """RETURNS (Table): Annotated words it takes to get as far as chance does with a tenth of train."""
    header = ("corpus", "chosen by", "words needed", "of those of chance", "F1 with as many words as chance")
    rows: Rows = []
    for corpus in STUDIES["suggest"].variants:
        chance = by_seed(archive, corpus, CHANCE)
        for name in STRATEGIES if chance else ():
            own = by_seed(archive, corpus, name)
            pairs = [(own[seed]["points"], chance[seed]["points"]) for seed in own if seed in chance]
            needed = [words_needed(mine, theirs[-1][1]) for mine, theirs in pairs]
            shares = [
                None if words is None else words / theirs[-1][0]
                for words, (_, theirs) in zip(needed, pairs, strict=True)
            ]
            last = spread([mine[-1][1] for mine, _ in pairs])
            row = (CORPORA[corpus], name, spread(needed, 0), spread(shares, 2), last)
            rows.append(bold(row) if name == OURS else row)
    return header, rows


def curve_table(archive: Archive) -> Table:
    """RETURNS (Table): What was expected of twice the data, and what it gave."""
    header = (
        "drawn from",
        "F1 expected with twice as much",
        "90 % of the curves",
        "F1 it gave",
        "difference",
    )
    rows: Rows = []
    for _, variant, found in _each(archive, "curve"):
        (one,) = found
        between = f"{one['low']:.3f} to {one['high']:.3f}"
        difference = f"{one['expected'] - one['f']:+.3f}".replace("-", "−")
        rows.append((f"{variant} %", f"{one['expected']:.3f}", between, f"{one['f']:.3f}", difference))
    return header, rows


def ranking_table(archive: Archive) -> Table:
    """RETURNS (Table): What ranking texts costs."""
    header = ("texts", "words", "CPU minutes per million words", "more memory at the most, MB")
    rows: Rows = [
        (
            f"{int(variant):,}",
            f"{one['words']:,}",
            f"{one['cpu_seconds'] / 60 / one['words'] * 1e6:.2f}",
            f"{one['bytes'] / 1e6:.0f}",
        )
        for _, variant, (one,) in _each(archive, "ranking")
    ]
    return header, rows


TABLES: Dict[str, Tuple[Callable[[Archive], Table], ...]] = {
    "update": (update_table,),
    "audit": (audit_table, kinds_table),
    "suggest": (suggest_table,),
    "labels": (labels_table,),
    "partial": (partial_table,),
    "curve": (curve_table,),
    "ranking": (ranking_table,),
}


def loop_markdown(archives: Mapping[str, Archive], chart: str) -> str:
    """Write the part of docs/loop.md that is made.

    archives (Mapping[str, Archive]): The figures by their studies.
    chart (str): Path of the chart, seen from the page.
    RETURNS (str): Markdown.
    """
    parts: List[str] = []
    for study, tables in TABLES.items():
        if archives[study]:
            parts.append(f"## {STUDIES[study].title}")
            parts += [f"![F1 by annotated words]({chart})"] if study == "suggest" else []
            parts += [markdown_table(*table(archives[study])) for table in tables]
    every = [each["made"] for archive in archives.values() for each in archive.values()]
    return "\n\n".join([*parts, made_sentence(every)] if every else ["Nothing has been measured yet."])


def draw_choosing(archive: Archive, path: Path) -> None:
    """Draw F1 by annotated words for each strategy, a panel for each corpus.

    archive (Archive): The figures of `suggest`.
    path (Path): The picture to write.
    """
    corpora = [corpus for corpus in STUDIES["suggest"].variants if found_by(archive, corpus, CHANCE)]
    figure = Figure(figsize=(4.8 * len(corpora), 4.0), layout="constrained")
    panels = figure.subplots(1, len(corpora), squeeze=False)[0]
    for axes, corpus in zip(panels, corpora, strict=True):
        _draw(axes, archive, corpus)
        axes.set_title(CORPORA[corpus])
    panels[0].set_ylabel("span F1 on test")
    figure.draw_without_rendering()
    for axes in panels:
        name_series(axes)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def _draw(axes: Axes, archive: Archive, corpus: str) -> None:
    for name in STRATEGIES:
        seeds = [each["points"] for each in found_by(archive, corpus, name)]
        if seeds:
            words, f = np.array(seeds).mean(0).T
            color, width = (TEAL, 2.2) if name == OURS else (GREY, 1.0)
            axes.plot(words, f, label=name, color=color, linewidth=width)
    axes.set_xscale("log")
    axes.set_xlabel("annotated words")
    axes.spines[["top", "right"]].set_visible(False)
