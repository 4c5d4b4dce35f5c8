"""What `posattn_ner` writes to documents, and what it does with entities that are already there."""

from contextlib import contextmanager
from typing import Any, Iterator, List, Sequence, Tuple

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span

from pipelines import HASH_EMBED, TEXTS, add_head, make_examples, plain_pipeline, train
from posattn_spacy import component
from posattn_spacy.component import PositionalNER
from posattn_spacy.confidence import add_confidence_extension
from posattn_spacy.decoding import Prediction
from posattn_spacy.tagging import Spans

pytestmark = pytest.mark.gpu

LABELS = ["geo", "per"]
TEXT = TEXTS[0]  # Alice Smith visited Berlin .


def predicted(*spans: Tuple[int, int, str]) -> Prediction:
    """A prediction of spans: the first one is sure, each other one half as sure as the one before."""
    starts, stops, labels = (np.array([span[i] for span in spans]) for i in range(3))
    indices = np.array([LABELS.index(label) for label in labels], dtype=np.int64)
    halves = np.power(0.5, np.arange(len(spans)), dtype=np.float32)
    return Prediction(Spans(starts, stops, indices, halves), Spans.none())


def annotate(doc: Doc, spans: Sequence[Tuple[int, int, str]], **settings: bool) -> Doc:
    """Let a component write the spans it is made to predict."""
    pipe = plain_pipeline(settings=settings).get_pipe("posattn_ner")
    for label in LABELS:
        pipe.add_label(label)
    pipe.set_annotations([doc], [predicted(*spans)])
    return doc


def test_documents_are_read_with_others_of_like_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(component, "PREDICT_TOKENS", 40)
    nlp = plain_pipeline()
    train(nlp, 1)
    pipe, sizes = nlp.get_pipe("posattn_ner"), []
    decode = pipe.decode
    monkeypatch.setattr(
        pipe, "decode", lambda docs, scores: sizes.append([len(doc) for doc in docs]) or decode(docs, scores)
    )
    lengths = [3, 30, 1, 2, 100, 3, 0, 2, 20, 19, 1, 3]
    docs = [Doc(nlp.vocab, words=["word"] * n) for n in lengths]
    predictions = pipe.predict(docs)
    assert len(predictions) == len(docs)
    assert sorted(n for batch in sizes for n in batch if n) == sorted(n for n in lengths if n)
    assert all(len(batch) * max(batch) <= 40 for batch in sizes if len(batch) > 1)
    assert len(sizes) < len(docs) / 2


def found(doc: Doc) -> List[Tuple[str, str]]:
    return [(ent.text, ent.label_) for ent in doc.ents]


def doc_of(*words: str) -> Doc:
    return Doc(spacy.blank("xx").vocab, words=list(words))


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


def test_every_document_gets_its_own_entities():
    pipe = plain_pipeline().get_pipe("posattn_ner")
    for label in LABELS:
        pipe.add_label(label)
    docs = [doc_of("a", "b"), doc_of(), doc_of("c")]
    pipe.set_annotations(docs, [predicted((0, 2, "per")), predicted(), predicted((0, 1, "per"))])
    assert [found(doc) for doc in docs] == [[("a b", "per")], [], [("c", "per")]]


# Probabilities


def scores(doc: Doc, key: str = "posattn_ner") -> List[Tuple[str, str, float]]:
    group = doc.spans[key]
    return [
        (span.text, span.label_, score)
        for span, score in zip(group, group.attrs["scores"].tolist(), strict=True)
    ]


def test_spans_with_scores_stand_beside_the_entities():
    doc = annotate(doc_of(*TEXT.split()), [(0, 2, "per"), (3, 4, "geo")])
    assert scores(doc) == [("Alice Smith", "per", 1.0), ("Berlin", "geo", 0.5)]
    assert "posattn_ner_candidates" not in doc.spans


def test_scores_survive_the_way_through_bytes():
    doc = annotate(doc_of(*TEXT.split()), [(0, 2, "per"), (3, 4, "geo")])
    assert scores(Doc(doc.vocab).from_bytes(doc.to_bytes())) == scores(doc)


def test_entities_that_give_way_have_no_score():
    doc = doc_of(*TEXT.split())
    doc.set_ents([Span(doc, 0, 1, label="rule")], default="missing")
    annotate(doc, [(0, 2, "per"), (3, 4, "geo")])
    assert scores(doc) == [("Berlin", "geo", 0.5)]
    assert found(doc) == [("Alice", "rule"), ("Berlin", "geo")]


def test_a_span_knows_its_confidence():
    add_confidence_extension()
    doc = annotate(doc_of(*TEXT.split()), [(0, 2, "per"), (3, 4, "geo")])
    assert [ent._.confidence for ent in doc.ents] == [1.0, 0.5]
    assert doc[2:3]._.confidence is None
    assert Span(doc, 3, 4, label="per")._.confidence is None
    assert doc_of("a")[:1]._.confidence is None


@pytest.fixture(scope="module")
def unsure() -> Language:
    """A pipeline that has learned little."""
    nlp = plain_pipeline()
    train(nlp, 12)
    return nlp


def test_less_probable_entities_are_left_out(unsure):
    pipe = unsure.get_pipe("posattn_ner")
    every = {item for text in TEXTS for item in scores(unsure(text))}
    middle = float(np.median([score for *_, score in every]))
    with configured(pipe, threshold=middle):
        kept = {item for text in TEXTS for item in scores(unsure(text))}
    assert kept == {item for item in every if item[2] >= middle}
    assert 0 < len(kept) < len(every)


def test_a_label_may_have_a_threshold_of_its_own(unsure):
    pipe = unsure.get_pipe("posattn_ner")
    every = {item for text in TEXTS for item in scores(unsure(text))}
    assert {label for _, label, _ in every} == {"geo", "per"}
    with configured(pipe, threshold=1.0, label_thresholds={"geo": 0.0}):
        kept = {item for text in TEXTS for item in scores(unsure(text))}
    assert kept == {item for item in every if item[1] == "geo"}


def test_candidates_are_all_probable_spans(unsure):
    pipe = unsure.get_pipe("posattn_ner")
    with configured(pipe, candidates=0.01):
        docs = list(unsure.pipe(TEXTS))
    for doc in docs:
        candidates = scores(doc, "posattn_ner_candidates")
        assert {item[:2] for item in scores(doc)} <= {item[:2] for item in candidates}
        assert all(score >= 0.01 for *_, score in candidates)
    assert sum(len(doc.spans["posattn_ner_candidates"]) for doc in docs) > sum(len(doc.ents) for doc in docs)


def test_a_higher_temperature_makes_less_sure(unsure):
    pipe = unsure.get_pipe("posattn_ner")
    before = {item[:2]: item[2] for text in TEXTS for item in scores(unsure(text))}
    with configured(pipe, temperature=2.0):
        after = {item[:2]: item[2] for text in TEXTS for item in scores(unsure(text))}
    assert before.keys() == after.keys()
    assert np.mean(list(after.values())) < np.mean(list(before.values()))


@contextmanager
def configured(pipe: PositionalNER, **settings: Any) -> Iterator[None]:
    """Change a component's settings for a while."""
    before = dict(pipe.cfg)
    pipe.cfg.update(settings)
    try:
        yield
    finally:
        pipe.cfg.update(before)


# Entities that are already there: the same for spaCy's own `ner`


@pytest.fixture(scope="module", params=["ner", "posattn_ner"])
def trained(request: pytest.FixtureRequest) -> Language:
    """A pipeline that finds the entities of the toy corpus: with spaCy's `ner`, and with ours."""
    nlp = spacy.blank("xx")
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
    ((entities, *_),) = pipe.predict([doc])
    assert entities.starts.tolist() == [0, 3]
    doc.set_ents([Span(doc, 3, 4, label="rule")], blocked=[doc[0:1]], default="missing")
    ((entities, *_),) = pipe.predict([doc])
    touched = {
        i for start, stop in zip(entities.starts, entities.stops, strict=True) for i in range(start, stop)
    }
    assert not touched & {0, 3}


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
