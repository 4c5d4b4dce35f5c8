"""Span scores and flat scores, against seqeval and scikit-learn."""

import warnings
from typing import List, Optional, Sequence, Tuple

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import f1_score, precision_score, recall_score
from sklearn.metrics import precision_recall_fscore_support
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import registry
from spacy.vocab import Vocab

from posattn_spacy.scoring import flat_scores, score_ner

NLP = spacy.blank("xx")
LABELS = ["geo", "org", "per"]
ENTITY_TAGS = [f"{prefix}-{label}" for label in LABELS for prefix in "BI"]


@st.composite
def tag_pairs(draw: st.DrawFn) -> Tuple[List[str], List[str]]:
    """Draw gold and predicted IOB2 tags of one text."""
    length = draw(st.integers(1, 12))
    return draw(iob2_tags(length)), draw(iob2_tags(length))


@st.composite
def iob2_tags(draw: st.DrawFn, length: int) -> List[str]:
    """Draw a legal IOB2 sequence."""
    tags: List[str] = []
    for choice, label in draw(
        st.lists(st.tuples(st.sampled_from("OBI"), st.sampled_from(LABELS)), min_size=length, max_size=length)
    ):
        if choice == "I" and tags and tags[-1] != "O":
            tags.append(f"I-{tags[-1][2:]}")
        else:
            tags.append("O" if choice == "O" else f"B-{label}")
    return tags


def example_of(gold: Sequence[Optional[str]], predicted: Sequence[Optional[str]]) -> Example:
    """An example of equal tokens; None is a token without a tag."""
    words = [f"w{i}" for i in range(len(gold))]
    return Example(
        Doc(NLP.vocab, words=words, ents=list(predicted)), Doc(NLP.vocab, words=words, ents=list(gold))
    )


CORPORA = st.lists(tag_pairs(), min_size=1, max_size=5)


@given(CORPORA)
def test_span_scores_equal_seqeval(corpus):
    scores = score_ner([example_of(*pair) for pair in corpus])
    gold, predicted = ([list(tags) for tags in side] for side in zip(*corpus, strict=True))
    if not any(tag != "O" for tags in gold + predicted for tag in tags):
        assert scores["ents_f"] is None
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore")  # seqeval warns of what zero_division settles
        expected = [
            score(gold, predicted, zero_division=0) for score in (precision_score, recall_score, f1_score)
        ]
    assert [scores["ents_p"], scores["ents_r"], scores["ents_f"]] == pytest.approx(expected)


@given(CORPORA)
def test_flat_scores_equal_sklearn(corpus):
    scores = score_ner([example_of(*pair) for pair in corpus])
    gold = [tag for tags, _ in corpus for tag in tags]
    predicted = [tag for _, tags in corpus for tag in tags]
    if not any(tag != "O" for tag in gold):
        assert scores["flat_f"] is None
        return
    weighted = precision_recall_fscore_support(
        gold, predicted, labels=ENTITY_TAGS, average="weighted", zero_division=0
    )
    assert [scores["flat_p"], scores["flat_r"], scores["flat_f"]] == pytest.approx(weighted[:3])
    used = sorted({*gold, *predicted} - {"O"})
    per_tag = precision_recall_fscore_support(gold, predicted, labels=used, average=None, zero_division=0)
    assert sorted(scores["flat_per_type"]) == used
    for i, tag in enumerate(used):
        found = scores["flat_per_type"][tag]
        assert [found["p"], found["r"], found["f"]] == pytest.approx([column[i] for column in per_tag[:3]])


def test_perfect_predictions_score_one():
    tags = ["B-per", "I-per", "O", "B-geo"]
    scores = score_ner([example_of(tags, tags)])
    assert [scores[key] for key in ("ents_p", "ents_r", "ents_f", "flat_p", "flat_r", "flat_f")] == [1.0] * 6


def test_tokens_without_a_gold_tag_are_left_out():
    gold = ["B-per", None, None, "O"]
    right = score_ner([example_of(gold, ["B-per", "O", "O", "O"])])
    other = score_ner([example_of(gold, ["B-per", "O", "B-geo", "O"])])
    for scores in (right, other):
        assert [scores[key] for key in ("flat_p", "flat_r", "flat_f", "ents_f")] == [1.0] * 4
        assert sorted(scores["flat_per_type"]) == ["B-per"]


@pytest.mark.parametrize("n_examples", [0, 2])
def test_without_gold_there_is_no_score(n_examples):
    scores = score_ner([example_of([None, None], ["B-per", "O"])] * n_examples)
    assert set(scores) == {
        f"{kind}_{key}" for kind in ("ents", "flat") for key in ("p", "r", "f", "per_type")
    }
    assert set(scores.values()) == {None}


def test_gold_without_entities_has_no_flat_score():
    assert flat_scores([example_of(["O", "O"], ["B-per", "O"])])["flat_f"] is None


def test_an_unpredicted_document_counts_as_outside():
    reference = Doc(NLP.vocab, words=["Bob", "slept"], ents=["B-per", "O"])
    scores = score_ner([Example(Doc(NLP.vocab, words=["Bob", "slept"]), reference)])
    assert (scores["flat_r"], scores["flat_f"]) == (0.0, 0.0)


def test_gold_is_projected_onto_the_predicted_tokens():
    reference = Doc(NLP.vocab, words=["in", "London."], ents=["O", "B-geo"])
    predicted = Doc(
        NLP.vocab, words=["in", "London", "."], spaces=[True, False, False], ents=["O", "B-geo", "I-geo"]
    )
    scores = score_ner([Example(predicted, reference)])
    assert (scores["ents_f"], scores["flat_f"]) == (1.0, 1.0)
    assert sorted(scores["flat_per_type"]) == ["B-geo", "I-geo"]


def test_documents_of_two_vocabularies_are_compared():
    reference = Doc(NLP.vocab, words=["Bob", "slept"], ents=["B-per", "O"])
    predicted = Doc(Vocab(), words=["Bob", "slept"], ents=["B-quitenew", "O"])
    scores = flat_scores([Example(predicted, reference)])
    assert scores["flat_f"] == 0.0
    assert sorted(scores["flat_per_type"]) == ["B-per", "B-quitenew"]


def test_documents_without_tokens_are_skipped():
    empty = Example(Doc(NLP.vocab), Doc(NLP.vocab))
    full = example_of(["B-per", "O"], ["B-per", "O"])
    assert score_ner([empty, full, empty])["flat_f"] == 1.0


def test_the_registered_scorer_takes_what_a_pipe_passes():
    scorer = registry.scorers.get("posattn-spacy.ner_scorer.v1")()
    scores = scorer(
        [example_of(["B-per"], ["B-per"])], labels=["per"], overwrite=False, positional_weight=0.2
    )
    assert scores["ents_f"] == 1.0
