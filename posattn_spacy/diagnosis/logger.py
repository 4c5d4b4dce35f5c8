"""`posattn-spacy.DiagnosticLogger.v1`: what happens in training step by step, for `spacy posattn doctor`."""

import json
import math
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any, Callable, Dict, List, Optional, Tuple, cast

import numpy as np
from spacy.language import Language
from spacy.training import Example
from thinc.api import Model, Optimizer
from wasabi import Printer

from ..calibration import posattn_pipes
from ..component import PositionalNER
from ..evaluation import dev_examples, mean_loss, scored_batches
from ..model import torch_heads
from ..writing import make_way, require_writable
from .probes import examine

LogStep = Callable[[Optional[Dict[str, Any]]], None]
Logger = Callable[[Language, IO, IO], Tuple[LogStep, Callable[[], None]]]
PARTS = ("categorical", "positional")  # of the loss
FIRST = "first"  # the whole loss of the first look, where there is one


def diagnostic_logger(output_file: Optional[str], docs: int = 500) -> Logger:
    """Make `posattn-spacy.DiagnosticLogger.v1`, which writes a JSON object per step.

    Put it beside another one with `spacy.ChainLogger.v1`. A step has `step`, `learn_rate` and, for each
    `posattn_ner` under `pipes`, `categorical` and `positional` loss, the whole loss of the `first` look if
    there is one, and `gradient_norm`. Where spaCy
    evaluates it has also `epoch` and `scores`, and the pipes have `dev`: `loss` (nats per token) and what
    gate, mask and attention do with the first documents of dev (see `probes.HeadShares`).

    output_file (Optional[str]): The file; None for no log. The log of an earlier training that is there gets
        a number into its name.
    docs (int): On how many of the first documents of dev the head is examined; 0 for none.
    RETURNS (Callable): The logger, for `[training.logger]`.
    RAISES (UnwritableError): If the file can't be written.
    """
    path = None if output_file is None else Path(output_file)
    if path is not None:
        require_writable(path)  # now, not when everything is initialized

    def setup(nlp: Language, stdout: IO, stderr: IO) -> Tuple[LogStep, Callable[[], None]]:
        if path is None:
            return lambda info: None, lambda: None
        path.parent.mkdir(parents=True, exist_ok=True)
        earlier = make_way(path)
        if earlier is not None:
            said = Printer(no_print=True).info(f"The log of an earlier training, {path}, is now {earlier}")
            stdout.write(f"{said}\n")
        stream = path.open("w", encoding="utf-8")
        observers = [Observer(nlp, name, pipe) for name, pipe in posattn_pipes(nlp)]
        examples = dev_examples(nlp, docs) if docs else []
        step = 0

        def log_step(info: Optional[Dict[str, Any]]) -> None:
            nonlocal step
            record: Dict[str, Any] = {"step": step}
            if info is not None:
                record |= {"epoch": info["epoch"], "scores": _numbers(info["other_scores"])}
            record |= {"learn_rate": next((each.learn_rate for each in observers), None), "pipes": {}}
            for each in observers:
                record["pipes"][each.name] = each.take(examples if info is not None else [])
            stream.write(json.dumps(record) + "\n")
            step += 1

        def finalize() -> None:
            stream.close()
            for each in observers:
                each.leave()

        return log_step, finalize

    return setup


def _numbers(scores: Dict[str, Any]) -> Dict[str, float]:
    return {name: float(value) for name, value in scores.items() if isinstance(value, (int, float))}


class Observer:
    """Watches the updates of one component, of which spaCy tells its loggers only the sum of the losses.

    nlp (Language): The pipeline.
    name (str): Name of the component.
    pipe (PositionalNER): The component; its `update` and `finish_update` are wrapped until `leave`.
    """

    def __init__(self, nlp: Language, name: str, pipe: PositionalNER) -> None:
        self.name = name
        self.learn_rate: Optional[float] = None
        self._nlp = nlp
        self._pipe = cast(Any, pipe)
        self._losses: List[Dict[str, float]] = []
        self._gradient_norm: Optional[float] = None
        self._averages: Dict[Any, Any] = {}
        self._update, self._finish_update = pipe.update, pipe.finish_update
        self._pipe.update, self._pipe.finish_update = self._watch_update, self._watch_finish

    def leave(self) -> None:
        """Give the component its own methods back."""
        del self._pipe.update, self._pipe.finish_update

    def take(self, examples: List[Example]) -> Dict[str, Any]:
        """Make the record of the step that has ended.

        examples (List[Example]): What to examine the head on; nothing is examined without.
        RETURNS (Dict[str, Any]): The record.
        """
        record: Dict[str, Any] = dict.fromkeys(PARTS)
        for part in self._losses[0] if self._losses else ():
            record[part] = float(np.mean([losses[part] for losses in self._losses]))
        record["gradient_norm"] = self._gradient_norm
        self._losses.clear()
        if examples:
            record["dev"] = self._examine(examples)
        return record

    def _examine(self, examples: List[Example]) -> Dict[str, Optional[float]]:
        """Examine the head with the weights that spaCy evaluates."""
        with self._nlp.use_params(self._averages) if self._averages else nullcontext():
            batches = list(scored_batches(self._nlp, self._pipe, examples))
            shares = examine(self._nlp, self._pipe, examples)
        losses = {"loss": mean_loss(batches)}
        if batches and batches[0].first is not None:
            losses["first_loss"] = mean_loss([batch.of_first() for batch in batches])
        return {**losses, **(shares._asdict() if shares else {})}

    def _watch_update(
        self, examples: Any, *, losses: Optional[Dict[str, float]] = None, **kwargs: Any
    ) -> Dict[str, float]:
        own: Dict[str, float] = {}
        self._update(examples, losses=own, **kwargs)
        names = {part: f"{self.name}_{part}" for part in (*PARTS, FIRST)}
        self._losses.append({part: own[name] for part, name in names.items() if name in own})
        losses = {} if losses is None else losses
        for name, value in own.items():
            losses[name] = losses.get(name, 0.0) + value
        return losses

    def _watch_finish(self, sgd: Optimizer) -> None:
        self.learn_rate = float(cast(Any, sgd).learn_rate)
        self._gradient_norm = gradient_norm(self._pipe.model)
        self._averages = sgd.averages or {}
        self._finish_update(sgd)


def gradient_norm(model: Model) -> float:
    """RETURNS (float): Euclidean norm of the gradient that an update is about to use, before clipping."""
    heads = torch_heads(model).values()
    grads = [p.grad for head in heads for p in head.parameters() if p.grad is not None]
    squares = [float(grad.float().norm()) ** 2 for grad in grads]
    for node in model.walk():
        own = (cast(Any, node.get_grad(name)) for name in node.param_names if node.has_grad(name))
        squares.extend(float((grad.astype("float64") ** 2).sum()) for grad in own)
    return math.sqrt(sum(squares))
