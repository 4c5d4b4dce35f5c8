"""What the second look gives on a corpus: span F1 and speed by the share of the words that are encoded."""

from typing import Any, Dict, Optional, Sequence

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from tqdm import tqdm

from posattn_spacy.calibration import decode, decode_first, posattn_pipes
from posattn_spacy.component import PositionalNER
from posattn_spacy.evaluation import scored_batches
from posattn_spacy.second_look import Promise, TextCounts, at_threshold, count_texts

from ..clock import pipe_rate

SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)  # of the words


def share_figures(
    nlp: Language, examples: Sequence[Example], timed: Sequence[Doc]
) -> Optional[Dict[str, Any]]:
    """Measure what a pipeline gives if more or fewer texts get a second look.

    nlp (Language): The trained pipeline.
    examples (Sequence[Example]): What F1 is measured on.
    timed (Sequence[Doc]): What words per second are measured on, as running text.
    RETURNS (Optional[Dict[str, Any]]): `fitted`, with the threshold that was fitted, and `curve`, for each of
        `SHARES`: a `Promise` on the examples, with `words_per_s`. None without a component that looks twice.
    """
    for _, pipe in posattn_pipes(nlp)[:1]:
        promise = Promise.read(pipe.cfg)
        if promise is not None:
            counts = count_looks(nlp, pipe, examples)
            thresholds = [promise.threshold, *(threshold_of(counts, share) for share in SHARES)]
            fitted, *curve = [_point(nlp, pipe, counts, each, timed) for each in thresholds]
            return {"fitted": fitted, "curve": curve}
    return None


def count_looks(nlp: Language, pipe: PositionalNER, examples: Sequence[Example]) -> TextCounts:
    """Count what both looks find in documents.

    nlp (Language): The pipeline.
    pipe (PositionalNER): One of its components, with a first look.
    examples (Sequence[Example]): The documents, and what is right.
    RETURNS (TextCounts): The counts.
    """
    batches = tqdm(scored_batches(nlp, pipe, examples), desc="both looks", unit="batch")
    second = list(map(decode, batches))
    return count_texts(decode_first(second), second, pipe.temperatures, pipe.thresholds)


def _point(
    nlp: Language, pipe: PositionalNER, counts: TextCounts, threshold: Optional[float], timed: Sequence[Doc]
) -> Dict[str, Any]:
    """What a threshold gives; the component's setting is put back."""
    setting = pipe.cfg["second_look"]
    pipe.cfg["second_look"] = threshold
    try:
        rate = pipe_rate(nlp, timed)
    finally:
        pipe.cfg["second_look"] = setting
    return {**at_threshold(counts, threshold)._asdict(), "words_per_s": rate}


def threshold_of(counts: TextCounts, share: float) -> Optional[float]:
    """Find the threshold at which about so many words get a second look.

    counts (TextCounts): What both looks find in texts.
    share (float): Of the words, from 0 to 1.
    RETURNS (Optional[float]): The threshold; None for all texts.
    """
    order = np.argsort(counts.sureness, kind="stable")
    upto = np.append(0, counts.words[order].cumsum())
    sure = int(np.abs(upto - share * upto[-1]).argmin())  # so many texts are less sure than the first that is
    return float(counts.sureness[order[sure]]) if sure < len(order) else None
