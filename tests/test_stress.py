"""Short forms of what `make stress` does, and that what it comes to is kept and shown."""

import json
from pathlib import Path
from typing import Any, Callable, Dict, List

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span, SpanGroup

from pipelines import LEXICAL, TRAIN_DATA, frozen_pipeline, make_examples, train
from processes import ROOT
from served import PIPELINES
from stress import (
    annotating,
    kinds,
    lattice,
    long,
    memory,
    random_documents,
    record,
    repeat,
    threads,
    white_space,
)
from stress.rows import ROWS
from stress.running import Found, NotReady, Outcome, Setting

NAME = "posattn_ner"
WORDS = ["Alice", "\n", "of", "Berlin"]


@pytest.fixture
def setting(tmp_path: Path) -> Callable[[int], Setting]:
    """Makes a setting in which a row goes so far."""
    return lambda reach: Setting(reach, tmp_path, apart=False)


# Short forms


def test_decodes_are_legal(setting: Callable[[int], Setting]) -> None:
    outcome = lattice.lattice(setting(3000))
    assert outcome.held
    assert outcome.reach == outcome.figures["decodes"] == 3000


def test_random_documents_are_read_as_they_should(
    setting: Callable[[int], Setting], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random_documents, "LONGEST", 100)
    outcome = random_documents.random_documents(setting(3 * random_documents.DOCS))
    assert outcome.held, outcome.reason
    assert outcome.figures["entities"] > 100
    assert outcome.figures["enumerated"] > 10


def test_entities_do_not_depend_on_white_space(
    setting: Callable[[int], Setting], tiny_encoder: Callable[[str], Path]
) -> None:
    nlp = frozen_pipeline(tiny_encoder("bert"), lexical=LEXICAL)
    train(nlp, 60)
    gold = DocBin(docs=[example.reference for example in make_examples(nlp)])
    outcome = white_space.compare(setting(0), nlp, list(white_space.read(nlp, gold)))
    assert outcome.held, outcome.reason
    assert outcome.reach == len(TRAIN_DATA)
    assert outcome.figures["span F1 of plain text"] == 1.0


@pytest.mark.parametrize("make", [PIPELINES[0], PIPELINES[-1]])
def test_threads_and_a_web_service_find_what_one_thread_finds(
    setting: Callable[[int], Setting], make: Any
) -> None:
    found = threads.share_pipeline(setting(10), make, False, "shared")
    assert found.faults == []
    assert found.counts["calls"] == 10 * threads.THREADS
    assert found.counts["calls of the web service"] == 10


@pytest.mark.parametrize("case", long.CASES)
def test_memory_does_not_grow_with_the_square_of_a_length(
    setting: Callable[[int], Setting], case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """10,000 tokens against each other would be 1.6 GB."""
    monkeypatch.setattr(long, "WIDE", {**long.WIDE, "hidden_size": 24, "num_hidden_layers": 1})
    assert long.peak_of_case(setting(10_000), case) < 0.5


@pytest.mark.parametrize("way", memory.WAYS)
def test_memory_stays_as_it_is(
    setting: Callable[[int], Setting], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "LONGEST", 20)
    assert memory.growth(setting(300), way) < memory.GROWTH


def test_a_training_repeated_gives_the_same_head(
    setting: Callable[[int], Setting], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeat, "STEPS", 3)
    outcome = repeat.repeat(setting(2))
    assert outcome.held
    assert outcome.figures == {"trainings": 2, "different heads": 0}


def test_files_are_annotated_whoever_is_killed(setting: Callable[[int], Setting]) -> None:
    outcome = annotating.kills(setting(2))  # with processes, and with Ray
    assert outcome.held, outcome.reason
    assert outcome.figures["kills"] == 6


# What is wrong is found


@pytest.fixture
def random_pipeline(setting: Callable[[int], Setting]) -> Any:
    return random_documents.pipeline(setting(1), "bert")


def test_a_wrong_probability_of_a_random_document_is_found(random_pipeline: Any) -> None:
    doc = Doc(random_pipeline.vocab, words=["Alice", "Smith", "left"])
    known = random_documents.known_of(doc)
    doc = random_pipeline(doc)
    assert not list(random_documents.wrong_probabilities(random_pipeline, known, doc, [0, 1, 2]))
    doc.spans[NAME].attrs["scores"] -= 0.001
    faults = list(random_documents.wrong_probabilities(random_pipeline, known, doc, [0, 1, 2]))
    assert faults == ["a probability is not what enumeration finds"]


def test_an_illegal_entity_of_a_random_document_is_found(random_pipeline: Any) -> None:
    doc = Doc(random_pipeline.vocab, words=WORDS)
    doc.set_ents([Span(doc, 0, 1, "rule")], blocked=[doc[2:3]], default="missing")
    known = random_documents.known_of(doc)
    assert known.taken == [True, False, True, False]
    doc = random_pipeline(doc)
    assert not list(random_documents.faults_of(known, doc))
    doc.set_ents([Span(doc, 1, 3, "geo")])
    assert {
        "an entity that was there is gone",
        "an entity has white space at its edge",
        "an entity touches one that was there, or a blocked token",
    } <= set(random_documents.faults_of(known, doc))


def test_a_rendering_with_other_entities_is_found() -> None:
    """spaCy's own ruler sees white space, and so finds names of two words in plain text alone."""
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "per", "pattern": "Alice Smith"}])
    found = white_space.read_all(nlp, white_space.Rendered(["Alice", "Smith", "left"], {(0, 1, "per")}))
    assert found.counts["right single spaces"] == 1
    assert found.counts["right double spaces"] == 0
    assert found.counts["different"] >= 1


def test_threads_that_fail_or_find_something_else_are_found(setting: Callable[[int], Setting]) -> None:
    """A pipeline that counts its calls finds something else each time, and fails now and then."""
    nlp = spacy.blank("en")
    calls: List[int] = []

    @nlp.component("count_calls")
    def count_calls(doc: Doc) -> Doc:
        calls.append(1)
        if len(calls) == 30:
            raise ValueError("now and then")
        doc.spans[NAME] = SpanGroup(doc, attrs={"scores": np.array([float(len(calls))])}, spans=[doc[:1]])
        return doc

    nlp.add_pipe("count_calls")
    found = threads.share_pipeline(setting(10), lambda encoder: nlp, False, "shared")
    assert found.counts["failures"] == 1
    assert found.counts["differences"] == 10 * threads.THREADS - 1 + 10


# Going on, and what is kept


def test_a_row_goes_on_where_it_was_killed(setting: Callable[[int], Setting]) -> None:
    done: List[int] = []

    def work(item: int) -> Found:
        if item == 3 and done.count(3) == 0:
            done.append(item)
            raise KeyboardInterrupt
        done.append(item)
        return Found({"sum": item}, [f"fault {item}"])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stress.running.SAVED_EVERY", -1.0)
        with pytest.raises(KeyboardInterrupt):
            setting(5).go_through(5, work)
    tally = setting(5).go_through(5, work)
    assert done == [0, 1, 2, 3, 3, 4]
    assert tally.counts == {"sum": 10}
    assert tally.faults == [f"fault {item}" for item in range(5)]


def kept(tmp_path: Path, **outcomes: Outcome) -> Dict[str, Any]:
    for name, outcome in outcomes.items():
        record.write(tmp_path / "stress.json", name, outcome, 61.0)
    read: Dict[str, Any] = json.loads((tmp_path / "stress.json").read_text(encoding="utf-8"))
    return read


def test_rows_are_kept_beside_each_other_and_a_short_one_does_not_replace_a_long_one(tmp_path: Path) -> None:
    full = Outcome(ROWS["lattice"].reach, True, {"illegal": 0})
    entries = kept(tmp_path, repeat=Outcome(2, True, {}), lattice=full)
    assert list(entries) == ["lattice", "repeat"]  # as in the table
    assert entries["lattice"]["seconds"] == 61
    assert set(entries["lattice"]) >= {
        "processor",
        "bfloat16",
        "commit",
        "posattn-spacy",
        "spacy",
        "torch",
        "reason",
    }
    assert kept(tmp_path, lattice=Outcome(10, True, {}))["lattice"] == entries["lattice"]
    assert kept(tmp_path, lattice=Outcome(10, False, {"illegal": 1}))["lattice"]["figures"] == {"illegal": 1}


def test_the_table_shows_what_was_run_how_far_and_what_was_not(tmp_path: Path) -> None:
    entries = kept(
        tmp_path,
        lattice=Outcome(ROWS["lattice"].reach, True, {"illegal": 0}),
        random=Outcome(50, True, {"exceptions": 0}),
        threads=Outcome(1000, False, {"differences": 1}, "a | b"),
    )
    lines = {line.split(" | ")[0]: line for line in record.table(entries).splitlines()}
    by_name = {name: lines[f"| {row.what}"] for name, row in ROWS.items()}
    assert "| 1,000,000 decodes | illegal 0 | ✓ |" in by_name["lattice"]
    assert "| 50 of 100,000 documents | exceptions 0 | – |" in by_name["random"]
    assert "| differences 1. a \\| b | ✗ |" in by_name["threads"]
    assert "| 0 of 100,000 documents | not run yet | – |" in by_name["memory"]
    assert record.where(entries).startswith("All rows took 3 minutes")


def test_figures_are_shown_with_their_units() -> None:
    assert record.figure("GB, 1,000 documents", 1.4) == "1,000 documents 1.4 GB"
    assert record.figure("entities", 2288) == "entities 2,288"


def test_the_page_has_the_table_of_the_figures_that_are_kept() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    assert record.table(record.read(ROOT / "metrics" / "stress.json")) in page


@pytest.mark.parametrize("name", ROWS)
def test_every_row_can_be_run(name: str) -> None:
    assert callable(ROWS[name].load())


def test_kinds_are_counted(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    for failures, least, held in ((0, 3, True), (0, 4, False), (1, 3, False)):
        suite = f'<testsuite name="pytest" errors="0" failures="{failures}" skipped="0" tests="3" />'
        report.write_text(f"<testsuites>{suite}</testsuites>", encoding="utf-8")
        assert kinds.outcome_of(report, least) == Outcome(3, held, {"kinds": 3, "failed": failures})


def test_a_row_that_lacks_what_it_needs_says_so(setting: Callable[[int], Setting], tmp_path: Path) -> None:
    missing = setting(1)._replace(pipeline=tmp_path / "none", dev=tmp_path / "none.spacy")
    with pytest.raises(NotReady, match=r"no trained pipeline in .*--pipeline"):
        white_space.renderings(missing)
