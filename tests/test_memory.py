"""Memory is given back, while training and in prediction."""

import ctypes
from types import SimpleNamespace
from typing import Any, List

import pytest
import spacy
from spacy.util import registry

from pipelines import plain_pipeline, train
from posattn_spacy import component
from posattn_spacy.memory import configure_trim_memory_v1


class CLibrary:
    """A C library that counts how often it is asked for memory."""

    def __init__(self, path: Any) -> None:
        self.path = path
        self.trims: List[int] = []

    def malloc_trim(self, pad: int) -> None:
        self.trims.append(pad)


def test_memory_is_given_back_every_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    libraries: List[CLibrary] = []

    def load(path: Any) -> CLibrary:
        libraries.append(CLibrary(path))
        return libraries[-1]

    monkeypatch.setattr(ctypes, "CDLL", load)
    trim = configure_trim_memory_v1(steps=3)
    for step in range(7):
        trim(spacy.blank("en"), {"step": step, "epoch": 0})
    monkeypatch.setattr(ctypes, "CDLL", lambda path: object())  # a library that can't trim
    configure_trim_memory_v1(steps=1)(spacy.blank("en"), {"step": 0, "epoch": 0})
    assert {library.path for library in libraries} == {None}
    assert [library.trims for library in libraries] == [[0], [0], [0]]


def test_there_is_nothing_to_ask_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(path: Any) -> None:
        raise TypeError("argument of type 'NoneType' is not iterable")

    monkeypatch.setattr(ctypes, "CDLL", load)
    monkeypatch.setattr("posattn_spacy.memory.os", SimpleNamespace(name="nt"))
    configure_trim_memory_v1(steps=1)(spacy.blank("en"), {"step": 0, "epoch": 0})


def test_memory_really_shrinks() -> None:
    """Blocks freed below one that stays are what the library does not give back by itself."""
    library = ctypes.CDLL(None)
    library.malloc.restype = ctypes.c_void_p
    library.free.argtypes = [ctypes.c_void_p]
    blocks = [library.malloc(10_000) for _ in range(20_000)]
    for block in blocks:
        ctypes.memset(block, 1, 10_000)
    kept = blocks.pop()
    for block in blocks:
        library.free(block)
    before = anonymous_kilobytes()
    configure_trim_memory_v1(steps=1)(spacy.blank("en"), {"step": 0, "epoch": 0})
    assert anonymous_kilobytes() < before - 100_000
    library.free(kept)


def anonymous_kilobytes() -> int:
    with open("/proc/self/status", encoding="ascii") as status:
        return int(next(line for line in status if line.startswith("RssAnon")).split()[1])


def test_steps_must_be_positive_and_the_registry_knows_the_name() -> None:
    with pytest.raises(ValueError, match=r"training\.before_update\.steps = 0"):
        configure_trim_memory_v1(steps=0)
    assert registry.get("callbacks", "posattn-spacy.trim_memory.v1") is configure_trim_memory_v1


def test_a_component_gives_memory_back_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    nlp = plain_pipeline()
    train(nlp, 1)
    given: List[int] = []
    monkeypatch.setattr(component, "give_back", lambda: given.append(0))
    monkeypatch.setattr(component, "GIVE_BACK_TOKENS", 100)
    texts = ["word " * 10] * 35
    list(nlp.pipe(texts, batch_size=5))
    assert len(given) == 2  # after 150 tokens, and after 150 more
