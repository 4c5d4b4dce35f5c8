"""Documents live on after the pipeline: what spaCy does to them keeps entities, and how sure they are."""

import json
import pickle
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span

from pipelines import LEXICAL, TEXTS, frozen_pipeline, train
from posattn_spacy import following, visualize
from posattn_spacy.confidence import add_confidence_extension
from posattn_spacy.view.sentences import doc_sentence

NAME = "posattn_ner"
TEXT = f"{TEXTS[0]} {TEXTS[2]}"


@pytest.fixture(scope="module")
def nlp(tiny_encoder: Callable[[str], Path]) -> Language:
    """As it is shipped, spaCy's own cleaner with its defaults included."""
    nlp = frozen_pipeline(tiny_encoder("bert"), lexical=LEXICAL)
    nlp.add_pipe("sentencizer", first=True)
    train(nlp, 60)
    nlp.add_pipe("doc_cleaner")
    return nlp


@pytest.fixture(autouse=True)
def extension() -> None:
    add_confidence_extension()


def confidences(doc: Doc) -> List[Tuple[str, Optional[float]]]:
    return [(ent.text, ent._.confidence) for ent in doc.ents]


@pytest.fixture
def doc(nlp: Language) -> Doc:
    doc = nlp(TEXT)
    assert [ent.text for ent in doc.ents] == ["Alice Smith", "Berlin", "Bob Jones", "Peru"]
    assert all(0.5 < score <= 1 for _, score in confidences(doc))
    return doc


# What spaCy does with documents


def test_a_saved_cleaner_leaves_documents_whole(nlp: Language, tmp_path: Path) -> None:
    """Version 0.1.0 shipped it with `tensor = null`, which is what spaCy's own defaults say, too."""
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert loaded.config["components"]["doc_cleaner"]["attrs"]["tensor"] is None
    doc = loaded(TEXT)
    assert doc._.trf_data is None
    assert [len(sent.as_doc()) for sent in doc.sents] == [len(sent) for sent in doc.sents]
    assert [ent.as_doc().text.strip() for ent in doc.ents] == [ent.text for ent in doc.ents]
    assert doc.vector.shape == doc[0].vector.shape == (0,)
    assert not doc.has_vector


def test_similarity_does_not_fail(doc: Doc) -> None:
    with pytest.warns(UserWarning, match="W00[78]"):
        assert doc.ents[0].similarity(doc.ents[1]) == 0.0


def test_a_sentence_as_a_document_keeps_its_entities_and_on_request_their_confidence(doc: Doc) -> None:
    whole = confidences(doc)
    plain = [sent.as_doc() for sent in doc.sents]
    assert [ent.text for each in plain for ent in each.ents] == [text for text, _ in whole]
    assert {score for each in plain for _, score in confidences(each)} == {None}
    with_data = [sent.as_doc(copy_user_data=True) for sent in doc.sents]
    assert [each for part in with_data for each in confidences(part)] == whole


def test_joined_documents_keep_the_confidence_of_each_entity(nlp: Language, doc: Doc) -> None:
    del doc.user_data[("._.", "trf_data", None, None)]  # of which spaCy would warn
    other = nlp(TEXTS[1])
    del other.user_data[("._.", "trf_data", None, None)]
    joined = Doc.from_docs([doc, other])
    assert confidences(joined) == confidences(doc) + confidences(other)


THROUGH: Dict[str, Callable[[Doc], Doc]] = {
    "bytes": lambda doc: Doc(doc.vocab).from_bytes(doc.to_bytes()),
    "bytes, other vocabulary": lambda doc: Doc(spacy.blank("xx").vocab).from_bytes(doc.to_bytes()),
    "pickle": lambda doc: pickle.loads(pickle.dumps(doc)),
    "DocBin": lambda doc: next(DocBin(docs=[doc]).get_docs(doc.vocab)),
    "DocBin with user data": lambda doc: next(DocBin(docs=[doc], store_user_data=True).get_docs(doc.vocab)),
    "copy": lambda doc: doc.copy(),
}


@pytest.mark.parametrize("through", THROUGH.values(), ids=THROUGH)
def test_confidence_survives(doc: Doc, through: Callable[[Doc], Doc]) -> None:
    other = through(doc)
    assert confidences(other) == confidences(doc)
    assert other.spans[NAME].attrs["scores"].tolist() == doc.spans[NAME].attrs["scores"].tolist()


def merge_entities(doc: Doc) -> None:
    with doc.retokenize() as retokenizer:
        for ent in doc.ents:
            retokenizer.merge(ent)


def split_entities(doc: Doc) -> None:
    merge_entities(doc)
    with doc.retokenize() as retokenizer:
        for token in doc:
            if " " in token.text:
                first, second = token.text[:2], token.text[2:]
                retokenizer.split(token, [first, second], heads=[token, token])


def merge_and_split(doc: Doc) -> None:
    """Change tokens so that there are as many as before."""
    tokens, first, last = len(doc), doc.ents[0], doc.ents[-1].root
    with doc.retokenize() as retokenizer:
        retokenizer.merge(first)
        retokenizer.split(last, [last.text[:2], last.text[2:]], heads=[last, last])
    assert len(doc) == tokens


@pytest.mark.parametrize("change", [merge_entities, split_entities, merge_and_split])
def test_groups_and_confidence_follow_when_tokens_are_merged_or_split(
    doc: Doc, change: Callable[[Doc], None]
) -> None:
    before, scores = confidences(doc), doc.spans[NAME].attrs["scores"].tolist()
    change(doc)
    assert [span.text for span in doc.spans[NAME]] == [text for text, _ in before]
    assert confidences(doc) == before
    other = Doc(doc.vocab).from_bytes(doc.to_bytes())
    assert [span.text for span in other.spans[NAME]] == [text for text, _ in before]
    assert other.spans[NAME].attrs["scores"].tolist() == scores
    assert confidences(doc.copy()) == before
    assert "Berlin" in (visualize(doc, jupyter=False) or "")
    doc.spans[NAME].append(doc[0:1])
    assert len(doc.spans[NAME]) == len(before) + 1


@pytest.mark.parametrize("change", [merge_entities, split_entities, merge_and_split])
@pytest.mark.parametrize("through", THROUGH.values(), ids=THROUGH)
def test_they_follow_after_a_document_was_written_and_read_too(
    nlp: Language, doc: Doc, through: Callable[[Doc], Doc], change: Callable[[Doc], None]
) -> None:
    before, other = confidences(doc), through(doc)
    change(other)
    assert confidences(other) == before
    assert [span.text for span in other.spans[NAME]] == [text for text, _ in before]
    assert scores_shown(other) == [score for _, score in before]
    if change is not merge_entities:
        return  # of the parts spaCy says that they are in an entity, but not of which type
    again = nlp.get_pipe(NAME)(nlp.get_pipe("transformer")(other))
    assert confidences(again) == before
    assert [span.text for span in again.spans[NAME]] == [text for text, _ in before]


def scores_shown(doc: Doc) -> List[Optional[float]]:
    return [entity.score for entity in doc_sentence(doc).entities]


def test_joined_documents_follow_and_show_their_scores(nlp: Language, doc: Doc) -> None:
    del doc.user_data[("._.", "trf_data", None, None)]
    joined = Doc.from_docs([doc])
    assert scores_shown(joined) == [score for _, score in confidences(doc)]
    merge_entities(joined)
    assert confidences(joined) == confidences(doc)


def test_a_group_that_was_left_behind_is_gone_over_once(monkeypatch: pytest.MonkeyPatch) -> None:
    vocab = spacy.blank("xx").vocab
    doc = Doc(vocab, words=["a", "b"] * 1000, ents=["B-x", "I-x"] * 1000)
    attrs = {"scores": np.linspace(0, 1, 1000)}
    doc.spans[NAME] = spacy.tokens.SpanGroup(doc, name=NAME, spans=list(doc.ents), attrs=attrs)
    merge_entities(doc)
    read: List[bytes] = []
    found = following.spans_by_characters
    monkeypatch.setattr(
        following, "spans_by_characters", lambda doc, data: read.append(data) or found(doc, data)
    )
    assert [ent._.confidence for ent in doc.ents] == np.linspace(0, 1, 1000).tolist()
    assert len(read) == 1


def test_merging_in_the_pipeline_works_in_worker_processes_too(nlp: Language) -> None:
    nlp.add_pipe("merge_entities")
    try:
        docs = list(nlp.pipe([TEXT] * 4, n_process=2))
    finally:
        nlp.remove_pipe("merge_entities")
    for doc in docs:
        assert [span.text for span in doc.spans[NAME]] == [ent.text for ent in doc.ents]
        assert all(score is not None for _, score in confidences(doc))


def test_worker_processes_do_not_complain(nlp: Language, capfd: pytest.CaptureFixture[str]) -> None:
    list(nlp.pipe([TEXT] * 4, n_process=2))
    assert capfd.readouterr().err == ""


def test_filtered_groups_keep_the_confidence_of_what_is_left(doc: Doc) -> None:
    before = dict(confidences(doc))
    doc.spans[NAME] = [span for span in doc.spans[NAME] if span.label_ == "geo"]
    doc.ents = list(doc.spans[NAME])
    assert confidences(doc) == [(text, before[text]) for text in ("Berlin", "Peru")]


def test_a_document_that_comes_again_keeps_what_was_found(nlp: Language, doc: Doc) -> None:
    nlp.get_pipe(NAME).cfg["candidates"] = 0.01
    try:
        doc = nlp(nlp.make_doc(TEXT))
        entities, scores = confidences(doc), doc.spans[NAME].attrs["scores"].tolist()
        candidates = [(s.start, s.end, s.label_) for s in doc.spans[f"{NAME}_candidates"]]
        doc = nlp(doc)
        again = [(s.start, s.end, s.label_) for s in doc.spans[f"{NAME}_candidates"]]
    finally:
        nlp.get_pipe(NAME).cfg["candidates"] = None
    assert confidences(doc) == entities
    assert doc.spans[NAME].attrs["scores"].tolist() == scores
    assert (
        {each for each in candidates if each[2] in ("per", "geo")}
        >= set(again)
        >= {(ent.start, ent.end, ent.label_) for ent in doc.ents}
    )


def test_an_entity_that_was_linked_meanwhile_keeps_its_confidence(nlp: Language, doc: Doc) -> None:
    before = confidences(doc)
    doc.ents = [Span(doc, ent.start, ent.end, ent.label_, kb_id=f"Q{i}") for i, ent in enumerate(doc.ents)]
    doc.ents[0].id_ = "alice"
    again = nlp(doc)
    assert confidences(again) == before
    assert [span.text for span in again.spans[NAME]] == [text for text, _ in before]


def test_other_data_of_the_user_is_left_alone(nlp: Language) -> None:
    doc = nlp.make_doc(TEXT)
    other: Dict[Any, Any] = {5: "five", "five": 5, ("._.", "certain_confidence", None, None): 1}
    doc.user_data.update(other)
    doc = nlp(doc)
    assert other.items() <= doc.user_data.items()
    assert None not in scores_shown(doc)


def test_an_entity_that_was_taken_away_is_found_anew(nlp: Language, doc: Doc) -> None:
    expected = confidences(doc)
    kept = list(doc.ents)[1:]
    doc.set_ents(kept, default="missing")
    assert [text for text, _ in confidences(nlp(doc))] == [text for text, _ in expected]


def test_what_is_overwritten_has_no_confidence_any_more(nlp: Language, doc: Doc) -> None:
    pipe = nlp.get_pipe(NAME)
    alice = doc.ents[0]
    pipe.cfg["overwrite"], pipe.cfg["label_thresholds"] = True, {"per": 1.0}
    try:
        doc = nlp(doc)
    finally:
        pipe.cfg["overwrite"], pipe.cfg["label_thresholds"] = False, {}
    assert [ent.label_ for ent in doc.ents] == ["geo", "geo"]
    assert alice._.confidence is None


def test_scores_are_numbers_to_json(doc: Doc) -> None:
    group = doc.spans[NAME]
    answer = [
        {"text": span.text, "score": score} for span, score in zip(group, group.attrs["scores"], strict=True)
    ]
    assert json.loads(json.dumps(answer))[0]["text"] == "Alice Smith"
    assert json.dumps([ent._.confidence for ent in doc.ents])
    assert json.dumps(doc.to_json())
    back = Doc(doc.vocab).from_json(doc.to_json())
    assert [ent.text for ent in back.ents] == [ent.text for ent in doc.ents]
    assert {score for _, score in confidences(back)} == {None}


# Reading


def test_confidence_is_none_for_what_the_component_has_not_found(doc: Doc) -> None:
    assert doc[0:1]._.confidence is None
    assert Span(doc, 0, 2, "geo")._.confidence is None
    assert Doc(doc.vocab, words=["Alice"], ents=["B-per"]).ents[0]._.confidence is None


def spoiled(doc: Doc, how: str) -> None:
    """Do to the group what users do, after the confidences were lost."""
    doc.user_data = {}
    group = doc.spans[NAME]
    plain = spacy.tokens.SpanGroup(doc, name=NAME, spans=list(group), attrs=group.attrs)
    changes: Dict[str, Callable[[], Any]] = {
        "no scores": lambda: plain.attrs.clear(),
        "another number of scores": lambda: plain.attrs.update(scores=np.zeros(1)),
        "no group": lambda: None,
    }
    doc.spans[NAME] = plain
    changes.get(how, lambda: None)()
    if how == "no group":
        del doc.spans[NAME]


@pytest.mark.parametrize("how", ["no scores", "another number of scores", "no group"])
def test_reading_never_raises(doc: Doc, how: str) -> None:
    spoiled(doc, how)
    assert {score for _, score in confidences(doc)} == {None}
    assert visualize(doc, jupyter=False) is not None


def test_reading_is_linear_in_the_entities(monkeypatch: pytest.MonkeyPatch) -> None:
    """The group is gone over once and not for every entity."""
    vocab = spacy.blank("xx").vocab
    doc = Doc(vocab, words=["a"] * 5000, ents=["B-x"] * 5000)
    doc.spans[NAME] = spacy.tokens.SpanGroup(
        doc, name=NAME, spans=list(doc.ents), attrs={"scores": np.linspace(0, 1, 5000)}
    )
    read: List[str] = []
    from posattn_spacy import confidence

    scored = confidence.scored_spans
    monkeypatch.setattr(confidence, "scored_spans", lambda doc, key: read.append(key) or scored(doc, key))
    assert [ent._.confidence for ent in doc.ents] == np.linspace(0, 1, 5000).tolist()
    assert read == [NAME]
