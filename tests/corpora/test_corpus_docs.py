from pathlib import Path
from typing import List, Sequence

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
    store_docs,
)
from posattn_spacy.corpora.duplicates import duplicate_mask
from posattn_spacy.corpora.schemes import Scheme, to_iob2
from posattn_spacy.corpora.sentences import CorpusError, Sentence, count_sentences

LONDON = Sentence(
    "1", ["Ann", "'s", "in", "New", "York", "."], ["B-per", "O", "O", "B-geo-x", "I-geo-x", "O"]
)
QUIET = Sentence("2", ["Nobody", "knows", "."], ["O", "O", "O"])
TAGS = st.lists(st.sampled_from(["O", "B-a", "I-a", "B-b-c", "I-b-c"]), min_size=1, max_size=8)


def ents(doc: Doc) -> List[tuple]:
    return [(ent.text, ent.label_) for ent in doc.ents]


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
    assert count_docs([doc]) == count_sentences([Sentence("1", [t.text for t in doc], tags)])


def test_join_docs_joins_with_a_space(vocab: Vocab) -> None:
    docs = [make_doc(sentence, vocab) for sentence in (LONDON, QUIET, LONDON)]
    joined = join_docs(docs, 2, kept_attrs(ENTITY_ATTRS, 2))
    assert [doc.text for doc in joined] == ["Ann's in New York. Nobody knows.", "Ann's in New York."]
    assert count_docs(joined) == count_docs(docs)
    assert joined[0].ents[1].label_ == "geo-x"
    assert all(token.ent_iob for token in joined[0])


def test_join_docs_keeps_single_documents(vocab: Vocab) -> None:
    docs = [make_doc(LONDON, vocab), make_doc(QUIET, vocab)]
    assert join_docs(docs, 1, ENTITY_ATTRS) == docs


def test_written_docs_come_back(vocab: Vocab, tmp_path: Path) -> None:
    tagged = Sentence("3", ["Oslo", "!"], ["B-geo", "O"], ["NNP", "."])
    docs = [make_doc(sentence, vocab) for sentence in (LONDON, tagged, QUIET)]
    path = tmp_path / "folder" / "docs.spacy"
    path.parent.mkdir()
    store_docs(docs, path, [*ENTITY_ATTRS, "TAG"], "docs")
    stored = read_docs(path, spacy.blank("en").vocab)
    assert annotation(stored.docs) == annotation(docs)
    assert {*ENTITY_ATTRS, "TAG"} < set(stored.attrs)


@pytest.mark.parametrize("attrs", [ENTITY_ATTRS, [*ENTITY_ATTRS, "HEAD", "DEP", "SENT_START"]])
def test_joined_docs_keep_their_sentences(vocab: Vocab, tmp_path: Path, attrs: Sequence[str]) -> None:
    docs = [make_doc(sentence, vocab) for sentence in (LONDON, QUIET, LONDON, QUIET)]
    path = tmp_path / "joined.spacy"
    store_docs(join_docs(docs, 3, kept_attrs(attrs, 3)), path, kept_attrs(attrs, 3), "joined")
    (joined, last) = read_docs(path, vocab).docs
    assert [sentence.text for sentence in joined.sents] == [
        "Ann's in New York.",
        "Nobody knows.",
        "Ann's in New York.",
    ]
    assert [sentence.text for sentence in last.sents] == ["Nobody knows."]
    nlp = spacy.blank("en")
    # The shipped configs learn from them sentence by sentence, as from documents of one each ...
    by_sentence = SpacyCorpus(path, gold_preproc=True)(nlp)
    assert [(eg.predicted.text.strip(), ents(eg.reference)) for eg in by_sentence] == [
        (doc.text, ents(doc)) for doc in docs
    ]
    # ... and gold_preproc = false leaves them whole.
    whole = SpacyCorpus(path, gold_preproc=False)(nlp)
    assert [example.reference.text for example in whole] == [joined.text, last.text]


def test_joined_docs_keep_the_sentences_they_have(vocab: Vocab) -> None:
    parsed = Doc(vocab, words=["a", "b", "c"], heads=[1, 1, 2], deps=["x", "ROOT", "ROOT"])
    marked = Doc(vocab, words=["d", "e"], sent_starts=[True, True])
    attrs = kept_attrs([*ENTITY_ATTRS, "HEAD", "DEP"], 3)
    joined = join_docs([parsed, marked, make_doc(QUIET, vocab)], 3, attrs)
    assert [sentence.text for sentence in joined[0].sents] == ["a b", "c", "d", "e", "Nobody knows."]


def test_kept_attrs_leaves_documents_as_they_are() -> None:
    assert kept_attrs(["ENT_IOB", "HEAD"], 1) == ["ENT_IOB", "HEAD"]
    assert kept_attrs(["ENT_IOB", "HEAD", "SENT_START"], 2) == ["ENT_IOB", "SENT_START"]


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
