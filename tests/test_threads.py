"""One pipeline serves any number of threads, and each finds what one alone would find."""

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, List

import pytest
import spacy
from spacy.language import Language

from pipelines import LEXICAL, TEXTS, frozen_pipeline, make_examples, train
from served import NAME, PIPELINES, Encoder, on_stock, seen

THREADS = 8
CALLS = 160


def reading() -> List[str]:
    """Many texts, of one or of several sentences."""
    return [" ".join(random.sample(TEXTS, random.choice([1, 2, 4]))) + f" No {i} ." for i in range(CALLS)]


@pytest.mark.parametrize("make", PIPELINES)
@pytest.mark.parametrize("reloaded", [False, True], ids=["just trained", "reloaded"])
def test_threads_find_what_one_alone_finds(
    make: Callable[[Encoder], Language], reloaded: bool, tiny_encoder: Encoder, tmp_path: Path
) -> None:
    nlp = make(tiny_encoder)
    if reloaded:
        nlp.to_disk(tmp_path)
        nlp = spacy.load(tmp_path)
    texts = reading()
    with ThreadPoolExecutor(THREADS) as pool:
        together = list(pool.map(lambda text: seen(nlp(text)), texts))
    assert together == [seen(nlp(text)) for text in texts]
    assert any(found for found, _ in together)


@pytest.mark.parametrize("make", PIPELINES)
def test_threads_that_pipe_find_what_one_alone_finds(
    make: Callable[[Encoder], Language], tiny_encoder: Encoder
) -> None:
    nlp = make(tiny_encoder)
    texts = reading()

    def piped(start: int) -> List[Any]:
        return [seen(doc) for doc in nlp.pipe(texts[start::THREADS], batch_size=7)]

    with ThreadPoolExecutor(THREADS) as pool:
        together = list(pool.map(piped, range(THREADS)))
    assert together == [piped(start) for start in range(THREADS)]


def test_a_prediction_leaves_the_mode_of_every_module_as_it_is(tiny_encoder: Encoder) -> None:
    nlp = frozen_pipeline(tiny_encoder("bert"), lexical=LEXICAL)
    train(nlp, 2, drop=0.5)
    modules = [
        module
        for name in nlp.pipe_names
        for node in nlp.get_pipe(name).model.walk()
        for shim in node.shims
        for module in shim._model.modules()
    ]
    modes: List[bool] = []
    for module in modules:
        module.train = lambda mode=True: modes.append(mode)  # type: ignore[method-assign]
    nlp(TEXTS[0])
    nlp.update(make_examples(nlp), drop=0.5)
    assert modes == []


def test_copies_of_a_pipeline_take_turns_by_themselves(tiny_encoder: Encoder, tmp_path: Path) -> None:
    """As in the worker processes of nlp.pipe, to which the pipeline is sent."""
    import pickle

    nlp = on_stock(tiny_encoder)
    copy = pickle.loads(pickle.dumps(nlp.get_pipe(NAME)))
    doc = nlp.get_pipe("transformer")(nlp.make_doc(TEXTS[0]))
    assert copy.predict([doc])[0].entities.starts.tolist() == [ent.start for ent in nlp(TEXTS[0]).ents]
    assert len(list(nlp.pipe(TEXTS, n_process=2))) == len(TEXTS)
