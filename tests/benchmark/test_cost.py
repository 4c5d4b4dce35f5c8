"""The figures of cost: how they are taken, and what becomes of them."""

import sys
from copy import deepcopy
from pathlib import Path
from typing import Any, Dict, List

import pytest
from posattn_benchmark.cost import rounds
from posattn_benchmark.cost.apart import measure
from posattn_benchmark.cost.chart import draw
from posattn_benchmark.cost.ratios import compute, medians, pipe_rows, rows
from posattn_benchmark.cost.summary import (
    MARKERS,
    changed_rows,
    cost_markdown,
    describe,
    ratio_rows,
    training_minutes,
)
from posattn_benchmark.cost.workload import Workload
from posattn_benchmark.pages import fill_page
from posattn_benchmark.processes import run
from tqdm import tqdm

SETTING: Dict[str, Any] = {
    **{"config": "posattn", "encoder": "tiny", "epochs": 10, "threads": 2},
    **{"words": {"train": 1000, "dev": 100}, "bfloat16": True, "gpu": None, "python": "3.11"},
    "versions": {"spacy": "3.8", "torch": "2.13"},
}
REPEAT: Dict[str, Dict[str, float]] = {
    "matrix_product": {"float32_feed_forward_gflops": 100.0, "bfloat16_feed_forward_gflops": 200.0},
    "raw_forward": {"words_per_s": 100.0},
    "raw_forward_bfloat16": {"words_per_s": 150.0},
    "encoding": {"words_per_s": 95.0},
    "stock_pipe": {"words_per_s": 50.0},
    "cnn_pipe": {"words_per_s": 160.0},
    "pipe": {"words_per_s": 120.0},
    "pipe_all": {"words_per_s": 80.0},
    "pipe_float32": {"words_per_s": 80.0},
    "pipe_float32_all": {"words_per_s": 32.0},
    "pipe_apart": {"own": 6.0, "spacy": 5.0},
    "base_pipe": {"words_per_s": 26.0, "all_words_per_s": 13.0},
    "stock_base_pipe": {"words_per_s": 2.0},
    "cold_start": {"cpu_seconds": 6.0},
    "stock_cold_start": {"cpu_seconds": 5.0},
    "training_200": {"cpu_seconds": 4.0},
    "training_1000": {"cpu_seconds": 8.0},
    "stock_frozen_training": {"words_per_s": 40.0},
    "stock_fine_tuning": {"words_per_s": 10.0},
    "mask_curve": {"none": 10.0, "hard_0.0": 11.0, "hard_0.8": 3.0},
    "head_epoch": {"words_per_s": 400.0, "flops_per_word": 1e8, "spacy_share": 0.2},
    "one_head_epoch": {"words_per_s": 600.0},
    "training_cold": {"seconds": 51.0},
    "training_warm": {"seconds": 27.0},
}
MADE = {
    "commit": "0123",
    "posattn-spacy": "0.0.1",
    "spacy": "3.8",
    "torch": "2.13",
    "processor": "a processor",
}
for figures in REPEAT.values():
    figures["peak_bytes"] = 2.5e9


def make_cost(*head_speeds: float) -> Dict[str, Any]:
    """What the command writes, after repeats that differ in the speed of the head alone."""
    repeats = [deepcopy(REPEAT) for _ in head_speeds]
    for repeat, speed in zip(repeats, head_speeds, strict=True):
        repeat["head_epoch"]["words_per_s"] = speed
    ratios = compute(repeats, SETTING, rows(SETTING, has_memory=True))
    taken = {"medians": medians(repeats), "repeats": repeats}
    return {"setting": SETTING, "made": MADE, "ratios": ratios, **taken}


def test_ratios_are_those_of_the_figures() -> None:
    cost = make_cost(400.0)
    ratios = {row["name"]: row["median"] for row in cost["ratios"]}
    assert ratios["encoding into the store ÷ forward pass in float32 (words/s)"] == pytest.approx(0.95)
    assert ratios["head epoch ÷ forward pass in float32 (words/s)"] == pytest.approx(4)
    # 400 words/s of 0.1 GFLOP each are 40 GFLOP/s
    assert ratios["head epoch ÷ its matrix products in float32 (time)"] == pytest.approx(2.5)
    assert ratios["head epoch ÷ its matrix products in bfloat16 (time)"] == pytest.approx(5)
    # 10 epochs of 1000 / 10 + 100 / 50, and of 1000 / 40 + 100 / 50 seconds
    assert ratios["10 epochs, store cold: cheaper than fine-tuning by"] == pytest.approx(1020 / 51)
    assert ratios["10 epochs, store cold: cheaper than stock frozen by"] == pytest.approx(270 / 51)
    assert ratios["10 epochs, store warm: cheaper than stock frozen by"] == pytest.approx(10)
    assert ratios["`hard` mask at 0.8 ÷ no mask: attention and feed-forward (time)"] == pytest.approx(0.3)
    assert ratios["peak memory of a whole training"] == pytest.approx(2.5)
    assert training_minutes(cost)["fine-tuned, spaCy"] == pytest.approx(17)
    assert training_minutes(cost)["posattn-spacy, store warm"] == pytest.approx(27 / 60)


def test_the_second_look_is_held_against_all_encoded_and_against_others() -> None:
    ratios = {row["name"]: row["median"] for row in make_cost(400.0)["ratios"]}
    assert ratios["`nlp.pipe`, bfloat16 ÷ all encoded"] == pytest.approx(1.5)
    assert ratios["`nlp.pipe`, float32 ÷ all encoded"] == pytest.approx(2.5)
    assert ratios["`nlp.pipe`, float32 ÷ stock transformer and ner"] == pytest.approx(1.6)
    assert ratios["`nlp.pipe`, bfloat16 ÷ spaCy's `ner` on its own CNN"] == pytest.approx(0.75)
    assert ratios[
        "`nlp.pipe` but for encoder and heads ÷ spaCy's tokenizer and sentencizer (time)"
    ] == pytest.approx(1.2)
    assert ratios["head epoch, two looks ÷ one (time)"] == pytest.approx(1.5)


def test_a_larger_encoder_and_the_beginning_have_rows_of_their_own() -> None:
    cost = make_cost(400.0)
    rows = {row[0]: row[1:] for row in ratio_rows(cost)}
    base = "`nlp.pipe`, encoder of bert-base's size"
    assert rows[f"{base} ÷ all encoded"] == ("2.00", "2.00", "2.00", "–", "")
    assert rows[f"{base} ÷ stock transformer and ner"] == ("13.00", "13.00", "13.00", "≥ 12", "✓")
    name = "`spacy.load` and a first text ÷ stock transformer and ner (CPU time)"
    assert rows[name][0] == "1.20"
    name = "`spacy train` on 1,000 sentences, store warm, beyond the imports (CPU time)"
    assert rows[name] == ("8.00 s", "8.00 s", "8.00 s", "–", "")


def test_a_quick_run_says_what_has_become_slower() -> None:
    kept, now = make_cost(400.0)["ratios"], deepcopy(REPEAT)
    now["pipe"]["words_per_s"] *= 0.85  # slower than all that was held against it
    now["pipe_apart"]["own"] *= 1.09  # within what may be chance
    table = changed_rows(compute([now], SETTING, pipe_rows(SETTING)), kept)
    assert {name for name, *_, verdict in table if verdict} == {
        "`nlp.pipe`, bfloat16 ÷ all encoded",
        "`nlp.pipe`, bfloat16 ÷ stock transformer and ner",
        "`nlp.pipe`, bfloat16 ÷ spaCy's `ner` on its own CNN",
    }
    assert [row[2] for row in changed_rows(compute([now], SETTING, pipe_rows(SETTING)), [])] == ["–"] * len(
        table
    )


def test_ratios_are_medians_over_repeats_and_know_their_goals() -> None:
    rows = {row[0]: row for row in ratio_rows(make_cost(400.0, 700.0, 600.0))}
    assert rows["head epoch ÷ forward pass in float32 (words/s)"][1:] == ("6.00", "4.00", "7.00", "≥ 5", "✓")
    assert rows["head epoch ÷ its matrix products in float32 (time)"][1] == "1.67"
    assert rows["head epoch ÷ its matrix products in float32 (time)"][4:] == ("≤ 1.8", "✓")
    assert rows["head epoch ÷ forward pass in bfloat16 (words/s)"][1] == "4.00"
    assert rows["head epoch ÷ forward pass in bfloat16 (words/s)"][4:] == ("≥ 5", "✗")
    assert rows["head epoch ÷ its matrix products in bfloat16 (time)"][4:] == ("≤ 1.8", "✗")
    assert rows["peak memory of a whole training"][1] == "2.50 GB"
    slow = {row[0]: row for row in ratio_rows(make_cost(400.0))}
    assert slow["head epoch ÷ forward pass in float32 (words/s)"][4:] == ("≥ 5", "✗")
    assert slow["head epoch ÷ its matrix products in float32 (time)"][4:] == ("≤ 1.8", "✗")


def test_a_machine_that_is_not_steady_is_told_of() -> None:
    cost = make_cost(400.0, 400.0)
    cost["repeats"][1]["raw_forward"]["words_per_s"] = 1300.0
    assert "2 repeats, between which the forward pass alone ran at 100 to 1,300 words/s." in describe(cost)
    assert "between which" not in describe(make_cost(400.0))


def test_without_memory_or_bfloat16_their_rows_are_left_out() -> None:
    repeat = deepcopy(REPEAT)
    for figures in repeat.values():
        del figures["peak_bytes"]
    del repeat["matrix_product"]["bfloat16_feed_forward_gflops"]
    names = [claim.name for claim in rows({**SETTING, "bfloat16": False}, has_memory=False)]
    compute([repeat], {**SETTING, "bfloat16": False}, rows({**SETTING, "bfloat16": False}, has_memory=False))
    assert len(names) == len(make_cost(1.0)["ratios"]) - 8
    assert not [name for name in names if "memory" in name or "bfloat16" in name]


def test_readme_gets_tables_and_chart(tmp_path: Path) -> None:
    cost, chart = make_cost(400.0), tmp_path / "cost.png"
    draw(cost, chart)
    assert chart.read_bytes().startswith(b"\x89PNG")
    readme = tmp_path / "README.md"
    start, end = MARKERS
    readme.write_text(f"before\n{start}\nlast time\n{end}\nafter\n")
    fill_page(readme, MARKERS, cost_markdown(cost, "cost.png"))
    text = readme.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "last time" not in text
    assert "(cost.png)" in text
    assert "posattn-spacy 0.0.1, commit 0123" in text
    assert "| training, posattn-spacy, features in the store | 400 |" in text
    assert "| fine-tuned, spaCy | 17.0 | extrapolated from its words/s |" in text
    fill_page(readme, MARKERS, cost_markdown(cost, "cost.png"))
    assert readme.read_text() == text


def test_a_run_that_was_stopped_goes_on_after_its_last_repeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: List[int] = []

    def take_once(setting: Any, names: Any, number: int, bar: Any) -> Dict[str, Dict[str, float]]:
        if taken == [1, 2]:
            raise RuntimeError("stopped")
        taken.append(number)
        return {"pipe": {"words_per_s": float(number)}}

    monkeypatch.setattr(rounds, "_take_once", take_once)
    notes = rounds.Notes(tmp_path / "repeats.json", {**SETTING, "commit": "0123"})
    setting: Any = None
    with tqdm(disable=True) as bar, pytest.raises(RuntimeError, match="stopped"):
        rounds.take_figures(setting, ["pipe"], 3, bar, notes)
    assert len(notes.read()) == 2
    assert notes._replace(under={**SETTING, "commit": "4567"}).read() == []  # of other code
    taken.clear()
    with tqdm(disable=True) as bar:
        figures = rounds.take_figures(setting, ["pipe"], 3, bar, notes)
    assert taken == [3]
    assert [each["pipe"]["words_per_s"] for each in figures] == [1.0, 2.0, 3.0]


def test_a_process_is_watched_until_its_end(tmp_path: Path) -> None:
    # The process itself says when its memory may have been seen.
    hold = (
        "import os, sys, time\n"
        "block = bytearray(200_000_000)\n"
        "seen = time.monotonic() + 1\n"
        "while time.monotonic() < seen: pass\n"
        "print(os.environ['OMP_NUM_THREADS'])"
    )
    took = run([sys.executable, "-c", hold], threads=3, log=tmp_path / "log")
    assert (tmp_path / "log").read_text() == "3\n"
    assert took.seconds > 1
    assert took.peak_bytes is not None
    assert 200_000_000 < took.peak_bytes < 300_000_000


def test_a_failing_measurement_shows_its_output(tmp_path: Path) -> None:
    workload = Workload(
        **dict.fromkeys(("config", "encoder", "train", "dev", "model"), "nowhere"),
        folder=str(tmp_path),
        docs=1,
        epochs=1,
    )
    with pytest.raises(RuntimeError, match="nowhere"):
        measure("pipe", workload, 1, tmp_path / "log")


def test_workload_reaches_another_process_as_it_is(tmp_path: Path) -> None:
    names = ("config", "encoder", "train", "dev", "model", "folder")
    workload = Workload(**{name: name for name in names}, docs=3, epochs=2)
    workload.write(tmp_path / "workload.json")
    assert Workload.read(tmp_path / "workload.json") == workload
