import hashlib
import json
import os
import socket
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Iterator

import pytest
from posattn_benchmark.gmb.known import GMB, KnownCorpus
from posattn_benchmark.gmb.locate import (
    DATA_VARIABLE,
    SAMPLE_MARK,
    FoundCorpus,
    identify,
    locate_corpus,
    read_source,
    write_source,
)

from posattn_spacy.corpora.sentences import CorpusError
from small_corpora import ScriptResult, kaggle_rows, run_script

CSV = "".join(",".join(row) + "\n" for row in kaggle_rows(3)).encode()


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project with a sample corpus, as current folder."""
    root = tmp_path / "project"
    (root / "assets" / "sample").mkdir(parents=True)
    (root / "assets" / "sample" / "sample.csv").write_bytes(CSV + b"S9,sample,NN,O\n")
    monkeypatch.chdir(root)
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    return root


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """What stands online."""
    path = tmp_path / "online.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(GMB.file_name, CSV)
    return path


@pytest.fixture
def known(archive: Path) -> KnownCorpus:
    """A published corpus that a file URL leads to."""
    zip_md5 = md5(archive.read_bytes())
    return replace(GMB, url=archive.as_uri(), md5=md5(CSV), zip_md5=zip_md5)


@pytest.fixture
def offline(known: KnownCorpus) -> Iterator[KnownCorpus]:
    """The same under an address where nobody answers."""
    with socket.socket() as bound:
        bound.bind(("localhost", 0))  # bound but not listening: connections are refused
        yield replace(known, url=f"http://localhost:{bound.getsockname()[1]}/ner_dataset.csv.zip")


def locate(project: Path, known: KnownCorpus, corpus: Path | None = None) -> tuple:
    return locate_corpus(corpus, Path("assets"), Path("assets") / "sample" / "sample.csv", known=known)


def test_locate_prefers_the_users_own_corpus(project: Path, known: KnownCorpus) -> None:
    (project / "assets" / GMB.file_name).write_bytes(CSV)
    (project / "mine.csv").write_bytes(b"Sentence #,Word,Tag\n")
    source, notes = locate(project, known, Path("mine.csv"))
    assert source == FoundCorpus("own", Path("mine.csv"), md5(b"Sentence #,Word,Tag\n"))
    assert notes == []


@pytest.mark.parametrize("form", ["csv", "zip"])
def test_locate_finds_the_corpus_in_assets(
    project: Path, archive: Path, offline: KnownCorpus, form: str
) -> None:
    name = GMB.file_name if form == "csv" else f"{GMB.file_name}.zip"
    (project / "assets" / name).write_bytes(CSV if form == "csv" else archive.read_bytes())
    source, notes = locate(project, offline)
    # The archive and its csv file are the same corpus.
    assert source == FoundCorpus("gmb", Path("assets") / name, md5(CSV))
    assert notes == []


def test_locate_finds_the_corpus_in_the_data_folder(
    project: Path, offline: KnownCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    (tmp_path / GMB.file_name).write_bytes(CSV)
    source, notes = locate(project, offline)
    assert source == FoundCorpus("gmb", (tmp_path / GMB.file_name).resolve(), md5(CSV))
    assert notes == []


def test_locate_downloads_into_assets(project: Path, archive: Path, known: KnownCorpus) -> None:
    source, _ = locate(project, known)
    downloaded = project / "assets" / f"{GMB.file_name}.zip"
    assert source == FoundCorpus("gmb", Path("assets") / downloaded.name, md5(CSV))
    assert downloaded.read_bytes() == archive.read_bytes()


def test_locate_falls_back_to_the_sample(
    project: Path, offline: KnownCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "empty"))
    source, notes = locate(project, offline)
    assert source.kind == "sample"
    assert source.path == Path("assets/sample/sample.csv")
    assert source.mark == SAMPLE_MARK
    assert f"{DATA_VARIABLE}={tmp_path / 'empty'} holds no" in notes[0]
    assert f"{offline.url} could not be downloaded" in notes[1]
    assert len(notes) == 2
    assert os.listdir("assets") == ["sample"]


def test_locate_never_keeps_a_wrong_download(project: Path, known: KnownCorpus) -> None:
    source, notes = locate(project, replace(known, zip_md5="0" * 32))
    assert source.kind == "sample"
    assert f"wrong checksum, expected {'0' * 32}, got {known.zip_md5}" in notes[0]
    assert os.listdir("assets") == ["sample"]


def test_locate_error_without_any_corpus(project: Path, offline: KnownCorpus) -> None:
    (project / "assets" / "sample" / "sample.csv").unlink()
    with pytest.raises(CorpusError, match=r"No corpus.*could not be downloaded.*--corpus"):
        locate(project, offline)


@pytest.mark.parametrize("name", [GMB.file_name, f"{GMB.file_name}.zip"])
@pytest.mark.parametrize("place", ["assets", "data", "own"])
def test_locate_error_on_a_wrong_checksum(
    project: Path,
    known: KnownCorpus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    place: str,
) -> None:
    folder = {"assets": project / "assets", "data": tmp_path / "data", "own": project}[place]
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"cut short")
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    corpus = folder / name if place == "own" else None
    message = rf"{name}: wrong checksum, expected {known.md5} for .*, got {md5(b'cut short')}\. If it shall"
    with pytest.raises(CorpusError, match=message):
        locate(project, known, corpus)
    assert (folder / name).read_bytes() == b"cut short"


def test_locate_error_on_a_missing_own_corpus(project: Path, known: KnownCorpus) -> None:
    with pytest.raises(CorpusError, match=r"no corpus mine\.csv\. Check the path"):
        locate(project, known, Path("mine.csv"))


def test_identify_knows_the_sample_when_it_is_chosen(project: Path) -> None:
    sample = Path("assets/sample/sample.csv")
    assert identify(sample.resolve(), sample) == identify(sample, sample)
    assert identify(sample, sample).kind == "sample"


def test_write_source_touches_the_file_only_on_a_change(project: Path) -> None:
    path = project / "corpus" / "source.json"
    source = FoundCorpus("own", Path("mine.csv"), "0" * 32)
    assert write_source(source, path)
    before = path.stat()
    assert not write_source(source, path)
    assert path.stat() == before
    assert write_source(replace(source, kind="sample"), path)
    assert json.loads(path.read_text()) == {"kind": "sample", "path": "mine.csv", "md5": "0" * 32}


def test_read_source_returns_what_was_written(project: Path) -> None:
    source = identify(Path("assets/sample/sample.csv"))
    write_source(source, project / "source.json")
    assert read_source(project / "source.json") == source


def test_read_source_error_on_a_corpus_that_has_changed(project: Path) -> None:
    write_source(identify(Path("assets/sample/sample.csv")), project / "source.json")
    with open("assets/sample/sample.csv", "a") as file:
        file.write("one,more,NN,O\n")
    with pytest.raises(CorpusError, match=r"sample\.csv: wrong checksum.*locate it again"):
        read_source(project / "source.json")
    Path("assets/sample/sample.csv").unlink()
    with pytest.raises(CorpusError, match="which is not there"):
        read_source(project / "source.json")


@pytest.mark.parametrize("text", ["", "[]", '{"kind": "own"}'])
def test_read_source_error_on_a_broken_file(project: Path, text: str) -> None:
    (project / "source.json").write_text(text)
    with pytest.raises(CorpusError, match=r"does not name a corpus with kind, path and md5"):
        read_source(project / "source.json")


def test_read_source_names_annotation_that_is_taken_for_it(project: Path) -> None:
    export = [{"id": 1, "data": {"text": "Ann left."}, "annotations": [{"result": []}]}]
    (project / "export.json").write_text(json.dumps(export))
    with pytest.raises(CorpusError, match=r"export\.json is JSON from Label Studio") as caught:
        read_source(project / "export.json")
    assert "elete" not in str(caught.value)
    assert json.loads((project / "export.json").read_text()) == export


def test_what_is_written_about_a_corpus_is_read(project: Path) -> None:
    source = identify(Path("assets/sample/sample.csv"))
    write_source(source, project / "source.json")
    assert read_source(project / "source.json") == source


def test_write_source_error_where_a_file_is_in_the_way(project: Path) -> None:
    (project / "corpus").write_text("notes")
    source = FoundCorpus("own", Path("mine.csv"), "0" * 32)
    with pytest.raises(CorpusError, match=r"corpus is a file, where a folder is needed\. Write to another"):
        write_source(source, project / "corpus" / "source.json")
    assert (project / "corpus").read_text() == "notes"


def test_locate_script_writes_the_source(project: Path) -> None:
    (project / "mine.csv").write_bytes(CSV)

    def run() -> ScriptResult:
        return run_script("locate.py", "corpus/source.json", "--corpus", "mine.csv", cwd=project)

    first = run()
    assert first.code == 0, first.output
    assert "Corpus (own): mine.csv, written to corpus/source.json" in first.output
    written = json.loads((project / "corpus" / "source.json").read_text())
    assert written == {"kind": "own", "path": "mine.csv", "md5": md5(CSV)}
    assert "as before in" in run().output


def test_locate_script_marks_the_sample(project: Path) -> None:
    sample = "assets/sample/sample.csv"
    result = run_script("locate.py", "source.json", "--corpus", sample, cwd=project)
    assert result.code == 0
    assert f"{SAMPLE_MARK}This is not the real corpus" in result.output
    assert f"{SAMPLE_MARK}Corpus (sample): {sample}" in result.output


def test_locate_script_says_what_is_in_the_way(project: Path) -> None:
    (project / "mine.csv").write_bytes(CSV)
    (project / "corpus").write_text("notes")
    result = run_script("locate.py", "corpus/source.json", "--corpus", "mine.csv", cwd=project)
    assert result.code == 1
    assert "corpus is a file, where a folder is needed" in result.output
    assert "Traceback" not in result.output


def test_locate_script_refuses_a_wrong_checksum(project: Path, tmp_path: Path) -> None:
    (tmp_path / GMB.file_name).write_bytes(CSV)
    result = run_script("locate.py", "source.json", "--corpus", "", cwd=project, data=str(tmp_path))
    assert result.code == 1
    assert f"wrong checksum, expected {GMB.md5}" in result.output
    assert not (project / "source.json").exists()
