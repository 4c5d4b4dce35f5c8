"""What a perfect gate would give."""

import pytest
import torch
from posattn_benchmark.grid.gold_mask import predict_with_gold_mask

from pipelines import entities, fill_up, make_examples, plain_pipeline, train
from posattn_spacy.model import torch_head

NAME = "posattn_ner"


@pytest.mark.parametrize("multiple", [1, 16])
@pytest.mark.parametrize("mask", ["soft", "pad", "hard"])
def test_a_perfect_gate_can_be_put_in_the_place_of_a_wrong_one(
    monkeypatch: pytest.MonkeyPatch, mask: str, multiple: int
) -> None:
    fill_up(monkeypatch, multiple)
    nlp = plain_pipeline(mask=mask, pad_ratio=0.4)
    train(nlp, 60)
    pipe, examples = nlp.get_pipe(NAME), make_examples(nlp)
    right = [len(example.reference.ents) for example in examples]
    head = torch_head(pipe.model)
    assert head is not None
    with torch.no_grad():
        head.gate.weight.neg_()
        head.gate.bias.neg_()
    wrong = entities(nlp)
    predicted = predict_with_gold_mask(nlp, pipe, examples)
    found = [{ent.text for ent in example.predicted.ents} for example in predicted]
    assert [len(each) for each in found] == right
    assert all(
        each >= {ent.text for ent in example.reference.ents}
        for each, example in zip(found, predicted, strict=True)
    )
    assert entities(nlp) == wrong  # its own gate is back


def test_gold_takes_no_place_where_there_is_no_head(monkeypatch: pytest.MonkeyPatch) -> None:
    nlp = plain_pipeline()
    train(nlp, 3)
    monkeypatch.setattr("posattn_benchmark.grid.gold_mask.torch_head", lambda model: None)
    with pytest.raises(ValueError, match="no gate"):
        predict_with_gold_mask(nlp, nlp.get_pipe(NAME), make_examples(nlp))
