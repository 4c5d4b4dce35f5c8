"""The shipped configs are complete, valid, and what the README says they are."""

from pathlib import Path
from typing import Any, Dict, Set

import pytest
from spacy.cli.debug_config import debug_config
from spacy.cli.init_config import fill_config
from spacy.util import load_config

from posattn_spacy.starting.fitted import TEMPLATE
from processes import ROOT

CONFIGS = sorted((ROOT / "configs").glob("*.cfg"))
BASELINES = sorted((ROOT / "configs" / "baselines").glob("*.cfg"))
MISSING = object()


def settings_of(config: Dict[str, Any], path: str = "") -> Dict[str, Any]:
    """The settings of a config by their dotted paths; an empty section and none are the same."""
    settings: Dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            settings.update(settings_of(value, f"{path}{key}."))
        elif value is not None:
            settings[f"{path}{key}"] = value
    return settings


def test_config_of_the_package_is_the_shipped_one() -> None:
    """It is no link, which a checkout on Windows turns into a file with a path in it."""
    shipped = ROOT / "configs" / "posattn.cfg"
    assert shipped.read_text() == TEMPLATE.read_text()
    assert not any(path.is_symlink() for path in [*CONFIGS, *BASELINES, TEMPLATE])


@pytest.mark.parametrize("path", [*CONFIGS, *BASELINES], ids=lambda path: path.stem)
def test_config_is_valid_and_filled(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filled = tmp_path / path.name
    fill_config(filled, path)
    assert filled.read_text() == path.read_text()
    debug_config(path)
    assert "Config is valid" in capsys.readouterr().out


@pytest.mark.parametrize("path", [*CONFIGS, *BASELINES], ids=lambda path: path.stem)
def test_schedule_ends_with_the_training(path: Path) -> None:
    training = load_config(path)["training"]
    assert training["max_steps"] % training["eval_frequency"] == 0  # the last step is evaluated
    schedule = training["optimizer"]["learn_rate"]
    assert schedule["total_steps"] == training["max_steps"] + 1  # and the last step still learns
    assert schedule["warmup_steps"] < training["max_steps"]


def test_paper_config_has_the_reported_hyperparameters() -> None:
    training = load_config(ROOT / "configs" / "paper.cfg")["training"]
    assert training["max_steps"] == 12 * training["eval_frequency"]
    assert training["optimizer"]["learn_rate"]["@schedules"] == "warmup_linear.v1"
    assert training["optimizer"]["learn_rate"]["initial_rate"] == 3e-5
    assert training["optimizer"]["L2_is_weight_decay"]


def test_no_config_freezes_what_is_frozen_by_itself() -> None:
    for path in CONFIGS:
        training = load_config(path)["training"]
        assert training["frozen_components"] == []
        assert training["annotating_components"] == []


@pytest.mark.parametrize(
    ("name", "sections"),
    [
        ("features", {"components.posattn_ner.model.lexical"}),
        ("positional", {"components.posattn_ner.model.mask", "components.posattn_ner.positional_weight"}),
        ("rare", {"components.posattn_ner.label_weights"}),
    ],
)
def test_variant_differs_from_the_shipped_config_in_what_it_is_about_alone(
    name: str, sections: Set[str]
) -> None:
    shipped, variant = (load_config(ROOT / "configs" / f"{config}.cfg") for config in ("posattn", name))
    settings = [settings_of(config) for config in (shipped, variant)]
    different = {
        path
        for path in settings[0].keys() | settings[1].keys()
        if settings[0].get(path, MISSING) != settings[1].get(path, MISSING)
    }
    assert different
    for section in sections:
        assert any(path.startswith(section) for path in different)
    for path in different:
        assert any(path.startswith(section) for section in sections), path
