"""Where annotation and a model disagree."""

from typing import List, Optional, Sequence

import pytest
import torch
from torch import Tensor

from posattn_spacy.annotating.findings import (
    MADE_UP,
    MISSED,
    SHIFTED,
    WRONG_TYPE,
    Disagreement,
    disagreements,
)
from posattn_spacy.lattice import Lattice
from posattn_spacy.losses import MISSING
from posattn_spacy.tagging import TagScheme

SCHEME = TagScheme(["geo", "per"])
SURE = ["O", "B-per", "I-per", "O", "B-geo", "O"]


def scores_of(tags: Sequence[str], by: float = 6.0) -> Tensor:
    scores = torch.zeros(len(tags), len(SCHEME))
    for row, tag in enumerate(tags):
        scores[row, SCHEME.tags.index(tag)] = by
    return scores


def found(
    annotated: Sequence[Optional[str]], predicted: Sequence[str] = SURE, annotated_for: Sequence[str] = ()
) -> List[Disagreement]:
    tags = torch.tensor([MISSING if tag is None else SCHEME.tags.index(tag) for tag in annotated])
    excluded = torch.tensor([label in annotated_for for label in SCHEME.labels])
    lattice = Lattice(scores_of(predicted), torch.tensor([len(tags)]))
    return list(
        disagreements(lattice, tags, excluded & (tags == MISSING)[:, None] if annotated_for else None)
    )


def test_what_agrees_is_not_found() -> None:
    assert found(SURE) == []


@pytest.mark.parametrize(
    ("annotated", "kind", "given", "suggested"),
    [
        (["O", "B-geo", "I-geo", "O", "B-geo", "O"], WRONG_TYPE, (1, 3, 0), (1, 3, 1)),
        (["O", "B-per", "O", "O", "B-geo", "O"], SHIFTED, (1, 2, 1), (1, 3, 1)),
        (["O", "B-per", "I-per", "O", "B-geo", "I-geo"], SHIFTED, (4, 6, 0), (4, 5, 0)),
        (["B-geo", "B-per", "I-per", "O", "B-geo", "O"], MADE_UP, (0, 1, 0), None),
        (["O", "B-per", "I-per", "O", "O", "O"], MISSED, None, (4, 5, 0)),
    ],
)
def test_each_kind_of_error_is_found_with_the_right_entity(
    annotated: List[str], kind: str, given: object, suggested: object
) -> None:
    (one,) = found(annotated)
    assert (one.kind, one.given, one.suggested) == (kind, given, suggested)
    assert one.p_given < 0.05 < 0.9 < one.p_suggested


def test_probabilities_are_those_of_the_lattice() -> None:
    (one,) = found(["O", "B-per", "I-per", "O", "O", "O"])
    lattice = Lattice(scores_of(SURE), torch.tensor([6]))
    spans = lattice.spans_of(torch.tensor([0, 3, 4, 0, 1, 0]))
    assert one.p_suggested == pytest.approx(spans.probabilities[1], abs=1e-6)
    assert one.p_given == pytest.approx(float(lattice.tag_probabilities()[4, 0]), abs=1e-6)


def test_of_words_without_annotation_nothing_is_said() -> None:
    assert found(["O", None, None, "O", "B-geo", "O"]) == []


def test_missed_entities_are_found_of_those_labels_that_were_annotated() -> None:
    (one,) = found([None] * 6, annotated_for=["per"])
    assert (one.kind, one.suggested) == (MISSED, (1, 3, 1))
    assert one.p_given == pytest.approx(1 - one.p_suggested)
    (shifted,) = found([None, "B-per", None, None, None, None], annotated_for=["per"])
    assert (shifted.kind, shifted.suggested) == (SHIFTED, (1, 3, 1))
    assert found(["O", "B-per", "I-per", None, None, None], annotated_for=["per"]) == []


def test_the_surer_of_two_missed_ones_is_taken() -> None:
    one, *others = found(["O"] * 6)
    assert {each.suggested for each in (one, *others)} == {(1, 3, 1), (4, 5, 0)}
