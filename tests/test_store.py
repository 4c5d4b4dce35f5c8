"""The feature store itself: what goes in comes out, and what is wrong with it is said once."""

import json
import os
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict

import lmdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import ABOUT, assert_there, damage_record, fill, look_up, made_store, open_store, rows_of
from posattn_spacy.frozen.environment import TABLES, open_environment
from posattn_spacy.frozen.maintenance import contents_of
from posattn_spacy.frozen.store import StoreError
from processes import run


@settings(max_examples=20)
@given(st.data())
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    texts = st.lists(st.integers(0, 60), min_size=1, max_size=20, unique=True)
    written, asked = data.draw(texts), data.draw(texts)
    store = open_store(tmp_path_factory.mktemp("store"))
    fill(store, written)
    found = look_up(store, asked)
    assert set(found) == set(written) & set(asked)
    for i, rows in found.items():
        np.testing.assert_array_equal(rows, rows_of(i))
    store.close()


def test_store_outlives_the_process(tmp_path: Path) -> None:
    made_store(tmp_path / "store", range(20))
    assert_there(open_store(tmp_path / "store"), range(20))


def test_layers_are_shared_and_added_to(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    fill(store, [1, 2], layers=[0, 3])
    assert_there(store, [1, 2], layers=[3])
    assert look_up(store, [1, 2], layers=[0, 1]) == {}
    fill(store, [1], layers=[1])
    assert_there(store, [1], layers=[3, 1, 0])
    assert list(look_up(store, [1, 2], layers=[1])) == [1]


def test_store_is_opened_once_per_process(tmp_path: Path) -> None:
    assert open_store(tmp_path / "store") is open_store(tmp_path / "other" / ".." / "store")


def test_only_the_owner_can_read_the_files(tmp_path: Path) -> None:
    made_store(tmp_path / "store", [1])
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "store").iterdir()}
    assert modes == {"data.mdb": 0o600, "lock.mdb": 0o600, "in-use": 0o600, "checked": 0o600}
    assert stat.S_IMODE((tmp_path / "store").stat().st_mode) == 0o700


def test_full_store_is_said_once_and_goes_on_answering(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store", max_gb=0.001)
    fill(store, range(10))
    fill(store, range(10, 60_000))
    with pytest.warns(UserWarning, match=r"reached its size of 0\.001 GB.*Raise max_gb.*store prune"):
        store.finish()
    fill(store, range(10, 60_000))
    assert_there(store, range(10))
    assert look_up(store, [11]) == {}


def test_larger_store_of_another_process_is_taken_over(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store", max_gb=0.002)
    fill(store, [1])
    code = (
        "from pathlib import Path; from features import *; "
        f"s = open_store(Path({str(tmp_path / 'store')!r}), max_gb=0.1); fill(s, range(50_000))"
    )
    run("-c", code, PYTHONPATH="tests")
    assert_there(store, [1, 49_999])


def test_store_that_is_too_large_is_said_when_it_is_opened(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    fill(store, range(10_000))
    store.close()
    size = (tmp_path / "store" / "data.mdb").stat().st_size
    held = rf"holds {size / 1e9:.3g} GB already, and max_gb = 0\.001 lets it have no more\..*Raise max_gb"
    with pytest.warns(UserWarning, match=held):
        store = open_store(tmp_path / "store", max_gb=0.001)
    fill(store, range(10_000, 10_010))
    assert open_store(tmp_path / "store", max_gb=0.001) is store  # said once
    assert_there(store, range(10))
    assert look_up(store, range(10_000, 10_010)) == {}
    store.close()
    assert (tmp_path / "store" / "data.mdb").stat().st_size == size


@pytest.mark.parametrize("full", ["by writing", "when opened"])
def test_store_that_gets_more_room_is_written_to_again(tmp_path: Path, full: str) -> None:
    """As in a notebook, in which the pipeline of the first training is still there."""
    if full == "when opened":
        made_store(tmp_path / "store", range(1000, 5000))
        with pytest.warns(UserWarning, match="holds"):
            store = open_store(tmp_path / "store", max_gb=0.0001)
    else:
        store = open_store(tmp_path / "store", max_gb=0.001)
        fill(store, range(1000, 50_000))
        with pytest.warns(UserWarning, match="has reached its size"):
            store.finish()
    assert open_store(tmp_path / "store", max_gb=0.1) is store
    fill(store, range(1000))
    assert_there(store, range(1000))


def test_size_without_limit_is_none(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store", max_gb=1e15)
    fill(store, range(3))
    assert_there(store, range(3))


def test_many_threads_read_and_write(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")

    def use(thread: int) -> int:
        found = 0
        for turn in range(20):
            first = 10 * ((turn + 7 * thread) % 20)
            rows = look_up(store, range(first, first + 10))
            for i, array in rows.items():
                np.testing.assert_array_equal(array, rows_of(i))
            fill(store, [i for i in range(first, first + 10) if i not in rows] or [first])
            found += len(rows)
        return found

    with ThreadPoolExecutor(8) as threads:
        found = sum(threads.map(use, range(8)))
    assert_there(store, range(200))
    store.close()
    contents = contents_of(tmp_path / "store")
    assert contents.texts == 200
    assert (contents.hits, contents.hits + contents.misses) == (found + 200, 8 * 200 + 200)


def test_threads_that_open_a_store_get_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        stores = list(threads.map(lambda _: open_store(tmp_path / "store"), range(8)))
    assert len(set(map(id, stores))) == 1


def test_giving_up_is_said_once(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    with pytest.warns(UserWarning, match="does not work"):
        store.give_up("does not work")
    store.give_up("does not work")
    assert not store.readable


@pytest.mark.parametrize("name", ["data.mdb", "lock.mdb", "all"])
def test_store_whose_files_are_lost_is_not_written_to(tmp_path: Path, name: str) -> None:
    store = open_store(tmp_path / "store")
    fill(store, range(10))
    store.finish()
    if name == "all":
        shutil.move(tmp_path / "store", tmp_path / "moved")
    else:
        (tmp_path / "store" / name).unlink()
    assert_there(store, range(10))
    fill(store, range(10, 20))
    with pytest.warns(UserWarning, match=r"mdb was moved or deleted while it was in use.*made anew"):
        store.finish()
    fill(store, range(20, 30))
    assert_there(store, range(10))
    if name == "all":
        again = open_store(tmp_path / "store")
        assert again is not store
        fill(again, range(5))
        assert_there(again, range(5))


def test_file_that_is_cut_off_while_it_is_in_use_is_not_read(tmp_path: Path) -> None:
    """Reading on would end the process."""
    store = open_store(tmp_path / "store")
    fill(store, range(1000))
    store.close()
    store = open_store(tmp_path / "store")
    os.truncate(tmp_path / "store" / "data.mdb", 50_000)
    with pytest.warns(UserWarning, match=r"data\.mdb was cut off while it was in use.*store verify"):
        assert look_up(store, range(10)) == {}
    assert not store.readable


def test_last_texts_that_could_not_be_written_are_named_when_the_store_is_closed(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store", max_gb=0.001)
    fill(store, range(50_000))
    with pytest.warns(UserWarning, match="has reached its size"):
        store.close()


def test_each_layer_is_checked_when_it_is_first_read(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    fill(store, range(10), layers=[0, 1])
    store.close()
    damage_record(tmp_path / "store", rows_of(7, [1]))
    store = open_store(tmp_path / "store")
    assert_there(store, range(10), layers=[0])
    with pytest.warns(UserWarning, match="is damaged"):
        assert set(range(10)) - set(look_up(store, range(10), layers=[1])) == {7}


def test_full_disk_is_said_once(tmp_path: Path) -> None:
    code = """
import resource, sys, warnings
from pathlib import Path
from features import *
store = open_store(Path(sys.argv[1]))
fill(store, range(10))
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
for _ in range(3):
    fill(store, range(10, 20_000))
assert_there(store, range(10))
print(len(look_up(store, range(10, 100))))
"""
    result = run("-c", code, tmp_path / "store", PYTHONPATH="tests")
    assert result.stdout.split() == ["0"]
    assert result.stderr.count("UserWarning") == 1
    assert "can't be written" in result.stderr
    assert "Is the disk full?" in result.stderr
    assert_there(open_store(tmp_path / "store"), range(10))


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"fingerprint": "0" * 32, "encoder": "bert"}, "another encoder, 'tiny'; this one is 'bert'"),
        ({"dtype": "float32"}, "holds float16, and float32 is asked for"),
    ],
)
@pytest.mark.parametrize("still_open", [False, True])
def test_store_of_something_else_is_refused(
    tmp_path: Path, about: Dict[str, Any], message: str, still_open: bool
) -> None:
    store = open_store(tmp_path / "store")
    fill(store, [1])
    if not still_open:
        store.close()
        del store
    with pytest.raises(StoreError, match=message):
        open_store(tmp_path / "store", **about)


def test_store_whose_maker_died_at_once_is_empty_and_can_be_used(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path / "store"), max_dbs=3) as environment:
        for name in TABLES[:2]:
            environment.open_db(name)
    with pytest.raises(StoreError, match="is empty"):
        open_environment(tmp_path / "store", 1 << 20)
    store = open_store(tmp_path / "store")
    fill(store, range(3))
    assert_there(store, range(3))


def test_newer_format_is_refused(tmp_path: Path) -> None:
    made_store(tmp_path / "store", [1])
    with lmdb.open(str(tmp_path / "store"), max_dbs=3) as environment:
        table = environment.open_db(b"about")
        with environment.begin(db=table, write=True) as transaction:
            newer = {**vars(ABOUT), "format": 2, "compression": "zstd"}
            transaction.put(b"about", json.dumps(newer).encode())
    with pytest.raises(StoreError, match=r"has format 2.*reads format 1: update posattn-spacy"):
        open_store(tmp_path / "store")


@pytest.mark.parametrize("damage", ["cut off", "overwritten"])
def test_damaged_file_is_refused(tmp_path: Path, damage: str) -> None:
    made_store(tmp_path / "store", range(1000))
    data = tmp_path / "store" / "data.mdb"
    if damage == "cut off":
        with data.open("r+b") as file:
            file.truncate(data.stat().st_size // 2)
    else:
        data.write_bytes(b"no store at all " * 10_000)
    with pytest.raises(
        StoreError, match=r"(is damaged|is no file of a feature store).*Choose another folder"
    ):
        open_store(tmp_path / "store")


def test_damaged_record_is_encoded_anew(tmp_path: Path) -> None:
    made_store(tmp_path / "store", range(10))
    damage_record(tmp_path / "store", rows_of(7))
    store = open_store(tmp_path / "store")
    with pytest.warns(UserWarning, match="is damaged: a record differs .* store verify"):
        found = look_up(store, range(10))
    assert set(range(10)) - set(found) == {7}
    fill(store, [7])
    assert_there(store, range(10))


def test_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match=r"can't be opened: .*Not a directory"):
        open_store(tmp_path / "file" / "store")
