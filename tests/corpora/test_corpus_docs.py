from pathlib import Path
from typing import List

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Corpus as SpacyCorpus
from spacy.training import Example
from spacy.vocab import Vocab

from posattn_spacy.corpora.docs import (
    ENTITY_ATTRS,
    count_docs,
    join_docs,
    kept_attrs,
    make_doc,
    read_docs,
    write_docs,
)
from posattn_spacy.corpora.duplicates import duplicate_mask
from posattn_spacy.corpora.schemes import Scheme, to_iob2
from posattn_spacy.corpora.sentences import CorpusError, Sentence, count_sentences

LONDON = Sentence(
    "1", ["Ann", "'s", "in", "New", "York", "."], ["B-per", "O", "O", "B-geo-x", "I-geo-x", "O"]
)
QUIET = Sentence("2", ["Nobody", "knows", "."], ["O", "O", "O"])
TAGS = st.lists(st.sampled_from(["O", "B-a", "I-a", "B-b-c", "I-b-c"]), min_size=1, max_size=8)


def annotation(docs: List[Doc]) -> List[tuple]:
    return [(t.text, t.whitespace_, t.ent_iob_, t.ent_type_, t.tag_) for doc in docs for t in doc]


def test_make_doc_is_naturally_spaced_and_annotated(vocab: Vocab) -> None:
    doc = make_doc(LONDON, vocab)
    assert doc.text == "Ann's in New York."
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("Ann", "per"), ("New York", "geo-x")]


def test_make_doc_says_outside_rather_than_missing(vocab: Vocab) -> None:
    for sentence in (LONDON, QUIET):
        example = Example(Doc(vocab, words=sentence.words), make_doc(sentence, vocab))
        assert None not in example.get_aligned_ner()


@given(TAGS)
@settings(deadline=None)
def test_make_doc_has_the_entities_of_the_tags(vocab: Vocab, raw: List[str]) -> None:
    tags, _ = to_iob2(raw, Scheme.IOB2)
    doc = make_doc(Sentence("1", [f"w{i}" for i in range(len(tags))], tags), vocab)
    assert ["O" if token.ent_iob_ == "O" else f"{token.ent_iob_}-{token.ent_type_}" for token in doc] == tags
    assert count_docs([doc], 1) == count_sentences([Sentence("1", [t.text for t in doc], tags)])


def test_join_docs_joins_with_a_space(vocab: Vocab) -> None:
    docs = [make_doc(sentence, vocab) for sentence in (LONDON, QUIET, LONDON)]
    joined = join_docs(docs, 2)
    assert [doc.text for doc in joined] == ["Ann's in New York. Nobody knows.", "Ann's in New York."]
    assert count_docs(joined, 3) == count_docs(docs, 3)
    assert joined[0].ents[1].label_ == "geo-x"
    assert all(token.ent_iob for token in joined[0])


def test_join_docs_keeps_single_documents(vocab: Vocab) -> None:
    docs = [make_doc(LONDON, vocab), make_doc(QUIET, vocab)]
    assert join_docs(docs, 1) == docs


def test_written_docs_come_back(vocab: Vocab, tmp_path: Path) -> None:
    tagged = Sentence("3", ["Oslo", "!"], ["B-geo", "O"], ["NNP", "."])
    docs = [make_doc(sentence, vocab) for sentence in (LONDON, tagged, QUIET)]
    path = tmp_path / "folder" / "docs.spacy"
    write_docs(docs, path, [*ENTITY_ATTRS, "TAG"])
    stored = read_docs(path, spacy.blank("en").vocab)
    assert annotation(stored.docs) == annotation(docs)
    assert {*ENTITY_ATTRS, "TAG"} < set(stored.attrs)
    assert [file.name for file in path.parent.iterdir()] == ["docs.spacy"]


@pytest.mark.parametrize("has_sentence_starts", [True, False])
def test_joined_docs_are_not_split_again(vocab: Vocab, tmp_path: Path, has_sentence_starts: bool) -> None:
    docs = [make_doc(sentence, vocab) for sentence in (LONDON, QUIET, LONDON, QUIET)]
    attrs = [*ENTITY_ATTRS, "HEAD", "DEP", "SENT_START"] if has_sentence_starts else ENTITY_ATTRS
    path = tmp_path / "joined.spacy"
    write_docs(join_docs(docs, 4), path, kept_attrs(attrs, 4))
    reader = SpacyCorpus(path, gold_preproc=True)
    assert [len(example.reference) for example in reader(spacy.blank("en"))] == [18]


def test_kept_attrs_leaves_documents_as_they_are() -> None:
    assert kept_attrs(["ENT_IOB", "SENT_START"], 1) == ["ENT_IOB", "SENT_START"]
    assert kept_attrs(["ENT_IOB", "SENT_START"], 2) == ["ENT_IOB"]


def test_read_docs_error_on_another_file(vocab: Vocab, tmp_path: Path) -> None:
    path = tmp_path / "not.spacy"
    path.write_bytes(b"hello")
    with pytest.raises(CorpusError, match=r"not\.spacy is no \.spacy file that can be read"):
        read_docs(path, vocab)


def test_read_docs_error_without_entity_annotation(vocab: Vocab, tmp_path: Path) -> None:
    path = tmp_path / "bare.spacy"
    annotated = Doc(vocab, words=["Oslo"])
    annotated.ents = [Span(annotated, 0, 1, label="geo")]
    DocBin(docs=[annotated, Doc(vocab, words=["bare"])]).to_disk(path)
    with pytest.raises(CorpusError, match=r"bare\.spacy, document 2: no entity is annotated.*Set"):
        read_docs(path, vocab)


def test_duplicate_mask_compares_words_alone(vocab: Vocab) -> None:
    def docs(*texts: str) -> List[Doc]:
        return [Doc(vocab, words=text.split()) for text in texts]

    train = docs("a b", "c d e")
    train[0].ents = [Span(train[0], 0, 1, label="geo")]
    assert duplicate_mask(train, docs("a b", "b a", "c d", "c d e", "A b")) == [
        True,
        False,
        False,
        True,
        False,
    ]
    assert duplicate_mask([], docs("a")) == [False]
