"""Opening a feature store: what is in the folder is ours, sound and within it, or is said and left alone."""

import json
import os
import random
import re
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import lmdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import ABOUT, assert_there, fill, look_up, made_store, open_store, rows_of
from posattn_spacy.frozen import locking
from posattn_spacy.frozen.environment import open_environment
from posattn_spacy.frozen.locking import StoreLock
from posattn_spacy.frozen.store import StoreError

FILES = ["data.mdb", "lock.mdb", "in-use", "checked"]


def contents(folder: Path) -> Dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def write_about(path: Path, value: bytes) -> None:
    """Write into a store what it is said to hold."""
    with lmdb.open(str(path), max_dbs=3) as environment:
        table = environment.open_db(b"about")
        with environment.begin(db=table, write=True) as transaction:
            transaction.put(b"about", value)


@contextmanager
def without_rights() -> Iterator[Path]:
    """A folder in which a user is who may do only what the files' modes say."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        privileged = os.geteuid() == 0
        try:
            yield Path(folder)
        finally:
            if privileged:
                os.seteuid(0)


def give_up_rights() -> None:
    if os.geteuid() == 0:
        os.seteuid(65534)


# What the folder holds


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("dangling", [False, True])
def test_no_file_of_a_store_leads_out_of_its_folder(tmp_path: Path, name: str, dangling: bool) -> None:
    made_store(tmp_path / "store", range(3))
    outside = tmp_path / "outside"
    (tmp_path / "store" / name).unlink()
    (tmp_path / "store" / name).symlink_to(outside)
    if not dangling:
        outside.write_text("of somebody else")
    with pytest.raises(StoreError, match=rf"{name} is a link or no file.*Choose another folder"):
        open_store(tmp_path / "store")
    assert outside.read_text() == "of somebody else" if not dangling else not outside.exists()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
@pytest.mark.parametrize("name", FILES)
def test_what_is_no_file_is_refused(tmp_path: Path, name: str, make: Callable[[Path], None]) -> None:
    make(tmp_path / name)
    with pytest.raises(StoreError, match=f"{name} is a link or no file"):
        open_store(tmp_path)


def test_folder_may_lie_on_another_disk(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "features").symlink_to(tmp_path / "disk")
    made_store(tmp_path / "features" / "store", range(3))
    assert_there(open_store(tmp_path / "disk" / "store"), range(3))


def test_any_path_will_do(tmp_path: Path) -> None:
    path = tmp_path / "Ünter lagen" / "特徴 'a' $b"
    store = open_store(path, max_gb=0.001)
    fill(store, range(5))
    fill(store, range(5, 50_000))
    with pytest.warns(UserWarning, match=re.escape(f'store prune "{path}" --max-gb')):
        store.finish()
    assert_there(store, range(5))


def test_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path), max_dbs=2) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"invoice 1", b"paid", db=environment.open_db(b"invoices", txn=transaction))
    before = contents(tmp_path)
    for make in (ABOUT, None):
        with pytest.raises(
            StoreError, match=r"LMDB database that is no feature store. Choose another folder"
        ):
            open_environment(tmp_path, 1 << 20, make=make)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "text", [b"my notes", b"SQLite format 3\0" * 1000, b"\0" * 8192, b"\xde\xc0\xef\xbe" * 4096]
)
def test_file_of_another_program_is_left_alone(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "data.mdb").write_bytes(text)
    with pytest.raises(StoreError, match=r"data.mdb is no file of a feature store: .*Choose another folder"):
        open_store(tmp_path)
    assert contents(tmp_path) == {"data.mdb": text}


def test_empty_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").touch()
    with pytest.raises(StoreError, match="There is no feature store"):
        open_environment(tmp_path, 1 << 20)
    made_store(tmp_path, range(3))
    assert_there(open_store(tmp_path), range(3))


@pytest.mark.parametrize("name", ["lock.mdb", "in-use", "checked"])
def test_files_beside_the_features_can_be_lost(tmp_path: Path, name: str) -> None:
    made_store(tmp_path, range(3))
    (tmp_path / name).unlink()
    assert_there(open_store(tmp_path), range(3))


def test_store_without_its_features_is_made_anew(tmp_path: Path) -> None:
    made_store(tmp_path, range(3))
    (tmp_path / "data.mdb").unlink()
    with pytest.raises(StoreError, match="There is no feature store"):
        open_environment(tmp_path, 1 << 20)
    store = open_store(tmp_path)
    assert look_up(store, range(3)) == {}
    fill(store, range(3))
    assert_there(store, range(3))


def test_store_of_the_version_before_is_used(tmp_path: Path) -> None:
    """It has an empty lock file, no note of what was checked, and a file of readers with holes."""
    made_store(tmp_path, range(3))
    (tmp_path / "checked").unlink()
    (tmp_path / "in-use").write_bytes(b"")
    os.truncate(tmp_path / "lock.mdb", 0)
    os.truncate(tmp_path / "lock.mdb", 8192)
    store = open_store(tmp_path)
    assert_there(store, range(3))
    fill(store, range(3, 6))
    assert_there(store, range(6))


def test_what_a_killed_process_left_behind_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / "data.mdb.new").mkdir()
    (tmp_path / "data.mdb.new" / "data.mdb").write_bytes(b"half of it")
    made_store(tmp_path, range(3))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)


# What the store says of itself

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def said_of_itself(folder: Path, value: bytes) -> str:
    """What is said when a store is opened that holds this."""
    made_store(folder, range(2))
    write_about(folder, value)
    before = (folder / "data.mdb").read_bytes()
    with pytest.raises(StoreError) as error:
        open_store(folder)
    with pytest.raises(StoreError):
        open_environment(folder, 1 << 20)
    assert (folder / "data.mdb").read_bytes() == before
    assert str(error.value).isprintable()
    return str(error.value)


@settings(max_examples=30)
@given(st.data())
def test_facts_of_other_types_are_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    facts: Any = dict(vars(ABOUT))
    name = data.draw(st.sampled_from([*facts, "more"]))
    facts[name] = data.draw(JSON.filter(lambda value: value != facts.get(name) and type(value) is not int))
    if name == "encoder" and isinstance(facts[name], str):
        facts["width"] = data.draw(JSON.filter(lambda value: type(value) is not int))
    assert said_of_itself(tmp_path_factory.mktemp("store"), json.dumps(facts).encode())


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{",
        b"[" * 10_000,
        b'{"a":' * 3_000 + b"1" + b"}" * 3_000,
        b"9" * 10_000,
        b'{"format": NaN}',
        b'{"format": 1}',
        b" " * 1_000_000,
        json.dumps({**vars(ABOUT), "width": 2**70}).encode(),
        json.dumps({**vars(ABOUT), "width": -8}).encode(),
        json.dumps({**vars(ABOUT), "width": True}).encode(),
        json.dumps({**vars(ABOUT), "format": True}).encode(),
        json.dumps({**vars(ABOUT), "fingerprint": "\x1b[2J" * 8}).encode(),
    ],
)
def test_facts_that_are_none_are_refused(tmp_path: Path, value: bytes) -> None:
    said = said_of_itself(tmp_path, value)
    assert "is damaged" in said or "another encoder" in said


def test_names_move_no_cursor(tmp_path: Path) -> None:
    facts = {**vars(ABOUT), "encoder": "bert\x1b[2J\r\n\u202etxt" + "x" * 5000, "fingerprint": "0" * 32}
    said = said_of_itself(tmp_path, json.dumps(facts).encode())
    assert "another encoder, 'bert?[2J???txt" in said
    assert len(said) < 1000


@pytest.mark.parametrize("kind", ["bytes", "pages", "heads"])
def test_damaged_file_gives_a_message_or_right_features(tmp_path: Path, kind: str) -> None:
    """LMDB alone ends the process where a page leads out of the file."""
    chance = random.Random(kind)
    made_store(tmp_path / "whole", range(200))
    whole = (tmp_path / "whole" / "data.mdb").read_bytes()
    refused: List[str] = []
    for attempt in range(40):
        damaged = bytearray(whole)
        page = 4096 * chance.randrange(len(whole) // 4096)
        if kind == "bytes":
            damaged[chance.randrange(len(whole))] = chance.randrange(256)
        elif kind == "pages":
            damaged[page : page + 4096] = chance.randbytes(4096)
        else:
            damaged[page + chance.randrange(64)] = chance.randrange(256)
        path = tmp_path / str(attempt)
        path.mkdir()
        (path / "data.mdb").write_bytes(damaged)
        with warnings.catch_warnings(record=True):
            warnings.simplefilter("always")
            try:
                store = open_store(path)
            except StoreError as error:
                refused.append(str(error))
                continue
            found = look_up(store, range(200))
        for i, rows in found.items():
            np.testing.assert_array_equal(rows, rows_of(i))
        store.close()
    assert refused
    assert all("Choose another folder" in said or "Move it away" in said for said in refused)


# Who may read and write


def test_store_that_nobody_may_write_to_is_read(tmp_path: Path) -> None:
    made_store(tmp_path, range(3))
    (tmp_path / "data.mdb").chmod(0o444)
    before = contents(tmp_path)
    with pytest.warns(UserWarning, match="may be read, but not written to. Texts that are not in it are enc"):
        store = open_store(tmp_path)
    fill(store, range(3, 6))
    assert_there(store, range(3))
    assert look_up(store, range(3, 6)) == {}
    assert not store.complete
    store.close()
    assert contents(tmp_path) == before


def test_store_on_a_disk_that_is_only_read_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_store(tmp_path, range(3))
    status = os.statvfs(tmp_path)

    class ReadOnly:
        f_flag = status.f_flag | os.ST_RDONLY

    monkeypatch.setattr(os, "statvfs", lambda path: ReadOnly)
    with pytest.warns(UserWarning, match="may be read, but not written"):
        store = open_store(tmp_path)
    assert_there(store, range(3))


def test_store_that_only_others_may_write_to_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LMDB would have to write down who reads it, for the others not to write over what is being read."""
    made_store(tmp_path, range(3))
    before = contents(tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode, **settings: False)
    monkeypatch.setattr(os, "supports_effective_ids", {os.access})
    with pytest.raises(StoreError, match=r"You may not write to .*but others may.*`chmod a-w`"):
        open_store(tmp_path)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("mode", [0o000, 0o444])
@pytest.mark.parametrize("make", [None, ABOUT])
def test_store_that_is_closed_to_others_is_not_said_to_be_missing(mode: int, make: Any) -> None:
    with without_rights() as folder:
        made_store(folder / "store", range(3))
        (folder / "store").chmod(mode)
        give_up_rights()
        try:
            with pytest.raises(
                StoreError, match=r"can't be opened: .*Permission denied.*Choose another folder"
            ):
                open_environment(folder / "store", 1 << 20, make=make)
        finally:
            if os.geteuid() == os.stat(folder).st_uid:
                (folder / "store").chmod(0o700)


def test_folder_that_may_not_be_written_to_is_named() -> None:
    with without_rights() as folder:
        (folder / "given").mkdir(mode=0o555)
        give_up_rights()
        for path in (folder / "given", folder / "given" / "store"):
            with pytest.raises(
                StoreError, match=r"can't be opened: .*Permission denied.*Choose another folder"
            ):
                open_store(path)


# Who has it open


def test_store_is_shared_but_not_checked_while_others_have_it(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    fill(store, range(3))
    other = StoreLock(tmp_path, exclusive=False)  # as another process
    assert not other.alone
    for _ in range(2):
        with pytest.raises(StoreError, match="in use by another process"):
            open_environment(tmp_path, 1 << 20, exclusive=True)
    assert_there(store, range(3))
    other.close()


def test_lock_of_the_version_before_is_heeded(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    made_store(tmp_path, range(3))
    with (tmp_path / "in-use").open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        with pytest.raises(StoreError, match="in use by another process"):
            open_environment(tmp_path, 1 << 20, exclusive=True)
        assert_there(open_store(tmp_path), range(3))


def test_opening_waits_until_another_process_has_looked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_store(tmp_path, range(3))
    other = StoreLock(tmp_path, exclusive=True)
    waits: List[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            other.close()

    monkeypatch.setattr(locking.time, "sleep", wait)
    assert_there(open_store(tmp_path), range(3))
    assert len(waits) == 3


def test_opening_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_store(tmp_path, range(3))
    other = StoreLock(tmp_path, exclusive=True)
    monkeypatch.setattr(locking, "WAIT", 0.0)
    with pytest.raises(StoreError, match=r"in use by another process\. Try again"):
        open_store(tmp_path)
    other.close()
    assert_there(open_store(tmp_path), range(3))


def test_store_that_another_machine_has_open_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_store(tmp_path, range(3))
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(locking.platform, "node", lambda: "node[2J17")
        other = StoreLock(tmp_path, exclusive=False)
    other.share()
    with pytest.raises(StoreError, match=r"open on another machine, 'node\?\[2J17'.*one machine only"):
        open_store(tmp_path)
    other.close()  # what it leaves behind is its name
    assert_there(open_store(tmp_path), range(3))


def test_two_machines_that_open_a_store_at_the_same_time_do_not_both_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between being alone and sharing, there is a moment without a lock."""
    made_store(tmp_path, range(3))
    others: List[StoreLock] = []
    share = StoreLock.share

    def share_late(lock: StoreLock) -> None:
        monkeypatch.setattr(StoreLock, "share", share)
        locking.portalocker.unlock(lock._file)
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(locking.platform, "node", lambda: "elsewhere")
            others.append(StoreLock(tmp_path, exclusive=False))
        others[0].share()
        share(lock)

    monkeypatch.setattr(StoreLock, "share", share_late)
    with pytest.raises(StoreError, match="open on another machine, 'elsewhere'"):
        open_store(tmp_path)
    others[0].close()
    assert_there(open_store(tmp_path), range(3))
