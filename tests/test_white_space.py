"""White space is no word: encoder and head do not see it, and entities are found as if it were not there."""

import re
from itertools import product
from pathlib import Path
from typing import Callable, List, Tuple

import numpy as np
import pytest
import spacy
import torch
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc, Span
from spacy.training import Example

from pipelines import (
    GOLD,
    LEXICAL,
    TEXTS,
    TRAIN_DATA,
    frozen_pipeline,
    head_parameters,
    initialized,
    make_examples,
    plain_pipeline,
    stock_pipeline,
    train,
    train_on_stock,
)
from posattn_spacy.blanks import is_blank, visible
from posattn_spacy.gold import MISSING
from posattn_spacy.model import torch_head
from posattn_spacy.scoring import score_ner
from posattn_spacy.tagging import TagScheme
from posattn_spacy.texts import read_words
from renderings import BLANKS, RENDERINGS, rendered
from sequences import is_legal

NAME = "posattn_ner"
WORDS = [text.split() for text in TEXTS]
NLP = spacy.blank("en")


@pytest.fixture(scope="module")
def nlp(tiny_encoder: Callable[[str], Path]) -> Language:
    nlp = frozen_pipeline(tiny_encoder("bert"), lexical=LEXICAL)
    train(nlp, 60)
    return nlp


def seen(doc: Doc) -> List[Tuple[List[str], str, bytes]]:
    """The words of each entity, its label and its probability, to the last bit."""
    group = doc.spans[NAME]
    return [
        ([visible(token.text) for token in span if not is_blank(token.text)], span.label_, score.tobytes())
        for span, score in zip(group, group.attrs["scores"], strict=True)
    ]


# What is a blank


@pytest.mark.parametrize("blank", BLANKS)
def test_blanks_are_no_words(blank: str) -> None:
    assert is_blank(blank)
    assert is_blank(blank + BLANKS[0] + blank)
    assert not is_blank(f"{blank}a{blank}")


@pytest.mark.parametrize("word", ["a", "-", "…", "0", "ß", "京", "\ufffd", "👩\u200d👧"])
def test_what_can_be_seen_is_a_word(word: str) -> None:
    assert not is_blank(word)
    assert visible(word) == word


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("Berlin\u200b", "Berlin"),
        ("\ufeffBerlin", "Berlin"),
        ("Ber\u00adlin", "Berlin"),
        ("\u202aBerlin\u202c", "Berlin"),
        ("Ber\u200dlin\u200d", "Ber\u200dlin"),  # a joiner may be spelling
        ("\u0645\u06cc\u200c\u062e\u0648", "\u0645\u06cc\u200c\u062e\u0648"),
    ],
)
def test_invisible_characters_come_off_unless_they_are_spelling(word: str, expected: str) -> None:
    assert visible(word) == expected


@given(st.text(max_size=20))
def test_what_is_seen_of_a_word_is_no_longer_changed(text: str) -> None:
    assert visible(visible(text)) == visible(text)
    assert is_blank(text) == (not visible(text).strip())


@given(st.lists(st.lists(st.sampled_from(["a", "b", *BLANKS]), max_size=6), max_size=5))
def test_words_are_the_tokens_that_can_be_seen_sentence_by_sentence(sentences: List[List[str]]) -> None:
    words = [word for sentence in sentences for word in sentence]
    starts = [i == 0 for sentence in sentences for i in range(len(sentence))]
    (read,) = read_words([Doc(NLP.vocab, words=words, sent_starts=starts)])
    kept = [i for i, word in enumerate(words) if word in "ab"]
    assert read.places.tolist() == kept
    assert [NLP.vocab.strings[orth] for orth in read.orths] == [words[i] for i in kept]
    lengths = [sum(word in "ab" for word in sentence) for sentence in sentences]
    assert read.lengths.tolist() == [n for n in lengths if n]


@given(
    st.lists(st.sampled_from(["rose", ".", "-", '"', "(", ")", "!", "Ford", "fell"]), min_size=1, max_size=12)
)
def test_texts_begin_where_they_would_without_white_space(words: List[str]) -> None:
    texts = rendered(words)
    nlp = spacy.blank("en")
    nlp.tokenizer = Tokenizer(nlp.vocab, infix_finditer=re.compile(r"[\s\u200b\u2060\ufeff]+").finditer)
    nlp.add_pipe("sentencizer")
    plain, *others = read_words([nlp(text) for text in texts])
    assert len(plain.orths) == len(words)
    for other in others:
        assert other.lengths.tolist() == plain.lengths.tolist()
        assert other.orths.tolist() == plain.orths.tolist()


def test_a_mark_on_punctuation_is_one() -> None:
    words = ["He", "left", ".", "\n", '"', "Come", '"']
    marked = Doc(NLP.vocab, words=words, sent_starts=[True, False, False, False, True, False, False])
    assert read_words([marked])[0].lengths.tolist() == [3, 3]


# The same entities, whatever the white space


@pytest.mark.parametrize("name", RENDERINGS)
def test_entities_and_probabilities_do_not_depend_on_white_space(nlp: Language, name: str) -> None:
    for words in WORDS:
        plain = nlp(" ".join(words))
        other = nlp(RENDERINGS[name](words))
        assert seen(other) == seen(plain)
        assert [len(ent) for ent in plain.ents] == [len(each[0]) for each in seen(other)]
        assert not any(is_blank(ent[0].text) or is_blank(ent[-1].text) for ent in other.ents)


def test_renderings_together_are_as_each_alone(nlp: Language) -> None:
    texts = rendered(WORDS[0])
    together = list(nlp.pipe(texts))
    assert [[each[:2] for each in seen(doc)] for doc in together] == [
        [each[:2] for each in seen(nlp(text))] for text in texts
    ]


def test_an_entity_may_have_white_space_inside_as_with_spacys_ner(nlp: Language) -> None:
    doc = nlp("Alice \n\n Smith visited Berlin .")
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("Alice \n\n Smith", "per"), ("Berlin", "geo")]
    assert [token.ent_iob_ for token in doc[:3]] == ["B", "I", "I"]


@pytest.mark.parametrize("glue", ["{}\u200b", "\ufeff{}", "{}\u00ad"])
def test_invisible_characters_glued_to_words_change_nothing(nlp: Language, glue: str) -> None:
    for words in WORDS:
        doc = nlp(Doc(nlp.vocab, words=[glue.format(word) for word in words]))
        assert [token.text for token in doc] == [glue.format(word) for word in words]  # offsets stay
        assert seen(doc) == seen(nlp(Doc(nlp.vocab, words=words)))


@pytest.mark.parametrize("text", ["", " ", " \n\t ", "\u200b", "\u00a0 \ufeff"])
def test_a_document_of_white_space_has_no_entities(nlp: Language, text: str) -> None:
    doc = nlp(text)
    assert not doc.ents
    assert len(doc.spans[NAME]) == 0
    assert all(token.ent_iob_ == "O" for token in doc)
    assert [len(each.ents) for each in nlp.pipe([text, TEXTS[0], text])] == [0, 2, 0]


def test_replaced_listeners_do_not_see_white_space_either(
    tiny_encoder: Callable[[str], Path],
) -> None:
    nlp = frozen_pipeline(tiny_encoder("roberta"), lexical=LEXICAL)
    train(nlp, 40)
    expected = [seen(nlp(text)) for text in TEXTS]
    nlp.replace_listeners("transformer", NAME, ["model.tok2vec"])
    for words, own in zip(WORDS, expected, strict=True):
        assert all(seen(nlp(text)) == own for text in rendered(words))


# Candidates and probabilities


def test_candidates_hold_no_span_twice(nlp: Language) -> None:
    pipe = nlp.get_pipe(NAME)
    pipe.cfg["candidates"] = 0.001
    try:
        docs = [nlp(text) for text in rendered(WORDS[0])]
    finally:
        pipe.cfg["candidates"] = None
    spans = [[(s.start, s.end, s.label) for s in doc.spans[f"{NAME}_candidates"]] for doc in docs]
    assert all(len(set(each)) == len(each) > 2 for each in spans)
    assert len({len(each) for each in spans}) == 1


def test_white_space_that_is_blocked_lets_no_entity_go_across_it(nlp: Language) -> None:
    """The probabilities are those of all sequences that are left, by enumeration."""
    doc = nlp.make_doc("Alice \n Smith left")
    blank = [token.text for token in doc].index("\n ")
    doc.set_ents([], blocked=[doc[blank : blank + 1]], default="missing")
    for name in nlp.pipe_names[:-1]:
        doc = nlp.get_pipe(name)(doc)
    pipe = nlp.get_pipe(NAME)
    scores = pipe.model.predict([doc])
    lattice = pipe.lattice([doc], scores)
    scheme = TagScheme(pipe.labels)
    rows = torch.from_numpy(scores.tags).double()
    sequences = [s for s in product(range(len(scheme)), repeat=3) if is_legal(s, scheme)]
    allowed = [s for s in sequences if s[1] % 2 or not s[1]]  # the word after the blank continues nothing
    weights = torch.stack([rows[range(3), list(s)].sum() for s in allowed]).softmax(0)
    expected = torch.zeros(3, len(scheme), dtype=torch.double)
    for sequence, weight in zip(allowed, weights, strict=True):
        expected[range(3), list(sequence)] += weight
    torch.testing.assert_close(lattice.tag_probabilities(), expected)


def test_entities_that_are_there_stay_with_the_white_space_they_have(nlp: Language) -> None:
    doc = nlp.make_doc("Alice \n Smith left Berlin \n")
    doc.ents = [Span(doc, 0, 2, "rule")]
    doc = nlp(doc)
    assert (doc.ents[0].start, doc.ents[0].end, doc.ents[0].label_) == (0, 2, "rule")


# Gold


def spaced(nlp: Language, gaps: str) -> List[Example]:
    """The training data with white space that annotators took into their entities."""
    examples = []
    for text, annotation in TRAIN_DATA:
        words, at = [], 0
        tags: List[str] = []
        for word in text.split(" "):
            label = next((name for s, e, name in annotation["entities"] if s <= at < e), None)
            begins = any(s == at for s, _, _ in annotation["entities"])
            outside = "O" if label is None else f"I-{label}"
            tag = "O" if label is None else f"{'B' if begins else 'I'}-{label}"
            words += [gaps, word, gaps]
            tags += ["B-" + label, outside, outside] if begins else [outside, tag, outside]
            at += len(word) + 1
        reference = Doc(nlp.vocab, words=words, ents=tags)
        examples.append(Example(Doc(nlp.vocab, words=words), reference))
    return examples


@pytest.mark.parametrize("gap", ["\n", "\u00a0", "\u200b"])
def test_gold_entities_are_learned_without_the_white_space_around_them(
    tiny_encoder: Callable[[str], Path], gap: str
) -> None:
    trained = []
    for spoil in (False, True):
        spacy.util.fix_random_seed(0)
        nlp = frozen_pipeline(tiny_encoder("bert"), lexical=LEXICAL)
        examples = spaced(nlp, gap) if spoil else make_examples(nlp)
        optimizer = nlp.initialize(lambda examples=examples: examples)
        for _ in range(3):
            nlp.update(examples, sgd=optimizer)
        trained.append(head_parameters(nlp))
    for name, weight in trained[0].items():
        assert torch.equal(weight, trained[1][name]), name


def test_gold_with_white_space_at_its_edges_is_scored_as_if_without() -> None:
    words = ["\n", "Alice", " ", "Smith", "\n\n", "left"]
    reference = Doc(NLP.vocab, words=words, ents=["B-per", "I-per", "I-per", "I-per", "I-per", "O"])
    predicted = Doc(NLP.vocab, words=words, ents=["O", "B-per", "I-per", "I-per", "O", "O"])
    scores = score_ner([Example(predicted, reference)])
    assert scores["ents_f"] == 1.0
    assert scores["flat_f"] == 1.0
    assert [ent.text for ent in reference.ents] == ["\n Alice   Smith \n\n"]  # left as it is


def test_white_space_alone_is_no_gold_entity() -> None:
    reference = Doc(NLP.vocab, words=["a", "\n", "b"], ents=["O", "B-per", "O"])
    predicted = Doc(NLP.vocab, words=["a", "\n", "b"], ents=["O", "O", "O"])
    nlp = plain_pipeline()
    initialized(nlp)
    gold = nlp.get_pipe(NAME).gold_of([Example(predicted, reference)])
    assert gold.tags.tolist() == [0, 0]
    assert MISSING not in gold.tags
    assert score_ner([Example(predicted, reference)])["ents_f"] in (None, 0.0)


# A stock transformer reads blanks by itself


def test_above_a_stock_transformer_the_head_leaves_white_space_out(
    tiny_encoder: Callable[[str], Path],
) -> None:
    nlp = stock_pipeline(tiny_encoder("bert"))
    train_on_stock(nlp, 60)
    found = [[(e.start_char, e.end_char, e.label_) for e in nlp(text).ents] for text in TEXTS]
    assert found == [[tuple(each) for each in gold] for gold in GOLD]
    doc = nlp("\n Alice Smith \n visited  Berlin . \n")
    scores = nlp.get_pipe(NAME).model.predict([doc])
    assert len(scores.tags) == 5
    assert [doc[i].text for i in scores.places.tolist()] == [
        "Alice",
        "Smith",
        "visited",
        "Berlin",
        ".",
    ]
    assert not any(is_blank(ent[0].text) or is_blank(ent[-1].text) for ent in doc.ents)
    assert np.isfinite(scores.tags).all()


def test_examples_of_white_space_alone_have_no_loss_and_no_gradient(nlp: Language) -> None:
    examples = [Example(nlp.make_doc(text), nlp.make_doc(text)) for text in (" \n", "\u200b")]
    head = torch_head(nlp.get_pipe(NAME).model)
    assert head is not None
    head.zero_grad()
    assert nlp.update(examples, sgd=None, losses={})[NAME] == 0.0
    assert not any(weight.grad.any() for weight in head.parameters() if weight.grad is not None)
