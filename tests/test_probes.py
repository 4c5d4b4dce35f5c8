"""What gate, mask and attention of a head do, as `spacy posattn doctor` and the experiments see it."""

import math
from typing import Any

import pytest
import torch
from spacy.language import Language

from pipelines import MASKS, entities, make_examples, plain_pipeline, train
from posattn_spacy.attention import PositionalTagger
from posattn_spacy.diagnosis.probes import examine, watched_attention
from posattn_spacy.model import torch_head

NAME = "posattn_ner"


def trained(steps: int = 30, **model: Any) -> Language:
    nlp = plain_pipeline(**model)
    train(nlp, steps)
    return nlp


def head_of(nlp: Language) -> PositionalTagger:
    head = torch_head(nlp.get_pipe(NAME).model)
    assert head is not None
    return head


def look_evenly(head: PositionalTagger) -> None:
    """Let every query attend to all keys alike."""
    with torch.no_grad():
        for block in head.blocks:
            block.query_key_value.weight.zero_()
            block.query_key_value.bias.zero_()
            block.distance_bias.zero_()


@pytest.mark.parametrize("mask", MASKS)
def test_attention_is_watched_block_by_block(mask: str) -> None:
    nlp = trained(3, mask=mask, depth=2)
    docs = [example.predicted for example in make_examples(nlp)]
    with watched_attention(head_of(nlp)) as seen:
        nlp.get_pipe(NAME).model.predict(docs)
    assert len(seen) == 2
    for weights, layout in seen:
        assert weights.shape == (len(docs), 4, layout.time, layout.time)
        rows = layout.unpad(weights.transpose(1, 2))  # (rows, heads, keys)
        torch.testing.assert_close(rows.sum(2), torch.ones(rows.shape[:2]))
    nlp.get_pipe(NAME).model.predict(docs)
    assert len(seen) == 2  # no longer watched


def test_examining_leaves_pipeline_and_examples_alone() -> None:
    nlp = trained()
    before, examples = entities(nlp), make_examples(nlp)
    examine(nlp, nlp.get_pipe(NAME), examples)
    assert not any(example.predicted.ents for example in examples)
    assert entities(nlp) == before


def test_even_attention_has_full_entropy_and_the_entities_get_their_share() -> None:
    nlp = trained(3, mask="none")
    look_evenly(head_of(nlp))
    examples = make_examples(nlp)
    report = examine(nlp, nlp.get_pipe(NAME), examples)
    assert report is not None
    assert report.attention_entropy == pytest.approx(1.0, abs=1e-5)
    assert report.entity_attention == pytest.approx(report.entity_tokens)
    inside = sum(len(ent) for example in examples for ent in example.reference.ents)
    assert report.entity_tokens == pytest.approx(inside / sum(len(each.reference) for each in examples))
    assert report.padded == 0
    assert report.entities_kept == 1


def test_attention_to_one_token_has_no_entropy() -> None:
    nlp = trained(3, mask="none")
    head = head_of(nlp)
    look_evenly(head)
    with torch.no_grad():
        head.blocks[0].distance_bias[:, head.config.max_distance] = 1000.0  # itself
    report = examine(nlp, nlp.get_pipe(NAME), make_examples(nlp))
    assert report is not None
    assert report.attention_entropy == pytest.approx(0.0, abs=1e-6)
    assert report.entity_attention == pytest.approx(report.entity_tokens)


@pytest.mark.parametrize("mask", ["pad", "hard"])
def test_a_mask_takes_tokens_out_and_turns_attention_to_entities(mask: str) -> None:
    nlp = trained(60, mask=mask, pad_ratio=0.4)
    pipe, examples = nlp.get_pipe(NAME), make_examples(nlp)
    report = examine(nlp, pipe, examples)
    assert report is not None
    lengths = [len(example.reference) for example in examples]
    assert report.padded == pytest.approx(sum(math.floor(0.4 * n) for n in lengths) / sum(lengths))
    assert report.gate_recall == report.gate_precision == report.entities_kept == 1
    assert report.entity_attention > 1.2 * report.entity_tokens


@pytest.mark.parametrize("gate", [-20.0, 20.0])
def test_a_gate_that_says_the_same_of_all_tokens_is_found_out(gate: float) -> None:
    nlp = trained(30, mask="soft")
    head = head_of(nlp)
    with torch.no_grad():
        head.gate.weight.zero_()
        head.gate.bias.fill_(gate)
    examples = make_examples(nlp)
    report = examine(nlp, nlp.get_pipe(NAME), examples)
    assert report is not None
    assert report.gate_recall == (gate > 0)
    inside = sum(len(ent) for example in examples for ent in example.reference.ents)
    share = inside / sum(len(example.reference) for example in examples)
    assert report.gate_precision == (pytest.approx(share) if gate > 0 else None)


def test_nothing_is_found_without_tokens() -> None:
    nlp = trained(3)
    assert examine(nlp, nlp.get_pipe(NAME), []) is None
    assert examine(nlp, nlp.get_pipe(NAME), make_examples(nlp, [("", {"entities": []})])) is None


def test_nothing_is_found_without_a_head(monkeypatch: pytest.MonkeyPatch) -> None:
    nlp = trained(3)
    monkeypatch.setattr("posattn_spacy.diagnosis.probes.torch_head", lambda model: None)
    assert examine(nlp, nlp.get_pipe(NAME), make_examples(nlp)) is None
