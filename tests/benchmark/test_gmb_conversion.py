"""A corpus that was located becomes documents, in both splits."""

import csv
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import spacy
from posattn_benchmark.gmb.conversion import check_counts, convert_located
from posattn_benchmark.gmb.known import GMB
from posattn_benchmark.gmb.locate import SAMPLE_MARK, FoundCorpus, identify, write_source

from posattn_spacy.corpora.docs import read_docs
from posattn_spacy.corpora.read import Format
from posattn_spacy.corpora.sentences import CorpusError
from posattn_spacy.corpora.tables import ROW_LIMIT
from small_corpora import kaggle_rows, run_script


def write_csv(path: Path, n: int) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(kaggle_rows(n))
    return path


def test_a_file_is_split_in_both_ways(tmp_path: Path) -> None:
    source = identify(write_csv(tmp_path / "own.csv", 20))
    report = convert_located(source, tmp_path / "out", Format())
    assert list(report.splits) == ["file-order", "random42"]
    assert [parts["test"].documents for parts in report.splits.values()] == [3, 4]
    written = json.loads((tmp_path / "out" / "corpus.json").read_text())
    assert (written["kind"], written["md5"]) == ("own", source.md5)


def test_the_script_marks_all_it_says_of_the_sample(tmp_path: Path) -> None:
    located = identify(write_csv(tmp_path / "own.csv", 20))
    write_source(FoundCorpus("sample", located.path, located.md5), tmp_path / "source.json")
    result = run_script("corpus.py", "source.json", "out", "--n-sents", 2, cwd=tmp_path)
    assert result.code == 0, result.output
    for text in ("Counts", "Converted to out", "These are not the figures of the real corpus"):
        assert f"{SAMPLE_MARK}{text}" in result.output
    assert "file-order train 7 14 70 28 14 14" in result.output
    assert json.loads((tmp_path / "out" / "corpus.json").read_text())["kind"] == "sample"
    nlp = spacy.blank("en")
    assert len(read_docs(tmp_path / "out" / "file-order" / "test.spacy", nlp.vocab).docs) == 2


def test_check_counts_refuses_other_counts(tmp_path: Path) -> None:
    check_counts(GMB.counts, GMB.counts, tmp_path)
    with pytest.raises(CorpusError, match=r"known checksum, but was read as.*tokens=1,"):
        check_counts(replace(GMB.counts, tokens=1), GMB.counts, tmp_path)


def test_the_counts_of_the_known_file_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = identify(write_csv(tmp_path / "own.csv", 20))
    with pytest.raises(CorpusError, match=r"known checksum, but was read as.*sentences=20,"):
        convert_located(replace(source, kind="gmb"), tmp_path / "out", Format())


def test_the_table_is_taken_out_of_the_archive_of_kaggle(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "own.csv", 20)
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as file:
        file.writestr("ner.csv", "another table")
        file.write(path, GMB.file_name)
    source = identify(tmp_path / "archive.zip")
    assert source.md5 == identify(path).md5
    assert convert_located(source, tmp_path / "out", Format()).read.sentences == 20


def test_known_counts_add_up() -> None:
    assert sum(GMB.counts.types.values()) == GMB.counts.entities == 111_891
    assert GMB.counts.tokens == ROW_LIMIT
