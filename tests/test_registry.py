"""Every entry point of setup.cfg leads somewhere, and spaCy finds it."""

from configparser import ConfigParser
from importlib import import_module
from pathlib import Path
from typing import Iterator, Tuple

import pytest
from spacy.util import registry

SETUP = Path(__file__).parents[1] / "setup.cfg"


def entry_points() -> Iterator[Tuple[str, str, str]]:
    """Group, name and target of every entry point that spaCy reads."""
    parser = ConfigParser(delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(SETUP, encoding="utf8")
    for group, lines in parser["options.entry_points"].items():
        for line in lines.strip().splitlines():
            name, target = (part.strip() for part in line.split("="))
            if group.startswith("spacy_"):
                yield group.removeprefix("spacy_"), name, target


def target_of(path: str) -> object:
    module, attribute = path.split(":")
    return getattr(import_module(module), attribute)


def test_setup_lists_the_names_that_configs_use():
    names = {name for _, name, _ in entry_points()}
    assert names >= {
        "posattn_ner",
        "posattn-spacy.PosAttnTagger.v1",
        "posattn-spacy.LexicalEmbed.v1",
        "posattn-spacy.FrozenTransformer.v1",
        "posattn-spacy.FrozenListener.v1",
        "posattn-spacy.FrozenTok2Vec.v1",
        "posattn-spacy.ner_scorer.v1",
        "posattn-spacy.batch_by_padded.v1",
        "posattn-spacy.retokenize.v1",
        "posattn-spacy.feature_store.v1",
        "posattn-spacy.calibrate.v1",
        "posattn",
    }


@pytest.mark.parametrize(("group", "name", "target"), list(entry_points()))
def test_entry_point_is_what_spacy_finds(group, name, target):
    if group == "cli":  # a typer app or command, which spaCy imports and does not look up by name
        assert target_of(target) is not None
        return
    # spaCy keeps the factories that it finds by entry point apart from those that are imported.
    found = registry._entry_point_factories if group == "factories" else getattr(registry, group)
    assert found.get(name) is target_of(target)
