"""Texts as they are annotated, and as the tokenizer splits them."""

import random
from typing import Iterator, List, Set, Tuple

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example

from posattn_spacy.augmentation import create_pool_augmenter_v1, retokenize
from posattn_spacy.gold import gold_batch

PIECES = ["al-Qaida", "U.S.", "W.T.O", ".", "Mr.", "it's", "Israeli-Palestinian", "talks", "'", "10-km", ","]


@pytest.fixture(scope="module")
def nlp() -> Language:
    return spacy.blank("en")


def annotated(nlp: Language, words: List[str], spans: List[Tuple[int, int]], spaces: List[bool]) -> Example:
    reference = Doc(nlp.vocab, words=words, spaces=spaces)
    reference.set_ents([Span(reference, start, stop, label="org") for start, stop in spans])
    return Example(Doc(nlp.vocab, words=words, spaces=spaces), reference)


def test_a_name_in_one_piece_is_also_learned_in_the_tokenizers(nlp: Language) -> None:
    example = annotated(nlp, ["Fighters", "of", "al-Qaida", "fled"], [(2, 3)], [True] * 3 + [False])
    given, own = retokenize(nlp, example)
    assert given is example
    assert [token.text for token in own.predicted] == ["Fighters", "of", "al", "-", "Qaida", "fled"]
    assert own.reference is example.reference
    assert gold_batch([own], {nlp.vocab.strings["org"]: 0}).tags.tolist() == [0, 0, 1, 2, 2, 0]


def test_what_the_tokenizer_splits_alike_comes_once(nlp: Language) -> None:
    example = annotated(nlp, ["Troops", "fled"], [], [True, False])
    assert list(retokenize(nlp, example)) == [example]


def test_a_text_that_comes_in_the_tokenizers_pieces_already_comes_once(nlp: Language) -> None:
    example = annotated(nlp, ["Fighters", "of", "al-Qaida", "fled"], [(2, 3)], [True] * 3 + [False])
    own = Example(nlp.make_doc(example.reference.text), example.reference)  # as without gold_preproc
    assert list(retokenize(nlp, own)) == [own]


def test_words_in_lower_case_are_left_as_they_are(nlp: Language) -> None:
    example = annotated(nlp, ["A", "two-day", "visit", "to", "Iraq"], [(4, 5)], [True] * 4 + [False])
    assert "two" in [token.text for token in nlp.make_doc("A two-day visit to Iraq")]
    assert list(retokenize(nlp, example)) == [example]


def test_an_entity_that_ends_within_a_token_is_not_lost(nlp: Language) -> None:
    example = annotated(nlp, ["The", "W.T.O", "."], [(1, 2)], [True, False, False])
    assert [token.text for token in nlp.make_doc("The W.T.O.")] == ["The", "W.T.O."]
    assert list(retokenize(nlp, example)) == [example]


@given(st.lists(st.tuples(st.sampled_from(PIECES), st.booleans()), max_size=8), st.data())
def test_both_have_the_same_text_and_entities(
    nlp: Language, pieces: List[Tuple[str, bool]], data: st.DataObject
) -> None:
    words, spaces = [word for word, _ in pieces], [space for _, space in pieces]
    cuts = sorted(data.draw(st.sets(st.integers(0, len(words)))))
    spans = list(zip(cuts[::2], cuts[1::2], strict=False))
    for example in retokenize(nlp, annotated(nlp, words, spans, spaces)):
        assert example.predicted.text == example.reference.text
        expected: Set[Tuple[int, int]] = {(e.start_char, e.end_char) for e in example.reference.ents}
        tags = example.get_aligned_ner()
        assert sum(tag is not None and tag[0] in "BU" for tag in tags) == len(expected)


# A pool of variants


def draw(nlp: Language, example: Example) -> Iterator[Example]:
    """Put a random number into a text."""
    words = [f"{example.reference.text}{random.random()}"]
    yield Example(Doc(nlp.vocab, words=words), Doc(nlp.vocab, words=words))


def drawn(nlp: Language, text: str, times: int = 40, **settings: int) -> Set[str]:
    augment = create_pool_augmenter_v1(draw, **settings)
    example = annotated(nlp, [text], [], [False])
    return {each.reference.text for _ in range(times) for each in augment(nlp, example)}


def test_a_text_has_so_many_variants_and_no_more(nlp: Language) -> None:
    for variants in (1, 2, 5):
        assert len(drawn(nlp, "talks", 200, variants=variants)) == variants


def test_variants_are_the_same_in_every_run_but_not_for_every_seed_and_text(nlp: Language) -> None:
    one = drawn(nlp, "talks")
    random.seed(7)
    assert drawn(nlp, "talks") == one
    assert not drawn(nlp, "talks", seed=1) & one
    assert {text.removeprefix("talks") for text in one}.isdisjoint(
        text.removeprefix("fled") for text in drawn(nlp, "fled")
    )


def test_drawing_variants_does_not_change_what_others_draw(nlp: Language) -> None:
    random.seed(3)
    random.randrange(2)  # which of two
    expected = random.random()
    random.seed(3)
    drawn(nlp, "talks", 1, variants=2)
    assert random.random() == expected


def test_a_pool_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        create_pool_augmenter_v1(draw, variants=0)
