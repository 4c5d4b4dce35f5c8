"""Partial annotation: what documents say, through files and readers, to the targets of training."""

from pathlib import Path
from typing import List

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example

from pipelines import plain_pipeline, train
from posattn_spacy.augmentation import retokenize
from posattn_spacy.gold import gold_batch, span_keys
from posattn_spacy.losses import MISSING
from posattn_spacy.partial import ANNOTATED_FOR, INCORRECT, annotate_for
from posattn_spacy.reader import PartialCorpus, create_reader_v1

NLP = spacy.blank("en")
NAME = "posattn_ner"
WORDS = ["Mara", "Quill", "saw", "Oslo", ".", "Bo", "left", "."]
TAGS = ["B-per", "I-per", "O", "B-geo", "O", "B-per", "O", "O"]
STARTS = [True, False, False, False, False, True, False, False]
INDEX = {NLP.vocab.strings.add(label): i for i, label in enumerate(["geo", "per"])}


def make_doc(tags: List[str] = TAGS) -> Doc:
    return Doc(NLP.vocab, words=WORDS, ents=tags, sent_starts=STARTS)


def for_persons() -> Doc:
    """A document that was annotated for persons alone."""
    doc = make_doc(["B-per", "I-per", "O", "O", "O", "B-per", "O", "O"])
    annotate_for(doc, ["per"])
    return doc


def example_of(doc: Doc) -> Example:
    return Example(Doc(NLP.vocab, words=[token.text for token in doc]), doc)


def read(path: Path, **settings: object) -> List[Example]:
    return list(create_reader_v1(path, gold_preproc=True, **settings)(NLP))  # type: ignore[arg-type]


def test_of_labels_that_were_not_looked_for_nothing_is_known() -> None:
    gold = gold_batch([example_of(for_persons())], INDEX)
    assert gold.tags.tolist() == [3, 4, MISSING, MISSING, MISSING, 3, MISSING, MISSING]
    assert gold.excluded is not None
    assert gold.excluded[:, 0].tolist() == [False] * 8
    assert gold.excluded[:, 1].tolist() == [False, False, True, True, True, False, True, True]


def test_annotated_for_all_labels_is_annotated() -> None:
    doc = make_doc()
    annotate_for(doc, ["per", "geo"])
    assert gold_batch([example_of(doc)], INDEX).tags.tolist() == [3, 4, 0, 1, 0, 3, 0, 0]


def test_what_was_not_known_before_is_not_known_afterwards() -> None:
    doc = make_doc(["B-per", "I-per", "O", "", "", "B-per", "O", "O"])
    annotate_for(doc, ["per"])
    gold = gold_batch([example_of(doc)], INDEX)
    assert gold.excluded is not None
    assert not gold.excluded[3:5].any()


def test_documents_without_a_word_on_it_are_as_they_are() -> None:
    gold = gold_batch([example_of(make_doc())], INDEX)
    assert gold.excluded is None
    assert gold.wrong is None


def test_knowledge_is_projected_onto_other_tokens() -> None:
    reference = Doc(NLP.vocab, words=["al-Qaida", "in", "Oslo"], ents=["O", "O", "B-geo"])
    annotate_for(reference, ["per"])
    reference.spans[INCORRECT] = [Span(reference, 0, 1, label="per"), Span(reference, 1, 2, label="geo")]
    predicted = Doc(
        NLP.vocab, words=["al", "-", "Qaida", "in", "Oslo"], spaces=[False, False, True, True, False]
    )
    gold = gold_batch([Example(predicted, reference)], INDEX, INCORRECT)
    assert gold.excluded is not None
    assert gold.excluded[:, 1].tolist() == [True] * 4 + [False]
    assert gold.wrong is not None
    assert sorted(zip(*(field.tolist() for field in gold.wrong[:3]), strict=True)) == [(0, 3, 1), (3, 4, 0)]


def test_wrong_spans_are_counted_over_the_batch_and_without_white_space() -> None:
    doc = Doc(NLP.vocab, words=["saw", "\n", "Oslo", " "])
    doc.spans[INCORRECT] = [
        Span(doc, 1, 4, label="per"),
        Span(doc, 2, 3, label="per"),
        Span(doc, 2, 3, label="x"),
    ]
    gold = gold_batch([example_of(make_doc()), example_of(doc)], INDEX, INCORRECT)
    assert gold.wrong is not None
    assert [field.tolist() for field in gold.wrong[:3]] == [[9], [10], [1]]


@pytest.mark.parametrize("augmenter", [None, retokenize])
def test_knowledge_survives_files_and_sentences(tmp_path: Path, augmenter: object) -> None:
    doc = for_persons()
    doc.spans[INCORRECT] = [Span(doc, 3, 4, label="per"), Span(doc, 4, 6, label="per")]
    path = tmp_path / "own.spacy"
    DocBin(docs=[doc]).to_disk(path)
    first, second = read(path, augmenter=augmenter)
    assert [token.text for token in first.reference] == WORDS[:5]
    whole = gold_batch([example_of(for_persons())], INDEX)
    cut = gold_batch([first, second], INDEX, INCORRECT)
    assert cut.tags.tolist() == whole.tags.tolist()
    assert np.array_equal(cut.excluded, whole.excluded)
    assert cut.wrong is not None
    assert [field.tolist() for field in cut.wrong[:3]] == [[3], [4], [1]]  # the other one crosses sentences


def test_spacys_own_reader_takes_what_is_not_known_for_missing(tmp_path: Path) -> None:
    path = tmp_path / "own.spacy"
    DocBin(docs=[for_persons()]).to_disk(path)
    examples = list(spacy.registry.readers.get("spacy.Corpus.v1")(path, gold_preproc=True)(NLP))
    gold = gold_batch(examples, INDEX)
    assert gold.tags.tolist() == [3, 4, MISSING, MISSING, MISSING, 3, MISSING, MISSING]
    assert gold.excluded is None


def test_a_reader_may_say_what_all_documents_were_annotated_for(tmp_path: Path) -> None:
    path = tmp_path / "own.spacy"
    told = make_doc()
    annotate_for(told, ["geo"])
    DocBin(docs=[make_doc(), told]).to_disk(path)
    examples = read(path, annotated_for=["per"])
    gold = [gold_batch([example], INDEX).excluded for example in examples]
    assert [each.any(0).tolist() for each in gold if each is not None] == [
        *[[False, True]] * 2,
        *[[True, False]] * 2,
    ]


def test_long_documents_are_cut_as_spacy_does(tmp_path: Path) -> None:
    path = tmp_path / "own.spacy"
    DocBin(docs=[for_persons()]).to_disk(path)
    reader = PartialCorpus(path, max_length=6)
    assert [len(example.reference) for example in reader(NLP)] == [5, 3]
    assert all(ANNOTATED_FOR in example.reference.spans for example in reader(NLP))


def test_a_reader_needs_a_path() -> None:
    with pytest.raises(ValueError, match=r"paths\.train"):
        create_reader_v1(None, gold_preproc=True)


def test_the_groups_are_no_entities_that_were_forgotten() -> None:
    assert span_keys([for_persons()]) == []


def test_a_span_that_is_annotated_and_known_to_be_none_is_named() -> None:
    nlp = plain_pipeline()
    train(nlp, 1)
    doc = nlp.make_doc("Alice Smith visited Berlin .")
    doc.ents = [Span(doc, 0, 2, label="per")]
    doc.spans[INCORRECT] = [Span(doc, 0, 2, label="per")]
    with pytest.raises(ValueError, match=r"can't learn from the document 'Alice Smith.*incorrect_spans"):
        nlp.update([Example(nlp.make_doc(doc.text), doc)], sgd=nlp.resume_training())


def test_a_component_unlearns_what_it_is_told_to_be_wrong() -> None:
    nlp = plain_pipeline()
    train(nlp, 30)
    doc = nlp("Alice Smith visited Berlin .")
    assert doc.ents
    reference = nlp.make_doc(doc.text)
    reference.spans[INCORRECT] = [Span(reference, ent.start, ent.end, label=ent.label) for ent in doc.ents]
    optimizer = nlp.resume_training()
    for _ in range(30):
        nlp.update([Example(nlp.make_doc(doc.text), reference)], sgd=optimizer)
    found = {(ent.start, ent.end, ent.label_) for ent in nlp(doc.text).ents}
    assert not found & {(ent.start, ent.end, ent.label_) for ent in doc.ents}
