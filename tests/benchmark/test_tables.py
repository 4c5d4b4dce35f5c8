"""Figures reach the README by command."""

from pathlib import Path

import pytest
from posattn_benchmark.pages import (
    EXAMPLE,
    README_RUN,
    fill_page,
    is_readme_run,
    markdown_table,
    summary_rows,
    type_rows,
)

from processes import ROOT

MARKERS = ("<!-- START -->", "<!-- END -->")
SCORES = {
    "docs": 7194,
    "tokens": 156234,
    "entities": 16836,
    "span_p": 0.81,
    "span_r": 0.82,
    "span_f": 0.8151,
    "span_macro_f": None,
    "span_f_per_type": {"art": 0.1, "geo": 0.85},
    "flat_f": 0.8252,
    "token_f": 0.8353,
}
MEASURED = {"test": SCORES, "test_without_duplicates": {**SCORES, "span_f": 0.8101}}


def test_text_replaces_what_stands_between_the_markers(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{MARKERS[0]}\nold\n{MARKERS[1]}\nafter\n")
    fill_page(readme, MARKERS, "new")
    text = readme.read_text()
    assert text == f"before\n{MARKERS[0]}\n\nnew\n\n{MARKERS[1]}\nafter\n"
    fill_page(readme, MARKERS, "new")
    assert readme.read_text() == text


@pytest.mark.parametrize("text", ["no markers", f"{MARKERS[0]} only the first"])
def test_readme_without_markers_is_refused_and_kept(text: str, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(text)
    with pytest.raises(ValueError, match="needs one line"):
        fill_page(readme, MARKERS, "new")
    assert readme.read_text() == text


def test_summary_has_a_row_for_each_test_set_and_shows_undefined_figures_as_such() -> None:
    whole, unique = summary_rows(MEASURED)
    assert whole == (
        "test",
        "7,194",
        "156,234",
        "16,836",
        "0.810",
        "0.820",
        "0.815",
        "–",
        "0.825",
        "0.835",
    )
    assert "0.810" in unique


def test_types_are_listed_best_first() -> None:
    assert type_rows(MEASURED) == [("geo", "0.850"), ("art", "0.100")]


def test_markdown_table_aligns_figures_to_the_right() -> None:
    lines = markdown_table(("a", "b"), [("1", "2")]).splitlines()
    assert lines == ["| a | b |", "| --- | ---: |", "| 1 | 2 |"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("source", "sample"), ("source", "own"), ("config", "paper"), ("split", "random42")),
        *(("seed", 1), ("n_sents", 5), ("encoder", "bert")),
    ],
)
def test_only_the_run_with_the_shipped_defaults_may_stand_in_the_readme(key: str, value: object) -> None:
    assert is_readme_run({**README_RUN, "more": 1})
    assert not is_readme_run({**README_RUN, key: value})


def test_readme_has_a_place_for_the_example() -> None:
    text = (ROOT / "README.md").read_text()
    assert text.count(EXAMPLE[0]) == text.count(EXAMPLE[1]) == 1
