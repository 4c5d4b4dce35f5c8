"""The benchmark's figures."""

from typing import List, Tuple

import numpy as np
import pytest
import spacy
from posattn_benchmark.benchmark import (
    confidence_figures,
    confidence_share,
    count_trained_parameters,
    error_by_chance,
    risk_coverage_area,
    score_examples,
    tag_loss,
)
from posattn_benchmark.robustness import joined_f, raw_text_f
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.vocab import Vocab

from pipelines import frozen_pipeline, make_examples, plain_pipeline, train
from posattn_spacy.calibration import Judged
from posattn_spacy.model import torch_heads

VOCAB = Vocab()


def make_doc(n_tokens: int, ents: List[Tuple[int, int, str]], missing: Tuple[int, ...] = ()) -> Doc:
    doc = Doc(VOCAB, words=[f"w{i}" for i in range(n_tokens)])
    spans = [Span(doc, start, stop, label=label) for start, stop, label in ents]
    doc.set_ents(spans, missing=[doc[i : i + 1] for i in missing])
    return doc


def test_scores_of_a_small_case_are_those_worked_out_by_hand() -> None:
    gold = make_doc(8, [(0, 2, "per"), (4, 5, "geo")])
    predicted = make_doc(8, [(0, 2, "per"), (4, 6, "geo")])
    scores = score_examples([Example(predicted, gold)])
    assert (scores.docs, scores.tokens, scores.entities) == (1, 8, 2)
    assert (scores.span_p, scores.span_r, scores.span_f) == (0.5, 0.5, 0.5)
    assert scores.span_f_per_type == {"geo": 0.0, "per": 1.0}
    assert scores.span_macro_f == 0.5
    assert scores.flat_f == 1.0  # every gold B- and I- tag is there; I-geo has no support
    assert scores.token_f == pytest.approx(6 / 7)


def test_tokens_without_gold_annotation_are_left_out() -> None:
    gold = make_doc(4, [(0, 1, "per")], missing=(2, 3))
    predicted = make_doc(4, [(0, 1, "per"), (2, 4, "geo")])
    scores = score_examples([Example(predicted, gold)])
    assert (scores.tokens, scores.span_f, scores.token_f) == (2, 1.0, 1.0)


@pytest.mark.parametrize("examples", [[], [Example(make_doc(2, []), make_doc(2, []))]])
def test_figures_without_gold_entities_are_undefined(examples: List[Example]) -> None:
    scores = score_examples(examples)
    assert scores.entities == 0
    assert (scores.span_f, scores.span_macro_f, scores.flat_f, scores.token_f) == (None,) * 4


def test_trained_parameters_are_those_of_the_head_before_and_after_disk(tiny_encoder, tmp_path) -> None:
    nlp = frozen_pipeline(tiny_encoder("bert"))
    train(nlp, 0)
    heads = torch_heads(nlp.get_pipe("posattn_ner").model).values()
    expected = sum(weights.numel() for head in heads for weights in head.parameters())
    assert count_trained_parameters(nlp) == expected
    nlp.to_disk(tmp_path)
    assert count_trained_parameters(spacy.load(tmp_path)) == expected


def test_dev_loss_falls_with_training(tiny_encoder) -> None:
    nlp = frozen_pipeline(tiny_encoder("bert"))
    train(nlp, 0)
    before = tag_loss(nlp, make_examples(nlp))
    train(nlp, 60)
    after = tag_loss(nlp, make_examples(nlp))
    assert before is not None
    assert after is not None
    assert 0 < after < before


def test_dev_loss_of_a_pipeline_without_tag_scores_is_undefined() -> None:
    nlp = spacy.blank("en")
    assert tag_loss(nlp, make_examples(nlp)) is None


@Language.component("first_berlin")
def first_berlin(doc: Doc) -> Doc:
    """Find Berlin, but once in a document."""
    places = [token.i for token in doc if token.text == "Berlin"]
    doc.ents = [Span(doc, i, i + 1, label="geo") for i in places[:1]]
    return doc


def berlin(*words: str) -> Doc:
    """A sentence that ends in Berlin, with its only entity."""
    doc = Doc(VOCAB, words=[*words, "Berlin"], spaces=[*[True] * len(words), False])
    doc.set_ents([Span(doc, len(words), len(words) + 1, label="geo")])
    return doc


def test_sentences_are_joined_and_scored_by_their_characters() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("first_berlin")
    references = [berlin("in"), berlin("to", "and"), berlin("near"), berlin("off"), berlin()]
    assert joined_f(nlp, references, 1) == 1.0
    assert joined_f(nlp, references, 2) == pytest.approx(2 * 3 / (5 + 3))
    assert joined_f(nlp, references, 20) == pytest.approx(2 * 1 / (5 + 1))


def test_raw_text_is_tokenised_anew() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("first_berlin")
    assert raw_text_f(nlp, [berlin("(in"), berlin("isn't")]) == 1.0
    glued = Doc(VOCAB, words=["a", "xBerlin"], ents=["O", "B-geo"])
    assert raw_text_f(nlp, [berlin("in"), glued]) == pytest.approx(2 / 3)


def test_confidence_is_measured_where_there_is_any() -> None:
    nlp = plain_pipeline()
    train(nlp, 20)
    nlp.get_pipe("posattn_ner").cfg["temperature"] = 2.0
    figures = confidence_figures(nlp, make_examples(nlp))
    assert figures is not None
    assert figures["temperature"] == 2.0
    assert figures["error"] != figures["error_uncalibrated"]
    assert 0 <= figures["risk_coverage_area"] <= 1
    assert confidence_figures(nlp, []) is None
    assert confidence_figures(spacy.blank("en"), make_examples(nlp)) is None


def test_few_entities_show_an_error_by_chance() -> None:
    def judged(n: int) -> Judged:
        labels, gold = np.zeros(n, dtype=np.int64), np.array([n])
        return Judged(labels, np.full(n, 0.8, np.float32), np.ones(n, dtype=bool), gold)

    assert error_by_chance(judged(15)) == pytest.approx(2 * 0.8 * 0.2, abs=0.02)  # one in each bin
    assert error_by_chance(judged(15_000)) == pytest.approx(0.8 * (0.8 * 0.2 / 1000) ** 0.5, rel=0.1)


def test_share_of_confidence_in_the_time_is_measured_where_there_is_any() -> None:
    nlp = plain_pipeline()
    train(nlp, 20)
    texts = [example.text for example in make_examples(nlp)]
    share = confidence_share(nlp, texts)
    assert share is not None
    assert 0 < share < 1
    assert confidence_share(nlp, []) is None
    assert confidence_share(spacy.blank("en"), texts) is None


@pytest.mark.parametrize(
    ("probabilities", "correct", "area"),
    [([0.9, 0.8], [True, True], 0), ([0.9, 0.1], [True, False], 0.25), ([0.1, 0.9], [True, False], 0.75)],
)
def test_risk_coverage_area_is_the_mean_risk_of_the_surest(
    probabilities: List[float], correct: List[bool], area: float
) -> None:
    entities = Judged(np.zeros(2, dtype=int), np.array(probabilities), np.array(correct), np.array([2]))
    assert risk_coverage_area(entities) == pytest.approx(area)
