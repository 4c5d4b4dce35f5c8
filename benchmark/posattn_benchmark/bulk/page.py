"""The part of docs/cluster.md that is measured: a table, and what it makes of a great many words."""

from statistics import mean
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ..pages import Rows, markdown_table
from ..provenance import made_sentence
from ..results import spread
from .measuring import ALL_ENCODED, ANNOTATE, PIPE, SETTLED

PAGE = ("<!-- BULK: written by `spacy project run bulk` -->", "<!-- END OF BULK -->")
HEADER = ("figure", "measured", "asked for")
WORDS = {10**9: "10⁹", 10**12: "10¹²"}
Figures = Mapping[str, Sequence[Dict[str, Any]]]


def _ratios(over: Sequence[float], under: Sequence[float]) -> List[float]:
    return [one / other for one, other in zip(over, under, strict=False)]


def _words(figures: Figures, engine: str) -> List[float]:
    return [each["words"] for each in figures.get(engine, ())]


def table(figures: Figures) -> Rows:
    """RETURNS (Rows): The figures beside what was asked for, as far as they are there."""
    rows: Rows = []
    for over, under, what, asked in (
        (ANNOTATE, PIPE, "`annotate` ÷ `nlp.pipe`, one process", "≥ 0.97"),
        ("local 2", "local 1", "two processes ÷ one", "≥ 1.8"),
        ("ray 2", "ray 1", "Ray, two actors ÷ one", "≥ 1.8"),
        ("ray 2", "local 2", "Ray, two actors ÷ two processes", "≥ 0.95"),
    ):
        ratios = _ratios(_words(figures, over), _words(figures, under))
        if ratios:
            rows.append((what, spread(ratios, 3 if under == PIPE else 2), asked))
    for name, what in (("local 2", "two processes"), ("ray 2", "Ray, two actors")):
        starts = [each["start"] for each in figures.get(name, ())]
        if starts:
            rows.append((f"seconds until the first file is there, {what}", spread(starts, 0), "–"))
    for each in figures.get("memory", ())[:1]:
        what = f"growth of memory in {each['texts']:,} short texts, after the first {SETTLED:,}"
        rows.append((what, f"{each['grown'] / 1e6:,.0f} MB of {each['before'] / 1e6:,.0f}", "none"))
    return rows


def core_hours(figures: Figures) -> Tuple[Sequence[str], Rows]:
    """RETURNS (Tuple[Sequence[str], Rows]): Header and rows: what a great many words take."""
    header = ("", "words a core-second", *(f"core-hours for {called} words" for called in WORDS.values()))
    rows: Rows = []
    for name, what in ((ANNOTATE, "second look"), (ALL_ENCODED, "everything encoded")):
        if rates := _words(figures, name):
            hours = (f"{words / mean(rates) / 3600:,.0f}" for words in WORDS)
            rows.append((what, f"{mean(rates):,.0f}", *hours))
    return header, rows


def bulk_markdown(figures: Figures) -> str:
    """RETURNS (str): The part of the page that is made."""
    if not any(figures.values()):
        return "Nothing has been measured yet."
    made = [each["made"] for of in figures.values() for each in of]
    parts = [markdown_table(HEADER, table(figures)), markdown_table(*core_hours(figures))]
    return "\n\n".join([*parts, made_sentence(made)])
