"""What annotation tools write is read, what fits no tokens is named, and what they are given comes back."""

import json
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from malformed import N
from spacy.tokens import Doc, DocBin, Span

from posattn_spacy.confidence import write_confidence
from posattn_spacy.corpora.convert import Account, account_of, convert, convert_to_file
from posattn_spacy.corpora.export import TOOLS, export_docs
from posattn_spacy.corpora.read import Documents, Format, Reading, read_documents
from posattn_spacy.corpora.sentences import CorpusError
from posattn_spacy.partial import ANNOTATED_FOR, annotate_for

NLP = spacy.blank("en")
TEXT = "Mara Quill moved to Oslonord."
SUFFIX = {
    "doccano": ".jsonl",
    "label-studio": ".json",
    "prodigy": ".jsonl",
    "conll": ".conll",
    "jsonl": ".jsonl",
}
Place = Tuple[int, int, str]


def read(path: Path, lang: str = "en", **options: Any) -> Documents:
    return read_documents(path, Reading(spacy.blank(lang).vocab, lang, Format(**options)))


def read_record(folder: Path, *records: Dict[str, Any], **options: Any) -> Documents:
    path = folder / "own.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return read(path, **options)


def doccano(*places: Sequence[Any], text: str = TEXT) -> Dict[str, Any]:
    return {"id": 5, "text": text, "label": [list(place) for place in places]}


def ents(doc: Doc) -> List[Place]:
    return [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]


def tags(doc: Doc) -> List[str]:
    return [f"{token.ent_iob_}-{token.ent_type_}".strip("-") or "-" for token in doc]


# Formats


@pytest.mark.parametrize(
    "record",
    [
        {"text": TEXT, "label": [[0, 10, "PER"]]},
        {"text": TEXT, "labels": [[0, 10, "PER"]]},
        {"text": TEXT, "entities": [[0, 10, "PER"]]},
        {"data": TEXT, "label": [[0, 10, "PER"]]},
        {
            "text": TEXT,
            "entities": [{"id": 1, "label": "PER", "start_offset": 0, "end_offset": 10}],
            "relations": [],
        },
        {"text": TEXT, "annotations": [{"label": "PER", "start_offset": 0, "end_offset": 10, "user": 1}]},
        {"text": TEXT, "spans": [{"start": 0, "end": 10, "label": "PER"}]},
        {"text": TEXT, "ents": [{"start": 0, "end": 10, "label": "PER"}], "tokens": [{"id": 0}]},
        [TEXT, {"entities": [[0, 10, "PER"]]}],
    ],
)
def test_texts_with_places_are_read_in_all_their_shapes(tmp_path: Path, record: Any) -> None:
    (doc,) = read_record(tmp_path, record).docs
    assert doc.text == TEXT
    assert ents(doc) == [(0, 10, "PER")]
    assert all(token.ent_iob for token in doc)


@pytest.mark.parametrize(
    "content",
    [
        [doccano((0, 10, "PER"))],
        {"version": 1, "data": [doccano((0, 10, "PER"))]},
        [[TEXT, {"entities": [[0, 10, "PER"]]}]],
        doccano((0, 10, "PER")),
    ],
)
def test_a_list_and_one_within_an_object_are_read_as_lines_are(tmp_path: Path, content: Any) -> None:
    (tmp_path / "own.json").write_text(json.dumps(content))
    (doc,) = read(tmp_path / "own.json").docs
    assert ents(doc) == [(0, 10, "PER")]


def test_records_are_read_whatever_the_name_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text(json.dumps(doccano((0, 10, "PER"))) + "\n")
    assert ents(read(tmp_path / "own.txt").docs[0]) == [(0, 10, "PER")]


def test_texts_have_the_sentences_that_the_shipped_pipelines_find(tmp_path: Path) -> None:
    documents = read_record(tmp_path, doccano(text="Mara moved. She lives in Oslo."))
    assert [sent.text for sent in documents.docs[0].sents] == ["Mara moved.", "She lives in Oslo."]
    (tmp_path / "own.jsonl").write_text((json.dumps(doccano((0, 4, "PER"))) + "\n") * N)
    report = convert(tmp_path / "own.jsonl", tmp_path / "out", Format())
    (doc, *_) = DocBin().from_disk(tmp_path / "out/file-order/train.spacy").get_docs(NLP.vocab)
    assert doc.has_annotation("SENT_START")
    assert report.read.sentences == N


def task(results: List[Dict[str, Any]], text: str = TEXT, **more: Any) -> Dict[str, Any]:
    return {"id": 1, "data": {"text": text}, "annotations": [{"completed_by": 3, "result": results}], **more}


def result(start: int, end: int, label: str, text: str = TEXT) -> Dict[str, Any]:
    value = {"start": start, "end": end, "text": text[start:end], "labels": [label]}
    return {"type": "labels", "from_name": "label", "to_name": "text", "value": value}


def read_tasks(folder: Path, *tasks: Dict[str, Any], **options: Any) -> Documents:
    (folder / "own.json").write_text(json.dumps(tasks))
    return read(folder / "own.json", **options)


def test_label_studio_takes_what_was_not_cancelled_and_names_the_rest(tmp_path: Path) -> None:
    annotated = task([result(0, 10, "PER"), {"type": "choices", "value": {"choices": ["good"]}}])
    cancelled = {**task([result(0, 4, "PER")]), "annotations": [{"was_cancelled": True, "result": []}]}
    documents = read_tasks(tmp_path, annotated, cancelled, {**annotated, "annotations": []})
    assert [ents(doc) for doc in documents.docs] == [[(0, 10, "PER")]]
    assert any("2 of 3" in note and "nobody has annotated" in note for note in documents.notes)
    assert any("no entities" in note for note in documents.notes)


def test_label_studio_takes_the_annotator_that_is_chosen(tmp_path: Path) -> None:
    other = {"completed_by": {"id": 4, "email": "b@x"}, "result": [result(0, 4, "PER")]}
    both = task([result(0, 10, "PER")])
    both["annotations"].append(other)
    with pytest.raises(CorpusError, match=r"1 of 1 texts .* by 3, b@x.*--annotator"):
        read_tasks(tmp_path, both)
    assert ents(read_tasks(tmp_path, both, annotator="b@x").docs[0]) == [(0, 4, "PER")]
    assert ents(read_tasks(tmp_path, both, annotator="3").docs[0]) == [(0, 10, "PER")]


def test_label_studio_takes_marks_in_any_order_as_the_same(tmp_path: Path) -> None:
    both = task([result(0, 4, "PER"), result(20, 28, "LOC")])
    other = [result(20, 28, "LOC"), {"type": "choices", "value": {"choices": ["x"]}}, result(0, 4, "PER")]
    both["annotations"].append({"completed_by": 4, "result": other})
    assert [len(doc.ents) for doc in read_tasks(tmp_path, both).docs] == [2]


def test_the_last_of_what_one_person_has_said_counts(tmp_path: Path) -> None:
    twice = task([result(0, 10, "PER")])
    twice["annotations"][0]["updated_at"] = "2026-02-01T10:00:00Z"
    first = {"completed_by": 3, "result": [result(0, 4, "PER")], "updated_at": "2026-01-01T10:00:00Z"}
    twice["annotations"].append(first)
    documents = read_tasks(tmp_path, twice)
    assert [ents(doc) for doc in documents.docs] == [[(0, 10, "PER")]]
    assert any("the last was taken: 1 of 1" in note for note in documents.notes)


def test_texts_of_others_are_counted_where_an_annotator_is_chosen(tmp_path: Path) -> None:
    mine, other = task([result(0, 4, "PER")]), {**task([result(0, 4, "PER")], text="Mara came."), "id": 2}
    other["annotations"][0]["completed_by"] = 9
    documents = read_tasks(tmp_path, mine, other, annotator="3")
    assert len(documents.docs) == 1
    assert any("Texts that 3 has not annotated" in note and "1 of 2" in note for note in documents.notes)
    by = {"_view_id": "ner_manual", "_annotator_id": "a"}
    records = [prodigy((0, 4, "PER"), **by), {**prodigy(), **by, "text": "Else.", "_annotator_id": "b"}]
    documents = read_record(tmp_path, *records, annotator="a")
    assert len(documents.docs) == 1
    assert any("Texts that a has not annotated" in note for note in documents.notes)


def test_label_studio_may_count_as_javascript_does(tmp_path: Path) -> None:
    text = "\U0001f600 Mara in Oslo"
    value = {"start": 3, "end": 7, "text": "Mara", "labels": ["PER"]}
    documents = read_tasks(tmp_path, task([{"type": "labels", "value": value}], text=text))
    assert [ent.text for ent in documents.docs[0].ents] == ["Mara"]


def test_label_studio_in_its_short_form_is_read(tmp_path: Path) -> None:
    marks = [{"start": 0, "end": 10, "text": "Mara Quill", "labels": ["PER"]}]
    documents = read_tasks(tmp_path, {"text": TEXT, "id": 1, "label": marks, "annotator": 1})
    assert ents(documents.docs[0]) == [(0, 10, "PER")]


def short(*marks: Dict[str, Any], **more: Any) -> Dict[str, Any]:
    own = {"label": list(marks)} if marks else {}
    return {"id": 1, "text": TEXT, **own, "annotator": 1, "annotation_id": 8, "lead_time": 1.5, **more}


def test_the_short_form_has_annotations_without_a_mark_and_from_several_controls(tmp_path: Path) -> None:
    per, loc = ({**result(*place)["value"]} for place in ((0, 10, "PER"), (20, 28, "LOC")))
    documents = read_tasks(tmp_path, short(id=3, text="Nothing here."), short(per, place=[loc]))
    assert [ents(doc) for doc in documents.docs] == [[], [(0, 10, "PER"), (20, 28, "LOC")]]
    assert not any("nobody has annotated" in note for note in documents.notes)
    with pytest.raises(CorpusError, match=r"1 of 1 texts .* by 1, 2"):
        read_tasks(tmp_path, short(per), short(loc, annotator=2, annotation_id=9))


def test_label_studio_finds_the_text_of_all_tasks(tmp_path: Path) -> None:
    data = {"url": "x.org", "review": TEXT}
    bare = {**task([]), "data": {"url": "y.org", "review": "It rained."}, "id": 2}
    documents = read_tasks(tmp_path, bare, {**task([result(0, 10, "PER")]), "data": data})
    assert [doc.text for doc in documents.docs] == ["It rained.", TEXT]
    other = {**task([result(0, 10, "PER")]), "data": {"text": "a title", "body": TEXT}}
    assert read_tasks(tmp_path, other).docs[0].text == TEXT


def test_label_studio_finds_the_text_by_what_is_marked(tmp_path: Path) -> None:
    other = {**task([result(0, 10, "PER")]), "data": {"title": "x", "body": TEXT}}
    assert read_tasks(tmp_path, other).docs[0].text == TEXT


def prodigy(*places: Place, answer: str = "accept", **more: Any) -> Dict[str, Any]:
    spans = [{"start": start, "end": end, "label": label} for start, end, label in places]
    return {"text": TEXT, "spans": spans, "answer": answer, **more}


def test_prodigy_keeps_its_tokens(tmp_path: Path) -> None:
    words = ["Mara", "Quill", "moved", "to", "Oslo", "nord", "."]
    tokens, at = [], 0
    for i, word in enumerate(words):
        at = TEXT.index(word, at)
        tokens.append({"text": word, "start": at, "end": at + len(word), "id": i, "ws": i < 4})
        at += len(word)
    (doc,) = read_record(tmp_path, prodigy((20, 24, "LOC"), tokens=tokens)).docs
    assert [token.text for token in doc] == words
    assert ents(doc) == [(20, 24, "LOC")]


def test_prodigy_leaves_out_what_was_not_accepted(tmp_path: Path) -> None:
    documents = read_record(
        tmp_path, prodigy((0, 4, "PER")), prodigy(answer="ignore"), prodigy(answer="reject")
    )
    assert len(documents.docs) == 1
    assert any("rejected as a whole" in note for note in documents.notes)
    assert any("ignored" in note for note in documents.notes)


def test_answers_to_suggestions_say_nothing_of_the_rest(tmp_path: Path) -> None:
    yes = prodigy((0, 10, "PER"), _view_id="ner")
    no = prodigy((11, 16, "LOC"), answer="reject", _view_id="ner")
    (doc,) = read_record(tmp_path, yes, no).docs
    assert tags(doc)[:4] == ["B-PER", "I-PER", "-", "-"]
    assert [(span.text, span.label_) for span in doc.spans["incorrect_spans"]] == [("moved", "LOC")]


def test_the_same_text_may_come_again(tmp_path: Path) -> None:
    documents = read_record(tmp_path, prodigy((0, 4, "PER")), prodigy((0, 4, "PER")))
    assert [ents(doc) for doc in documents.docs] == [[(0, 4, "PER")]] * 2
    documents = read_record(tmp_path, prodigy((0, 4, "PER")), prodigy((0, 10, "PER")))
    assert [ents(doc) for doc in documents.docs] == [[(0, 10, "PER")]]
    assert any("the last was taken" in note for note in documents.notes)


def test_answers_that_contradict_each_other_leave_words_open(tmp_path: Path) -> None:
    yes, no = (prodigy((0, 10, "PER"), answer=answer, _view_id="ner") for answer in ("accept", "reject"))
    documents = read_record(tmp_path, yes, no)
    assert tags(documents.docs[0]) == ["-"] * 6
    assert not documents.docs[0].spans
    assert any("both accepted and rejected" in note and "Mara Quill" in note for note in documents.notes)
    apart = [{**yes, "_annotator_id": "a"}, {**no, "_annotator_id": "b"}]
    (doc,) = read_record(tmp_path, *apart, annotator="b").docs
    assert [span.text for span in doc.spans["incorrect_spans"]] == ["Mara Quill"]


def test_what_was_rejected_is_not_widened(tmp_path: Path) -> None:
    no = prodigy((20, 24, "LOC"), answer="reject", _view_id="ner")
    (doc,) = read_record(tmp_path, no, repair=True).docs
    assert "incorrect_spans" not in doc.spans


def test_rejections_alone_are_a_corpus(tmp_path: Path) -> None:
    no = prodigy((0, 10, "LOC"), answer="reject", _view_id="ner")
    records = [{**no, "text": f"{TEXT} {i}"} for i in range(N)]
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    convert(tmp_path / "own.jsonl", tmp_path / "out", Format())
    (doc, *_) = DocBin().from_disk(tmp_path / "out/file-order/train.spacy").get_docs(NLP.vocab)
    assert [span.text for span in doc.spans["incorrect_spans"]] == ["Mara Quill"]


@pytest.mark.parametrize("missing", [None, -100, "-"])
def test_words_of_which_nothing_is_known_are_left_open(tmp_path: Path, missing: Any) -> None:
    own = ["B-PER", "I-PER", missing, "O"]
    documents = read_record(tmp_path, {"tokens": ["Mara", "Quill", "of", "it"], "ner_tags": own})
    assert tags(documents.docs[0]) == ["B-PER", "I-PER", "-", "O"]
    assert any("1 of 4" in note and "Nothing is known" in note for note in documents.notes)


def test_a_class_of_the_whole_text_is_none_of_its_words(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([{"tokens": ["Mara", "came"], "ner_tags": [1, -100], "intent": 1}])
    tags_of = {"feature": {"names": ["O", "B-PER"], "_type": "ClassLabel"}, "_type": "Sequence"}
    intent = {"names": ["ask", "tell"], "_type": "ClassLabel"}
    about = json.dumps({"info": {"features": {"ner_tags": tags_of, "intent": intent}}})
    pq.write_table(table.replace_schema_metadata({"huggingface": about}), tmp_path / "own.parquet")
    assert tags(read(tmp_path / "own.parquet").docs[0]) == ["B-PER", "-"]


def test_entities_are_found_under_the_key_that_has_some(tmp_path: Path) -> None:
    record = {"text": TEXT, "label": [], "labels": ["news"], "entities": [[0, 10, "PER"]], "relations": [{}]}
    documents = read_record(tmp_path, record)
    assert ents(documents.docs[0]) == [(0, 10, "PER")]
    assert any("Relations" in note and "1." in note for note in documents.notes)
    annotator = {"classes": ["PER"], "annotations": [[TEXT, {"entities": [[0, 10, "PER"]]}]]}
    (tmp_path / "own.json").write_text(json.dumps(annotator))
    assert ents(read(tmp_path / "own.json").docs[0]) == [(0, 10, "PER")]


def test_texts_in_which_nothing_is_marked_are_told_of(tmp_path: Path) -> None:
    documents = read_record(tmp_path, doccano((0, 10, "PER")), doccano(text="It rained."))
    assert any("nothing is marked: 1 of 2" in note and "approved" in note for note in documents.notes)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "1.txt").write_text(TEXT)
    (tmp_path / "own" / "1.ann").write_text("")
    assert any("nothing is marked: 1 of 1" in note for note in read(tmp_path / "own").notes)


def test_brat_may_have_any_characters_in_a_mark(tmp_path: Path) -> None:
    text = "\U0001f600 Mara\u2028Quill came"
    (tmp_path / "1.txt").write_text(text, encoding="utf-8")
    (tmp_path / "1.ann").write_text(
        "T1\tPER 3 13\tMara\u2028Quill\n", encoding="utf-8"
    )  # as JavaScript counts
    documents = read(tmp_path / "1.ann")
    assert [ent.text for ent in documents.docs[0].ents] == ["Mara\u2028Quill"]
    assert not documents.misfits.to_json()


def test_brat_is_read_at_any_depth(tmp_path: Path) -> None:
    for name in ("own/a/1", "own/2"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".txt").write_bytes(b"Mara Quill\r\nmoved to Oslo.")
        path.with_suffix(".ann").write_text(
            "T1\tPER 0 10\tMara Quill\nT2\tLOC 21 25\tOslo\nR1\tin Arg1:T1 Arg2:T2\n"
        )
    (tmp_path / "own/3.txt").write_text("Not annotated.")
    documents = read(tmp_path / "own")
    assert [[ent.text for ent in doc.ents] for doc in documents.docs] == [["Mara Quill", "Oslo"]] * 2
    assert any("mark no entity" in note for note in documents.notes)
    assert any("without an .ann file" in note and "3.txt" in note for note in documents.notes)
    for name in ("own/2.txt", "own/2.ann"):
        assert len(read(tmp_path / name).docs) == 1


def test_white_space_begins_no_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Mara left. \n\nShe moved to Oslo.\n", encoding="utf-8")
    (tmp_path / "a.ann").write_text("T1\tPER 0 4\tMara\n", encoding="utf-8")
    (doc,) = read(tmp_path / "a.txt").docs
    assert [sent.text.strip() for sent in doc.sents] == ["Mara left.", "She moved to Oslo."]
    account = convert_to_file(tmp_path / "a.txt", tmp_path / "a.spacy", Format())
    assert account.read.sentences == 2


def test_brat_may_have_a_folder_for_each_part(tmp_path: Path) -> None:
    for part in ("train", "dev", "test"):
        (tmp_path / "own" / part).mkdir(parents=True)
        (tmp_path / "own" / part / "1.txt").write_text(f"{TEXT} {part}")
        (tmp_path / "own" / part / "1.ann").write_text("T1\tPER 0 10\tMara Quill\n")
    report = convert(tmp_path / "own", tmp_path / "out", Format())
    assert {part: of.documents for part, of in report.splits["given"].items()} == dict.fromkeys(
        ("train", "dev", "test"), 1
    )


# What does not fit


MISFITS = [
    ([(20, 24, "LOC")], "begin or end within a token", "Mark whole words", "Oslo", ["Oslonord"]),
    ([(0, 10, "PER"), (5, 10, "LOC")], "overlap others", "Keep one", "Quill", ["Mara Quill"]),
    ([(4, 5, "PER")], "white space alone", "Take the mark away", "characters 4 to 5", []),
    ([(7, 7, "PER")], "are empty", "Take the mark away", "characters 7 to 7", []),
    ([(20, 99, "LOC")], "beyond the end", "Mark anew", "Oslonord", ["Oslonord."]),
    ([(40, 50, "LOC")], "beyond the end", "Mark anew", "characters 40 to 50", []),
    ([(-3, 4, "LOC")], "beyond the end", "Mark anew", "Mara", []),
]


@pytest.mark.parametrize(("places", "kind", "remedy", "shown", "repaired"), MISFITS)
def test_marks_that_do_not_fit_are_counted_and_named(
    tmp_path: Path, places: List[Place], kind: str, remedy: str, shown: str, repaired: List[str]
) -> None:
    documents = read_record(tmp_path, doccano(*places))
    (note,) = [note for note in documents.notes if kind in note]
    assert f"1 of {len(places)}" in note
    for part in ("(id 5)", remedy, shown, places[-1][2]):
        assert part in note
    assert not documents.docs[0].ents
    (misfit,) = documents.misfits.to_json()
    assert misfit["document"] == "record 1 (id 5)"
    mended = read_record(tmp_path, doccano(*places), repair=True)
    assert [ent.text for ent in mended.docs[0].ents] == repaired
    assert any(kind in note for note in mended.notes)


def test_of_a_chain_of_marks_that_overlap_none_is_kept(tmp_path: Path) -> None:
    text = "a b c d e f g"
    places = [(0, 5, "A"), (4, 9, "C"), (8, 13, "B")]
    documents = read_record(tmp_path, doccano(*places, text=text))
    assert tags(documents.docs[0]) == ["-"] * 7
    (note,) = [note for note in documents.notes if "overlap" in note]
    assert "2 of 3" in note
    (doc,) = read_record(tmp_path, doccano(*places, text=text), repair=True).docs
    assert [ent.label_ for ent in doc.ents] == ["A", "B"]


def test_tokens_of_marks_that_do_not_fit_are_left_open(tmp_path: Path) -> None:
    (doc,) = read_record(tmp_path, doccano((0, 4, "PER"), (20, 24, "LOC"))).docs
    assert tags(doc) == ["B-PER", "O", "O", "O", "-", "O"]


def test_a_mark_of_several_pieces_is_left_open(tmp_path: Path) -> None:
    (tmp_path / "1.txt").write_text("North and South America")
    (tmp_path / "1.ann").write_text("T1\tLOC 0 5;16 23\tNorth America\n")
    documents = read(tmp_path / "1.ann")
    assert tags(documents.docs[0]) == ["-"] * 4
    assert any("several pieces" in note and "North America" in note for note in documents.notes)


def test_a_mark_that_stands_elsewhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "1.txt").write_text(TEXT)
    (tmp_path / "1.ann").write_text("T1\tPER 1 11\tMara Quill\n")
    documents = read(tmp_path / "1.ann")
    assert any("do not stand where they should" in note and "Mara Quill" in note for note in documents.notes)
    assert not documents.docs[0].ents


def test_white_space_at_the_edges_of_a_mark_is_no_fault(tmp_path: Path) -> None:
    documents = read_record(tmp_path, doccano((0, 5, "PER")))
    assert ents(documents.docs[0]) == [(0, 4, "PER")]
    assert not documents.misfits.to_json()


def test_all_misfits_stand_in_the_account(tmp_path: Path) -> None:
    records = [doccano((0, 10, "PER"), (20, 24, "LOC"))] * N
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    report = convert(tmp_path / "own.jsonl", tmp_path / "out", Format())
    assert len(report.misfits) == N
    assert len(json.loads((tmp_path / "out/corpus.json").read_text())["misfits"]) == N
    assert any(f"and {N - 10} more" in note for note in report.notes)


def test_documents_may_have_been_annotated_for_some_labels_alone(tmp_path: Path) -> None:
    records = [doccano((0, 10, "PER"), (20, 24, "LOC"))]
    documents = read_record(tmp_path, *records, annotated_for=["PER", "ORG"])
    (doc,) = documents.docs
    assert tags(doc) == ["B-PER", "I-PER", "-", "-", "-", "-"]
    assert {span.label_ for span in doc.spans[ANNOTATED_FOR]} == {"PER", "ORG"}
    assert not any(span.start <= 4 < span.end for span in doc.spans[ANNOTATED_FOR])
    assert any("no entity of ORG" in note for note in documents.notes)


# Round trips


def converted(folder: Path, docs: Sequence[Doc], tool: str, name: str) -> Tuple[Account, List[Doc]]:
    export_docs(docs, folder / name, tool)
    report = convert(folder / name, folder / "out", Format())
    parts = [folder / "out" / "file-order" / f"{part}.spacy" for part in ("train", "dev", "test")]
    return report, [doc for part in parts for doc in DocBin().from_disk(part).get_docs(NLP.vocab)]


@pytest.mark.parametrize("tool", TOOLS)
def test_what_is_written_for_a_tool_comes_back(tmp_path: Path, tool: str) -> None:
    docs = []
    for i in range(N):
        doc = NLP(f"Mara \U0001f600 moved to Oslo, she said; \u00c9va ({i}) did not.")
        doc.ents = [Span(doc, 0, 1, label="PER"), Span(doc, 4, 5, label="LOC")]
        docs.append(doc)
    report, back = converted(tmp_path, docs, tool, f"own{SUFFIX[tool]}")
    assert not report.misfits
    assert [ents(doc) for doc in back] == [ents(doc) for doc in docs]
    if tool != "conll":
        assert [doc.text for doc in back] == [doc.text for doc in docs]


def annotated_in_part() -> List[Doc]:
    docs = []
    for i in range(N):
        doc = NLP(f"Mara moved to Oslo ({i}).")
        doc.set_ents([Span(doc, 0, 1, label="PER")], missing=[doc[3:4]])
        if i % 2:
            annotate_for(doc, ["PER"])
        doc.spans["incorrect_spans"] = [Span(doc, 1, 2, label="LOC")]
        docs.append(doc)
    return docs


def known_of(doc: Doc) -> Any:
    groups = {name: [(span.start, span.end, span.label_) for span in doc.spans[name]] for name in doc.spans}
    return tags(doc), {name: sorted(group) for name, group in groups.items()}


def test_partial_annotation_comes_back_from_our_own_lines(tmp_path: Path) -> None:
    docs = annotated_in_part()
    assert export_docs(docs, tmp_path / "count.jsonl", "jsonl") == 0
    _, back = converted(tmp_path, docs, "jsonl", "own.jsonl")
    assert list(map(known_of, back)) == list(map(known_of, docs))


@pytest.mark.parametrize("tool", sorted(set(TOOLS) - {"jsonl"}))
def test_what_a_tool_cannot_say_is_counted(tmp_path: Path, tool: str) -> None:
    assert export_docs(annotated_in_part(), tmp_path / "own", tool) == N


def test_columns_keep_words_of_which_nothing_is_known(tmp_path: Path) -> None:
    docs = annotated_in_part()
    _, back = converted(tmp_path, docs, "conll", "own.conll")
    assert list(map(tags, back)) == list(map(tags, docs))


def test_a_record_may_name_the_labels_it_was_annotated_for(tmp_path: Path) -> None:
    (doc,) = read_record(tmp_path, {**doccano((0, 10, "PER")), "annotated_for": ["PER"]}).docs
    assert tags(doc) == ["B-PER", "I-PER", "-", "-", "-", "-"]
    assert {span.label_ for span in doc.spans[ANNOTATED_FOR]} == {"PER"}


WORDS = st.lists(
    st.sampled_from(["Mara", "Oslo", "\u5c0f\u660e", "\U0001f600", "a-b", "x."]), min_size=3, max_size=6
)


@given(texts=st.lists(WORDS, min_size=8, max_size=10), tool=st.sampled_from(sorted(set(TOOLS) - {"conll"})))
@settings(deadline=None, max_examples=20)
def test_any_tokens_and_entities_come_back(
    tmp_path_factory: pytest.TempPathFactory, texts: List[List[str]], tool: str
) -> None:
    folder = tmp_path_factory.mktemp("trip")
    docs = []
    for words in texts:
        doc = NLP(" ".join(words))
        doc.ents = [Span(doc, 0, 1, label="A"), Span(doc, len(doc) - 2, len(doc), label="B \u00e9")]
        docs.append(doc)
    _, back = converted(folder, docs, tool, f"own{SUFFIX[tool]}")
    assert [(doc.text, ents(doc)) for doc in back] == [(doc.text, ents(doc)) for doc in docs]


@pytest.mark.parametrize("tool", sorted(set(TOOLS) - {"conll"}))
def test_predictions_are_written_with_their_scores(tmp_path: Path, tool: str) -> None:
    doc = NLP(TEXT)
    doc.ents = [Span(doc, 0, 2, label="PER")]
    write_confidence(doc, "posattn_ner", {doc.ents[0]: 0.75})
    export_docs([doc], tmp_path / "own", tool)
    content = (tmp_path / "own").read_text(encoding="utf-8")
    assert "0.75" in content
    if tool == "label-studio":
        assert json.loads(content)[0]["predictions"][0]["result"][0]["score"] == 0.75
        assert "annotations" not in json.loads(content)[0]
    if tool == "prodigy":
        assert "answer" not in json.loads(content)


@pytest.mark.parametrize(("tool", "key"), [("label-studio", "annotations"), ("prodigy", "answer")])
def test_texts_without_entities_are_annotated_only_if_somebody_did(
    tmp_path: Path, tool: str, key: str
) -> None:
    looked_at, bare = NLP("It rained."), NLP("It snowed.")
    looked_at.ents = []

    def record(doc: Doc, **options: Any) -> Dict[str, Any]:
        export_docs([doc], tmp_path / "own", tool, **options)
        said = json.loads((tmp_path / "own").read_text())
        found: Dict[str, Any] = said[0] if isinstance(said, list) else said
        return found

    assert key in record(looked_at)
    assert key not in record(bare)
    predicted = record(looked_at, predicted=True)
    assert key not in predicted
    assert tool != "label-studio" or predicted["predictions"][0]["result"] == []


def test_nothing_is_left_of_a_file_that_could_not_be_written(tmp_path: Path) -> None:
    def broken() -> Any:
        yield NLP(TEXT)
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        export_docs(broken(), tmp_path / "own.jsonl", "doccano")
    assert not list(tmp_path.iterdir())


def test_a_corpus_may_become_one_file(tmp_path: Path) -> None:
    (tmp_path / "own.jsonl").write_text(json.dumps(doccano((0, 10, "PER"))) + "\n")
    out = tmp_path / "all.spacy"
    report = convert_to_file(tmp_path / "own.jsonl", out, Format())
    assert report.read.entities == 1
    (doc,) = DocBin().from_disk(out).get_docs(NLP.vocab)
    assert ents(doc) == [(0, 10, "PER")]
    assert json.loads(account_of(out).read_text())["read"]["entities"] == 1
    assert convert_to_file(out, tmp_path / "again.spacy", Format()).read == report.read


def test_a_corpus_is_never_written_over_itself(tmp_path: Path) -> None:
    doc = NLP(TEXT)
    doc.ents = [Span(doc, 0, 2, label="PER")]
    DocBin(docs=[doc]).to_disk(tmp_path / "own.spacy")
    with pytest.raises(CorpusError, match="is the corpus itself"):
        convert_to_file(tmp_path / "own.spacy", tmp_path / "own.spacy", Format())
    (tmp_path / "other.account.json").write_text("{}")
    with pytest.raises(CorpusError, match="no conversion wrote it"):
        convert_to_file(tmp_path / "own.spacy", tmp_path / "other.spacy", Format())
