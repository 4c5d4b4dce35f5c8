from pathlib import Path

import pytest
from malformed import KINDS, Kind

from posattn_spacy.corpora.sentences import CorpusError


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_malformed_corpus_is_named_and_converts_when_mended(kind: Kind, tmp_path: Path) -> None:
    with pytest.raises(CorpusError) as caught:
        kind.convert_broken(tmp_path / "broken")
    message = str(caught.value)
    for part in kind.said:
        assert part in message
    assert "elete" not in message
    files = [path for path in (tmp_path / "broken").rglob("*") if path.is_file()]
    assert {
        path.relative_to(tmp_path / "broken").as_posix(): path.read_bytes() for path in files
    } == kind.broken
    report = kind.convert_mended(tmp_path / "mended")
    assert report.read.entities == kind.entities


def test_there_are_kinds_enough_and_each_is_another() -> None:
    assert len(KINDS) >= 60
    assert len({kind.name for kind in KINDS}) == len(KINDS)
