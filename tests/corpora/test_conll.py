from pathlib import Path

import pytest

from posattn_spacy.corpora.conll import read_conll
from posattn_spacy.corpora.repairs import (
    EMPTY_WORDS,
    MISSING_TAGS,
    ORPHANS,
    RAGGED_ROWS,
    REPLACED_BYTES,
    SHORT_ROWS,
    UNCLOSED,
)
from posattn_spacy.corpora.sentences import CorpusError, Sentence
from small_corpora import SENTENCE, conll_text


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
        ("Oslo S-geo\nRome S-geo\nand O\nAnn B-per\nLee E-per\n\nX B-per\nY M-per\nZ E-per\n", "BILUO"),
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
        ("a\tO\n\tO\n", r"line 2: the word is empty\. Fill it in, or leave the row out, or pass --repair"),
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


def words(path: Path, **options: int) -> list[list[str]]:
    return [sentence.words for sentence in read_conll(path, **options).sentences]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\r\r\n"])
def test_read_conll_reads_the_lines_of_every_system(tmp_path: Path, end: str) -> None:
    text = conll_text(3)
    expected = read_conll(write(tmp_path, text)).sentences
    assert read_conll(write(tmp_path, text.replace("\n", end))).sentences == expected


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_read_conll_believes_the_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    expected = read_conll(write(tmp_path, conll_text(3))).sentences
    assert read_conll(write(tmp_path, conll_text(3), encoding)).sentences == expected


def test_read_conll_leaves_page_breaks_and_marks_between_files_out(tmp_path: Path) -> None:
    path = write(tmp_path, "Oslo B-geo\n\f\nRome B-geo\n\n\ufeffAnn B-per\n\fLee I-per\n\u00a0\nleft O\n")
    assert words(path) == [["Oslo"], ["Rome"], ["Ann", "Lee"], ["left"]]


@pytest.mark.parametrize(
    ("comment", "first"),
    [
        ("# sent_id = weblog-1", 1),
        ("# text = Ann left for O", 1),
        ("# id 5239d808-f300-46ea-aa3b-5093040213a3\tdomain=en", 1),
        ('### {"doc": 7, "labels": ["B-x"]}', 1),
        ("#\thttp://de.wikipedia.org/wiki/Oslo [2009-10-17]", 1),
        ("#begin document (bc/cctv/00)", 1),
        ("###MEDLINE:95369245", 1),
    ],
)
def test_read_conll_leaves_comments_out_and_says_so(tmp_path: Path, comment: str, first: int) -> None:
    text = f"{comment}\nOslo\tNNP\tB-geo\n#\tNN\tO\n#fjord\tNN\tO\n\n{comment}\nleft\tVB\tO\n"
    if comment.endswith(" O"):  # a text that ends in a tag is told from a row by its columns
        text = text.replace(" O\n", " Oslo\n")
    corpus = read_conll(write(tmp_path, text))
    assert [sentence.words for sentence in corpus.sentences] == [["Oslo", "#", "#fjord"], ["left"]]
    assert corpus.notes[0] == f"Comments left out: 2, the first in line {first}."


def test_read_conll_reads_past_a_header_and_says_so(tmp_path: Path) -> None:
    corpus = read_conll(write(tmp_path, "Token\tNER\nOslo\tB-geo\nleft\tO\n"))
    assert corpus.sentences[0].words == ["Oslo", "left"]
    assert corpus.notes[0] == "Read as a header: line 1 (Token, NER)."


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("id\tword\ttag", r'line 1: the header calls column 1 "word", not column 0\. Pass --word-column 1'),
        ("word\ttag\tchunk", r'line 1: the header calls column 1 "tag", not the last column\. Pass --tag-co'),
    ],
)
def test_read_conll_error_where_the_header_names_other_columns(
    tmp_path: Path, header: str, message: str
) -> None:
    path = write(tmp_path, f"{header}\na\tB-x\tB-NP\nb\tO\tO\nc\tO\tO\n")
    with pytest.raises(CorpusError, match=message):
        read_conll(path)
    assert words(path, tag_column=1, word_column=1 - header.count("chunk")) == [["a", "b", "c"]] or (
        "chunk" not in header
    )


def test_read_conll_takes_the_language_off_words_that_all_have_one(tmp_path: Path) -> None:
    rows = "".join(f"en:{word}\t{tag}\n" for word, tag in [*SENTENCE, ("::", "O")])
    corpus = read_conll(write(tmp_path, rows))
    assert corpus.sentences[0].words == [*(word for word, _ in SENTENCE), "::"]
    assert '"en:" was taken off' in corpus.notes[0]
    some = rows + "".join(f"{word}\t{tag}\n" for word, tag in SENTENCE)
    assert read_conll(write(tmp_path, some)).sentences[0].words[0] == "en:Ann"


@pytest.mark.parametrize("prefixes", [["simple:"], ["EN:"], ["zh-min-nan:"], ["en:", "de:"]])
def test_read_conll_takes_any_languages_off(tmp_path: Path, prefixes: list[str]) -> None:
    rows = [f"{prefixes[i % len(prefixes)]}{word}\t{tag}\n" for i, (word, tag) in enumerate(SENTENCE * 2)]
    corpus = read_conll(write(tmp_path, "".join(rows)))
    assert corpus.sentences[0].words == [word for word, _ in SENTENCE * 2]
    assert all(f'"{prefix}"' in corpus.notes[0] for prefix in prefixes)


def test_read_conll_says_which_of_several_tags_it_read(tmp_path: Path) -> None:
    path = write(tmp_path, "Ann\tNNP\tB-NP\tB-per\nleft\tVB\tB-VP\tO\nnow\tRB\tO\tO\n")
    assert read_conll(path).notes[0] == (
        "Columns 2 and 3 have tags: those of the last column were read (see --tag-column)."
    )
    assert read_conll(path).sentences[0].tags == ["B-per", "O", "O"]
    assert len(read_conll(path, tag_column=2).notes) == 1  # who chose need not be told


def test_read_conll_says_what_two_document_starts_enclose(tmp_path: Path) -> None:
    text = "-DOCSTART- -X- O\nAnn NN B-per\nleft VB O\n-DOCSTART- -X- O\nLee NN B-per\n"
    corpus = read_conll(write(tmp_path, text))
    assert [sentence.words for sentence in corpus.sentences] == [["Ann", "left"], ["Lee"]]
    assert "no blank lines between sentences" in corpus.notes[0]


def test_read_conll_says_which_rows_are_ragged_where_the_columns_are_chosen(tmp_path: Path) -> None:
    text = "Ann\tB-per\tQ1\tx\nleft\tO\nOslo\tB-geo\tQ2\n.\tO\n"
    corpus = read_conll(write(tmp_path, text), tag_column=1)
    assert corpus.sentences[0].tags == ["B-per", "O", "B-geo", "O"]
    assert corpus.notes[0] == "Rows with another number of columns than most: 2, the first in line 1."


def test_read_conll_repairs_ragged_rows_and_missing_tags(tmp_path: Path) -> None:
    ragged = write(tmp_path, "Ann X B-per\nNew York X B-geo\nleft O\n. X O\nb X O\n")
    corpus = read_conll(ragged, repair=True)
    assert corpus.sentences[0].words == ["Ann", ".", "b"]
    assert corpus.repairs == {RAGGED_ROWS: 2}
    corpus = read_conll(write(tmp_path, "Ann B-per\nleft\nfor\nOslo B-geo\n.\n"), repair=True)
    assert corpus.sentences[0].tags == ["B-per", "O", "O", "B-geo", "O"]
    assert corpus.repairs == {MISSING_TAGS: 3}


# Public corpora's ways of writing, a few rows each.
WNUT = "-\tO\nEmpire\tB-location\nState\tI-location\n#\tO\n=\tO\nESB\tB-location\n\t\nRT\tO\n@x\tO\n\n"
MULTICONER = (
    "# id a1\tdomain=en\nthe _ _ O\nweather _ _ B-CW\nchannel _ _ I-CW\n\n# id b2\tdomain=en\nx _ _ O\n"
)
UNER = "# sent_id = 1\n# text = Ann left\n1\tAnn\tB-PER\t-\tx\n2\tleft\tO\t-\tx\n3\t.\tO\t-\tx\n\n"
GERMEVAL = "#\thttp://x [2009]\n1\tAnn\tB-PER\tO\n2\tging\tO\tO\n3\tfort\tO\tO\n\n"


@pytest.mark.parametrize(
    ("text", "options", "tags"),
    [
        (WNUT, {}, [["O", "B-location", "I-location", "O", "O", "B-location"], ["O", "O"]]),
        (MULTICONER, {}, [["O", "B-CW", "I-CW"], ["O"]]),
        (UNER, {"word_column": 1, "tag_column": 2}, [["B-PER", "O", "O"]]),
        (GERMEVAL, {"word_column": 1, "tag_column": 2}, [["B-PER", "O", "O"]]),
    ],
    ids=["WNUT17", "MultiCoNER", "UNER", "GermEval"],
)
def test_read_conll_reads_public_corpora(tmp_path: Path, text: str, options: dict, tags: list) -> None:
    assert [sentence.tags for sentence in read_conll(write(tmp_path, text), **options).sentences] == tags


@pytest.mark.parametrize("text", [UNER, GERMEVAL])
def test_read_conll_error_names_the_columns_of_public_corpora(tmp_path: Path, text: str) -> None:
    with pytest.raises(CorpusError, match=r"--word-column 1 and --tag-column (with )?2"):
        read_conll(write(tmp_path, text))
