"""The metrics of the benchmark for a trained pipeline (DESIGN.md 4), on gold tokens.

Spans are scored by seqeval and tokens by scikit-learn, so that the figures can be compared with those that
others report from the same tools.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple
from unittest.mock import patch

import numpy as np
from seqeval.metrics.sequence_labeling import precision_recall_fscore_support as span_scores
from sklearn.metrics import f1_score
from spacy.language import Language
from spacy.training import Corpus, Example
from tqdm import tqdm

from posattn_spacy.calibration import Judged, calibration_error, decode, judge, posattn_pipes
from posattn_spacy.component import PositionalNER
from posattn_spacy.corpora.duplicates import duplicate_mask
from posattn_spacy.evaluation import mean_loss, scored_batches
from posattn_spacy.lattice import Lattice

from .clock import Clock
from .robustness import joined_f, raw_text_f
from .tags import iob_tag

JOINED = (5, 20)  # sentences in a document
SAMPLED_DOCS = 2000  # of dev, on which the loss and the time of confidence are measured
CHANCE_DRAWS = 100


@dataclass(frozen=True)
class Scores:
    """The scores of one pipeline on one set of documents; all from 0 to 1.

    docs (int): Number of documents.
    tokens (int): Number of tokens.
    entities (int): Number of gold entities.
    span_p (float): Strict span precision, micro average.
    span_r (float): Strict span recall, micro average.
    span_f (float): Strict span F1, micro average: the primary figure.
    span_macro_f (Optional[float]): Mean of the types' span F1. This and the other scores are None
        without gold entities.
    span_f_per_type (Dict[str, float]): Span F1 of each type.
    flat_f (float): F1 of `B-` and `I-` tags token by token, weighted by support, O left out.
    token_f (float): F1 of the types token by token, micro average, without position and O.
    """

    docs: int
    tokens: int
    entities: int
    span_p: Optional[float]
    span_r: Optional[float]
    span_f: Optional[float]
    span_macro_f: Optional[float]
    span_f_per_type: Dict[str, float]
    flat_f: Optional[float]
    token_f: Optional[float]


def benchmark(nlp: Language, folder: Path) -> Dict[str, Any]:
    """Measure a pipeline on the dev and test parts of a split.

    nlp (Language): The trained pipeline.
    folder (Path): Holds train.spacy, dev.spacy and test.spacy.
    RETURNS (Dict[str, Any]): `test` and `test_without_duplicates` (Scores as a dict), `joined` (span F1 with
        several sentences in a document, by their number) and `raw_text` (span F1 from spaCy's own tokenizer),
        `trained_parameters`, and what only components have that score tags per token, else None: `dev_loss`
        (mean negative log-likelihood in nats per token, of the first documents), `confidence` (see
        `confidence_figures`) and `confidence_share` (of the time of `nlp.pipe`).
    """
    test = predict(nlp, read_examples(nlp, folder / "test.spacy"), "test")
    train = [example.reference for example in read_examples(nlp, folder / "train.spacy")]
    duplicates = duplicate_mask(train, [example.reference for example in test])
    unique = [example for example, known in zip(test, duplicates, strict=True) if not known]
    references = [example.reference for example in test]
    dev = read_examples(nlp, folder / "dev.spacy")
    return {
        "test": asdict(score_examples(test)),
        "test_without_duplicates": asdict(score_examples(unique)),
        "joined": {str(n): joined_f(nlp, references, n) for n in JOINED},
        "raw_text": raw_text_f(nlp, references),
        "confidence": confidence_figures(nlp, test),
        "confidence_share": confidence_share(nlp, [example.text for example in dev[:SAMPLED_DOCS]]),
        "dev_loss": tag_loss(nlp, dev[:SAMPLED_DOCS]),
        "trained_parameters": count_trained_parameters(nlp),
    }


def read_examples(nlp: Language, path: Path) -> List[Example]:
    """Read a corpus with its gold tokens.

    nlp (Language): Gives the vocabulary.
    path (Path): A .spacy file.
    RETURNS (List[Example]): Examples whose predicted documents carry no annotation.
    """
    return list(Corpus(path, gold_preproc=True)(nlp))


def predict(nlp: Language, examples: Sequence[Example], name: str) -> List[Example]:
    """Run the pipeline over the predicted documents, with a progress bar called `name`.

    RETURNS (List[Example]): The examples, with predictions.
    """
    docs = nlp.pipe(example.predicted for example in examples)
    bar = tqdm(docs, desc=name, total=len(examples), unit="doc")
    return [Example(predicted, example.reference) for predicted, example in zip(bar, examples, strict=True)]


def score_examples(examples: Sequence[Example]) -> Scores:
    """Score predictions on gold tokens.

    examples (Sequence[Example]): The predictions. Tokens without gold annotation are left out.
    RETURNS (Scores): The scores.
    """
    tagged = [_iob_tags(example) for example in examples]
    gold = [tags for tags, _ in tagged]
    predicted = [tags for _, tags in tagged]
    n_tokens = sum(map(len, gold))
    if not any(tag != "O" for tags in gold for tag in tags):
        return Scores(len(examples), n_tokens, 0, None, None, None, None, {}, None, None)
    types = sorted({tag[2:] for tags in gold for tag in tags if tag != "O"})
    p, r, f, _ = span_scores(gold, predicted, average="micro", zero_division=0)
    *_, macro_f, _ = span_scores(gold, predicted, average="macro", zero_division=0)
    _, _, f_per_type, support = span_scores(gold, predicted, average=None, zero_division=0)
    found_types = sorted({tag[2:] for tags in (*gold, *predicted) for tag in tags if tag != "O"})
    flat_gold = [tag for tags in gold for tag in tags]
    flat_predicted = [tag for tags in predicted for tag in tags]
    tags = sorted(set(flat_gold) - {"O"})
    return Scores(
        docs=len(examples),
        tokens=n_tokens,
        entities=int(sum(support)),
        span_p=float(p),
        span_r=float(r),
        span_f=float(f),
        span_macro_f=float(macro_f),
        span_f_per_type={
            label: float(value)
            for label, value in zip(found_types, f_per_type, strict=True)
            if label in types
        },
        flat_f=float(f1_score(flat_gold, flat_predicted, labels=tags, average="weighted", zero_division=0)),
        token_f=float(
            f1_score(
                [tag[2:] or "O" for tag in flat_gold],
                [tag[2:] or "O" for tag in flat_predicted],
                labels=types,
                average="micro",
                zero_division=0,
            )
        ),
    )


def _iob_tags(example: Example) -> Tuple[List[str], List[str]]:
    """Gold and predicted tags of the tokens that have a gold tag."""
    pairs = [
        (iob_tag(gold), iob_tag(predicted))
        for gold, predicted in zip(example.reference, example.predicted, strict=True)
        if gold.ent_iob
    ]
    return [gold for gold, _ in pairs], [predicted for _, predicted in pairs]


def tag_loss(nlp: Language, examples: Sequence[Example]) -> Optional[float]:
    """Mean negative log-likelihood of the gold tags, in nats per token.

    nlp (Language): The trained pipeline.
    examples (Sequence[Example]): The examples.
    RETURNS (Optional[float]): The loss; None if there is no gold tag, or no component that
        scores tags per token.
    """
    for _, pipe in posattn_pipes(nlp)[:1]:
        return mean_loss(tqdm(scored_batches(nlp, pipe, examples), desc="dev loss", unit="batch"))
    return None


def confidence_figures(nlp: Language, examples: Sequence[Example]) -> Optional[Dict[str, float]]:
    """Measure how far the probabilities of entities can be trusted.

    nlp (Language): The trained pipeline.
    examples (Sequence[Example]): What to measure on.
    RETURNS (Optional[Dict[str, float]]): `temperature`; expected calibration error without it and with it,
        `error_uncalibrated` and `error`, and `error_by_chance`, see there; and `risk_coverage_area`. None
        without a component that gives probabilities, or if it finds no entity.
    """
    for _, pipe in posattn_pipes(nlp)[:1]:
        batches = tqdm(scored_batches(nlp, pipe, examples), desc="confidence", unit="batch")
        decoded = list(map(decode, batches))
        if not decoded:
            break
        temperature = pipe.cfg["temperature"]
        uncalibrated, judged = judge(decoded, 1.0), judge(decoded, temperature)
        if len(judged.labels):
            return {
                "temperature": temperature,
                "error_uncalibrated": calibration_error(uncalibrated),
                "error": calibration_error(judged),
                "error_by_chance": error_by_chance(judged),
                "risk_coverage_area": risk_coverage_area(judged),
            }
    return None


def error_by_chance(judged: Judged) -> float:
    """Expected calibration error that would be measured if all probabilities were right.

    Few entities are never right in exactly the share that they should be.

    judged (Judged): The entities, at least one, of which the probabilities are read.
    RETURNS (float): Mean over draws of which entities are right.
    """
    generator, p = np.random.default_rng(0), judged.probabilities
    drawn = (judged._replace(correct=generator.random(len(p)) < p) for _ in range(CHANCE_DRAWS))
    return float(np.mean([calibration_error(each) for each in drawn]))


def confidence_share(nlp: Language, texts: Sequence[str]) -> Optional[float]:
    """Measure which share of a pipeline's time goes into confidence: probabilities, and `doc.spans`.

    nlp (Language): The trained pipeline.
    texts (Sequence[str]): What to run it on.
    RETURNS (Optional[float]): The share, from 0 to 1; None without texts, or a component that gives
        probabilities.
    """
    if not texts or not posattn_pipes(nlp):
        return None
    clock = Clock()
    with (
        patch.object(Lattice, "spans_of", clock.timed("probabilities", Lattice.spans_of)),
        patch.object(PositionalNER, "set_annotations", clock.timed("spans", PositionalNER.set_annotations)),
    ):
        clock.timed("pipe", list)(nlp.pipe(texts))
    return (clock.seconds["probabilities"] + clock.seconds["spans"]) / clock.seconds["pipe"]


def count_trained_parameters(nlp: Language) -> int:
    """RETURNS (int): Number of weights that training changes; those of frozen layers are not counted."""
    total = 0
    for name, pipe in nlp.pipeline:
        if name in nlp.config["training"]["frozen_components"] or not hasattr(pipe, "model"):
            continue
        for node in pipe.model.walk():
            if node.attrs.get("frozen"):
                continue
            total += sum(node.get_param(key).size for key in node.param_names if node.has_param(key))
            for shim in node.shims:
                total += sum(p.numel() for p in shim._model.parameters() if p.requires_grad)
    return total


def risk_coverage_area(judged: Judged) -> float:
    """Area under the curve of the share that is wrong among the surest entities, over how many are kept.

    judged (Judged): The entities, at least one.
    RETURNS (float): The area; 0 if the wrong ones were all less sure than the right ones and none was wrong.
    """
    order = np.argsort(-judged.probabilities, kind="stable")
    wrong = (~judged.correct[order]).cumsum()
    return float((wrong / np.arange(1, len(order) + 1)).mean())
