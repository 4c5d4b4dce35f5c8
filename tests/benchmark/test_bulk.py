"""What is measured of `posattn annotate`."""

from pathlib import Path
from typing import Any, Dict, List

import pytest
import spacy
from posattn_benchmark.bulk import measuring
from posattn_benchmark.bulk.page import bulk_markdown, core_hours, table
from posattn_benchmark.bulk.texts import texts
from spacy.tokens import DocBin

from pipelines import TEXTS, saved_pipeline

MADE = {"posattn-spacy": "0", "commit": "c", "spacy": "3", "torch": "2", "processor": "p"}


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> List[Any]:
    """A pipeline, a corpus and a folder."""
    model, blank = saved_pipeline(tmp_path / "model", steps=20), spacy.blank("xx")
    DocBin(docs=[blank.make_doc(text) for text in TEXTS]).to_disk(tmp_path / "corpus.spacy")
    for name, value in {"PARTS": 6, "ROWS": 20, "PIPE_ROWS": 30, "SHORT": 3000, "SETTLED": 100}.items():
        monkeypatch.setattr(measuring, name, value)
    return [str(model), tmp_path / "corpus.spacy", tmp_path / "out"]


@pytest.mark.parametrize("way", measuring.WAYS)
def test_rates_of_one_process_are_measured(way: str, given: List[Any]) -> None:
    assert measuring.rate(way, *given)["words"] > 0


@pytest.mark.parametrize("name", ["local 1", "local 2"])
def test_engines_are_measured_once_they_have_started(name: str, given: List[Any]) -> None:
    measured = measuring.engine(name, *given)
    assert measured["words"] > 0
    assert measured["start"] > 0


def test_memory_is_measured_after_the_first_texts(given: List[Any]) -> None:
    measured = measuring.memory(*given)
    assert measured["texts"] == 3000
    assert measured["before"] > 0
    assert measured["grown"] >= 0


def test_no_two_texts_are_the_same() -> None:
    made = [text for seed in range(3) for text in texts(TEXTS, 100, 2, seed)]
    assert len(set(made)) == len(made)


def test_the_page_shows_what_is_there() -> None:
    assert bulk_markdown({}) == "Nothing has been measured yet."
    rates = {"pipe": 1000, "annotate": 990, "all encoded": 500, "local 1": 1000, "local 2": 1900}
    figures: Dict[str, List[Dict[str, Any]]] = {
        name: [{"words": words, "start": 3.0, "made": MADE}] for name, words in rates.items()
    }
    figures["memory"] = [{"texts": 10**6, "words": 1, "before": 4 * 10**8, "grown": 10**6, "made": MADE}]
    by_name = {row[0]: row[1] for row in table(figures)}
    assert by_name["`annotate` ÷ `nlp.pipe`, one process"] == "0.990"
    assert by_name["two processes ÷ one"] == "1.90"
    assert by_name["growth of memory in 1,000,000 short texts, after the first 10,000"] == "1 MB of 400"
    assert not any("Ray" in name for name in by_name)
    header, rows = core_hours(figures)
    assert header[2] == "core-hours for 10⁹ words"
    assert rows[0] == ("second look", "990", "281", "280,584")
    assert rows[1][2] == "556"
    assert "Made by posattn-spacy" in bulk_markdown(figures)
