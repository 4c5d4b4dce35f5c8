"""Fixtures for corpora that tests write themselves."""

import csv
import io
from pathlib import Path
from typing import Callable, Sequence

import pytest
import spacy
from spacy.vocab import Vocab


@pytest.fixture(scope="session")
def vocab() -> Vocab:
    return spacy.blank("en").vocab


@pytest.fixture
def write_csv(tmp_path: Path) -> Callable[..., Path]:
    """Write rows as a csv file, the first one being the header."""

    def write(rows: Sequence[Sequence[str]], name: str = "own.csv", encoding: str = "utf-8") -> Path:
        text = io.StringIO(newline="")
        csv.writer(text).writerows(rows)
        path = tmp_path / name
        path.write_bytes(text.getvalue().encode(encoding))
        return path

    return write
