from pathlib import Path
from typing import Dict, List, Tuple

import pytest
from spacy.tokens import Doc, DocBin, Span
from spacy.vocab import Vocab

from posattn_spacy.corpora.docs import read_docs
from posattn_spacy.corpora.repairs import OVERLAPS, Repairs
from posattn_spacy.corpora.sentences import CorpusError
from posattn_spacy.corpora.spans import count_spans

WORDS = ["Ann", "Lee", "left", "Oslo", "."]
Places = List[Tuple[int, int, str]]
TWO: Places = [(0, 2, "per"), (3, 4, "geo")]


def write(path: Path, vocab: Vocab, *groups: Dict[str, Places]) -> Path:
    """Write a document for each of some groups of spans, by key."""
    docs = []
    for spans in groups:
        doc = Doc(vocab, words=WORDS)
        for key, places in spans.items():
            doc.spans[key] = [Span(doc, start, end, label=label) for start, end, label in places]
        docs.append(doc)
    DocBin(docs=docs).to_disk(path)
    return path


def entities(docs: List[Doc]) -> List[Places]:
    return [[(ent.start, ent.end, ent.label_) for ent in doc.ents] for doc in docs]


def test_spans_become_the_entities(vocab: Vocab, tmp_path: Path) -> None:
    path = write(tmp_path / "own.spacy", vocab, {"sc": TWO, "other": [(0, 1, "x")]}, {"sc": []}, {})
    stored = read_docs(path, vocab, spans_key="sc")
    assert entities(stored.docs) == [TWO, [], []]
    assert all(doc.has_annotation("ENT_IOB", require_complete=True) for doc in stored.docs)
    assert stored.notes == [
        'The entities were read from doc.spans["sc"].',
        "Documents without this key, read as having no entities: 1 of 3.",
    ]
    assert count_spans(stored.docs) == {"sc": 2, "other": 1}


def test_spans_replace_entities_when_asked_for_and_only_then(vocab: Vocab, tmp_path: Path) -> None:
    doc = Doc(vocab, words=WORDS)
    doc.ents = [Span(doc, 0, 1, label="x")]
    doc.spans["sc"] = [Span(doc, 3, 4, label="geo")]
    DocBin(docs=[doc]).to_disk(tmp_path / "own.spacy")
    assert entities(read_docs(tmp_path / "own.spacy", vocab).docs) == [[(0, 1, "x")]]
    assert entities(read_docs(tmp_path / "own.spacy", vocab, spans_key="sc").docs) == [[(3, 4, "geo")]]


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        ((1, 3, "org"), r'"Ann Lee" \(per\) and "Lee left" \(org\)'),
        ((0, 2, "org"), r'"Ann Lee" \(per\) and "Ann Lee" \(org\)'),
        ((0, 5, "org"), r'"Ann Lee" \(per\) and "Ann Lee left Oslo \." \(org\)'),
    ],
)
def test_overlapping_spans_are_named_or_the_longest_is_kept(
    vocab: Vocab, tmp_path: Path, extra: Tuple[int, int, str], named: str
) -> None:
    path = write(tmp_path / "own.spacy", vocab, {"sc": TWO}, {"sc": [*TWO, extra]})
    with pytest.raises(CorpusError, match=rf"own\.spacy, document 2: the spans {named} overlap.*--repair"):
        read_docs(path, vocab, spans_key="sc")
    repairs = Repairs(path, wanted=True, place="document")
    kept = entities(read_docs(path, vocab, spans_key="sc", repairs=repairs).docs)[1]
    assert kept == ([extra] if extra[1] == 5 else TWO)
    assert repairs.counts == {OVERLAPS: 2 if extra[1] == 5 else 1}


def test_spans_of_which_nobody_spoke_are_named(vocab: Vocab, tmp_path: Path) -> None:
    path = write(tmp_path / "own.spacy", vocab, {"a": TWO, "b": []}, {"c": [(0, 1, "x")]})
    with pytest.raises(
        CorpusError, match=r'spans in doc\.spans\["a"\] \(2\), doc\.spans\["c"\] \(1\)\. Read'
    ):
        read_docs(path, vocab)
    with pytest.raises(CorpusError, match=r'no document has doc\.spans\["d"\]\. The keys are: a, c'):
        read_docs(path, vocab, spans_key="d")


def test_spans_beside_entities_of_others_are_named(vocab: Vocab, tmp_path: Path) -> None:
    docs = [Doc(vocab, words=WORDS) for _ in range(3)]
    docs[0].ents, docs[1].ents, docs[2].ents = [Span(docs[0], 0, 1, label="x")], [], []
    docs[1].spans["sc"] = [Span(docs[1], 3, 4, label="geo")]
    DocBin(docs=docs).to_disk(tmp_path / "own.spacy")
    (note,) = read_docs(tmp_path / "own.spacy", vocab).notes
    assert '1 of 3 documents have no entities in doc.ents, but spans in doc.spans["sc"] (1)' in note
    assert "--spans-key sc" in note


def test_spans_of_documents_that_are_not_annotated_are_named(vocab: Vocab, tmp_path: Path) -> None:
    docs = [Doc(vocab, words=WORDS) for _ in range(2)]
    docs[0].ents = [Span(docs[0], 0, 1, label="x")]
    docs[1].spans["sc"] = [Span(docs[1], 3, 4, label="geo")]
    DocBin(docs=docs).to_disk(tmp_path / "own.spacy")
    with pytest.raises(CorpusError, match=r"document 2: no entity is annotated.*--spans-key sc"):
        read_docs(tmp_path / "own.spacy", vocab)


def test_without_spans_the_key_is_all_that_is_named(vocab: Vocab, tmp_path: Path) -> None:
    path = write(tmp_path / "own.spacy", vocab, {})
    with pytest.raises(CorpusError, match=r'no document has doc\.spans\["sc"\]\. There are no spans at all'):
        read_docs(path, vocab, spans_key="sc")
