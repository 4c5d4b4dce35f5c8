"""What is measured of a trained cell."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

import numpy as np
import spacy
import srsly
from nervaluate import Evaluator
from spacy.language import Language
from spacy.training import Example

from posattn_spacy.calibration import posattn_pipes
from posattn_spacy.diagnosis.head_checks import MASKING
from posattn_spacy.diagnosis.probes import examine
from posattn_spacy.frozen.callback import FeatureStoreCallback, find_frozen_transformers

from ..benchmark import (
    confidence_figures,
    count_trained_parameters,
    predict,
    read_examples,
    score_examples,
    tag_loss,
)
from ..clock import pipe_rate
from ..robustness import raw_text_f
from .gold_mask import predict_with_gold_mask

TIMED_DOCS = 2000
PLOTTED_STEPS = 200


def measure_cell(model: Path, folder: Path, store: FeatureStoreCallback, on_test: bool) -> Dict[str, Any]:
    """Measure a trained pipeline on dev, and on test if asked for.

    model (Path): Folder of the pipeline.
    folder (Path): Holds dev.spacy and test.spacy.
    store (FeatureStoreCallback): The feature store, from which dev is read.
    on_test (bool): Whether it is measured on test, too.
    RETURNS (Dict[str, Any]): On dev: `dev` (Scores as a dict, and `raw_text`, span F1 from spaCy's own
        tokenizer), `dev_loss`, `boundaries`, `confidence`, `head` and `gold_mask_span_f`, each None where
        the pipeline has no such thing; `trained_parameters`; and if measured on test `test` (Scores as a
        dict) and `words_per_s` of `nlp.pipe`, else None.
    """
    nlp = spacy.load(model)
    dev = read_examples(nlp, folder / "dev.spacy")
    words_per_s = pipe_rate(nlp, [example.reference for example in dev[:TIMED_DOCS]]) if on_test else None
    if find_frozen_transformers(nlp):
        store(nlp)
    test = predict(nlp, read_examples(nlp, folder / "test.spacy"), "test") if on_test else []
    predicted = predict(nlp, dev, "dev")
    fresh = read_examples(nlp, folder / "dev.spacy")
    raw_text = raw_text_f(nlp, [example.reference for example in dev])
    return {
        "dev": {**asdict(score_examples(predicted)), "raw_text": raw_text},
        "dev_loss": tag_loss(nlp, fresh),
        "boundaries": boundary_scores(predicted),
        "confidence": confidence_figures(nlp, fresh),
        **head_figures(nlp, fresh),
        "words_per_s": words_per_s,
        "trained_parameters": count_trained_parameters(nlp),
        "test": asdict(score_examples(test)) if on_test else None,
    }


def head_figures(nlp: Language, examples: Sequence[Example]) -> Dict[str, Any]:
    """Examine gate, mask and attention.

    nlp (Language): The pipeline.
    examples (Sequence[Example]): What to examine them on.
    RETURNS (Dict[str, Any]): `head` (HeadShares as a dict), and `gold_mask_span_f`: span F1 with a perfect
        gate. None where there is no such head, or no mask.
    """
    for _, pipe in posattn_pipes(nlp)[:1]:
        report = examine(nlp, pipe, examples)
        if report is not None:
            gold_mask: Optional[float] = None
            if pipe.model.attrs["mask"] in MASKING:
                gold_mask = score_examples(predict_with_gold_mask(nlp, pipe, examples)).span_f
            return {"head": report._asdict(), "gold_mask_span_f": gold_mask}
    return {"head": None, "gold_mask_span_f": None}


def boundary_scores(examples: Sequence[Example]) -> Dict[str, float]:
    """Score spans in nervaluate's four ways, which differ in what they demand of edges and types.

    examples (Sequence[Example]): The predictions.
    RETURNS (Dict[str, float]): F1 as `strict` (edges and type), `exact` (edges), `partial` (an overlap is
        worth half) and `type` (an overlap with the right type); and `shifted`, the number of entities with
        the right type and an edge in the wrong place.
    """
    gold = [_entities(example.reference.ents) for example in examples]
    predicted = [_entities(example.predicted.ents) for example in examples]
    labels = sorted({entity["label"] for doc in (*gold, *predicted) for entity in doc})
    scores = Evaluator(gold, predicted, tags=labels, loader="dict").evaluate()["overall"]
    return {
        "strict": scores["strict"].f1,
        "exact": scores["exact"].f1,
        "partial": scores["partial"].f1,
        "type": scores["ent_type"].f1,
        "shifted": scores["ent_type"].correct - scores["strict"].correct,
    }


def _entities(ents: Any) -> List[Dict[str, Any]]:
    return [{"label": ent.label_, "start": ent.start, "end": ent.end - 1} for ent in ents]


def training_figures(log: Path, steps: Path, history: bool) -> Dict[str, Any]:
    """Read the logs of a training.

    log (Path): spaCy's log.
    steps (Path): The log of `posattn-spacy.DiagnosticLogger.v1`; it may not be there.
    history (bool): Whether its steps are wanted.
    RETURNS (Dict[str, Any]): `curve`, see `training_curve`; `training_loss`: mean categorical loss of the
        last pass, with dropout, None if it was not logged; and `history`, see `training_history`, or None.
    """
    curve = training_curve(log)
    logged = steps.is_file()
    return {
        "curve": curve,
        "training_loss": last_loss(steps, curve) if logged else None,
        "history": training_history(steps) if logged and history else None,
    }


def last_loss(steps: Path, curve: Sequence[Dict[str, Any]]) -> Optional[float]:
    """RETURNS (Optional[float]): Mean categorical loss since the last evaluation but one."""
    start = [0, *(point["step"] for point in curve)][-2]
    losses = [
        pipe["categorical"]
        for line in srsly.read_jsonl(steps)
        if line["step"] > start
        for pipe in line["pipes"].values()
    ]
    return float(np.mean(losses)) if losses else None


def training_curve(log: Path) -> List[Dict[str, Any]]:
    """Read what spaCy's logger kept of a training.

    log (Path): The log.
    RETURNS (List[Dict[str, Any]]): `epoch`, `step`, `loss` (sum since the last time), `span_f` and `flat_f`
        (None if it is not scored) of each evaluation; the first is of the untrained pipeline.
    """
    return [
        {
            "epoch": line["epoch"],
            "step": line["step"],
            "loss": sum(line["losses"].values()),
            "span_f": line["scores"]["ents_f"] / 100,
            "flat_f": line["scores"].get("flat_f", 0.0) / 100 or None,
        }
        for line in srsly.read_jsonl(log)
    ]


def training_history(steps: Path) -> Dict[str, List[Dict[str, Any]]]:
    """Read what `posattn-spacy.DiagnosticLogger.v1` kept of a training, of as many steps as a plot can show.

    steps (Path): The log.
    RETURNS (Dict[str, List[Dict[str, Any]]]): `steps`: both parts of the loss, `learn_rate` and
        `gradient_norm`, each a mean over neighbouring steps; and `dev`: what was found at each evaluation.
    """
    lines = list(srsly.read_jsonl(steps))
    (name,) = lines[0]["pipes"]
    rows = [{"step": line["step"], "learn_rate": line["learn_rate"], **line["pipes"][name]} for line in lines]
    evaluated = [{"step": row["step"], **row.pop("dev")} for row in rows if "dev" in row]
    bins = np.array_split(np.arange(len(rows)), min(len(rows), PLOTTED_STEPS))
    means = [{key: float(np.mean([rows[i][key] for i in each])) for key in rows[0]} for each in bins]
    return {"steps": means, "dev": evaluated}
