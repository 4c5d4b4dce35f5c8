"""Feature stores under several processes, and processes that are killed."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import List

import pytest

from features import assert_there, made_store, open_store
from posattn_spacy.frozen.environment import open_environment
from posattn_spacy.frozen.maintenance import verify
from posattn_spacy.frozen.store import StoreError
from processes import ROOT, run

BATCH = 50
WRITER = """
import sys
from pathlib import Path
from features import *
store = open_store(Path(sys.argv[1]))
for first in map(int, sys.argv[2].split(",")):
    fill(store, range(first, first + 50))
    print(first, flush=True)
"""


def start_writer(path: Path, firsts: List[int]) -> "subprocess.Popen[str]":
    """Start a process that writes batches of 50 texts, and says so after each."""
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), ",".join(map(str, firsts))],
        cwd=ROOT / "tests",
        stdout=subprocess.PIPE,
        text=True,
    )


def assert_sound(path: Path, at_least: int) -> None:
    verdict = verify(path, lambda records, total: records)
    assert verdict.damaged == 0
    assert verdict.records >= at_least


def test_two_processes_write_to_one_store(tmp_path: Path) -> None:
    firsts = [BATCH * i for i in range(30)]
    writers = [start_writer(tmp_path / "store", order) for order in (firsts, firsts[::-1])]
    for writer in writers:
        said, _ = writer.communicate()
        assert writer.returncode == 0
        assert len(said.split()) == len(firsts)
    assert_sound(tmp_path / "store", 2 * 30 * BATCH)
    assert_there(open_store(tmp_path / "store"), range(30 * BATCH))


def test_killed_writer_loses_at_most_the_batch_in_flight(tmp_path: Path) -> None:
    chance = random.Random(0)
    written: List[int] = []
    for attempt in range(8):
        firsts = [BATCH * (1000 * attempt + i) for i in range(1000)]
        writer = start_writer(tmp_path / "store", firsts)
        assert writer.stdout is not None
        said = [int(writer.stdout.readline()) for _ in range(chance.randrange(1, 40))]
        os.kill(writer.pid, signal.SIGKILL)
        rest, _ = writer.communicate()
        said += [int(line) for line in rest.split("\n")[:-1]]
        written += said[:-1]  # a batch is written while the next one is made
    assert_sound(tmp_path / "store", 2 * BATCH * len(written))
    store = open_store(tmp_path / "store")
    for first in written:
        assert_there(store, range(first, first + BATCH))


def test_store_in_use_is_not_checked_or_pruned(tmp_path: Path) -> None:
    made_store(tmp_path / "store", range(5))
    store = open_store(tmp_path / "store")
    with pytest.raises(StoreError, match="in use by another process"):
        open_environment(tmp_path / "store", 1 << 20, exclusive=True)
    assert_there(store, range(5))


def test_lock_of_a_killed_process_is_forgotten(tmp_path: Path) -> None:
    made_store(tmp_path / "store", range(5))
    code = """
import sys
from pathlib import Path
from posattn_spacy.frozen.environment import open_environment
handle = open_environment(Path(sys.argv[1]), 1 << 20, exclusive=True)
print("open", flush=True)
input()
"""
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "store")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"
    with pytest.raises(StoreError, match="in use by another process"):
        verify(tmp_path / "store", lambda records, total: records)
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    assert_sound(tmp_path / "store", 10)


def test_forked_process_does_not_touch_the_store(tmp_path: Path) -> None:
    code = """
import os, sys
from pathlib import Path
from features import *
store = open_store(Path(sys.argv[1]))
fill(store, range(5))
child = os.fork()
if child == 0:
    try:
        open_store(Path(sys.argv[1]))  # LMDB must not open it again either
    except ValueError:
        sys.exit(0 if not store.readable else 1)
    sys.exit(2)
assert os.waitpid(child, 0)[1] == 0
assert_there(store, range(5))
"""
    run("-c", code, tmp_path / "store", PYTHONPATH="tests")
    assert_there(open_store(tmp_path / "store"), range(5))
