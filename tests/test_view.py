"""Sentences to look at: what is shown of them, and the HTML that shows it."""

import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, Dict, List

import pytest
import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

import posattn_spacy
from pipelines import TEXTS, frozen_pipeline, make_examples, plain_pipeline, train
from posattn_spacy.model import torch_head
from posattn_spacy.view.fragment import embedded_json, sentences_html, visualize
from posattn_spacy.view.sentences import Entity, Look, ShownSentence, doc_sentence, examined_sentences

NAME = "posattn_ner"


def trained(**model: Any) -> Language:
    nlp = plain_pipeline(**model)
    train(nlp, 60)
    return nlp


def sentences_in(html: str) -> List[Dict[str, Any]]:
    """The data that HTML hands over to its script."""
    found = re.search(r"getElementById\(\"[^\"]+\"\), (\[.*\])\);\n", html)
    assert found
    return json.loads(found[1])


def percents_of(look: Look, n: int) -> List[int]:
    """How much a token looks at each of `n` tokens."""
    return [0] * look.first + look.percents + [0] * (n - look.first - len(look.percents))


# What there is to see


def test_a_document_shows_its_entities_and_how_sure_they_are() -> None:
    nlp = trained(mask="none")
    doc = nlp(TEXTS[0])
    sentence = doc_sentence(doc, make_examples(nlp)[0].reference)
    assert sentence.tokens == TEXTS[0].split()
    assert [each[:3] for each in sentence.entities] == [(0, 2, "per"), (3, 4, "geo")]
    scores = doc.spans[NAME].attrs["scores"]
    assert [each.score for each in sentence.entities] == pytest.approx(list(scores))
    assert sentence.gold == [Entity(0, 2, "per", None), Entity(3, 4, "geo", None)]
    assert sentence.gate is sentence.attention is None


def test_sentences_show_what_the_pipeline_finds() -> None:
    nlp = trained(mask="soft")
    pipe, examples = nlp.get_pipe(NAME), make_examples(nlp)
    pipe.cfg["label_thresholds"] = {"per": 1.0}
    pipe.require_settings()
    shown = [[each.label for each in s.entities] for s in examined_sentences(nlp, pipe, examples)]
    assert shown == [[ent.label_ for ent in nlp(example.reference.text).ents] for example in examples]
    assert shown[0] == ["geo"]


def test_entities_of_others_have_no_score() -> None:
    nlp = spacy.blank("xx")
    doc = Doc(nlp.vocab, words=["Alice"], ents=["B-per"])
    assert doc_sentence(doc).entities == [Entity(0, 1, "per", None)]


@pytest.mark.parametrize("mask", ["soft", "pad", "hard", "none"])
def test_gate_and_attention_are_those_of_the_sentence(mask: str) -> None:
    nlp = trained(mask=mask, pad_ratio=0.4, depth=2)
    examples = make_examples(nlp)
    for sentence, example in zip(
        examined_sentences(nlp, nlp.get_pipe(NAME), examples), examples, strict=True
    ):
        n = len(example.reference)
        gold = example.reference.ents
        assert [each[:3] for each in sentence.entities] == [(e.start, e.end, e.label_) for e in gold]
        assert sentence.gate is not None
        assert sentence.attention is not None
        assert len(sentence.gate) == len(sentence.attention) == n
        if mask != "none":
            inside = {i for ent in gold for i in range(ent.start, ent.end)}
            assert {i for i, percent in enumerate(sentence.gate) if percent > 50} == inside
        looks = [sum(look.percents) for look in sentence.attention]
        if mask == "hard":  # what is left out looks nowhere, and nobody looks there
            out = [i for i, look in enumerate(looks) if look == 0]
            assert len(out) == int(0.4 * n)
            assert not any(percents_of(look, n)[i] for look in sentence.attention for i in out)
            looks = [look for look in looks if look]
        assert looks == pytest.approx([100] * len(looks), abs=n)  # as far as whole percents go
    assert not any(example.predicted.ents for example in examples)


def test_attention_stays_within_sentences() -> None:
    nlp = spacy.blank("xx")
    nlp.add_pipe("sentencizer")
    words = ["Alice", "left", ".", "Bob", "Jones", "came", "."]
    reference = Doc(nlp.vocab, words=words, ents=["B-per", *["O"] * 6])
    nlp.add_pipe(NAME)
    example = Example(reference.copy(), reference)
    nlp.initialize(lambda: [example])
    (sentence,) = examined_sentences(nlp, nlp.get_pipe(NAME), [example])
    assert sentence.attention is not None
    matrix = torch.tensor([percents_of(look, 7) for look in sentence.attention])
    assert matrix[:3, :3].sum() > 0
    assert matrix[3:, 3:].sum() > 0
    assert not matrix[:3, 3:].any()
    assert not matrix[3:, :3].any()


def test_sentences_show_which_look_decided(tiny_encoder: Callable[[str], Path]) -> None:
    nlp = frozen_pipeline(tiny_encoder("bert"), layers=[0, 1])
    train(nlp, 40)
    pipe = nlp.get_pipe(NAME)
    pipe.cfg["show_second_look"] = True

    def twice(second_look: Any) -> List[Any]:
        pipe.cfg["second_look"] = second_look
        (example,) = make_examples(nlp)[:1]
        (sentence,) = examined_sentences(nlp, pipe, [example])
        entities = [(ent.start, ent.end) for ent in nlp(example.text).ents]
        assert [entity[:2] for entity in sentence.entities] == entities
        return [sentence.twice, doc_sentence(nlp(example.text)).twice]

    (example,) = make_examples(nlp)[:1]
    whole = [(0, len(example.predicted))]
    assert twice(0.0) == [[], []]  # the first look is always so sure
    assert twice(1.0) == [whole, whole]
    assert twice("fitted") == [None, whole]  # nothing is fitted, so all texts do
    pipe.cfg["show_second_look"] = False
    assert twice(0.0) == [[], None]


def test_a_head_of_another_kind_shows_its_entities(monkeypatch: pytest.MonkeyPatch) -> None:
    nlp = trained(mask="none")
    monkeypatch.setattr("posattn_spacy.view.sentences.torch_head", lambda model: None)
    (sentence, *_) = examined_sentences(nlp, nlp.get_pipe(NAME), make_examples(nlp))
    assert len(sentence.entities) == 2
    assert sentence.gate is None


def test_no_attention_without_blocks() -> None:
    nlp = trained(mask="none", depth=0)
    assert torch_head(nlp.get_pipe(NAME).model) is not None
    (sentence, *_) = examined_sentences(nlp, nlp.get_pipe(NAME), make_examples(nlp))
    assert sentence.attention is None
    assert sentence.gate is not None


def test_a_gate_that_nothing_trained_is_not_shown() -> None:
    nlp = trained(mask="none")
    nlp.get_pipe(NAME).cfg["positional_weight"] = 0.0
    (sentence, *_) = examined_sentences(nlp, nlp.get_pipe(NAME), make_examples(nlp))
    assert sentence.gate is None
    assert sentence.attention is not None


# HTML


def test_html_holds_the_sentences_and_nothing_from_elsewhere() -> None:
    nlp = trained(mask="soft")
    html = sentences_html(examined_sentences(nlp, nlp.get_pipe(NAME), make_examples(nlp)))
    assert [each["tokens"] for each in sentences_in(html)] == [text.split() for text in TEXTS]
    assert not re.search(r"https?:|src=|@import|url\(", html)


@pytest.mark.parametrize("text", ["</script><script>alert(1)</script>", "<!--", "\u2028", '"quotes"', "<b>"])
def test_no_text_gets_out_of_its_place(text: str) -> None:
    html = sentences_html([ShownSentence([text], [])])
    assert sentences_in(html)[0]["tokens"] == [text]
    assert html.count("</script>") == 1
    assert "<" not in embedded_json([text])


def test_a_document_is_visualized(tiny_encoder: Callable[[str], Path]) -> None:
    nlp = frozen_pipeline(tiny_encoder("bert"), mask="soft")
    train(nlp, 5)
    doc = nlp(TEXTS[0])
    plain = visualize(doc, jupyter=False)
    assert plain is not None
    assert sentences_in(plain)[0]["gate"] is None
    examined = visualize(doc, nlp=nlp, gold=make_examples(nlp)[0].reference, jupyter=False)
    assert examined is not None
    (sentence,) = sentences_in(examined)
    assert len(sentence["gate"]) == len(sentence["attention"]) == len(doc)
    assert len(sentence["gold"]) == 2
    assert [entity["start"] for entity in sentence["entities"]] == [ent.start for ent in doc.ents]


def test_a_document_without_tokens_is_visualized() -> None:
    nlp = trained(mask="none")
    assert "[" in (visualize(nlp(""), nlp=nlp, jupyter=False) or "")


def test_a_pipeline_without_our_component_is_refused() -> None:
    nlp = spacy.blank("xx")
    with pytest.raises(ValueError, match="no 'posattn_ner'"):
        visualize(nlp("Alice"), nlp=nlp)


def test_a_notebook_shows_it_inline(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: List[str] = []
    notebook = ModuleType("IPython.display")
    notebook.HTML, notebook.display = str, shown.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", notebook)
    doc = Doc(spacy.blank("xx").vocab, words=["Alice"], ents=["B-per"])
    assert posattn_spacy.visualize(doc, jupyter=True) is None
    assert sentences_in(shown[0])[0]["tokens"] == ["Alice"]


def test_the_package_has_nothing_else_to_offer() -> None:
    assert posattn_spacy.visualize is visualize
    with pytest.raises(AttributeError, match="no attribute 'visualise'"):
        posattn_spacy.visualise  # noqa: B018
