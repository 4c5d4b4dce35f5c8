from typing import List, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.vocab import Vocab

from posattn_spacy.blanks import is_blank
from posattn_spacy.corpora.entities import blank_edged, crossing, trim_blanks, without_blanks

WORDS = ["Ann", "Lee", ".", " ", "\n\n", "\t", "\u00a0", "\u200b", "\ufeff", "\u2028", "a\u200b"]


def make(vocab: Vocab, words: List[str], *ents: Tuple[int, int, str]) -> Doc:
    doc = Doc(vocab, words=words)
    doc.ents = [Span(doc, start, end, label=label) for start, end, label in ents]
    return doc


def spans(doc: Doc) -> List[Tuple[int, int, str]]:
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


@pytest.mark.parametrize("blank", [" ", "\n\n ", "\t", "\u00a0", "\u200b", "\ufeff", "\u2028\u200d", "\x0c"])
def test_trim_blanks_takes_white_space_of_every_kind_off(vocab: Vocab, blank: str) -> None:
    words = [blank, "New", blank, "York", blank, "in", blank, "May", blank]
    doc = make(vocab, words, (0, 5, "geo"), (6, 7, "art"), (7, 8, "tim"))
    assert [(ent.start, ent.end) for ent in blank_edged(doc)] == [(0, 5), (6, 7)]
    assert without_blanks(blank_edged(doc)[1]) is None
    trim_blanks(doc)
    # White space inside stays, as in spaCy's own entities.
    assert spans(doc) == [(1, 4, "geo"), (7, 8, "tim")]
    assert blank_edged(doc) == []
    gold = Example(Doc(vocab, words=words), doc).get_aligned_ner()
    assert [tag[0] if tag else None for tag in gold] == list("OBILOOOUO")


def test_trim_blanks_keeps_ids_and_what_is_not_annotated(vocab: Vocab) -> None:
    doc = Doc(vocab, words=["Oslo", " ", "is", "big"])
    ent = Span(doc, 0, 2, label="geo", kb_id="Q585", span_id="one")
    doc.set_ents([ent], missing=[doc[2:3]], blocked=[doc[3:4]])
    trim_blanks(doc)
    assert [(ent.text, ent.kb_id_, ent.id_) for ent in doc.ents] == [("Oslo", "Q585", "one")]
    assert [token.ent_iob_ for token in doc] == ["B", "O", "", "B"]


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=8), st.data())
@settings(deadline=None)
def test_trim_blanks_leaves_the_words_of_entities_alone(
    vocab: Vocab, words: List[str], data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(words)))))
    before = [(start, end, "x") for start, end in zip(cuts[::2], cuts[1::2], strict=False)]
    doc = make(vocab, words, *before)
    trim_blanks(doc)
    after = {(start, end): words[start:end] for start, end, _ in spans(doc)}
    for start, end, _ in before:
        seen = [i for i in range(start, end) if not is_blank(words[i])]
        if seen:
            assert after.pop((seen[0], seen[-1] + 1))[0] == words[seen[0]]
    assert not after


def test_crossing_finds_entities_with_a_sentence_in_them(vocab: Vocab) -> None:
    words = ["Ann", "Lee", "Ltd.", "Co", "left"]
    ents = [(0, 2, "per"), (2, 4, "org")]
    assert crossing(make(vocab, words, *ents)) == []
    doc = make(vocab, words, *ents)
    doc[3].is_sent_start = True
    assert [ent.text.strip() for ent in crossing(doc)] == ["Ltd. Co"]
    doc[2].is_sent_start = True  # where an entity begins, a sentence may
    assert len(crossing(doc)) == 1
