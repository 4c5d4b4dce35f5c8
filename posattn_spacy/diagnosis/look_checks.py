"""Checks of the first look: whether it is of use, and whether it costs what dev has promised."""

from typing import Iterator, Sequence

from ..calibration import DecodedBatch, decode_first
from ..component import PositionalNER
from ..second_look import Promise, TextCounts, at_threshold, count_texts
from ..settings import FITTED
from .findings import Finding, judged

SELDOM, MOSTLY = 0.02, 0.98  # of the words, between which a second look is given to some
COST = 0.005  # of span F1 that is within chance on other documents than dev


def check_looks(pipe: PositionalNER, decoded: Sequence[DecodedBatch]) -> Iterator[Finding]:
    """Check the first look of a component, if it has one.

    pipe (PositionalNER): The component.
    decoded (Sequence[DecodedBatch]): What its second look makes of annotated documents.
    YIELDS (Finding): The findings.
    """
    if not decoded or any(each.batch.first is None for each in decoded):
        return
    promise = Promise.read(pipe.cfg)
    if pipe.cfg["second_look"] == FITTED and promise is None:
        yield Finding(
            "warn",
            "It was not fitted to dev which texts the first look can decide, so all go through the encoder.",
            "Fit it: python -m spacy posattn calibrate MODEL CORPUS",
        )
        return
    counts = count_texts(decode_first(decoded), decoded, pipe.temperatures, pipe.thresholds)
    yield first_look_decides_some(pipe, counts)
    if counts.gold:
        yield first_look_costs_little(pipe, counts)


def first_look_decides_some(pipe: PositionalNER, counts: TextCounts) -> Finding:
    """RETURNS (Finding): Whether some texts go through the encoder, and some do not."""
    share = at_threshold(counts, pipe.look_threshold).words
    useless = (
        f"The first look is of no use here: components.{pipe.name}.second_look = null leaves it out, and "
        "with a higher second_look_tolerance `posattn calibrate` lets it decide more."
    )
    enough = "See whether an encoder is needed: posattn compare-encoders ENCODER:0 ENCODER"
    return judged(
        SELDOM <= share <= MOSTLY,
        f"{share:.0%} of the words go through the encoder{_promised(pipe)}.",
        useless if share > MOSTLY else enough,
    )


def _promised(pipe: PositionalNER) -> str:
    """What was promised by the documents that it was fitted to, if it goes by them."""
    promise = Promise.read(pipe.cfg)
    if pipe.cfg["second_look"] != FITTED or promise is None:
        return ""
    return f"; of those it was fitted to, {promise.words:.0%} do, with a span F1 of {promise.f:.4f}"


def first_look_costs_little(pipe: PositionalNER, counts: TextCounts) -> Finding:
    """RETURNS (Finding): Whether what the first look decides is nearly as good as with the encoder."""
    with_it, without = at_threshold(counts, pipe.look_threshold), at_threshold(counts, None)
    return judged(
        with_it.f >= without.f - pipe.cfg["second_look_tolerance"] - COST,
        f"Span F1 is {with_it.f:.4f}, and {without.f:.4f} if all texts go through the encoder.",
        "These documents are others than those it was fitted to. Fit it anew on some like them: "
        "python -m spacy posattn calibrate MODEL CORPUS",
    )
