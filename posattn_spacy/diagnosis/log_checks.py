"""Checks of how training went, in the log of `posattn-spacy.DiagnosticLogger.v1`."""

from itertools import islice, pairwise
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence

import numpy as np
import srsly
from spacy.util import registry
from thinc.api import Config

from .findings import Finding, judged
from .logger import FIRST, PARTS

FALL = 0.1  # of a loss, below which it does not count as falling
FLAT = 0.01  # F1
JUMP = 0.05  # of the validation loss
LATE = 0.75  # of the evaluations, after which the best one is recent
SHARE = 10  # a tenth of the steps stands for the beginning, and another for the end
NO_LOG = Finding(
    "unknown",
    "How training went is not known without its log.",
    "Give it with --log: the output_file of posattn-spacy.DiagnosticLogger.v1 in [training.logger].",
)


class LogError(ValueError):
    """A log that can't be read."""


class Log(NamedTuple):
    """The log of one component.

    steps (List[Dict[str, Any]]): Every step: `learn_rate`, `categorical` and `positional` loss.
    evaluations (List[Dict[str, Any]]): Those after which spaCy evaluated: also `scores` and, if the head was
        examined, `dev`. The one of the untrained pipeline is left out.
    """

    steps: List[Dict[str, Any]]
    evaluations: List[Dict[str, Any]]


def read_log(path: Path, name: str) -> Log:
    """Read the log of a component.

    path (Path): The log.
    name (str): Name of the component.
    RETURNS (Log): The log.
    RAISES (LogError): If it is no log of `posattn-spacy.DiagnosticLogger.v1`, or knows no such component.
    """
    try:
        lines = list(srsly.read_jsonl(path))
        steps = [{**line, **line["pipes"][name]} for line in lines]
    except (KeyError, TypeError, ValueError) as error:
        raise LogError(
            f"{path} is no log of '{name}' by posattn-spacy.DiagnosticLogger.v1, which "
            f"[training.logger] sets ({type(error).__name__}: {error})."
        ) from error
    if not steps:
        raise LogError(f"{path} is empty: no step of a training was logged.")
    return Log(steps, [step for step in steps if "scores" in step and step["step"]])


def check_log(log: Log, config: Config, positional_weight: float) -> Iterator[Finding]:
    """Check how training went.

    log (Log): The log.
    config (Config): The config that the pipeline was trained with.
    positional_weight (float): The weight of the positional loss.
    YIELDS (Finding): The findings.
    """
    looks_first = any(step.get(FIRST) is not None for step in log.steps)
    yield losses_fall(log, [*PARTS[: 2 if positional_weight else 1], *([FIRST] if looks_first else [])])
    yield schedule_is_followed(log, config)
    yield scores_follow_the_loss(log)
    yield validation_is_steady(log)
    yield best_evaluation_is_recent(log)


def losses_fall(log: Log, parts: Sequence[str]) -> Finding:
    """RETURNS (Finding): Whether the parts of the loss that count became smaller."""
    falls = {part: _fall([step.get(part) for step in log.steps]) for part in parts}
    called = {FIRST: "loss of the first look"}
    shown = " and ".join(
        f"the {called.get(part, f'{part} loss')} fell by {fall:.0%}" for part, fall in falls.items()
    )
    return judged(
        all(fall >= FALL for fall in falls.values()),
        f"From the first to the last tenth of the steps {shown}.",
        "Raise training.optimizer.learn_rate.initial_rate, or train for longer.",
    )


def _fall(losses: Sequence[Any]) -> float:
    """By which share the mean of the last tenth is smaller than that of the first one."""
    known = np.array([loss for loss in losses if loss is not None])
    n = max(1, len(known) // SHARE)
    first, last = known[:n].mean(), known[-n:].mean()
    return float(1 - last / first) if first else 0.0


def schedule_is_followed(log: Log, config: Config) -> Finding:
    """RETURNS (Finding): Whether the learning rate went up and down as the config has it."""
    rates = np.array([step["learn_rate"] for step in log.steps], dtype=float)
    settings = config.interpolate()["training"]["optimizer"]["learn_rate"]
    expected = np.array(list(islice(_schedule(settings), len(rates))))
    off = np.flatnonzero(~np.isclose(rates, expected, rtol=1e-3, atol=1e-12))
    top = int(rates.argmax())
    said = f"The learning rate rose to {rates[top]:.2g} at step {top} and ended at {rates[-1]:.2g}"
    if len(off):
        said += f"; from step {off[0]} on it is not that of the config ({expected[off[0]]:.2g})"
    falls = top < len(rates) - 1 and rates[-1] < rates[top]
    return judged(
        not len(off) and falls,
        f"{said}.",
        "Take the log and the pipeline of one training, and let it run to its end; for a rate that warms "
        "up and decays set training.optimizer.learn_rate to warmup_linear.v1.",
    )


def _schedule(settings: Any) -> Iterator[float]:
    """The learning rate step by step."""
    if not isinstance(settings, dict):
        while True:
            yield float(settings)
    yield from registry.resolve({"schedule": settings})["schedule"]


def scores_follow_the_loss(log: Log) -> Finding:
    """RETURNS (Finding): Whether flat F1 became better while the loss became smaller."""
    scored = [step for step in log.evaluations if step["scores"].get("flat_f") is not None]
    if len(scored) < 2:
        return Finding("unknown", "There are fewer than two evaluations with flat F1 in the log.")
    scores = [step["scores"]["flat_f"] for step in scored]
    gain = max(scores[1:]) - scores[0]
    fall = _fall([step["categorical"] for step in log.steps if step["step"] >= scored[0]["step"]])
    enough = min(FLAT, (1 - scores[0]) / SHARE)  # there is little room above a high score
    return judged(
        gain >= enough or fall < FALL,
        f"From the first evaluation on flat F1 rose by {gain:.4f}, and the loss fell by {fall:.0%}.",
        "The head learns tags but not where entities are: the positional weight is too low, or the learning "
        "rate. Raise components.posattn_ner.positional_weight, for instance to 0.25, or "
        "training.optimizer.learn_rate.initial_rate.",
    )


def validation_is_steady(log: Log) -> Finding:
    """RETURNS (Finding): Whether the loss on dev goes down without jumping up again and again."""
    losses = [step["dev"]["loss"] for step in log.evaluations if "dev" in step]
    losses = [loss for loss in losses if loss]  # none without gold tags
    if len(losses) < 3:
        return Finding(
            "unknown",
            "There are fewer than three evaluations of the loss on dev in the log.",
            "Set docs of posattn-spacy.DiagnosticLogger.v1 above 0, and annotate the documents of dev.",
        )
    jumps = [later / before - 1 for before, later in pairwise(losses)]
    rises = sum(jump > JUMP for jump in jumps)
    falls_after = any(b < -JUMP for a, b in pairwise(jumps) if a > JUMP)
    return judged(
        rises < 2 or not falls_after,
        f"The loss on dev went up by more than {JUMP:.0%} {rises} times in {len(jumps)} evaluations.",
        "Dropout or learning rate are too high: halve training.optimizer.learn_rate.initial_rate first, then "
        "lower training.dropout.",
    )


def best_evaluation_is_recent(log: Log) -> Finding:
    """RETURNS (Finding): Whether training went on for long after F1 on dev was best."""
    scores = [_score(step["scores"]) for step in log.evaluations]
    known = [score for score in scores if score is not None]
    if len(known) < 3:
        return Finding("unknown", "There are fewer than three evaluations with F1 on dev in the log.")
    best = int(np.argmax(known))
    fall = known[best] - known[-1]
    return judged(
        fall < FLAT or best + 1 > LATE * len(known),
        f"F1 on dev was best in evaluation {best + 1} of {len(known)} ({known[best]:.4f}), and is {fall:.4f} "
        "lower in the last.",
        "Since then the head has learned the training documents by heart; model-best is from before. Raise "
        "training.dropout or components.posattn_ner.model.lexical.word_dropout, make fewer passes "
        "(training.max_steps, with total_steps of the learning rate), or annotate more documents.",
    )


def _score(scores: Dict[str, float]) -> Optional[float]:
    """Span F1, or flat F1 where it was not taken."""
    return scores.get("ents_f", scores.get("flat_f"))
