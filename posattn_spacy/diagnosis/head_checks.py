"""Checks of what a trained head does with annotated documents."""

from typing import Iterator, Optional

from ..attention import PositionalTagger
from .findings import Finding, judged
from .probes import HeadShares

UNIFORM = 0.97  # of the entropy of attention that is spread evenly
LIFT = 1.2  # times the attention that entities get if it is spread evenly
KEPT = 0.9  # of the tokens in entities
MASKING = ("soft", "pad", "hard")


def check_head(head: PositionalTagger, shares: Optional[HeadShares]) -> Iterator[Finding]:
    """Check gate, mask and attention.

    head (PositionalTagger): The head.
    shares (Optional[HeadShares]): What it does; None if there were no tokens to see it on.
    YIELDS (Finding): The findings.
    """
    if shares is None:
        yield Finding("unknown", "There are no tokens to examine the head on.", "Give another corpus.")
        return
    yield mask_leaves_entities(head, shares)
    yield attention_is_focused(shares)
    if head.config.mask in MASKING:
        yield attention_lies_on_entities(shares)


def mask_leaves_entities(head: PositionalTagger, shares: HeadShares) -> Finding:
    """RETURNS (Finding): Whether tokens outside entities are masked before the attention, and others not."""
    config = head.config
    if config.mask == "none":
        return Finding("pass", "No mask is set: the attention sees every token.")
    if shares.gate_recall is None or shares.entities_kept is None:
        return Finding(
            "unknown",
            "There are no entities of its labels to see the mask on.",
            "Give a corpus that has them.",
        )
    if config.mask == "soft":
        recall, precision = shares.gate_recall, shares.gate_precision or 0.0
        return judged(
            recall >= KEPT and precision >= 0.5,
            f"The gate, which weighs keys, finds {recall:.0%} of the tokens inside entities; of those it "
            f"finds {precision:.0%} are.",
            "The gate is not trained: raise components.posattn_ner.positional_weight.",
        )
    kept = shares.entities_kept
    return judged(
        kept >= KEPT and shares.padded > 0,
        f"The mask takes out {shares.padded:.0%} of the tokens, and leaves {kept:.0%} of those inside "
        "entities.",
        "Lower components.posattn_ner.model.pad_ratio, or let the gate learn better with a higher "
        "positional_weight. With pad_ratio = 0 nothing is masked at all.",
    )


def attention_is_focused(shares: HeadShares) -> Finding:
    """RETURNS (Finding): Whether the attention chooses among the tokens."""
    entropy = shares.attention_entropy
    if entropy is None:
        return Finding("pass", "There is no attention: depth is 0, or all texts have one token.")
    return judged(
        entropy < UNIFORM,
        f"The entropy of the attention is {entropy:.0%} of that of attention spread evenly over the text.",
        "The attention is spread evenly, as if the mask were not applied: check "
        "components.posattn_ner.model.mask if there should be one, and train for longer.",
    )


def attention_lies_on_entities(shares: HeadShares) -> Finding:
    """RETURNS (Finding): Whether tokens inside entities get more attention than others."""
    if not shares.entity_tokens or shares.entity_attention is None:
        return Finding("unknown", "There are no entities, or no attention.")
    lift = shares.entity_attention / shares.entity_tokens
    return judged(
        lift >= LIFT,
        f"{shares.entity_attention:.0%} of the attention goes to tokens inside entities, which are "
        f"{shares.entity_tokens:.0%} of the tokens.",
        "The attention is spread as if the mask were not applied. With a mask, the gate does not tell "
        "entities from other tokens: raise components.posattn_ner.positional_weight, or pad_ratio. "
        "Without one, train for longer, or with a higher training.optimizer.learn_rate.initial_rate.",
    )
