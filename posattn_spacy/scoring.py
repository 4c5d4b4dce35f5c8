"""`posattn-spacy.ner_scorer.v1`: spaCy's entity scores and the flat F1 of the paper (DESIGN.md 4)."""

from typing import Any, Callable, Dict, Iterable

import numpy as np
from spacy.scorer import get_ner_prf
from spacy.training import Example

from .corpora.entities import blank_edged, trim_blanks
from .gold import BEGIN, OUTSIDE, UNKNOWN, doc_annotation, gold_annotation


def make_ner_scorer() -> Callable[..., Dict[str, Any]]:
    """RETURNS (Callable[..., Dict[str, Any]]): The scoring method `score_ner`."""
    return score_ner


def score_ner(examples: Iterable[Example], **kwargs: Any) -> Dict[str, Any]:
    """Score entities as spans, as spaCy does, and token by token.

    Gold entities count without the white space at their edges, as they are learned.

    examples (Iterable[Example]): The predicted and the gold documents.
    RETURNS (Dict[str, Any]): `ents_p/r/f` and `ents_per_type` (strict spans); `flat_p/r/f` and
        `flat_per_type` (see `flat_scores`).
    """
    examples = [_without_blank_edges(example) for example in examples]
    return {**get_ner_prf(examples), **flat_scores(examples)}


def _without_blank_edges(example: Example) -> Example:
    """The example itself, or one whose gold entities have no white space at their edges."""
    if not blank_edged(example.reference):
        return example
    reference = example.reference.copy()
    trim_blanks(reference)
    return Example(example.predicted, reference)


def flat_scores(examples: Iterable[Example]) -> Dict[str, Any]:
    """Score `B-` and `I-` tags token by token, each tag weighted by its support, `O` left out.

    Where the tokens differ, gold is projected onto the predicted tokens. Tokens without a gold tag are left
    out.

    examples (Iterable[Example]): The predicted and the gold documents.
    RETURNS (Dict[str, Any]): `flat_p`, `flat_r`, `flat_f`, and `flat_per_type` with p, r and f of every
        tag; None where there is no gold tag but O.
    """
    examples = list(examples)
    if not examples:
        return _no_flat_scores()
    gold_parts, predicted_parts = [], []
    for example in examples:
        gold, predicted = gold_annotation(example), doc_annotation(example.predicted)
        known = gold.iob != UNKNOWN
        gold_parts.append(_tag_codes(gold.iob, gold.types)[known])
        predicted_parts.append(_tag_codes(predicted.iob, predicted.types)[known])
    codes, inverse = np.unique(np.concatenate([*gold_parts, *predicted_parts]), return_inverse=True, axis=0)
    gold_tags, predicted_tags = np.split(inverse.ravel(), 2)
    size = len(codes)
    support = np.bincount(gold_tags, minlength=size)
    predicted_counts = np.bincount(predicted_tags, minlength=size)
    correct = np.bincount(gold_tags[gold_tags == predicted_tags], minlength=size)
    docs = [doc for example in examples for doc in (example.reference, example.predicted)]
    names = {ent.label: ent.label_ for doc in docs for ent in doc.ents}
    entity = codes[:, 1] != OUTSIDE
    if not support[entity].sum():
        return _no_flat_scores()
    p, r = _ratio(correct, predicted_counts), _ratio(correct, support)
    f = _ratio(2 * correct, predicted_counts + support)
    weights = support[entity] / support[entity].sum()
    per_tag = {
        f"{'B' if iob == BEGIN else 'I'}-{names[int(label)]}": i
        for i, (label, iob) in enumerate(codes.tolist())
        if entity[i]
    }
    return {
        "flat_p": float(weights @ p[entity]),
        "flat_r": float(weights @ r[entity]),
        "flat_f": float(weights @ f[entity]),
        "flat_per_type": {
            tag: {"p": float(p[i]), "r": float(r[i]), "f": float(f[i])} for tag, i in sorted(per_tag.items())
        },
    }


def _tag_codes(iob: np.ndarray, types: np.ndarray) -> np.ndarray:
    """(tokens, 2) uint64 type and position; an outside or unset token is O, whatever its type."""
    outside = (iob == OUTSIDE) | (iob == UNKNOWN)
    return np.stack([np.where(outside, 0, types), np.where(outside, OUTSIDE, iob).astype(np.uint64)], axis=1)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divide, 0 where there is nothing to divide by."""
    return numerator / np.maximum(denominator, 1)


def _no_flat_scores() -> Dict[str, None]:
    return {"flat_p": None, "flat_r": None, "flat_f": None, "flat_per_type": None}
