from pathlib import Path

import pytest
from malformed import KINDS as OTHER_KINDS
from malformed import Kind
from malformed_formats import KINDS as FORMAT_KINDS

KINDS = [*OTHER_KINDS, *FORMAT_KINDS]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_malformed_corpus_is_named_and_converts_when_mended(kind: Kind, tmp_path: Path) -> None:
    assert kind.faults(tmp_path) == []


def test_there_are_kinds_enough_and_each_is_another() -> None:
    assert len(KINDS) >= 60
    assert len({kind.name for kind in KINDS}) == len(KINDS)
