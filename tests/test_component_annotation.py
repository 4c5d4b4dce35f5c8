"""What `posattn_ner` writes to documents, and what it does with entities that are already there."""

from typing import List, Sequence, Tuple

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span

from pipelines import HASH_EMBED, TEXTS, add_head, make_examples, plain_pipeline, train
from posattn_spacy.tagging import TagScheme

LABELS = ["geo", "per"]
SCHEME = TagScheme(LABELS)
TEXT = TEXTS[0]  # Alice Smith visited Berlin .


def annotate(doc: Doc, spans: Sequence[Tuple[int, int, str]], **settings: bool) -> Doc:
    """Let a component write the spans it is made to predict."""
    pipe = plain_pipeline(settings=settings).get_pipe("posattn_ner")
    for label in LABELS:
        pipe.add_label(label)
    tags = SCHEME.encode([(start, end, LABELS.index(label)) for start, end, label in spans], len(doc))
    pipe.set_annotations([doc], [tags])
    return doc


def found(doc: Doc) -> List[Tuple[str, str]]:
    return [(ent.text, ent.label_) for ent in doc.ents]


def doc_of(*words: str) -> Doc:
    return Doc(spacy.blank("en").vocab, words=list(words))


# Writing


def test_predictions_become_entities():
    doc = annotate(doc_of(*TEXT.split()), [(0, 2, "per"), (3, 4, "geo")])
    assert found(doc) == [("Alice Smith", "per"), ("Berlin", "geo")]
    assert [token.ent_iob_ for token in doc] == ["B", "I", "O", "B", "O"]


def test_no_token_is_left_without_annotation():
    doc = annotate(doc_of("a", "b"), [])
    assert [token.ent_iob_ for token in doc] == ["O", "O"]


def test_adjacent_entities_stay_apart():
    doc = annotate(doc_of("a", "b", "c"), [(0, 1, "per"), (1, 3, "per")])
    assert [(ent.start, ent.end) for ent in doc.ents] == [(0, 1), (1, 3)]


@pytest.mark.parametrize("overwrite", [False, True])
def test_entities_do_not_begin_or_end_in_white_space(overwrite):
    doc = doc_of("\n", "Alice", "\n\n", "Smith", " ", "slept", "\n")
    annotate(doc, [(0, 5, "per"), (6, 7, "geo")], overwrite=overwrite)
    assert [(ent.start, ent.end, ent.label_) for ent in doc.ents] == [(1, 4, "per")]
    assert [token.ent_iob_ for token in doc] == ["O", "B", "I", "I", "O", "O", "O"]


def test_every_document_gets_its_own_entities():
    pipe = plain_pipeline().get_pipe("posattn_ner")
    pipe.add_label("per")
    docs = [doc_of("a", "b"), doc_of(), doc_of("c")]
    pipe.set_annotations(docs, [np.array([1, 2]), np.array([], dtype="i8"), np.array([1])])
    assert [found(doc) for doc in docs] == [[("a b", "per")], [], [("c", "per")]]


# Entities that are already there: the same for spaCy's own `ner`


@pytest.fixture(scope="module", params=["ner", "posattn_ner"])
def trained(request: pytest.FixtureRequest) -> Language:
    """A pipeline that finds the entities of the toy corpus: with spaCy's `ner`, and with ours."""
    nlp = spacy.blank("en")
    if request.param == "ner":
        nlp.add_pipe("ner")
    else:
        add_head(nlp, HASH_EMBED)
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.003
    for _ in range(80):
        nlp.update(examples, sgd=optimizer)
    assert found(nlp(TEXT)) == [("Alice Smith", "per"), ("Berlin", "geo")]
    return nlp


def with_ruler(nlp: Language, pattern: str, **where: str) -> List[Tuple[str, str]]:
    """The entities of `TEXT` with an entity ruler in the pipeline that knows a single name."""
    ruler = nlp.add_pipe("entity_ruler", **where)
    ruler.add_patterns([{"label": "rule", "pattern": pattern}])
    try:
        return found(nlp(TEXT))
    finally:
        nlp.remove_pipe("entity_ruler")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("visited", [("Alice Smith", "per"), ("visited", "rule"), ("Berlin", "geo")]),
        ("Berlin", [("Alice Smith", "per"), ("Berlin", "rule")]),
        ("Berlin .", [("Alice Smith", "per"), ("Berlin .", "rule")]),
        ("Alice Smith visited", [("Alice Smith visited", "rule"), ("Berlin", "geo")]),
    ],
)
def test_entities_of_a_ruler_before_stay(trained, pattern, expected):
    assert with_ruler(trained, pattern, first=True) == expected


def test_a_ruler_in_the_middle_of_an_entity_stays(trained):
    entities = with_ruler(trained, "Smith", first=True)
    assert ("Smith", "rule") in entities
    assert ("Berlin", "geo") in entities
    assert ("Alice Smith", "per") not in entities


def test_a_ruler_after_adds_what_is_free(trained):
    assert with_ruler(trained, "visited", last=True) == [
        ("Alice Smith", "per"),
        ("visited", "rule"),
        ("Berlin", "geo"),
    ]
    assert with_ruler(trained, "Berlin", last=True) == [("Alice Smith", "per"), ("Berlin", "geo")]


def test_blocked_tokens_stay_blocked(trained):
    doc = trained.make_doc(TEXT)
    doc.set_ents([], blocked=[doc[3:4]], default="missing")
    doc = trained(doc)
    assert found(doc) == [("Alice Smith", "per")]
    assert (doc[3].ent_iob, doc[3].ent_type) == (3, 0)
    assert all(token.ent_iob != 0 for token in doc)


def test_tokens_that_were_outside_are_free(trained):
    doc = trained.make_doc(TEXT)
    doc.set_ents([], default="outside")
    assert found(trained(doc)) == [("Alice Smith", "per"), ("Berlin", "geo")]


def test_a_second_run_changes_nothing(trained):
    doc = trained(TEXT)
    assert found(trained(doc)) == [("Alice Smith", "per"), ("Berlin", "geo")]


def test_predict_leaves_taken_tokens_out():
    nlp = plain_pipeline()
    train(nlp, 60)
    pipe = nlp.get_pipe("posattn_ner")
    doc = nlp.make_doc(TEXT)
    assert [SCHEME.tags[tag] for tag in pipe.predict([doc])[0]] == ["B-per", "I-per", "O", "B-geo", "O"]
    doc.set_ents([Span(doc, 3, 4, label="rule")], blocked=[doc[0:1]], default="missing")
    tags = [SCHEME.tags[tag] for tag in pipe.predict([doc])[0]]
    assert (tags[0], tags[3]) == ("O", "O")
    assert tags[1] != "I-per"


# Overwriting


def test_overwrite_replaces_what_is_there():
    doc = doc_of(*TEXT.split())
    doc.set_ents([Span(doc, 1, 3, label="rule")], blocked=[doc[3:4]], default="missing")
    annotate(doc, [(0, 2, "per"), (3, 4, "geo")], overwrite=True)
    assert found(doc) == [("Alice Smith", "per"), ("Berlin", "geo")]
    assert [token.ent_iob_ for token in doc] == ["B", "I", "O", "B", "O"]


def test_overwrite_predicts_over_what_is_there():
    nlp = plain_pipeline(settings={"overwrite": True})
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.003
    for _ in range(40):
        nlp.update(examples, sgd=optimizer)
    assert with_ruler(nlp, "Smith visited", first=True) == [("Alice Smith", "per"), ("Berlin", "geo")]
