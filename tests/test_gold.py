"""Gold annotation as arrays."""

from typing import List, Optional, Sequence

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.training import Example

from posattn_spacy.gold import (
    BEGIN,
    INSIDE,
    OUTSIDE,
    UNKNOWN,
    doc_annotation,
    gold_annotation,
    gold_batch,
    same_tokens,
    survey_examples,
)
from posattn_spacy.losses import MISSING
from posattn_spacy.tagging import TagScheme

NLP = spacy.blank("xx")
LABELS = ["geo", "per"]
INDEX = {NLP.vocab.strings.add(label): i for i, label in enumerate(LABELS)}
IOB = {"B": BEGIN, "I": INSIDE, "L": INSIDE, "U": BEGIN, "O": OUTSIDE}


def doc_with(tags: Sequence[Optional[str]], words: Optional[Sequence[str]] = None) -> Doc:
    """A document with an IOB2 tag per word; None leaves a word without annotation."""
    return Doc(NLP.vocab, words=list(words or [f"w{i}" for i in range(len(tags))]), ents=list(tags))


def example_of(reference: Doc, words: Optional[Sequence[str]] = None) -> Example:
    """An example without predictions, tokenised like the reference or as given."""
    predicted = Doc(NLP.vocab, words=list(words or [token.text for token in reference]))
    return Example(predicted, reference)


def tags_of(*examples: Example) -> List[str]:
    """The gold tags of a batch by name; "?" where there is none."""
    names = TagScheme(LABELS).tags
    return ["?" if tag == MISSING else names[tag] for tag in gold_batch(examples, INDEX).tags.tolist()]


@st.composite
def annotated_docs(draw: st.DrawFn) -> Doc:
    """Draw a document with entities, outside tokens and tokens without annotation in any mixture."""
    tags: List[Optional[str]] = []
    pieces = st.tuples(st.sampled_from(["O", None, *LABELS]), st.integers(1, 3))
    for piece, width in draw(st.lists(pieces, min_size=1, max_size=6)):
        if piece is None or piece == "O":
            tags += [piece] * width
        else:
            tags += [f"B-{piece}", *[f"I-{piece}"] * (width - 1)]
    return doc_with(tags)


@given(annotated_docs())
def test_equal_tokens_read_what_spacys_alignment_reads(reference):
    example = example_of(reference)
    assert same_tokens(example)
    expected = [tag if tag and tag != "-" else None for tag in example.get_aligned_ner()]
    found = gold_annotation(example)
    assert found.iob.tolist() == [IOB[tag[0]] if tag else UNKNOWN for tag in expected]
    assert [NLP.vocab.strings[int(key)] for key in found.types] == [
        tag[2:] if tag else "" for tag in expected
    ]


@given(annotated_docs(), st.data())
def test_other_tokens_read_what_spacys_alignment_reads(reference, data):
    words: List[str] = []
    spaces: List[bool] = []
    for token in reference:  # "w0" stays, or becomes "w" and "0"
        parts = [token.text] if data.draw(st.booleans()) else list(token.text)
        words += parts
        spaces += [False] * (len(parts) - 1) + [bool(token.whitespace_)]
    example = Example(Doc(NLP.vocab, words=words, spaces=spaces), reference)
    found = gold_annotation(example)
    aligned = [tag if tag and tag != "-" else None for tag in example.get_aligned_ner()]
    assert found.iob.tolist() == [IOB[tag[0]] if tag else UNKNOWN for tag in aligned]
    assert [NLP.vocab.strings[int(key)] for key in found.types] == [tag[2:] if tag else "" for tag in aligned]


def test_no_annotation_is_all_missing():
    example = Example.from_dict(NLP.make_doc("Alice visited Berlin"), {})
    assert tags_of(example) == ["?", "?", "?"]


def test_an_empty_list_of_entities_is_all_outside():
    example = Example.from_dict(NLP.make_doc("Alice visited Berlin"), {"entities": []})
    assert tags_of(example) == ["O", "O", "O"]


def test_entities_become_tags_of_their_label():
    assert tags_of(example_of(doc_with(["B-per", "I-per", "O", "B-geo"]))) == ["B-per", "I-per", "O", "B-geo"]


def test_a_dash_is_a_missing_tag():
    words = NLP.make_doc("Alice Smith slept")
    example = Example.from_dict(words, {"entities": ["-", "U-per", "O"]})
    assert tags_of(example) == ["?", "B-per", "O"]


def test_missing_tags_are_missing_also_across_tokens():
    reference = doc_with([None, "B-per", "O"], ["ab", "cd", "ef"])
    predicted = Doc(NLP.vocab, words=["a", "b", "cd", "ef"], spaces=[False, True, True, True])
    assert tags_of(Example(predicted, reference)) == ["?", "?", "B-per", "O"]


def test_misaligned_entities_are_missing():
    predicted = NLP.make_doc("Alice visited NewYork today")
    with pytest.warns(UserWarning, match="W030"):
        example = Example.from_dict(predicted, {"entities": [(0, 5, "per"), (14, 17, "geo")]})
    assert tags_of(example) == ["B-per", "O", "?", "O"]


def test_an_entity_inside_a_predicted_token_is_missing():
    reference = doc_with(["B-geo", "O", "O"], ["New", "York", "Times"])
    predicted = Doc(NLP.vocab, words=["New York", "Times"])
    assert tags_of(Example(predicted, reference)) == ["?", "O"]


def test_as_many_tokens_are_not_the_same_tokens():
    reference = Doc(NLP.vocab, words=["a", "bc"], spaces=[False, False], ents=["B-per", "O"])
    predicted = Doc(NLP.vocab, words=["ab", "c"], spaces=[False, False])
    assert tags_of(Example(predicted, reference)) == ["?", "O"]


def test_an_entity_over_split_tokens_is_projected():
    reference = doc_with(["O", "B-geo"], ["in", "London."])
    predicted = Doc(NLP.vocab, words=["in", "London", "."], spaces=[True, False, False])
    assert tags_of(Example(predicted, reference)) == ["O", "B-geo", "I-geo"]


def test_blocked_tokens_are_outside():
    reference = doc_with(["B-per", "O", "O"])
    reference.set_ents(
        [Span(reference, 0, 1, label="per")], blocked=[Span(reference, 1, 2)], default="missing"
    )
    assert tags_of(example_of(reference)) == ["B-per", "O", "?"]
    assert doc_annotation(reference).iob.tolist() == [BEGIN, OUTSIDE, UNKNOWN]


def test_documents_without_tokens_add_no_rows():
    empty = example_of(Doc(NLP.vocab))
    full = example_of(doc_with(["B-per", "O"]))
    assert tags_of(empty, full, empty) == ["B-per", "O"]


def test_targets_mark_inside_start_and_end():
    example = example_of(doc_with(["B-per", "I-per", "I-per", "O", "B-geo"]))
    assert gold_batch([example], INDEX).positions.tolist() == [
        [1, 1, 0],
        [1, 0, 0],
        [1, 0, 1],
        [0, 0, 0],
        [1, 1, 1],
    ]


def test_neighbouring_entities_end_and_start():
    example = example_of(doc_with(["B-per", "I-per", "B-per", "B-geo"]))
    positions = gold_batch([example], INDEX).positions
    assert positions[:, 1].tolist() == [1, 0, 1, 1]
    assert positions[:, 2].tolist() == [0, 1, 1, 1]


def test_an_entity_ends_with_its_document():
    ends_inside = example_of(doc_with(["O", "B-per", "I-per"]))
    starts = example_of(doc_with(["B-per", "I-per", "O"]))
    empty = example_of(Doc(NLP.vocab))
    positions = gold_batch([ends_inside, empty, starts], INDEX).positions
    assert positions[:, 2].tolist() == [0, 0, 1, 0, 1, 0]


def test_unseen_labels_are_missing_and_reported():
    batch = gold_batch([example_of(doc_with(["B-tim", "I-tim", "O", "B-geo"]))], INDEX)
    assert batch.tags.tolist() == [MISSING, MISSING, 0, 1]
    assert [NLP.vocab.strings[key] for key in batch.unseen.tolist()] == ["tim"]


def test_seen_labels_are_not_reported():
    assert not len(gold_batch([example_of(doc_with(["B-per", "O", None]))], INDEX).unseen)


# The pass over the training examples


def misaligned_example() -> Example:
    reference = doc_with(["B-geo", "O", "B-per"], ["New", "York", "Bob"])
    return Example(Doc(NLP.vocab, words=["New York", "Bob"]), reference)


def test_survey_finds_the_labels_in_order():
    docs = [doc_with(["B-per", "O"]), doc_with(["O", "B-geo"]), doc_with(["O"])]
    assert survey_examples(map(example_of, docs), 10).labels == ["geo", "per"]


def test_survey_samples_documents_that_have_tokens():
    examples = [example_of(Doc(NLP.vocab)), *(example_of(doc_with(["O"] * n)) for n in (1, 2, 3))]
    sample = survey_examples(examples, 2).sample
    assert [len(doc) for doc in sample] == [1, 2]
    assert sample[0] is examples[1].predicted


def test_survey_counts_misaligned_entities():
    survey = survey_examples([misaligned_example(), example_of(doc_with(["B-per"]))], 10)
    assert (survey.entities, survey.misaligned) == (3, 1)
    assert survey.where == ["New York Bob "]


def test_survey_counts_nothing_where_entities_fit():
    reference = doc_with(["O", "B-geo"], ["in", "London."])
    predicted = Doc(NLP.vocab, words=["in", "London", "."], spaces=[True, False, False])
    survey = survey_examples([Example(predicted, reference)], 10)
    assert (survey.entities, survey.misaligned, survey.where) == (1, 0, [])


def test_survey_says_what_is_lost_and_what_helps():
    message = survey_examples([misaligned_example()], 10).describe_misaligned("posattn_ner")
    assert "1 of 2 gold entities" in message
    assert "New York Bob" in message
    assert "gold_preproc = true" in message
