"""Figures reach the README by command, and only those that may stand there."""

import json
from pathlib import Path
from typing import Any, Dict

import pytest

from posattn_spacy.experiments.tables import MARKERS, results_markdown, write_readme
from processes import ROOT

SCORES = {
    "docs": 7194,
    "tokens": 156234,
    "entities": 16836,
    "span_p": 0.81,
    "span_r": 0.82,
    "span_f": 0.8151,
    "span_macro_f": 0.5,
    "span_f_per_type": {"geo": 0.85, "art": 0.1},
    "flat_f": 0.8252,
    "token_f": 0.8353,
}
PUBLISHED = ROOT / "assets" / "published.json"


def measured(source: str) -> Dict[str, Any]:
    return {
        **{"source": source, "n_sents": 1, "config": "posattn", "split": "file-order", "seed": 0},
        "encoder": "all-MiniLM-L6-v2",
        **{"test": SCORES, "test_without_duplicates": {**SCORES, "span_f": 0.8101}},
        **{"dev_loss": 0.1234, "trained_parameters": 1_234_567},
    }


def write(path: Path, source: str) -> Path:
    path.write_text(json.dumps(measured(source)))
    return path


def test_results_of_the_published_corpus_replace_what_stands_between_the_markers(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{MARKERS[0]}\nold\n{MARKERS[1]}\nafter\n")
    metrics = write(tmp_path / "test.json", "gmb")
    assert write_readme(readme, metrics, PUBLISHED)
    text = readme.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    for figure in ("0.8151", "0.8252", "0.8101", "156,234", "1.23 M", "0.1234", "0.8143", "0.8413"):
        assert figure in text
    assert write_readme(readme, metrics, PUBLISHED)
    assert readme.read_text() == text


@pytest.mark.parametrize("source", ["sample", "own"])
def test_results_of_another_corpus_leave_the_readme_byte_equal(source: str, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"{MARKERS[0]}\nold\n{MARKERS[1]}\n")
    before = readme.read_bytes()
    assert not write_readme(readme, write(tmp_path / "test.json", source), PUBLISHED)
    assert readme.read_bytes() == before


@pytest.mark.parametrize(
    ("key", "value"),
    [("config", "paper"), ("split", "random42"), ("seed", 1), ("n_sents", 5), ("encoder", "bert")],
)
def test_results_of_other_settings_leave_the_readme_alone(key: str, value: object, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"{MARKERS[0]}\nold\n{MARKERS[1]}\n")
    metrics = tmp_path / "test.json"
    metrics.write_text(json.dumps({**measured("gmb"), key: value}))
    assert not write_readme(readme, metrics, PUBLISHED)
    assert "old" in readme.read_text()


def test_undefined_figures_are_shown_as_such() -> None:
    text = results_markdown({**measured("gmb"), "dev_loss": None}, [])
    assert "– nats" in text


@pytest.mark.parametrize("text", ["no markers", f"{MARKERS[0]} only the first"])
def test_readme_without_markers_is_refused_and_kept(text: str, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(text)
    with pytest.raises(ValueError, match="needs one line"):
        write_readme(readme, write(tmp_path / "test.json", "gmb"), PUBLISHED)
    assert readme.read_text() == text


def test_types_are_listed_best_first() -> None:
    text = results_markdown(measured("gmb"), [])
    assert text.index("| geo |") < text.index("| art |")
