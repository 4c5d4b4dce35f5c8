"""The log that `posattn-spacy.DiagnosticLogger.v1` writes while `spacy train` runs."""

import io
from pathlib import Path
from typing import Any, Callable, Dict, List

import numpy as np
import pytest
import spacy
import srsly
import torch
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.training.loop import train as train_loop
from thinc.api import Config

from pipelines import HASH_EMBED, LEXICAL, TAGGER, frozen_pipeline, make_examples, plain_pipeline
from posattn_spacy.diagnosis.logger import Observer, gradient_norm
from posattn_spacy.factory import configure_diagnostic_logger_v1
from posattn_spacy.model import torch_head

NAME = "posattn_ner"


def diagnostic(path: Path, **settings: Any) -> Dict[str, Any]:
    return {"@loggers": "posattn-spacy.DiagnosticLogger.v1", "output_file": str(path), **settings}


def trained(folder: Path, logger: Dict[str, Any], stdout: Any = None, **training: Any) -> Language:
    """Train a pipeline from a config in spaCy's own loop, evaluating at every other of seven steps."""
    nlp = spacy.blank("xx")
    corpus = folder / "corpus.spacy"
    DocBin(docs=[example.reference for example in make_examples(nlp)]).to_disk(corpus)
    nlp.add_pipe(NAME, config={"model": {**TAGGER, "tok2vec": HASH_EMBED, "mask": "hard"}})
    config = nlp.config.copy()
    for name in ("train", "dev"):
        config["corpora"][name] = {"@readers": "spacy.Corpus.v1", "path": str(corpus), "gold_preproc": True}
    config["training"] |= {"max_steps": 6, "eval_frequency": 2, "seed": 0, "gpu_allocator": None}
    config["training"] |= {"logger": logger, **training}
    nlp = init_nlp(Config(config))
    train_loop(nlp, use_gpu=-1, stdout=stdout or io.StringIO(), stderr=io.StringIO())
    return nlp


def records_of(path: Path) -> List[Dict[str, Any]]:
    return list(srsly.read_jsonl(path))


def test_every_step_is_recorded(tmp_path: Path) -> None:
    trained(tmp_path, diagnostic(tmp_path / "log.jsonl"))
    records = records_of(tmp_path / "log.jsonl")
    assert [record["step"] for record in records] == [0, 1, 2, 3, 4, 5, 6]
    losses = [record["pipes"][NAME]["categorical"] for record in records]
    assert losses[-1] < losses[0]
    assert all(record["pipes"][NAME]["positional"] > 0 for record in records)
    assert all(record["pipes"][NAME]["gradient_norm"] > 0 for record in records)


def test_the_gradient_norm_is_that_of_torch_and_thinc_layers() -> None:
    nlp = plain_pipeline(lexical=LEXICAL)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    model = nlp.get_pipe(NAME).model
    nlp.get_pipe(NAME).update(examples)
    head = torch_head(model)
    assert head is not None
    of_torch = [p.grad.numpy() for p in head.parameters() if p.grad is not None]
    of_thinc = [node.get_grad(name) for node in model.walk() for name in node.grad_names]
    assert len(of_torch) > 5
    assert len(of_thinc) > 3
    both = np.concatenate([np.asarray(grad, np.float64).ravel() for grad in (*of_torch, *of_thinc)])
    assert gradient_norm(model) == pytest.approx(np.linalg.norm(both), rel=1e-5)
    assert gradient_norm(model) > 1.01 * np.linalg.norm(np.concatenate([grad.ravel() for grad in of_torch]))


def test_the_head_is_examined_where_spacy_evaluates(tmp_path: Path) -> None:
    trained(tmp_path, diagnostic(tmp_path / "log.jsonl"))
    records = records_of(tmp_path / "log.jsonl")
    evaluated = [record for record in records if "scores" in record]
    assert [record["step"] for record in evaluated] == [0, 2, 4, 6]
    assert all({"ents_f", "flat_f"} <= record["scores"].keys() for record in evaluated)
    dev = [record["pipes"][NAME]["dev"] for record in evaluated]
    assert dev[-1]["loss"] < dev[0]["loss"]
    assert all(0 < each["padded"] < 1 and each["gate_recall"] is not None for each in dev)
    assert all("dev" not in record["pipes"][NAME] for record in records if "scores" not in record)


def test_the_learning_rate_is_the_one_of_the_step(tmp_path: Path) -> None:
    rate = {"@schedules": "warmup_linear.v1", "initial_rate": 0.1, "warmup_steps": 3, "total_steps": 6}
    optimizer = {"@optimizers": "Adam.v1", "learn_rate": rate}
    trained(tmp_path, diagnostic(tmp_path / "log.jsonl"), optimizer=optimizer)
    rates = [record["learn_rate"] for record in records_of(tmp_path / "log.jsonl")]
    assert rates == pytest.approx([0, 0.1 / 3, 0.2 / 3, 0.1, 0.2 / 3, 0.1 / 3, 0])


def test_logging_changes_nothing_in_training(tmp_path: Path) -> None:
    plain = trained(tmp_path, {"@loggers": "spacy.ConsoleLogger.v3"}, accumulate_gradient=2)
    logged = trained(tmp_path, diagnostic(tmp_path / "log.jsonl"), accumulate_gradient=2)
    weights = [
        nlp.get_pipe(NAME).model.get_ref("output_layer").shims[0]._model.state_dict()
        for nlp in (plain, logged)
    ]
    assert weights[0].keys() == weights[1].keys()
    for name, weight in weights[0].items():
        assert torch.equal(weight, weights[1][name]), name
    assert "update" not in vars(logged.get_pipe(NAME))  # its own methods are back
    assert "finish_update" not in vars(logged.get_pipe(NAME))


def test_the_console_shows_what_it_showed_before(tmp_path: Path) -> None:
    console = {"@loggers": "spacy.ConsoleLogger.v3", "progress_bar": None}
    chain = {"@loggers": "spacy.ChainLogger.v1", "logger1": console}
    plain, chained = io.StringIO(), io.StringIO()
    trained(tmp_path, console, plain)
    trained(tmp_path, {**chain, "logger2": diagnostic(tmp_path / "log.jsonl")}, chained)
    assert plain.getvalue()
    assert chained.getvalue() == plain.getvalue()
    assert len(records_of(tmp_path / "log.jsonl")) == 7


def test_averaged_weights_are_the_ones_examined(tmp_path: Path) -> None:
    optimizer = {"@optimizers": "Adam.v1", "learn_rate": 0.05, "use_averages": True}
    for averages in (True, False):
        log = diagnostic(tmp_path / f"{averages}.jsonl")
        trained(tmp_path, log, optimizer={**optimizer, "use_averages": averages})
    dev = [
        [each["pipes"][NAME]["dev"]["loss"] for each in records_of(tmp_path / f"{averages}.jsonl")[::2]]
        for averages in (True, False)
    ]
    assert dev[0][0] == pytest.approx(dev[1][0], rel=1e-4)  # the average of one step
    assert dev[0][-1] != pytest.approx(dev[1][-1], rel=1e-3)


def test_the_log_of_an_earlier_training_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "new" / "folder" / "log.jsonl"
    said = []
    for _ in range(3):
        stdout = io.StringIO()
        trained(tmp_path, diagnostic(log), stdout)
        said.append(" ".join(stdout.getvalue().split()))
    files = ["log.1.jsonl", "log.2.jsonl", "log.jsonl"]
    assert sorted(path.name for path in log.parent.iterdir()) == files
    assert [len(records_of(log.with_name(name))) for name in files] == [7, 7, 7]
    assert "earlier" not in said[0]
    assert "The log of an earlier training" in said[1]
    assert f"is now {log.with_name('log.1.jsonl')}" in said[1]
    assert f"is now {log.with_name('log.2.jsonl')}" in said[2]


def test_a_log_that_can_not_be_written_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    for path, message in (("file/log.jsonl", "is no folder"), (".", "there is a folder of that name")):
        with pytest.raises(OSError, match=message):
            configure_diagnostic_logger_v1(str(tmp_path / path))
    assert (tmp_path / "file").read_text() == "no folder"


def test_there_is_no_log_without_a_file() -> None:
    log_step, finalize = configure_diagnostic_logger_v1(None)(spacy.blank("xx"), io.StringIO(), io.StringIO())
    log_step({"epoch": 0, "other_scores": {}})
    finalize()


def test_examination_can_be_left_out(tmp_path: Path) -> None:
    logger = configure_diagnostic_logger_v1(str(tmp_path / "log.jsonl"), docs=0)
    log_step, finalize = logger(spacy.blank("xx"), io.StringIO(), io.StringIO())
    log_step(None)
    log_step({"epoch": 0, "other_scores": {"ents_f": 0.5, "ents_per_type": {}}})
    finalize()
    assert records_of(tmp_path / "log.jsonl") == [
        {"step": 0, "learn_rate": None, "pipes": {}},
        {"step": 1, "epoch": 0, "scores": {"ents_f": 0.5}, "learn_rate": None, "pipes": {}},
    ]


def test_the_first_look_has_losses_of_its_own(tiny_encoder: Callable[[str], Path], tmp_path: Path) -> None:
    nlp = frozen_pipeline(tiny_encoder("bert"))
    pipe = nlp.get_pipe(NAME)
    optimizer = nlp.initialize(lambda: make_examples(nlp))
    observer = Observer(nlp, NAME, pipe)
    losses = [
        nlp.update(make_examples(nlp), sgd=optimizer, losses={})[f"{NAME}_first"],
        nlp.update(make_examples(nlp), sgd=optimizer, losses={})[f"{NAME}_first"],
    ]
    record = observer.take(make_examples(nlp))
    assert record["first"] == pytest.approx(np.mean(losses))
    assert 0 < record["dev"]["first_loss"] != record["dev"]["loss"]
    assert "first" not in observer.take([])
