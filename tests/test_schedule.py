"""The training schedule follows the size of the corpus."""

from math import ceil
from pathlib import Path
from typing import Any, Callable, Dict, List, Set, Tuple

import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.util import load_config

from posattn_spacy import schedule
from posattn_spacy.annotating.effort import Effort, short_training
from posattn_spacy.schedule import LEAST_WORDS, measure_pass, scaled_schedule, schedule_of
from posattn_spacy.starting import fitted
from posattn_spacy.starting.fitted import LAYERS, SIZE, fitted_training
from processes import ROOT, run

CONFIG = ROOT / "configs" / "posattn.cfg"
OWN = {"@batchers": "posattn-spacy.batch_by_padded.v1", "size": 512, "buffer": 512}


def write_corpus(path: Path, n_docs: int) -> Path:
    nlp = spacy.blank("en")
    docs = [nlp.make_doc("one two three four") for _ in range(n_docs)]
    DocBin(docs=docs).to_disk(path)
    return path


def as_overrides(paths: Dict[str, Path]) -> Dict[str, str]:
    return {f"paths.{name}": str(path) for name, path in paths.items()}


def test_a_pass_is_measured_with_the_batcher_of_the_config(tmp_path: Path) -> None:
    path = write_corpus(tmp_path / "train.spacy", 10)
    overrides = {"paths.train": str(path), "training.batcher.size": 8}  # two documents of four tokens
    assert measure_pass(load_config(CONFIG, overrides=overrides)) == (5, 40)


def test_schedule_keeps_the_passes_and_the_share_of_warmup() -> None:
    config = load_config(CONFIG)
    passes = config["training"]["max_steps"] // config["training"]["eval_frequency"]
    scaled = scaled_schedule(config, 1000)
    assert scaled["training.eval_frequency"] == 1000
    assert scaled["training.max_steps"] == passes * 1000
    assert scaled["training.optimizer.learn_rate.total_steps"] == passes * 1000 + 1
    share = scaled["training.optimizer.learn_rate.warmup_steps"] / scaled["training.max_steps"]
    assert share == pytest.approx(0.1, abs=0.01)


def test_schedule_of_the_published_corpus_is_the_one_in_the_config() -> None:
    config = load_config(CONFIG)
    scaled = scaled_schedule(config, config["training"]["eval_frequency"])
    assert scaled["training.max_steps"] == config["training"]["max_steps"]
    learn_rate = config["training"]["optimizer"]["learn_rate"]
    assert scaled["training.optimizer.learn_rate.warmup_steps"] == learn_rate["warmup_steps"]
    assert scaled["training.optimizer.learn_rate.total_steps"] == learn_rate["total_steps"]


@pytest.mark.parametrize("size", [1024, 4096])
def test_schedule_of_a_small_corpus_still_reads_enough_words(size: int) -> None:
    scaled = scaled_schedule(load_config(CONFIG, overrides={"training.batcher.size": size}), 1)
    assert scaled["training.max_steps"] * size >= LEAST_WORDS
    assert scaled["training.max_steps"] % scaled["training.eval_frequency"] == 0


@pytest.mark.parametrize(
    ("n_docs", "size", "passes"),
    [
        (5_000, 4096, 8),  # as the config has it
        (4_999, 1024, 4),
        (512, 1024, 24),  # as many as it takes to learn enough
    ],
)
def test_a_small_corpus_is_learned_from_in_small_batches(
    tiny_encoder: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    n_docs: int,
    size: int,
    passes: int,
) -> None:
    monkeypatch.setattr(fitted, "LARGE", 20_000)
    monkeypatch.setattr(schedule, "LEAST_WORDS", 24 * 2048)
    paths = {"train": write_corpus(tmp_path / "train.spacy", n_docs), "encoder": tiny_encoder("bert")}
    settings, one = fitted_training(load_config(CONFIG, overrides=as_overrides(paths)))
    assert settings.get("training.batcher.size", 4096) == size
    assert one.words == 4 * n_docs
    assert one.batches == ceil(one.words / size)
    evaluations = 8 if size == 4096 else 4
    assert 0 <= settings["training.max_steps"] - passes * one.batches < evaluations
    assert settings["training.max_steps"] == evaluations * settings["training.eval_frequency"]


def test_what_counts_as_small_is_what_was_measured() -> None:
    """docs/defaults.md has the figures behind these numbers."""
    assert (fitted.LARGE, fitted.ALL_LAYERS_WORDS, fitted.ALL_LAYERS_GB) == (400_000, 50_000, 3.0)
    assert (fitted.SMALL_BATCH, fitted.SMALL_PASSES, LEAST_WORDS) == (1024, 4, 480 * 1024)


@pytest.mark.parametrize(
    ("changed", "given", "kept"),
    [
        ({}, (), {1024, 3}),
        ({"training.batcher.size": 2048}, (), {3}),
        ({"training.max_steps": 424, "training.eval_frequency": 212}, (), {3}),
        ({}, ("training.batcher.size",), {3}),
        ({}, ("components.transformer.model.layers",), {1024}),
        ({"components.transformer.model.layers": 2}, (), {1024}),
        ({"components.transformer.model.layers": [0, -1]}, (), {1024}),
    ],
)
def test_what_was_chosen_stays(
    tiny_encoder: Callable[[str], Path],
    tmp_path: Path,
    changed: Dict[str, Any],
    given: Tuple[str, ...],
    kept: Set[int],
) -> None:
    paths = {"train": write_corpus(tmp_path / "train.spacy", 100), "encoder": tiny_encoder("bert")}
    config = load_config(CONFIG, overrides={**as_overrides(paths), **changed})
    settings = fitted_training(config, given).overrides
    assert {settings[key] for key in (SIZE, LAYERS) if key in settings} == kept
    assert settings["training.optimizer.learn_rate.total_steps"] == settings["training.max_steps"] + 1


@pytest.mark.parametrize(
    "batcher", [OWN, {"@batchers": "spacy.batch_by_sequence.v1", "size": 8, "get_length": None}]
)
def test_batches_of_ones_own_stay(
    tiny_encoder: Callable[[str], Path], tmp_path: Path, batcher: Dict[str, Any]
) -> None:
    paths = {"train": write_corpus(tmp_path / "train.spacy", 100), "encoder": tiny_encoder("bert")}
    config = load_config(CONFIG, overrides=as_overrides(paths))
    config["training"]["batcher"] = batcher
    assert "training.batcher.size" not in fitted_training(config).overrides


def test_batches_whose_size_changes_stay(tiny_encoder: Callable[[str], Path], tmp_path: Path) -> None:
    paths = {"train": write_corpus(tmp_path / "train.spacy", 100), "encoder": tiny_encoder("bert")}
    config = load_config(CONFIG, overrides=as_overrides(paths))
    growing = {"@schedules": "compounding.v1", "start": 100, "stop": 1000, "compound": 1.001}
    config["training"]["batcher"] = {
        "@batchers": "spacy.batch_by_words.v1",
        "discard_oversize": False,
        "tolerance": 0.2,
        "get_length": None,
        "size": growing,
    }
    for settings in (
        fitted_training(config).overrides,
        short_training(config, _examples(paths["train"]), Effort(1_000, 2, 8)),
    ):
        assert SIZE not in settings
        assert settings["training.max_steps"] > 0


def _examples(path: Path) -> List[Example]:
    nlp = spacy.blank("en")
    return [Example(doc, doc) for doc in DocBin().from_disk(path).get_docs(nlp.vocab)]


def test_empty_corpus_ends_training_with_its_path(tmp_path: Path) -> None:
    path = write_corpus(tmp_path / "train.spacy", 0)
    arguments = ("--output", tmp_path / "out", "--paths.train", path)
    result = run("scripts/train.py", CONFIG, *arguments, fails=True)
    assert f"{path} is empty" in " ".join(result.stdout.split()).replace("- ", "-")


def test_settings_on_the_command_line_win_over_the_schedule(
    tiny_encoder: Callable[[str], Path], tmp_path: Path
) -> None:
    path = write_corpus(tmp_path / "train.spacy", 4)
    arguments = ("--output", tmp_path / "out", "--paths.train", path, "--training.max_steps", "987")
    arguments += ("--paths.encoder", tiny_encoder("bert"))
    shown = run("scripts/train.py", CONFIG, *arguments, fails=True).stdout  # there is no dev corpus
    command = "".join(shown.split("Running:")[1].split("===")[0].split())
    assert command.count("--training.max_steps") == 1
    assert "--training.max_steps987" in command


def test_schedule_without_an_end_is_refused() -> None:
    config = load_config(CONFIG, overrides={"training.max_steps": 0})
    with pytest.raises(ValueError, match="max_steps of at least"):
        schedule_of(config, 100, 1)


def test_schedule_of_another_kind_is_refused() -> None:
    config = load_config(CONFIG, overrides={"training.max_steps": 10, "training.eval_frequency": 20})
    with pytest.raises(ValueError, match="can't be fitted"):
        scaled_schedule(config, 5)


def test_other_number_of_passes_keeps_the_share_of_warmup() -> None:
    scaled = scaled_schedule(load_config(CONFIG), 1000, passes=3)
    assert scaled["training.max_steps"] == 3000
    assert scaled["training.optimizer.learn_rate.total_steps"] == 3001
    assert scaled["training.optimizer.learn_rate.warmup_steps"] == pytest.approx(300, abs=1)
