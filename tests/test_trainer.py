"""Training in process: the same as `spacy train`, seed for seed."""

from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
import spacy
from spacy.tokens import Doc, DocBin
from spacy.training.initialize import init_nlp
from spacy.training.loop import train as spacy_train
from thinc.api import Config

from pipelines import TRAIN_DATA, make_examples
from posattn_spacy import schedule
from posattn_spacy.annotating.bench import Bench, folds
from posattn_spacy.annotating.trainer import reader_of, train
from posattn_spacy.starting.config import make_config

NAME = "posattn_ner"
pytestmark = pytest.mark.filterwarnings("ignore:The entities' probabilities are not calibrated")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    nlp = spacy.blank("en")
    path = tmp_path_factory.mktemp("corpus") / "own.spacy"
    DocBin(docs=[example.reference for example in make_examples(nlp, TRAIN_DATA * 3)]).to_disk(path)
    return path


@pytest.fixture(autouse=True)
def few_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "LEAST_WORDS", 40_000)


@pytest.fixture
def config(corpus: Path, tiny_encoder: Callable[[str], Path], tmp_path: Path) -> Config:
    made = make_config(corpus, corpus, 50, tiny_encoder("bert"), "en", tmp_path / "features").config
    made["training"] |= {"max_steps": 12, "eval_frequency": 4}
    made["training"]["optimizer"]["learn_rate"] |= {"warmup_steps": 2, "total_steps": 13}
    made["training"]["logger"]["logger1"]["progress_bar"] = None
    return made


def docs_of(path: Path, nlp: spacy.Language) -> List[Doc]:
    return list(DocBin().from_disk(path).get_docs(nlp.vocab))


def learned(nlp: spacy.Language) -> Dict[str, Any]:
    pipe = nlp.get_pipe(NAME)
    return {"weights": pipe.model.to_bytes(), "cfg": pipe.cfg}


def test_training_in_process_is_that_of_spacy_train(config: Config, corpus: Path, tmp_path: Path) -> None:
    expected = init_nlp(config)
    (tmp_path / "out").mkdir()
    spacy_train(expected, tmp_path / "out")
    best = spacy.load(tmp_path / "out" / "model-best")
    nlp = init_nlp(config)
    docs = docs_of(corpus, nlp)
    settings = nlp.config.interpolate()
    trained = train(nlp, reader_of(settings, "train", docs), reader_of(settings, "dev", docs))
    assert learned(nlp) == learned(best)
    assert trained.steps == 13
    assert trained.scores["ents_f"] == best.meta["performance"]["ents_f"]


def test_a_bench_trains_as_spacy_train_does_however_often(
    config: Config, corpus: Path, tmp_path: Path
) -> None:
    bench = Bench(config)
    docs = docs_of(corpus, bench.nlp)
    bench.prepare(docs)
    bench.train(docs[:4], seed=3)
    bench.train(docs, docs, seed=5)
    settings = bench.nlp.config.copy()
    settings["initialize"]["after_init"] = config["initialize"]["after_init"]
    expected = init_nlp(settings)
    (tmp_path / "out").mkdir()
    spacy_train(expected, tmp_path / "out")
    assert learned(bench.nlp) == learned(spacy.load(tmp_path / "out" / "model-best"))


def test_without_dev_the_last_weights_are_taken(config: Config, corpus: Path) -> None:
    bench = Bench(config)
    docs = docs_of(corpus, bench.nlp)
    bench.prepare(docs)
    trained = bench.train(docs)
    assert trained.score is None
    assert trained.steps == bench.nlp.config["training"]["max_steps"] + 1


def test_folds_are_all_documents_each_once() -> None:
    assert folds(range(7), 3) == [[0, 1], [2, 3], [4, 5, 6]]
