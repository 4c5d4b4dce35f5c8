"""Memory is given back, while training and in prediction."""

import ctypes
from pathlib import Path
from types import SimpleNamespace
from typing import Any, List

import pytest
import spacy
from spacy.util import registry

from pipelines import plain_pipeline, train
from posattn_spacy import process
from posattn_spacy.process import configure_trim_memory_v1


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
        trim(spacy.blank("xx"), {"step": step, "epoch": 0})
    monkeypatch.setattr(ctypes, "CDLL", lambda path: object())  # a library that can't trim
    configure_trim_memory_v1(steps=1)(spacy.blank("xx"), {"step": 0, "epoch": 0})
    assert {library.path for library in libraries} == {None}
    assert [library.trims for library in libraries] == [[0], [0], [0]]


def test_memory_is_given_back_when_a_training_has_grown(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = iter([1000, 1500, 2500, 2012, 2013, 2524, 2526, 2000])  # MiB before each step
    given: List[int] = []
    monkeypatch.setattr(process, "own_memory", lambda: next(sizes) << 20)
    trim = configure_trim_memory_v1(steps=100)
    for step in range(1, 9):
        monkeypatch.setattr(process, "give_back", lambda step=step: given.append(step))
        trim(spacy.blank("xx"), {"step": step, "epoch": 0})
    # It may grow by 512 from the first 1000; then by 512 from 2012, what there is a step after.
    assert given == [3, 7]


def test_there_is_nothing_to_ask_on_windows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(process, "STATM", tmp_path / "missing")

    def load(path: Any) -> None:
        raise TypeError("argument of type 'NoneType' is not iterable")

    monkeypatch.setattr(ctypes, "CDLL", load)
    monkeypatch.setattr("posattn_spacy.process.os", SimpleNamespace(name="nt"))
    configure_trim_memory_v1(steps=1)(spacy.blank("xx"), {"step": 0, "epoch": 0})


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
    configure_trim_memory_v1(steps=1)(spacy.blank("xx"), {"step": 0, "epoch": 0})
    assert anonymous_kilobytes() < before - 100_000
    library.free(kept)


def anonymous_kilobytes() -> int:
    with open("/proc/self/status", encoding="ascii") as status:
        return int(next(line for line in status if line.startswith("RssAnon")).split()[1])


def test_steps_must_be_positive_and_the_registry_knows_the_name() -> None:
    with pytest.raises(ValueError, match=r"training\.before_update\.steps = 0"):
        configure_trim_memory_v1(steps=0)
    assert registry.get("callbacks", "posattn-spacy.trim_memory.v1") is configure_trim_memory_v1


def test_a_component_gives_memory_back_when_the_process_has_grown(monkeypatch: pytest.MonkeyPatch) -> None:
    nlp = plain_pipeline()
    train(nlp, 1)
    sizes = iter([500, 600, 628, 700, 650, 700, 778, 779, 600])  # MiB after each batch
    given: List[int] = []
    monkeypatch.setattr(process, "own_memory", lambda: next(sizes) << 20)
    monkeypatch.setattr(process, "give_back", lambda: given.append(1))
    counts = []
    for _ in range(9):
        nlp("word")
        counts.append(len(given))
    # It may grow by 128 from the first 500; then by 128 from 650, what there is a batch after.
    assert counts == [0, 0, 0, 1, 1, 1, 1, 2, 2]
    assert next(sizes, None) is None


def test_a_process_knows_how_much_memory_it_has() -> None:
    before = process.own_memory()
    held = bytearray(b"x" * (64 << 20))
    assert process.own_memory() - before > 60 << 20
    assert len(held) == 64 << 20


def test_nothing_is_given_back_where_the_system_does_not_tell(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(process, "STATM", tmp_path / "missing")
    monkeypatch.setattr(process, "give_back", lambda: pytest.fail("given back"))
    watch = process.Watch()
    for _ in range(3):
        watch.batch_read()


def test_another_thread_may_give_memory_back_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = iter([500 << 20, None])

    class Raced(process.Watch):
        """Another thread forgets the size right after it was read."""

        @property
        def _settled(self) -> Any:  # type: ignore[override]
            return next(reads)

        @_settled.setter
        def _settled(self, value: Any) -> None:
            pass

    monkeypatch.setattr(process, "own_memory", lambda: 501 << 20)
    monkeypatch.setattr(process, "give_back", lambda: pytest.fail("given back"))
    Raced().batch_read()
