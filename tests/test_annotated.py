"""Annotated documents as the commands read them, and what they say of anything else."""

from pathlib import Path
from typing import Callable

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus

from posattn_spacy.annotated import UnreadableError, make_examples, read_annotated
from posattn_spacy.corpora.entities import blank_edged, crossing
from posattn_spacy.gold import count_labels, span_keys, survey_examples

NLP = spacy.blank("xx")


def doc_of(*words: str, ents: str = "", starts: str = "") -> Doc:
    """A document, with its entities as IOB tags of one label and its sentence starts as 0 and 1."""
    tags = [tag if tag == "O" else f"{tag}-geo" for tag in ents or "O" * len(words)]
    return Doc(
        NLP.vocab, words=list(words), ents=tags, sent_starts=[s == "1" for s in starts] if starts else None
    )


DOCS = [doc_of("Berlin", "calls", ents="BO"), doc_of("New", "York", "Peru", ents="BIB")]


def store(path: Path, *docs: Doc) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    DocBin(docs=docs).to_disk(path)
    return path


# Reading


def test_files_and_folders_of_them_are_read(tmp_path: Path) -> None:
    one = store(tmp_path / "some" / "one.spacy", DOCS[0], Doc(NLP.vocab))
    store(tmp_path / "some" / "deeper" / "two.spacy", DOCS[1])
    (tmp_path / "some" / "notes.txt").write_text("no corpus")
    assert [doc.text for doc in read_annotated(one, NLP.vocab)] == ["Berlin calls "]
    assert {doc.text for doc in read_annotated(tmp_path, NLP.vocab)} == {"Berlin calls ", "New York Peru "}


def csv_file(folder: Path) -> Path:
    (folder / "my.csv").write_text("Sentence #,Word,Tag\n")
    return folder / "my.csv"


def folder_of_others(folder: Path) -> Path:
    csv_file(folder)
    return folder


def damaged(folder: Path) -> Path:
    path = store(folder / "half.spacy", *DOCS)
    path.write_bytes(path.read_bytes()[:-20])
    return path


def folder_named_as_a_file(folder: Path) -> Path:
    (folder / "corpus.spacy").mkdir()
    return folder


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "nowhere.spacy", r"There is no .*nowhere\.spacy\. Check the path"),
        (
            csv_file,
            r"my\.csv is no \.spacy file\. Convert it first: "
            r"python -m spacy posattn convert .*my\.csv my-corpus",
        ),
        (
            folder_of_others,
            r"no \.spacy file in .*, but only my\.csv .*Convert it first: python -m spacy posattn convert",
        ),
        (lambda folder: folder, r"no \.spacy file in .*, but nothing"),
        (damaged, r"half\.spacy is no intact \.spacy file \("),
        (lambda folder: store(folder / "bare.spacy", Doc(NLP.vocab)), "has no documents with tokens"),
        (folder_named_as_a_file, r"corpus\.spacy can't be read"),
    ],
)
def test_what_can_not_be_read_is_named(tmp_path: Path, make: Callable[[Path], Path], message: str) -> None:
    with pytest.raises(UnreadableError, match=message):
        read_annotated(make(tmp_path), NLP.vocab)


@given(st.binary(max_size=60))
def test_no_bytes_read_as_documents_by_accident(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("bytes") / "any.spacy"
    path.write_bytes(data)
    with pytest.raises(UnreadableError, match=r"any\.spacy"):
        read_annotated(path, NLP.vocab)


@pytest.mark.parametrize("gold_preproc", [True, False])
def test_examples_are_those_of_spacys_reader(tmp_path: Path, gold_preproc: bool) -> None:
    joined = doc_of("I", "left", "it's", "raining", ents="OOOB", starts="1010")
    path = store(tmp_path / "corpus.spacy", *DOCS, joined)
    ours = make_examples(NLP, read_annotated(path, NLP.vocab), gold_preproc)
    theirs = list(Corpus(path, gold_preproc=gold_preproc)(NLP))
    assert [example.to_dict() for example in ours] == [example.to_dict() for example in theirs]
    assert len(ours) == (4 if gold_preproc else 3)


# Counting


def test_entities_are_counted_however_they_are_annotated() -> None:
    docs = [*DOCS, doc_of("Berlin", "  ", ents="BI"), doc_of("New", ".", "York", ents="BII", starts="101")]
    assert count_labels(docs) == {"geo": 5}
    assert survey_examples(make_examples(NLP, docs), 1).entities == 5


@pytest.mark.parametrize(
    ("words", "ents", "expected"),
    [
        (["to", "Berlin", " ", "today"], "OBOO", 0),
        (["to", "Berlin", "  ", "today"], "OBIO", 1),
        (["\n", "Berlin"], "BI", 1),
        (["New", " ", "York"], "BII", 0),  # some may stand inside
        (["Berlin", "\u200b"], "BI", 1),
        (["\ufeff", "Berlin", "\t"], "BII", 1),
        ([" ", "Berlin"], "BO", 1),  # white space alone
        (["Ber\u200blin"], "B", 0),
    ],
)
def test_entities_with_white_space_at_their_edges_are_found(
    words: list[str], ents: str, expected: int
) -> None:
    assert len(blank_edged(doc_of(*words, ents=ents))) == expected


@pytest.mark.parametrize(
    ("ents", "starts", "expected"),
    [
        ("BIOO", "1000", []),
        ("BIOO", "1100", ["New York"]),
        ("OBIO", "1010", ["York Peru"]),
        ("OOBI", "1010", []),
        ("BIBI", "1101", ["New York", "Peru now"]),
        ("BIII", "", []),  # no sentences are marked
    ],
)
def test_entities_across_sentences_are_found(ents: str, starts: str, expected: list[str]) -> None:
    doc = doc_of("New", "York", "Peru", "now", ents=ents, starts=starts)
    assert [ent.text for ent in crossing(doc)] == expected


def test_spans_that_are_no_entities_are_named() -> None:
    doc, other = doc_of("New", "York"), doc_of("Berlin")
    doc.spans["sc"] = [doc[0:2]]
    doc.spans["none"] = []
    other.spans["a"] = [other[0:1]]
    assert span_keys([doc, other]) == ["a", "sc"]
    assert span_keys(DOCS) == []
