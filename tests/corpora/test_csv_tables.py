import zipfile
from pathlib import Path
from typing import Callable, List

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posattn_spacy.corpora import tables
from posattn_spacy.corpora.repairs import (
    EMPTY_WORDS,
    MISSING_IDS,
    ORPHANS,
    REPEATED_IDS,
    REPLACED_BYTES,
    SHORT_ROWS,
)
from posattn_spacy.corpora.sentences import CorpusError, Sentence
from posattn_spacy.corpora.tables import ROW_LIMIT, read_csv
from small_corpora import kaggle_rows

WriteCsv = Callable[..., Path]
HEADER = ["Sentence #", "Word", "POS", "Tag"]


def test_read_csv_reads_the_format_of_kaggle(write_csv: WriteCsv) -> None:
    rows = [
        HEADER,
        ["Sentence: 1", "None", "NN", "O"],
        ["", '"', "``", "O"],
        ["", "NA", "NNP", "B-geo"],
        ["Sentence: 2", "Caf\u00e9\u2019s", "NNP", "B-org"],
    ]
    corpus = read_csv(write_csv(rows, encoding="cp1252"))
    assert corpus.sentences == [
        Sentence("Sentence: 1", ["None", '"', "NA"], ["O", "O", "B-geo"], ["NN", "``", "NNP"]),
        Sentence("Sentence: 2", ["Caf\u00e9\u2019s"], ["B-org"], ["NNP"]),
    ]
    assert corpus.cut_off is None
    assert not corpus.repairs
    assert corpus.notes == ["The file is not UTF-8, so it was read as cp1252."]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_read_csv_recognises_utf8(write_csv: WriteCsv, encoding: str) -> None:
    rows = [HEADER, ["Sentence: 1", "Caf\u00e9", "NN", "O"]]
    corpus = read_csv(write_csv(rows, encoding=encoding))
    assert corpus.sentences[0].words == ["Caf\u00e9"]
    assert corpus.notes == []


def test_read_csv_accepts_any_column_order_and_no_pos(write_csv: WriteCsv) -> None:
    rows = [["Tag", "extra", "Word", "Sentence #"], ["B-geo", "x", "Oslo", "Sentence: 1"]]
    assert read_csv(write_csv(rows)).sentences == [Sentence("Sentence: 1", ["Oslo"], ["B-geo"])]


def test_read_csv_accepts_numbers_in_every_row(write_csv: WriteCsv) -> None:
    rows = kaggle_rows(3)
    filled: List[List[str]] = []
    for row in rows:
        filled.append([row[0] or filled[-1][0], *row[1:]])
    assert read_csv(write_csv(filled, "filled.csv")).sentences == read_csv(write_csv(rows)).sentences


def test_read_csv_reads_the_csv_file_inside_an_archive(write_csv: WriteCsv, tmp_path: Path) -> None:
    path = write_csv(kaggle_rows(2))
    archive = tmp_path / "own.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(path, "folder/own.csv")
        file.writestr("__MACOSX/own.csv", "shadow")
        file.writestr("README.md", "hello")
    assert read_csv(archive).sentences == read_csv(path).sentences


def test_read_csv_refuses_an_archive_with_two_tables(tmp_path: Path) -> None:
    archive = tmp_path / "two.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.csv", "")
        file.writestr("b.csv", "")
    with pytest.raises(CorpusError, match=r"exactly one csv file, but holds: a\.csv, b\.csv"):
        read_csv(archive)


def test_read_csv_refuses_a_broken_archive(tmp_path: Path) -> None:
    archive = tmp_path / "broken.zip"
    archive.write_bytes(b"no archive")
    with pytest.raises(CorpusError, match=r"broken\.zip is no intact zip archive.*Fetch it again"):
        read_csv(archive)


# What is wrong, at which line it must be found, and what the message must say.
FAULTS = {
    "missing columns": (
        b"Sentence #;Word;Tag\n1;a;O\n",
        r"line 1: missing columns: Sentence #, Word, Tag \(found: Sentence #;Word;Tag\)\. The first",
    ),
    "empty file": (b"", r"line 1: missing columns.*found: none"),
    "orphan": (
        b"Sentence #,Word,Tag\nS1,a,O\n,b,I-geo\n",
        r'line 3: "I-geo" continues no entity of its type\. Correct the tag, or pass --repair',
    ),
    "orphan after another type": (
        b"Sentence #,Word,Tag\nS1,a,B-per\n,b,I-geo\n",
        r'line 3: "I-geo" continues no entity',
    ),
    "orphan after a boundary": (
        b"Sentence #,Word,Tag\nS1,a,B-geo\nS2,b,I-geo\n",
        r'line 3: "I-geo" continues no entity',
    ),
    "unknown prefix": (
        b"Sentence #,Word,Tag\nS1,a,X-geo\n",
        r'line 2: "X-geo" is no IOB2 tag\. Write O, or',
    ),
    "empty tag": (b"Sentence #,Word,Tag\nS1,a,\n", r'line 2: "" is no IOB2 tag'),
    "empty word": (
        b"Sentence #,Word,Tag\nS1,a,O\n,,O\n",
        r"line 3: the word is empty\. Fill it in, or pass --repair",
    ),
    "blank word": (b"Sentence #,Word,Tag\nS1,a,O\n\n, ,O\n", r"line 4: the word is empty"),
    "short row": (
        b"Sentence #,Word,Tag\nS1,a\n",
        r"line 2: missing columns: the row has 2 columns, the header 3\. Complete",
    ),
    "long row": (
        b"Sentence #,Word,Tag\nS1,1,000,O\n",
        r"line 2: the row has 4 columns, the header 3\. Put a cell with a comma",
    ),
    "no first number": (b"Sentence #,Word,Tag\n,a,O\n", r'line 2: the first row has no "Sentence'),
    "number used twice": (
        b"Sentence #,Word,Tag\nS1,a,O\nS2,b,O\nS1,c,O\n",
        r'line 4: "S1" stands for another sentence since line 2\. Write a number of its own',
    ),
    "damaged utf-8": (
        b"Sentence #,Word,Tag\nS1,Caf\xc3\xa9,O\n,\x92s,O\n",
        r"line 3: byte 0x92 is not utf-8\. Pass the file's encoding with --encoding",
    ),
    "not cp1252 either": (b"Sentence #,Word,Tag\nS1,a\x81,O\n", r"line 2: byte 0x81 is not cp1252"),
    "stray quotation mark": (
        b'Sentence #,Word,Tag\nS1,a,O\n,",O\n,b,O\n',
        r"line 3: the row cannot be read \(.*\)\. A quotation mark is written as",
    ),
    "quotation mark pair": (
        b'Sentence #,Word,Tag\nS1,a,O\n,"b\n,c",O\n',
        r"line 3: the word runs over several lines\. A quotation mark",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_read_csv_error_names_file_line_and_remedy(tmp_path: Path, fault: str) -> None:
    data, message = FAULTS[fault]
    path = tmp_path / "faulty.csv"
    path.write_bytes(data)
    with pytest.raises(CorpusError, match=rf"faulty\.csv, {message}"):
        read_csv(path)


def test_read_csv_error_on_a_wrong_encoding(write_csv: WriteCsv) -> None:
    path = write_csv([HEADER, ["S1", "Caf\u00e9", "NN", "O"]], encoding="cp1252")
    with pytest.raises(CorpusError, match="line 2: byte 0xe9 is not utf-8"):
        read_csv(path, encoding="utf-8")
    with pytest.raises(CorpusError, match=r'no encoding "utf-9".*--encoding utf-8'):
        read_csv(path, encoding="utf-9")


def test_read_csv_error_on_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"none\.csv cannot be read.*Check the path"):
        read_csv(tmp_path / "none.csv")


def test_read_csv_repairs_and_counts(tmp_path: Path) -> None:
    path = tmp_path / "faulty.csv"
    path.write_bytes(
        b"Sentence #,Word,Tag\n,first,O\nS1,a,I-geo\n,,B-geo\n,b,I-geo\n,c,B-per\n,d,I-geo\n"
        b",short\nS2,Caf\xc3\xa9,O\n,\x92\x93s,O\nS1,e,O\nS3,,O\n"
    )
    corpus = read_csv(path, repair=True)
    assert corpus.sentences == [
        Sentence("Sentence: 0", ["first"], ["O"]),
        Sentence("S1", ["a", "b", "c", "d"], ["B-geo", "I-geo", "B-per", "B-geo"]),
        Sentence("S2", ["Caf\u00e9", "\ufffd\ufffds"], ["O", "O"]),
        Sentence("S1", ["e"], ["O"]),
    ]
    assert corpus.repairs == {
        MISSING_IDS: 1,
        ORPHANS: 2,
        EMPTY_WORDS: 2,
        SHORT_ROWS: 1,
        REPLACED_BYTES: 2,
        REPEATED_IDS: 1,
    }


def test_read_csv_drops_a_row_but_not_the_sentence_it_begins(tmp_path: Path) -> None:
    path = tmp_path / "faulty.csv"
    path.write_text("Sentence #,Word,Tag\nS1,a,O\nS2,short\n,b,O\nS3,,O\n,c,O\n")
    corpus = read_csv(path, repair=True)
    assert [(sentence.id, sentence.words) for sentence in corpus.sentences] == [
        ("S1", ["a"]),
        ("S2", ["b"]),
        ("S3", ["c"]),
    ]


@pytest.mark.parametrize("fault", ["missing columns", "unknown prefix", "long row"])
def test_read_csv_does_not_repair_what_it_would_have_to_guess(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "faulty.csv"
    path.write_bytes(FAULTS[fault][0])
    with pytest.raises(CorpusError):
        read_csv(path, repair=True)


CELL = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=5).filter(
    lambda word: bool(word.strip()) and not word.startswith("\ufeff")
)


@given(st.lists(st.lists(CELL, min_size=1, max_size=5), min_size=1, max_size=5))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_read_csv_never_changes_a_word(write_csv: WriteCsv, sentences: List[List[str]]) -> None:
    rows = [["Sentence #", "Word", "Tag"]]
    for i, words in enumerate(sentences):
        rows += [[f"Sentence: {i}" if j == 0 else "", word, "O"] for j, word in enumerate(words)]
    assert [sentence.words for sentence in read_csv(write_csv(rows)).sentences] == sentences


@pytest.mark.parametrize(("n_rows", "is_cut"), [(ROW_LIMIT, True), (ROW_LIMIT - 1, False)])
def test_read_csv_marks_the_sentence_that_the_row_limit_cuts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_rows: int, is_cut: bool
) -> None:
    # The limit itself is a fact about spreadsheets; a file of a million rows would only take time.
    assert ROW_LIMIT == 2**20 - 1
    monkeypatch.setattr(tables, "ROW_LIMIT", 9)
    rows = n_rows - ROW_LIMIT + 9
    path = tmp_path / "long.csv"
    path.write_text(
        "Sentence #,Word,Tag\n"
        + "".join(f"{f'S{i // 4}' if i % 4 == 0 else ''},w{i},O\n" for i in range(rows))
    )
    corpus = read_csv(path)
    assert len(corpus.sentences) == (rows + 3) // 4
    if is_cut:
        assert corpus.cut_off == 2
        assert "row limit of a spreadsheet" in corpus.notes[0]
        assert '("S2", 1 tokens) is cut off and left out' in corpus.notes[0]
    else:
        assert corpus.cut_off is None
        assert corpus.notes == []
