"""What is measured of the annotation loop."""

import random
from pathlib import Path
from typing import Any, Callable, Dict, List

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from posattn_benchmark.corpora.found import Corpus, prepare
from posattn_benchmark.grid.archive import write_record
from posattn_benchmark.loop import auditing, choosing, curves, labels, partial, ranking, studies, updating
from posattn_benchmark.loop.ground import Ground, entities, span_f
from posattn_benchmark.loop.page import draw_choosing, loop_markdown, suggest_table, words_needed
from posattn_benchmark.loop.planting import (
    KINDS,
    MADE_UP,
    MISSED,
    SHIFTED,
    WRONG_TYPE,
    Error,
    plant,
    score_ranking,
)
from posattn_benchmark.loop.studies import STUDIES, Setting, Study, make_missing, trials
from spacy.tokens import Doc, Span

from posattn_spacy import schedule
from posattn_spacy.annotating import audit, update
from posattn_spacy.annotating.effort import Effort
from small_corpora import conll_text

LABELS = ["geo", "per"]
pytestmark = pytest.mark.filterwarnings("ignore:The entities' probabilities are not calibrated")


def documents(n: int) -> List[Doc]:
    vocab = spacy.blank("xx").vocab
    docs = []
    for i in range(n):
        doc = Doc(vocab, words=["Ann", f"Lee{i}", "left", "a", "town", "called", "Oslo", "in", "May", "."])
        doc.set_ents([Span(doc, 0, 2, label="per"), Span(doc, 6, 7, label="geo")], default="outside")
        docs.append(doc)
    return docs


@given(st.integers(0, 10_000), st.integers(20, 40))
def test_planted_errors_change_what_they_say_and_nothing_else(seed: int, n: int) -> None:
    docs, before = documents(n), documents(n)
    errors = plant(docs, LABELS, 0.2, seed)
    counts = {kind: sum(each.kind == kind for each in errors) for kind in KINDS}
    assert counts == dict.fromkeys(KINDS, round(0.2 * 2 * n / 4))
    touched = [(each.doc, i) for each in errors for i in range(each.start, each.stop)]
    assert len(touched) == len(set(touched))
    for each in errors:
        was, now = ({(ent.start, ent.end, ent.label_) for ent in of[each.doc].ents} for of in (before, docs))
        gone = {ent for ent in was - now if each.start <= ent[0] and ent[1] <= each.stop}
        come = {ent for ent in now - was if each.start <= ent[0] and ent[1] <= each.stop}
        assert (len(gone), len(come)) == {MADE_UP: (0, 1), MISSED: (1, 0)}.get(each.kind, (1, 1))
        if each.kind in (WRONG_TYPE, SHIFTED):
            ((start, stop, label),), ((a, b, other),) = gone, come
            assert ((start, stop) == (a, b)) == (each.kind == WRONG_TYPE)
            assert (label != other) == (each.kind == WRONG_TYPE)
    all_tokens = {(i, j) for i, doc in enumerate(docs) for j in range(len(doc))} - set(touched)
    assert all(docs[i][j].ent_type_ == before[i][j].ent_type_ for i, j in all_tokens)


def test_with_one_label_there_are_no_wrong_types() -> None:
    docs = documents(30)
    for doc in docs:
        doc.set_ents([doc.ents[0]], default="outside")
    assert {each.kind for each in plant(docs, ["per"], 0.3, 0)} == set(KINDS) - {WRONG_TYPE}


def test_a_ranking_is_scored_by_the_errors_among_the_first() -> None:
    errors = [Error(0, 0, 2, MISSED), Error(1, 3, 4, SHIFTED)]
    perfect = score_ranking([(0, 1, 2), (0, 0, 1), (1, 3, 4), (5, 0, 1)], errors)
    assert perfect == (1.0, 1.0, {MISSED: 1.0, SHIFTED: 1.0})  # one error named twice is named once
    half = score_ranking([(0, 0, 1), (4, 0, 1), (4, 0, 1), (1, 2, 5)], errors)
    assert half == (0.5, pytest.approx((1 + 2 / 3) / 2), {MISSED: 1.0, SHIFTED: 0.0})
    assert score_ranking([], errors).average_precision == 0.0


def test_words_that_are_needed_lie_between_two_trainings() -> None:
    points = [[100, 0.5], [1000, 0.7], [10_000, 0.7]]
    assert words_needed(points, 0.6) == pytest.approx(100 * 10**0.5)
    assert words_needed(points, 0.4) == 100
    assert words_needed(points, 0.71) is None


def test_entities_are_scored_by_document_place_and_label() -> None:
    gold = entities(documents(2))
    assert span_f(gold, gold) == 1.0
    assert span_f({(0, 0, 2, "geo"), (0, 6, 7, "geo")}, gold) == pytest.approx(2 / 6)
    assert span_f({(0, 0, 2, "geo"), (0, 6, 7, "geo")}, gold, {"per"}) == 0.0


@pytest.fixture
def ground(tmp_path: Path, tiny_encoder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Ground:
    """A small corpus, a tiny encoder and short trainings, in a folder of its own."""
    monkeypatch.setattr(schedule, "LEAST_WORDS", 6_000)
    monkeypatch.setattr(audit, "EFFORT", Effort(12_000, 2, 500))
    monkeypatch.setattr(update, "NEW_LABELS", Effort(12_000, 2, 500, 2e-3))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digests").mkdir()
    (tmp_path / "digests/corpus.txt").write_text("code\n", encoding="utf-8")
    source = tmp_path / "mine"
    source.mkdir()
    for part in ("train", "devel", "test"):
        (source / f"{part}.tsv").write_text(_varied(part), encoding="utf-8")
    return Ground(small(source), tiny_encoder("bert"), "en", Path("features"), 0)


def _varied(part: str) -> str:
    """Sentences no two of which are the same."""
    return "".join(
        f"{conll_text(1).replace('Ann', f'{part}{i}')}\n" for i in range(60 if part == "train" else 10)
    )


def small(source: Path) -> Corpus:
    return prepare(str(source), "en", Path("corpora"))


def test_an_update_is_measured(ground: Ground) -> None:
    found = updating.measure(ground, "40")
    assert found["cpu_seconds"] > 0
    assert found["updates"] > 0
    assert min(found["f_before"], found["f_update"], found["f_full"]) > 0.8


def test_a_new_label_is_measured(ground: Ground) -> None:
    found = labels.measure(ground, "per")
    assert (
        min(found[f"{way}_{label}"] for way in ("joint", "same", "added") for label in ("old", "new")) > 0.8
    )


def test_half_of_the_labels_are_learned_as_they_are_known(ground: Ground) -> None:
    f = {way: partial.measure(ground, way)["f"] for way in partial.WAYS}
    assert min(f["everything"], f["known"]) > 0.8 > f["cut"]


def test_planted_errors_are_looked_for(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditing, "by_cleanlab", auditing.by_loss)  # it has an environment of its own
    monkeypatch.setattr(auditing, "SHARE", 0.2)
    found = auditing.measure(ground, "all")
    assert found["errors"] == sum(found["kinds"].values()) > 0
    assert found["audit"]["share"] > 0.8
    assert set(found["audit"]["by_kind"]) == set(KINDS)
    assert 0 < found["loss"]["average_precision"] <= 1


def test_tokens_of_one_doubt_are_one_place() -> None:
    docs = documents(2)
    every = {"docs": np.repeat([0, 1], 10), "places": np.tile(np.arange(10), 2)}
    tags = np.tile([1, 2, 0, 0, 0, 0, 3, 0, 0, 0], 2)
    probabilities = np.tile([0.9, 0.1, 0.0, 0.0], (20, 1))
    probabilities[[3, 4, 5, 9, 10]] = [0.1, 0.9, 0.0, 0.0]
    tokens = auditing.Tokens(**every, tags=tags, probabilities=probabilities)
    assert tokens.places_of(docs, [4, 9, 11, 2, 6]) == [
        (0, 3, 6),
        (0, 9, 10),
        (1, 0, 2),
        (0, 2, 3),
        (0, 6, 7),
    ]


@pytest.mark.parametrize("strategy", choosing.STRATEGIES)
def test_strategies_annotate_as_many_words(
    ground: Ground, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "SHARES", (0.1, 0.3))
    points = choosing.measure(ground, strategy)["points"]
    assert len(points) == 2
    assert [words for words, _ in points] == pytest.approx([0.1 * 300, 0.3 * 300], abs=5)


def test_a_curve_is_compared_with_what_comes_of_twice_the_data(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curves, "SEEDS", 1)
    found = curves.measure(ground, "40")
    assert [docs for docs, _ in found["points"]] == [3, 6, 12, 24]
    assert found["low"] <= found["expected"] <= found["high"]
    assert found["f"] > 0.8


def test_ranking_is_measured(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "ASKED", 3)
    found = ranking.measure(ground, "50")
    assert found["chosen"] == 3
    assert found["words"] == 500
    assert found["cpu_seconds"] > 0


def test_trials_go_on_where_they_were_stopped(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    small = Study("Half", partial.measure, {str(Path("mine").absolute()): ("known", "outside")}, 2)
    monkeypatch.setitem(STUDIES, "partial", small)
    listed = list(trials("partial", 5))
    assert [(each.variant, each.seed) for each in listed] == [
        ("known", 0),
        ("outside", 0),
        ("known", 1),
        ("outside", 1),
    ]
    setting = Setting(
        ground.encoder, "en", Path("corpora"), Path("features"), Path("training"), Path("metrics")
    )
    for each in listed[1:]:
        write_record(setting.figures("partial"), {"place": each.place, **each._asdict()})
    assert make_missing(setting, ["partial"], 5) == {}
    record = setting.read("partial")[listed[0].place]
    assert 0 <= record["found"]["f"] <= 1
    assert record["made"]["posattn-spacy"]
    before = setting.figures("partial").read_bytes()
    assert make_missing(setting, ["partial"], 5) == {}
    assert setting.figures("partial").read_bytes() == before


def _record(study: str, corpus: str, variant: str, found: Dict[str, Any]) -> Dict[str, Any]:
    made = {"posattn-spacy": "0", "commit": "c", "spacy": "3", "torch": "2", "processor": "p"}
    return {"study": study, "corpus": corpus, "variant": variant, "seed": 0, "made": made, "found": found}


def test_the_page_has_a_table_for_each_study_and_a_picture(tmp_path: Path) -> None:
    hits = {"share": 0.5, "average_precision": 0.4, "by_kind": dict.fromkeys(KINDS, 0.5)}
    half = [[100, 0.5], [1000, 0.8]]
    every: Dict[str, List[Any]] = {
        "update": [
            (
                "gmb",
                "200",
                {"cpu_seconds": 3.0, "updates": 40, "f_before": 0.7, "f_update": 0.8, "f_full": 0.81},
            )
        ],
        "labels": [
            (
                "gmb:1700",
                "per",
                dict.fromkeys(
                    (f"{way}_{which}" for way in ("joint", "same", "added") for which in ("old", "new")), 0.8
                ),
            )
        ],
        "partial": [("wnut17", way, {"f": 0.4}) for way in partial.WAYS],
        "audit": [
            (
                "gmb",
                "all",
                {
                    "errors": 4,
                    "kinds": dict.fromkeys(KINDS, 1),
                    "audit": hits,
                    "cleanlab": hits,
                    "loss": hits,
                },
            )
        ],
        "suggest": [
            ("gmb", "suggest", {"points": half}),
            ("gmb", "random", {"points": [[100, 0.5], [1000, 0.65]]}),
        ],
        "curve": [("gmb", "5", {"points": [], "expected": 0.8, "low": 0.7, "high": 0.9, "f": 0.79})],
        "ranking": [("gmb:1700", "10000", {"words": 10**6, "cpu_seconds": 120.0, "bytes": 10**6})],
    }
    archives = {
        study: {str(i): _record(study, *each) for i, each in enumerate(of)} for study, of in every.items()
    }
    markdown = loop_markdown(archives, "assets/loop.png")
    for study in every.values():
        assert study
    for study in STUDIES.values():
        assert f"## {study.title}" in markdown
    assert "| 10,000 | 1,000,000 | 2.00 | 1 |" in markdown
    assert "| 5 % | 0.800 | 0.700 to 0.900 | 0.790 | +0.010 |" in markdown
    _, rows = suggest_table(archives["suggest"])
    assert rows[0][3] == f"**{10**0.5 * 100 / 1000:.2f}**"
    draw_choosing(archives["suggest"], tmp_path / "loop.png")
    assert (tmp_path / "loop.png").stat().st_size > 1000
    nothing = loop_markdown({study: {} for study in STUDIES}, "")
    assert nothing == "Nothing has been measured yet."


def test_chance_is_the_seed(ground: Ground) -> None:
    order = random.Random(3).sample(range(5), 5)
    docs = documents(5)
    nlp: Any = None
    assert choosing.STRATEGIES["random"](choosing.Pool(nlp, docs, 50, 3)) == order
    assert studies.STUDIES["suggest"].seeds == 5
