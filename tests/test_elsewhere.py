"""How the same words are annotated elsewhere in a corpus."""

from typing import List, Sequence

import spacy
from spacy.tokens import Doc

from posattn_spacy.annotating.audit import Finding, weighed
from posattn_spacy.annotating.elsewhere import Elsewhere
from posattn_spacy.annotating.findings import MADE_UP, MISSED, WRONG_TYPE

VOCAB = spacy.blank("xx").vocab
LABELS = ["geo", "per"]


def doc(words: Sequence[str], tags: Sequence[str]) -> Doc:
    return Doc(VOCAB, words=list(words), ents=list(tags))


def corpus() -> List[Doc]:
    return [
        doc(["Ann", "Lee", "left"], ["B-per", "I-per", "O"]),
        doc(["Ann", "Lee", "came"], ["B-geo", "I-geo", "O"]),
        doc(["Ann", "Lee", "and", "Ann", "Lee"], ["B-per", "I-per", "O", "O", "O"]),
        doc(["Ann", "Lee", "Road"], ["B-geo", "I-geo", "I-geo"]),
        doc(["Ann", "Lee", "?"], ["", "", "O"]),
    ]


def test_each_place_counts_as_it_is_annotated_and_a_phrase_not_for_itself() -> None:
    docs = corpus()
    elsewhere = Elsewhere(docs, [docs[0][0:2], docs[2][3:5]])
    assert elsewhere.count(docs[0][0:2], "per") == 1
    assert elsewhere.count(docs[0][0:2], "geo") == 1
    assert elsewhere.count(docs[0][0:2], "") == 1
    assert elsewhere.count(docs[2][3:5], "") == 0
    assert elsewhere.count(docs[2][3:5], "per") == 2


def test_nothing_is_asked_of_no_documents() -> None:
    assert weighed([], [], LABELS) == []


def test_findings_that_agree_with_other_places_come_first() -> None:
    docs = corpus()
    as_elsewhere = Finding(1, WRONG_TYPE, (0, 2, 0), (0, 2, 1), 0.2, 0.6)
    unlike = Finding(0, WRONG_TYPE, (0, 2, 1), (0, 2, 0), 0.2, 0.6)
    missed = Finding(2, MISSED, None, (3, 5, 1), 0.2, 0.6)
    made_up = Finding(3, MADE_UP, (0, 3, 0), None, 0.2, 0.6)
    found = weighed([unlike, made_up, missed, as_elsewhere], docs, LABELS)
    counts = {each.doc: (each.elsewhere_given, each.elsewhere_suggested) for each in found}
    assert counts == {0: (1, 1), 1: (0, 2), 2: (0, 2), 3: (0, 0)}
    assert [each.doc for each in found] == [2, 1, 0, 3]
    assert found[0].score > found[-1].score > 0
