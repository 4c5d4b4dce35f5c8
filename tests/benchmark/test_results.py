"""Figures of several seeds: their spread, the goals, and what may reach the README."""

from importlib.metadata import version
from typing import Any, Dict, List, Optional, Tuple

import pytest
import srsly
from posattn_benchmark.pages import markdown_table
from posattn_benchmark.results import (
    ACCURACY,
    ACCURACY_GOALS,
    CONFIDENCE,
    SYSTEM_HEADER,
    SYSTEMS,
    Goal,
    accuracy_markdown,
    confidence_markdown,
    goal_rows,
    may_stand_in_readme,
    planned_runs,
    read_run,
    spread,
    system_rows,
)
from posattn_benchmark.runs import Run

from processes import ROOT

MADE = {"posattn-spacy": "0.1.0", "commit": "c0ffee", "spacy": "3.8", "torch": "2.13", "processor": "a CPU"}
SCORES: Dict[str, Any] = {
    **{"docs": 7194, "tokens": 156234, "entities": 16836, "span_p": 0.81, "span_r": 0.82, "span_f": 0.8},
    **{"span_macro_f": 0.5, "flat_f": 0.82, "token_f": 0.83},
    "span_f_per_type": {"geo": 0.85, "art": 0.1, "eve": 0.4, "nat": 0.3},
}


def measured(config: str, split: str, seed: int, **figures: Any) -> Dict[str, Any]:
    """What one run measured; `figures` replaces test scores by their name."""
    scores = {**SCORES, **figures}
    return {
        **{"config": config, "split": split, "seed": seed, "passes": 4, "words": 3_100_000},
        **{"source": "gmb", "n_sents": 1, "encoder": "all-MiniLM-L6-v2", "trained_parameters": 1_234_567},
        **{"test": scores, "test_without_duplicates": {**scores, "span_f": scores["span_f"] - 0.01}},
        **{"joined": {"5": scores["span_f"] - 0.004, "20": scores["span_f"] - 0.006}, "raw_text": 0.795},
        "confidence": {
            **{"temperature": 1.2, "error_uncalibrated": 0.04, "error": 0.012, "risk_coverage_area": 0.03}
        },
        "confidence_share": 0.02,
        "made": MADE,
    }


def seeds(config: str, split: str, *span_f: float) -> List[Dict[str, Any]]:
    return [measured(config, split, seed, span_f=f) for seed, f in enumerate(span_f)]


ALL = [
    *seeds("posattn", "file-order", 0.84, 0.85, 0.86),
    *seeds("posattn", "random42", 0.86, 0.86, 0.86),
    *seeds("features", "file-order", 0.8, 0.8, 0.8),
    *seeds("rare", "file-order", 0.83, 0.83, 0.83),
]


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0.84, 0.85, 0.86], "0.850 ± 0.010"),  # n − 1
        ([0.84], "0.840"),
        ([0.84, None], "–"),
        ([], "–"),
    ],
)
def test_spread_is_mean_and_standard_deviation(values: List[Optional[float]], shown: str) -> None:
    assert spread(values) == shown


def test_thousands_are_set_apart() -> None:
    assert spread([22_751_184], 0) == "22,751,184"
    assert spread([1000, 3000], 0) == "2,000 ± 1,414"


@pytest.mark.parametrize(
    ("bound", "at_least", "verdict"),
    [(0.849, True, "✓"), (0.851, True, "✗"), (0.851, False, "✓"), (0.849, False, "✗"), (None, True, "")],
)
def test_goal_is_held_against_the_mean(bound: Optional[float], at_least: bool, verdict: str) -> None:
    goal = Goal("F1", "posattn", "file-order", lambda each: each["test"]["span_f"], bound, at_least)
    ((name, shown, _, reached),) = goal_rows(ALL, [goal])
    assert (name, shown, reached) == ("F1, file-order", "0.850 ± 0.010", verdict)


def test_goal_that_one_seed_does_not_reach_at_all_is_not_reached() -> None:
    goals = [goal for goal in ACCURACY_GOALS if "passes" in goal.name]
    assert goal_rows(ALL, goals)[0][-1] == "✓"
    never = [{**ALL[0], "passes": None}, *ALL[1:3]]
    assert goal_rows(never, goals)[0][1:] == ("–", "≤ 5", "✗")


def test_figures_that_no_run_measured_are_left_out() -> None:
    names = [row[0] for row in goal_rows(ALL[:3], ACCURACY_GOALS)]
    assert names
    assert all(name.endswith("file-order") for name in names)


def test_joined_sentences_are_compared_with_single_ones() -> None:
    rows = {row[0]: row for row in goal_rows(ALL, ACCURACY_GOALS)}
    five, twenty = (
        rows[f"span F1 of {n} sentences joined, against single ones, file-order"] for n in (5, 20)
    )
    assert five[1:] == ("−0.0040", "≥ −0.005", "✓")
    assert twenty[1:] == ("−0.0060", "≥ −0.005", "✗")


def test_ours_stand_beside_the_published_systems() -> None:
    published = srsly.read_json(ROOT / "assets" / "published.json")
    rows = system_rows(ALL, published)
    text = markdown_table(SYSTEM_HEADER, rows)
    for shown in ("0.850 ± 0.010", "0.814", "0.841", "configs/features.cfg"):
        assert shown in text
    assert len(rows) == 4 + len(published)


def test_accuracy_shows_all_labels() -> None:
    text = accuracy_markdown(ALL)
    for shown in ("0.850 ± 0.010", "16,836"):
        assert shown in text
    made = "Made by posattn-spacy 0.1.0, commit c0ffee, with spaCy 3.8, torch 2.13, on a CPU."
    assert text.endswith(f"{made} They are older than this version, {version('posattn-spacy')}.")
    assert text.index("| geo |") < text.index("| eve |") < text.index("| art |")


def test_confidence_shows_calibration_and_what_weights_of_labels_do() -> None:
    text = confidence_markdown(ALL)
    for shown in ("0.040", "0.012", "≤ 0.02", "configs/rare.cfg", "| 0.830 |"):
        assert shown in text


@pytest.mark.parametrize(
    ("key", "value"), [("source", "sample"), ("source", "own"), ("n_sents", 5), ("encoder", "bert")]
)
def test_only_figures_of_the_shipped_defaults_on_the_published_corpus_may_stand_in_the_readme(
    key: str, value: object
) -> None:
    assert may_stand_in_readme(ALL, 3)
    assert not may_stand_in_readme(ALL, 2)
    assert not may_stand_in_readme([*ALL[1:], {**ALL[0], key: value}], 3)


@pytest.mark.parametrize(
    ("page", "markers"),
    [("README.md", SYSTEMS), ("docs/accuracy.md", ACCURACY), ("docs/confidence.md", CONFIDENCE)],
)
def test_pages_have_the_places_for_the_tables(page: str, markers: Tuple[str, str]) -> None:
    text = (ROOT / page).read_text()
    start, end = markers
    assert text.count(start) == text.count(end) == 1
    assert text.index(start) < text.index(end)


def test_variants_are_trained_on_the_main_split_alone() -> None:
    runs = planned_runs(["file-order", "random42"], ["geo", "art", "eve", "nat"], 2)
    assert len(runs) == len(set(runs)) == 10
    assert {run.config for run in runs if run.split == "random42"} == {"posattn"}
    assert {run.config for run in runs if run.split == "file-order"} == {
        *("posattn", "positional", "features", "rare")
    }


def test_rare_labels_are_weighted_where_they_are() -> None:
    runs = planned_runs(["given"], ["geo", "art"], 1)
    assert {run.config for run in runs} == {"posattn", "positional", "features"}


@pytest.mark.parametrize(("scores", "passes"), [([0.83, 0.84, 0.85], 2), ([0.83, 0.839], None)])
def test_passes_are_counted_until_dev_is_good_enough(
    scores: List[float], passes: Optional[int], tmp_path
) -> None:
    run = Run("posattn", "file-order", 0)
    for path in (run.metrics, run.training):
        (tmp_path / path).mkdir(parents=True)
    made = {"batches": 7, "words": 1000}
    srsly.write_json(tmp_path / run.metrics / "test.json", {"made": made})
    lines = [{"step": 7 * n, "epoch": 0, "score": score} for n, score in enumerate([0.01, *scores])]
    # spaCy's first line is of the untrained pipeline.
    srsly.write_jsonl(tmp_path / run.training / "log.jsonl", lines)
    words = passes and 1000 * passes
    assert read_run(tmp_path, run) == {"made": made, "passes": passes, "words": words}
