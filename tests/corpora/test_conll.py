from pathlib import Path

import pytest
from small_corpora import SENTENCE, conll_text

from posattn_spacy.corpora.conll import read_conll
from posattn_spacy.corpora.repairs import EMPTY_WORDS, ORPHANS, REPLACED_BYTES, SHORT_ROWS, UNCLOSED
from posattn_spacy.corpora.sentences import CorpusError, Sentence


def write(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "own.conll"
    path.write_bytes(text.encode(encoding))
    return path


def test_read_conll_reads_sentences(tmp_path: Path) -> None:
    words, tags = (list(column) for column in zip(*SENTENCE, strict=True))
    corpus = read_conll(write(tmp_path, conll_text(2)))
    assert corpus.sentences == [
        Sentence("Sentence: 1", words, tags),
        Sentence("Sentence: 2", words, tags),
    ]
    assert corpus.notes == ["The tags were read as IOB2."]


@pytest.mark.parametrize(
    ("text", "scheme"),
    [
        ("Oslo I-geo\nRome B-geo\nand O\nAnn I-per\nLee I-per\n", "IOB1"),
        ("Oslo B-geo\nRome B-geo\nand O\nAnn B-per\nLee I-per\n", "IOB2"),
        ("Oslo U-geo\nRome U-geo\nand O\nAnn B-per\nLee L-per\n", "BILUO"),
        ("Oslo S-geo\nRome S-geo\nand O\nAnn B-per\nLee E-per\n", "BILUO"),
    ],
)
def test_read_conll_normalises_every_scheme(tmp_path: Path, text: str, scheme: str) -> None:
    corpus = read_conll(write(tmp_path, text))
    assert corpus.sentences[0].tags == ["B-geo", "B-geo", "O", "B-per", "I-per"]
    assert corpus.notes == [f"The tags were read as {scheme}."]


def test_read_conll_knows_boundaries_and_keeps_odd_words(tmp_path: Path) -> None:
    text = (
        "\ufeff-DOCSTART- -X- O O\n\n# NN O\n5\u00a0m CD O\n\n \t\n\n-DOCSTART- -X- O O\n\n"
        "next\u2028line NN B-geo\r\n\r\nlast NN O"
    )
    corpus = read_conll(write(tmp_path, text))
    assert [sentence.words for sentence in corpus.sentences] == [
        ["#", "5\u00a0m"],
        ["next\u2028line"],
        ["last"],
    ]
    assert [sentence.id for sentence in corpus.sentences] == [
        "Sentence: 1",
        "Sentence: 2",
        "Sentence: 3",
    ]


@pytest.mark.parametrize("separator", ["\t", " ", "   ", " \t "])
def test_read_conll_takes_any_column(tmp_path: Path, separator: str) -> None:
    path = write(tmp_path, separator.join(["7", "Oslo", "B-geo", "NNP"]) + "\n")
    corpus = read_conll(path, word_column=1, tag_column=-2)
    assert corpus.sentences == [Sentence("Sentence: 1", ["Oslo"], ["B-geo"])]


def test_read_conll_keeps_blanks_inside_tabbed_words(tmp_path: Path) -> None:
    corpus = read_conll(write(tmp_path, "New York\tB-geo\n"))
    assert corpus.sentences[0].words == ["New York"]


def test_read_conll_takes_an_encoding(tmp_path: Path) -> None:
    path = write(tmp_path, "Caf\u00e9\u2019s O\n", "cp1252")
    assert read_conll(path, encoding="cp1252").sentences[0].words == ["Caf\u00e9\u2019s"]
    with pytest.raises(CorpusError, match=r"own\.conll, line 1: byte 0xe9 is not utf-8"):
        read_conll(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a B-geo\n\nb I-geo\n", r'line 3: "I-geo" continues no entity of its type\. Correct the'),
        ("a O\nb NNP\n", r'line 2: "NNP" is no IOB2 tag\. .*--tag-column'),
        ("a U-geo\nb B-geo\nc O\n", r'line 2: "B-geo" is not followed by its end\. Correct'),
        ("a U-geo\nb I-geo\n", r'line 2: "I-geo" continues no entity'),
        ("a O\nb\n", r"line 2: missing columns, found only 1\. Give every row a word and a tag"),
        ("a\tO\n\tO\n", r"line 2: the word is empty\. Fill it in, or pass --repair"),
    ],
)
def test_read_conll_error_names_file_line_and_remedy(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CorpusError, match=rf"own\.conll, {message}"):
        read_conll(write(tmp_path, text))


@pytest.mark.parametrize("columns", [{"word_column": 2}, {"tag_column": 5}, {"tag_column": -3}])
def test_read_conll_error_on_a_column_that_is_not_there(tmp_path: Path, columns: dict) -> None:
    with pytest.raises(CorpusError, match=r"line 1: missing columns, found only 2.*--tag-column"):
        read_conll(write(tmp_path, "a O\n"), **columns)


def test_read_conll_repairs_and_counts(tmp_path: Path) -> None:
    path = tmp_path / "own.conll"
    path.write_bytes(b"a\tU-x\nb\tI-x\nc\tO\nshort\n\tO\n\nd\xff\tB-x\n\n\tO\n\ne\tO\n")
    corpus = read_conll(path, repair=True)
    assert corpus.sentences == [
        Sentence("Sentence: 1", ["a", "b", "c"], ["B-x", "B-x", "O"]),
        Sentence("Sentence: 2", ["d\ufffd"], ["B-x"]),
        Sentence("Sentence: 3", ["e"], ["O"]),
    ]
    assert corpus.repairs == {
        ORPHANS: 1,
        UNCLOSED: 2,
        SHORT_ROWS: 1,
        EMPTY_WORDS: 2,
        REPLACED_BYTES: 1,
    }
