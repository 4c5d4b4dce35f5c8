"""A document whose sentences are marked is read sentence by sentence, as if each were a document."""

from typing import List

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc

from pipelines import LEXICAL, TEXTS, frozen_pipeline, train
from posattn_spacy.texts import read_words, split_texts

NLP = spacy.blank("xx")


def marked(nlp: Language, sentences: List[List[str]]) -> Doc:
    """A document with its sentences marked."""
    starts = [i == 0 for words in sentences for i in range(len(words))]
    return Doc(nlp.vocab, words=[word for words in sentences for word in words], sent_starts=starts)


@given(st.lists(st.lists(st.integers(1, 5), max_size=4), max_size=4))
def test_texts_are_the_sentences_in_order(docs: List[List[int]]) -> None:
    """`docs` has the number of words of each sentence of each document."""
    batch = [marked(NLP, [[f"w{i}" for i in range(n)] for n in sentences]) for sentences in docs]
    lengths = [n for sentences in docs for n in sentences]
    words = read_words(batch)
    assert [n for each in words for n in each.lengths.tolist()] == lengths
    texts = split_texts(words)
    assert [len(text) for text in texts] == lengths
    assert [orth for text in texts for orth in text.orths] == [token.orth for doc in batch for token in doc]


def test_a_document_without_marked_sentences_is_one_text() -> None:
    doc = NLP("One sentence. Another one.")
    lengths = [each.lengths.tolist() for each in read_words([doc, NLP(""), doc])]
    assert lengths == [[len(doc)], [], [len(doc)]]


def test_first_token_begins_a_text_even_if_it_is_not_marked() -> None:
    doc = Doc(NLP.vocab, words=["a", "b", "c"], sent_starts=[None, None, True])
    assert read_words([doc])[0].lengths.tolist() == [2, 1]


@pytest.mark.parametrize("mask", ["soft", "hard"])
def test_marked_sentences_are_scored_as_if_alone(mask: str, tiny_encoder) -> None:
    nlp = frozen_pipeline(tiny_encoder("bert"), mask=mask, lexical=LEXICAL)
    train(nlp, 40)
    sentences = [text.split() for text in TEXTS]
    alone = [(nlp(Doc(nlp.vocab, words=words)), len(words)) for words in sentences]
    doc = nlp(marked(nlp, sentences))
    unmarked = nlp(Doc(nlp.vocab, words=[word for words in sentences for word in words]))
    starts = np.cumsum([0, *(n for _, n in alone)])
    expected = [
        (ent.start + start, ent.end + start, ent.label_)
        for (part, _), start in zip(alone, starts, strict=False)
        for ent in part.ents
    ]
    assert expected
    assert [(ent.start, ent.end, ent.label_) for ent in doc.ents] == expected
    scores = np.concatenate([part.spans["posattn_ner"].attrs["scores"] for part, _ in alone])
    # Almost: an entity may go on beyond its sentence, which is possible only where there is more.
    np.testing.assert_allclose(doc.spans["posattn_ner"].attrs["scores"], scores, atol=1e-3)
    other = unmarked.spans["posattn_ner"].attrs["scores"]
    assert len(other) != len(scores) or not np.allclose(other, scores, atol=1e-3)


def test_gold_entity_across_a_marked_boundary_still_trains(tiny_encoder) -> None:
    nlp = frozen_pipeline(tiny_encoder("bert"))
    nlp.add_pipe("sentencizer", first=True)
    data = [("Dr . Alice Smith spoke .", {"entities": [(0, 16, "per")]})]
    losses = train(nlp, 60, data, annotates=["sentencizer"])
    assert np.isfinite(losses["posattn_ner"])
    doc = nlp("Dr . Alice Smith spoke .")
    assert len(list(doc.sents)) == 2
    assert [ent.text for ent in doc.ents] == ["Dr . Alice Smith"]
