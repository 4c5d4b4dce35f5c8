"""The experiments: their plan, their cells, and what is measured of a training."""

import csv
from itertools import chain
from pathlib import Path
from typing import Any, Dict, List

import pytest
import spacy
import srsly
from posattn_benchmark.grid import cells as cells_module
from posattn_benchmark.grid.archive import read_archive, write_record
from posattn_benchmark.grid.cells import Cell, identity, read_config
from posattn_benchmark.grid.comparison import (
    COLUMNS,
    passes_until,
    stale_sentence,
    variant_rows,
    write_csv,
)
from posattn_benchmark.grid.running import Due, Workshop
from posattn_benchmark.grid.scores import (
    boundary_scores,
    head_figures,
    training_curve,
    training_figures,
)
from posattn_benchmark.grid.subsets import subset
from posattn_benchmark.grid.sweeps import EXPERIMENTS, Experiment, Plan, Variant, cells_by_variant
from posattn_benchmark.grid.timing import expected_seconds
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.util import load_config

from pipelines import make_examples, plain_pipeline, train
from posattn_spacy.schedule import own_passes
from processes import ROOT

PLAN = Plan("file-order", 25, 6, 3)
DROPOUT = "training.dropout"
NAME = "posattn_ner"
CELL = Cell("posattn", ((DROPOUT, 0.2),), "file-order", 25, 6, 0)
CODE = "0123456789abcdef"
ABOUT = {"kind": "gmb", "n_sents": 1, "md5": "0"}


@pytest.fixture(autouse=True)
def in_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells_module, "CONFIGS", ROOT / "configs")


def all_cells(plan: Plan = PLAN) -> List[Cell]:
    rows = chain.from_iterable(cells_by_variant(each, plan).values() for each in EXPERIMENTS.values())
    return list(chain.from_iterable(rows))


# Plan


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_variant_changes_settings_that_its_config_has(name: str) -> None:
    variants = cells_by_variant(EXPERIMENTS[name], PLAN)
    for cells in variants.values():
        config = read_config(cells[0], {})
        for key, value in cells[0].changes:
            found: Any = config
            for part in key.split("."):
                found = found[part]
            assert found == value
    places = [cell.place for cells in variants.values() for cell in cells]
    assert len(places) == len(set(places))  # no two variants are the same training
    assert set(EXPERIMENTS[name].figures) <= COLUMNS.keys()


def test_experiments_share_trainings() -> None:
    cells = all_cells()
    assert len({cell.place for cell in cells}) < len(cells)
    of_weight = cells_by_variant(EXPERIMENTS["positional_loss"], PLAN)["0.25"]
    of_mask = cells_by_variant(EXPERIMENTS["mask"], PLAN)["soft"]
    assert of_weight == of_mask
    assert of_weight[0].setting == "as-it-is"


def test_places_tell_all_cells_apart_and_are_single_folders() -> None:
    cells = {cell.place: cell for cell in all_cells()}
    for cell in all_cells():
        assert cells[cell.place] == cell
        assert "/" not in cell.setting
        assert cell.place.name == str(cell.seed)


def test_the_plan_says_how_much() -> None:
    small = Plan("given", 10, 2, 1)
    for cell in cells_by_variant(EXPERIMENTS["mask"], small)["pad 0.8"]:
        assert cell[2:] == ("given", 10, 2, 0)
    whole = cells_by_variant(EXPERIMENTS["replication"], small)["configs/paper.cfg"]
    assert whole == [Cell("paper", (), "given", 100, None, 0)]
    assert own_passes(read_config(whole[0], {})) == 12


def test_a_setting_that_a_config_does_not_have_is_refused() -> None:
    experiment = Experiment("", "", {"wrong": Variant("posattn", {"training.drop": 0.1})}, ())
    with pytest.raises(KeyError, match="drop"):
        cells_by_variant(experiment, PLAN)


def test_more_training_is_expected_to_take_longer() -> None:
    seconds = [
        expected_seconds(Cell(config, (), "file-order", share, passes, 0), 700_000)
        for config, share, passes in [("posattn", 1, 6), ("posattn", 25, 6), ("posattn", 100, None)]
    ]
    assert seconds == sorted(seconds)
    slow = expected_seconds(Cell("baselines/finetuned", (), "file-order", 100, None, 0), 700_000)
    assert slow > seconds[-1]


def test_figures_of_another_plan_do_not_replace_the_published_ones() -> None:
    assert Plan("file-order", 25, 6, 3).csv_name == "experiments.csv"
    others = {Plan("given", 25, 6, 3), Plan("file-order", 10, 6, 3), Plan("file-order", 25, 3, 3)}
    names = {plan.csv_name for plan in {*others, Plan("file-order", 25, 6, 1)}}
    assert len(names - {"experiments.csv"}) == 4


# Cells


def test_figures_belong_to_config_settings_corpus_encoder_language_and_seed() -> None:
    one = identity(CELL, ABOUT, "encoder", "en")
    assert one == identity(CELL, dict(ABOUT), "encoder", "en")
    others = [
        identity(CELL, {**ABOUT, "md5": "1"}, "encoder", "en"),
        identity(CELL, ABOUT, "another", "en"),
        identity(CELL, ABOUT, "encoder", "de"),
        identity(CELL._replace(seed=1), ABOUT, "encoder", "en"),
        identity(CELL._replace(changes=((DROPOUT, 0.3),)), ABOUT, "encoder", "en"),
        identity(CELL._replace(config="paper"), ABOUT, "encoder", "en"),
    ]
    assert len({one, *others}) == 7


def workshop_in(folder: Path) -> Workshop:
    return Workshop(folder, ABOUT, "encoder", "en", -1, folder / "training", folder / "metrics", CODE)


def keep(workshop: Workshop, cell: Cell, **figures: Any) -> None:
    about = {
        "place": cell.place.as_posix(),
        "config": cell.config,
        "identity": identity(cell, ABOUT, "encoder", "en"),
    }
    made = {"training code": CODE, "posattn-spacy": "0.1.0", "commit": "c0ffee"}
    path = workshop.figures / f"{cell.config}.jsonl"
    write_record(path, {**about, "made": made, "test": None, "history": None, **figures})


def test_what_is_made_is_not_made_again(tmp_path: Path) -> None:
    workshop = workshop_in(tmp_path)
    experiment = Experiment("", "", {"low": Variant("posattn", {DROPOUT: 0.2})}, ())
    on_test = experiment._replace(on_test=True)
    assert [task.cell for task in workshop.tasks([experiment], PLAN)] == [
        CELL._replace(seed=seed) for seed in range(3)
    ]
    for seed in range(2):
        keep(workshop, CELL._replace(seed=seed))
    assert workshop.tasks([experiment], PLAN) == [Due(CELL._replace(seed=2), False)]
    assert len(workshop.made(experiment, PLAN)["low"]) == 2
    reworded = workshop._replace(about={**ABOUT, "notes": ["said in other words"]})
    assert len(reworded.made(experiment, PLAN)["low"]) == 2
    keep(workshop, CELL, identity="of another config")
    assert [task.cell.seed for task in workshop.tasks([experiment], PLAN)] == [0, 2]
    keep(workshop, CELL, test={})
    assert workshop.tasks([experiment, on_test], PLAN) == [
        Due(CELL._replace(seed=1), True),
        Due(CELL._replace(seed=2), True),
    ]
    assert workshop.tasks([on_test._replace(history=True)], PLAN)[0] == Due(CELL, True, history=True)


def test_figures_of_older_training_code_are_called_stale(tmp_path: Path) -> None:
    workshop = workshop_in(tmp_path)
    experiment = Experiment("", "", {"low": Variant("posattn", {DROPOUT: 0.2})}, ())
    for seed in range(3):
        keep(workshop, CELL._replace(seed=seed))
    assert stale_sentence(workshop.made(experiment, PLAN)) == ""
    old = {"training code": None, "posattn-spacy": "0.0.9", "commit": "0123456789ab"}
    keep(workshop, CELL._replace(seed=1), made=old)
    (task,) = workshop.tasks([experiment], PLAN)
    assert task.cell.seed == 1
    assert task.why == "made by older training code: 0.0.9, commit 0123456789ab"
    variants = workshop.made(experiment, PLAN)
    assert [bool(seed["stale"]) for seed in variants["low"]] == [False, True, False]
    assert (
        stale_sentence(variants) == "1 of 3 trainings were made by older training code: 0.0.9 (0123456789ab)."
    )


def test_a_figure_is_written_over_the_one_it_replaces(tmp_path: Path) -> None:
    for seed, value in ((1, "b"), (0, "a"), (1, "c")):
        write_record(tmp_path / "baselines/x.jsonl", {"place": f"x/{seed}", "value": value})
    assert [record["value"] for record in read_archive(tmp_path).values()] == ["a", "c"]
    path = tmp_path / "baselines/x.jsonl"
    path.write_text(path.read_text() + "{\n")
    with pytest.raises(ValueError, match=r"x\.jsonl, line 3, is no figures"):
        read_archive(tmp_path)


def test_a_cell_is_made_by_one_process_at_a_time(tmp_path: Path) -> None:
    workshop = workshop_in(tmp_path)
    with workshop.claimed(CELL) as first, workshop.claimed(CELL) as second:
        assert (first, second) == (True, False)
        with workshop.claimed(CELL._replace(seed=1)) as other:
            assert other
    with workshop.claimed(CELL) as again:
        assert again


# Parts of a corpus


def write_docs(path: Path, n: int) -> List[str]:
    vocab = spacy.blank("en").vocab
    docs = [Doc(vocab, words=["word", str(i)], ents=["O", "B-geo"]) for i in range(n)]
    DocBin(attrs=["ENT_IOB", "ENT_TYPE"], docs=docs).to_disk(path)
    return [doc.text for doc in docs]


def texts_of(path: Path) -> List[str]:
    docs = DocBin().from_disk(path).get_docs(spacy.blank("en").vocab)
    return [doc.text for doc in docs if doc.ents]


def test_smaller_parts_lie_within_larger_ones(tmp_path: Path) -> None:
    train_path = tmp_path / "train.spacy"
    texts = write_docs(train_path, 200)
    parts = [texts_of(subset(train_path, share)) for share in (1, 10, 50, 100)]
    assert [len(part) for part in parts] == [2, 20, 100, 200]
    for small, large in zip(parts, [*parts[1:], texts], strict=True):
        assert set(small) <= set(large)
    assert parts[1] == [text for text in texts if text in set(parts[1])]  # in their order
    assert parts[1] != texts[:20]
    names = ["train-1.spacy", "train-10.spacy", "train-50.spacy", "train.spacy"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_a_part_is_written_anew_when_the_corpus_is(tmp_path: Path) -> None:
    train_path = tmp_path / "train.spacy"
    write_docs(train_path, 10)
    part = subset(train_path, 50)
    part.write_bytes(b"")
    train_path.touch()
    assert len(texts_of(subset(train_path, 50))) == 5


@pytest.mark.parametrize("share", [0, 101])
def test_a_share_is_a_percentage(tmp_path: Path, share: int) -> None:
    with pytest.raises(ValueError, match="1 to 100"):
        subset(tmp_path / "train.spacy", share)


# Figures


def examples(*pairs: Any) -> List[Example]:
    vocab = spacy.blank("en").vocab
    words = ["a", "b", "c", "d"]
    return [
        Example(Doc(vocab, words=words, ents=found), Doc(vocab, words=words, ents=gold))
        for found, gold in pairs
    ]


def test_edges_and_types_are_told_apart() -> None:
    right = (["B-geo", "I-geo", "O", "O"], ["B-geo", "I-geo", "O", "O"])
    shifted = (["B-geo", "O", "O", "O"], ["B-geo", "I-geo", "O", "O"])
    mistaken = (["B-per", "I-per", "O", "O"], ["B-geo", "I-geo", "O", "O"])
    nothing = (["O"] * 4, ["O"] * 4)
    scores = boundary_scores(examples(nothing, right, shifted, mistaken, nothing))
    assert scores == {
        "strict": pytest.approx(1 / 3),
        "exact": pytest.approx(2 / 3),
        "partial": pytest.approx(2.5 / 3),
        "type": pytest.approx(2 / 3),
        "shifted": 1,
    }


@pytest.mark.parametrize("mask", ["hard", "none"])
def test_a_mask_is_also_measured_with_a_perfect_gate(mask: str) -> None:
    nlp = plain_pipeline(mask=mask, pad_ratio=0.4)
    train(nlp, 60)
    figures = head_figures(nlp, make_examples(nlp))
    assert figures["head"]["gate_recall"] == 1
    assert figures["gold_mask_span_f"] == (1 if mask == "hard" else None)


def test_a_pipeline_of_another_kind_has_no_head() -> None:
    nlp = spacy.blank("en")
    assert head_figures(nlp, make_examples(nlp)) == {"head": None, "gold_mask_span_f": None}


def test_the_curve_is_what_spacy_logged(tmp_path: Path) -> None:
    lines = [
        {"epoch": 0, "step": 0, "losses": {"a": 3.0, "b": 1.0}, "scores": {"ents_f": 1.0, "flat_f": 2.0}},
        {"epoch": 1, "step": 10, "losses": {"a": 20.0, "b": 0.0}, "scores": {"ents_f": 81.0}},
    ]
    srsly.write_jsonl(tmp_path / "log.jsonl", lines)
    curve = training_curve(tmp_path / "log.jsonl")
    assert curve == [
        {"epoch": 0, "step": 0, "loss": 4.0, "span_f": 0.01, "flat_f": 0.02},
        {"epoch": 1, "step": 10, "loss": 20.0, "span_f": 0.81, "flat_f": None},
    ]
    assert passes_until({"curve": curve, "passes_made": 2}, 0.8) == 2  # by steps, not by epochs
    assert passes_until({"curve": curve, "passes_made": 2}, 0.82) is None


def test_the_history_is_short_enough_to_plot(tmp_path: Path) -> None:
    lines: List[Dict[str, Any]] = [
        {
            "step": step,
            "learn_rate": 0.1,
            "pipes": {NAME: {"categorical": float(step), "positional": 1.0, "gradient_norm": 2.0}},
        }
        for step in range(1000)
    ]
    lines[500]["pipes"][NAME]["dev"] = {"loss": 0.25, "gate_recall": 0.9}
    srsly.write_jsonl(tmp_path / "steps.jsonl", lines)
    log = [{"epoch": 0, "step": step, "losses": {}, "scores": {"ents_f": 0.0}} for step in (0, 989, 999)]
    srsly.write_jsonl(tmp_path / "log.jsonl", log)
    found = training_figures(tmp_path / "log.jsonl", tmp_path / "steps.jsonl", history=True)
    assert found["training_loss"] == pytest.approx(994.5)  # of steps 990 to 999
    less = training_figures(tmp_path / "log.jsonl", tmp_path / "steps.jsonl", history=False)
    assert less == {**found, "history": None}
    assert training_figures(tmp_path / "log.jsonl", tmp_path / "none.jsonl", True)["training_loss"] is None
    history = found["history"]
    assert len(history["steps"]) == 200
    first = {"step": 2.0, "learn_rate": 0.1, "categorical": 2.0, "positional": 1.0, "gradient_norm": 2.0}
    assert history["steps"][0] == pytest.approx(first)  # the mean of five
    assert history["dev"] == [{"step": 500, "loss": 0.25, "gate_recall": 0.9}]


MADE = {"commit": "c0ffee", "posattn-spacy": "0.1.0", "spacy": "3.8", "torch": "2.13"}


def measured(seed: int, span_f: float, **figures: Any) -> Dict[str, Any]:
    scores = {"span_p": span_f, "span_r": span_f, "span_f": span_f, "flat_f": span_f, "raw_text": span_f}
    about = {"config": "posattn", "setting": "as-it-is", "split": "file-order", "share": 25}
    return {
        **{
            **about,
            "passes_made": 6,
            "threads": 2,
            "made": {**MADE, "processor": "p"},
            "stale": "",
            "seed": seed,
            "encoder": "e",
            "source": "gmb",
            "n_sents": 1,
        },
        **{"dev": scores, "test": None, "dev_loss": None, "head": None, "gold_mask_span_f": None},
        **{"boundaries": {"exact": 0.5, "partial": 0.5, "type": 0.5, "shifted": 3}, "confidence": None},
        **{
            "training_loss": None,
            "seconds": 90.0,
            "peak_bytes": None,
            "words_per_s": None,
            "trained_parameters": 12,
        },
        "curve": [{"epoch": 0, "step": 0, "loss": 1.0, "span_f": 0.0, "flat_f": 0.0}],
        **figures,
    }


def test_a_row_has_mean_and_spread_of_its_seeds() -> None:
    rows = variant_rows(
        {"none": [measured(0, 0.8), measured(1, 0.82)], "not made": []},
        ("span F1", "minutes", "shifted edges", "dev loss", "memory, GB"),
    )
    assert rows == [("none", "2", "0.810 ± 0.014", "1.5", "3", "–", "–")]


def test_times_of_another_machine_are_not_compared() -> None:
    old = [measured(seed, 0.8, made={**MADE, "processor": "old"}) for seed in (0, 1, 2)]
    new = [measured(seed, 0.9, made={**MADE, "processor": "new"}, seconds=60.0) for seed in (0, 1)]
    fewer = measured(2, 0.9, made={**MADE, "processor": "new"}, threads=1, seconds=600.0)
    third = measured(0, 0.8, made={**MADE, "processor": "third"})
    rows = variant_rows(
        {"both": [*old, new[0]], "new": [new[1], fewer], "third": [third]}, ("span F1", "minutes")
    )
    assert rows == [
        ("both", "4", "0.825 ± 0.050", "1.0"),
        ("new", "2", "0.900", "1.0"),
        ("third", "1", "0.800", "–"),
    ]


def test_the_csv_has_a_row_for_every_training(tmp_path: Path) -> None:
    cells = {"mask": {"none": [measured(0, 0.8), measured(1, 0.82)]}, "size": {"25 %": [measured(0, 0.8)]}}
    write_csv(cells, tmp_path / "experiments.csv")
    with (tmp_path / "experiments.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["experiment"], row["variant"], row["seed"]) for row in rows] == [
        ("mask", "none", "0"),
        ("mask", "none", "1"),
        ("size", "25 %", "0"),
    ]
    assert rows[1]["span F1"] == "0.82"
    assert rows[1]["dev loss"] == ""
    assert COLUMNS.keys() <= rows[0].keys()


def test_shipped_baselines_share_corpus_and_encoder_with_ours() -> None:
    ours = load_config(ROOT / "configs" / "posattn.cfg")
    for path in (ROOT / "configs" / "baselines").glob("*.cfg"):
        config = load_config(path)
        assert config["paths"]["train"] == ours["paths"]["train"]
        assert config["corpora"]["dev"]["gold_preproc"]
        assert config["paths"].get("encoder", ours["paths"]["encoder"]) == ours["paths"]["encoder"]
