"""How much better a pipeline gets with more data."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any, Callable, Dict, List

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin

from pipelines import TRAIN_DATA, make_examples
from posattn_spacy import schedule
from posattn_spacy.annotating.curve import Point, expected_f, hold_out, label_needs, learning_curve
from posattn_spacy.annotating.power_law import extrapolate
from posattn_spacy.annotating.trainer import Trained
from processes import command

SIZES = [100, 200, 400, 800]


@pytest.fixture(autouse=True)
def few_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "LEAST_WORDS", 4_000)


def law(size: float, floor: float, factor: float, exponent: float) -> float:
    return 1 - floor - factor * (size / 100) ** -exponent


@given(st.floats(0.02, 0.2), st.floats(0.05, 0.4), st.floats(0.1, 1.2))
def test_a_power_law_goes_on_as_it_began(floor: float, factor: float, exponent: float) -> None:
    scores = [law(size, floor, factor, exponent) for size in SIZES]
    truth = law(1600, floor, factor, exponent)
    found = extrapolate(SIZES, scores, 1600)
    assert found.expected == pytest.approx(truth, abs=0.012)
    assert found.low - 0.003 <= truth <= found.high + 0.003
    assert found.low <= found.expected <= found.high


def test_the_further_ahead_and_the_noisier_the_less_is_sure() -> None:
    scores = [law(size, 0.1, 0.3, 0.4) for size in SIZES]

    def width(scores: List[float], size: float) -> float:
        found = extrapolate(SIZES, scores, size)
        return found.high - found.low

    noisy = [score + step for score, step in zip(scores, [0.02, -0.02, 0.02, -0.02], strict=True)]
    assert width(scores, 1600) < width(scores, 6400)
    assert width(scores, 1600) < width(noisy, 1600)
    sizes, often = SIZES * 4, [*noisy, *scores, *noisy[::-1], *scores]
    assert np.isfinite(extrapolate(sizes, often, 1600)).all()


def test_a_perfect_score_stays_perfect_and_two_sizes_are_no_curve() -> None:
    assert extrapolate(SIZES, [1.0] * 4, 1600) == pytest.approx((1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match="2 sizes show no curve"):
        extrapolate([100, 200, 200], [0.5, 0.6, 0.6], 400)


class CountingBench:
    """Remembers what it is to learn from, and scores better with more."""

    def __init__(self) -> None:
        self.learned: Dict[int, List[List[str]]] = {}

    def prepare(self, docs: List[Doc]) -> None:
        pass

    def train(self, docs: List[Doc], dev: List[Doc], *, seed: int, name: str) -> Trained:
        self.learned.setdefault(seed, []).append([doc.text for doc in docs])
        f = law(len(docs), 0.1, 0.3, 0.4)
        return Trained(1, f, {"ents_f": f, "ents_per_type": {"per": {"f": f}, "geo": {"f": 0.9}}})


def documents(n: int) -> List[Doc]:
    nlp = spacy.blank("xx")
    docs = []
    for i in range(n):
        doc = nlp.make_doc(f"Alice saw number {i} in Peru")
        doc.set_ents(
            [doc.char_span(0, 5, label="per"), doc.char_span(len(doc.text) - 4, len(doc.text), "geo")]
        )
        docs.append(doc)
    return docs


def test_larger_parts_hold_the_smaller_ones_and_seeds_differ() -> None:
    bench: Any = CountingBench()
    points = list(learning_curve(bench, documents(40), documents(4), seeds=2))
    assert [(point.docs, point.seed) for point in points] == [(n, s) for s in (0, 1) for n in (5, 10, 20, 40)]
    for parts in bench.learned.values():
        for smaller, larger in pairwise(parts):
            assert set(smaller) < set(larger)
    assert bench.learned[0][0] != bench.learned[1][0]
    assert expected_f(points, 80).expected == pytest.approx(law(80, 0.1, 0.3, 0.4), abs=0.01)


def test_labels_that_still_gain_lack_data() -> None:
    bench: Any = CountingBench()
    docs = documents(40)
    per, geo = label_needs(list(learning_curve(bench, docs, docs, seeds=1)), docs, docs)
    assert (per.label, per.entities, per.starved) == ("per", 40, True)
    assert (geo.label, geo.entities, geo.starved) == ("geo", 40, False)
    assert per.half == pytest.approx(law(20, 0.1, 0.3, 0.4))
    assert geo.twice.expected == pytest.approx(0.9, abs=0.005)


def test_a_label_that_is_never_found_lacks_data_and_of_one_without_dev_nothing_is_known() -> None:
    points = [Point(n, 0, 0.5, {}) for n in (1, 2, 4)]
    docs = documents(4)
    dev = [doc.copy() for doc in docs]
    for doc in dev:
        doc.set_ents([ent for ent in doc.ents if ent.label_ == "per"])
    needs = {need.label: need for need in label_needs(points, docs, dev)}
    assert (needs["per"].judged, needs["per"].whole, needs["per"].starved) == (4, 0.0, True)
    assert (needs["geo"].judged, needs["geo"].starved) == (0, False)


def test_too_few_documents_are_told() -> None:
    bench: Any = CountingBench()
    with pytest.raises(ValueError, match="3 documents are too few"):
        list(learning_curve(bench, documents(3), documents(1)))


def test_the_end_is_held_out() -> None:
    docs = documents(11)
    assert hold_out(docs) == (docs[:9], docs[9:])
    assert hold_out(docs[:2]) == (docs[:1], docs[1:2])


@pytest.mark.filterwarnings("ignore:The entities' probabilities are not calibrated")
def test_the_command_shows_draws_and_writes(tiny_encoder: Callable[[str], Path], tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    docs = [example.reference for example in make_examples(nlp, TRAIN_DATA * 3)]
    DocBin(docs=docs).to_disk(tmp_path / "own.spacy")
    out = tmp_path / "curve.jsonl"
    args = ["curve", tmp_path / "own.spacy", "--dev", tmp_path / "own.spacy", "--seeds", 1]
    args += ["--encoder", tiny_encoder("bert"), "--features", tmp_path / "features"]
    said = command(*args, "--output", out, "--chart", tmp_path / "curve.svg")
    points = [Point(**json.loads(line)) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [point.docs for point in points] == [round(len(docs) * share) for share in (0.125, 0.25, 0.5, 1)]
    assert f"With {2 * len(docs):,} documents" in said
    assert f"expected at {expected_f(points, 2 * len(docs)).expected:.3f}" in said
    assert "</svg>" in (tmp_path / "curve.svg").read_text(encoding="utf-8")
    assert "no pictures of that kind" in command(*args, "--chart", tmp_path / "curve.bmp2", fails=True)
