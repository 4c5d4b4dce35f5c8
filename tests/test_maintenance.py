"""`python -m spacy posattn store …`, run as a user does."""

import math
import random
import time
from functools import partial
from pathlib import Path
from typing import Callable, List

import lmdb
import pytest
import spacy
from spacy.tokens import Doc, DocBin

import processes
from features import assert_there, damage_record, fill, look_up, made_store, open_store, rows_of
from pipelines import TEXTS
from posattn_spacy.frozen import environment, files, maintenance
from posattn_spacy.frozen.store import TIME, StoreError
from processes import ROOT, run

command = partial(processes.command, "store")


def no_progress(records, total):  # type: ignore[no-untyped-def]
    return records


def test_info_counts_what_is_there(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    fill(store, range(10))
    fill(store, range(3), layers=[1])
    look_up(store, range(8, 12))
    store.close()
    said = command("info", tmp_path / "store")
    tokens = sum(len(rows_of(i)) for i in range(10))
    assert "Encoder tiny " in said
    assert "Layers 0, 1 (3 texts), 2 " in said
    assert f"Texts 10 Tokens {tokens} " in said
    assert "Hit rate 50.0% of 4 lookups" in said


def test_a_store_that_this_process_has_open_is_looked_at_and_not_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = open_store(path)
    fill(store, range(10))
    look_up(store, range(2))
    assert maintenance.stored_bytes(path) == (path / "data.mdb").stat().st_size
    assert maintenance.contents_of(path).layers.keys() == {0, 2}
    for take_away in (
        partial(maintenance.verify, progress=no_progress),
        partial(maintenance.prune, max_gb=0),
    ):
        with pytest.raises(StoreError, match="a pipeline of this process"):
            take_away(path)
    fill(store, range(10, 20))
    assert_there(store, range(20))
    store.close()
    assert maintenance.contents_of(path).texts == 20


def test_verify_finds_damage(tmp_path: Path) -> None:
    made_store(tmp_path / "store", range(10))
    assert "All 20 records are as they were written" in command("verify", tmp_path / "store")
    damage_record(tmp_path / "store", rows_of(7))
    assert "1 of 20 records differ" in command("verify", tmp_path / "store", fails=True)


def test_prune_removes_what_was_not_used_for_longest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store"
    for moment, texts in enumerate([range(0, 1000), range(1000, 2000), range(2000, 3000), range(0, 500)]):
        monkeypatch.setattr(time, "time", lambda moment=moment: 1000.0 + moment)
        store = open_store(path)
        if moment < 3:
            fill(store, texts)
        assert_there(store, texts)
        store.close()
        del store
    before = (path / "data.mdb").stat().st_size
    pruned = maintenance.prune(
        path, max_gb=1500 / 3000 * maintenance.contents_of(path).texts * 2 * 4096 / 1e9
    )
    assert (pruned.removed, pruned.kept) == (1500, 1500)
    assert pruned.bytes_after == (path / "data.mdb").stat().st_size < before
    assert (path / "data.mdb").stat().st_mode & 0o777 == 0o600
    store = open_store(path)
    assert set(look_up(store, range(3000))) == {*range(0, 500), *range(2000, 3000)}
    fill(store, range(500, 600))
    assert_there(store, range(500, 600))
    store.close()
    assert maintenance.verify(path, no_progress).damaged == 0


def test_prune_says_what_it_has_brought(tmp_path: Path) -> None:
    made_store(tmp_path / "store", range(300))
    said = command("prune", tmp_path / "store", "--max-gb", "0")
    assert "Removed 300 texts, kept 0" in said
    assert look_up(open_store(tmp_path / "store"), range(300)) == {}


def test_full_store_can_be_pruned(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store", max_gb=0.001)
    fill(store, range(500))
    fill(store, range(500, 50_000))
    with pytest.warns(UserWarning, match="has reached its size"):
        store.finish()
    store.close()
    assert maintenance.prune(tmp_path / "store", max_gb=0.0001).removed > 0


def test_store_that_nobody_may_write_to_is_looked_at_but_not_pruned(tmp_path: Path) -> None:
    made_store(tmp_path / "store", range(10))
    (tmp_path / "store" / "data.mdb").chmod(0o444)
    assert maintenance.contents_of(tmp_path / "store").texts == 10
    assert maintenance.verify(tmp_path / "store", no_progress) == maintenance.Verified(records=20, damaged=0)
    with pytest.raises(StoreError, match="may be read, but not written to"):
        maintenance.prune(tmp_path / "store", max_gb=0)


def test_what_somebody_else_wrote_into_a_store_is_counted_as_nothing(tmp_path: Path) -> None:
    made_store(tmp_path, range(10))
    with lmdb.open(str(tmp_path), max_dbs=3) as opened:
        features, uses, facts = (opened.open_db(name) for name in environment.TABLES)
        with opened.begin(write=True) as transaction:
            for value in (b"", b"1", TIME.pack(math.nan), TIME.pack(1e300), TIME.pack(-1)):
                transaction.put(b"use " + value, value, db=uses)
            for key in (b"k", b"k" * 16, b"k" * 300):
                transaction.put(key, b"v", db=features)
            transaction.put(b"hits", b"-1e9", db=facts)
            transaction.put(b"misses", b"9" * 5000, db=facts)
    contents = maintenance.contents_of(tmp_path)
    assert (contents.texts, contents.hits, contents.misses) == (10, 0, 0)
    assert contents.last_used is not None
    assert abs(contents.last_used - time.time()) < 1e6
    assert maintenance.verify(tmp_path, no_progress) == maintenance.Verified(records=23, damaged=3)
    assert maintenance.prune(tmp_path, max_gb=1).kept >= 10
    assert_there(open_store(tmp_path), range(10))


def test_damaged_file_is_said_by_verify(tmp_path: Path) -> None:
    made_store(tmp_path / "store", range(1000))
    with (tmp_path / "store" / "data.mdb").open("r+b") as file:
        file.seek(4096 * 10)
        file.write(bytes(4096))
    said = command("verify", tmp_path / "store", fails=True)
    assert "is damaged, or is none" in said
    assert "move it away, and it will be made anew" in said


@pytest.mark.parametrize("name", ["verify", "prune"])
def test_store_in_use_is_left_alone(tmp_path: Path, name: str) -> None:
    store = open_store(tmp_path / "store")
    fill(store, range(5))
    more = ["--max-gb", "0"] if name == "prune" else []
    other = run("-m", "spacy", "posattn", "store", name, tmp_path / "store", *more, fails=True)
    assert "in use by another process" in " ".join(other.stdout.split())
    assert_there(store, range(5))


@pytest.mark.parametrize("arguments", [["info"], ["verify"], ["prune", "--max-gb", "1"]])
def test_folder_without_a_store_is_said(tmp_path: Path, arguments: List[str]) -> None:
    said = command(arguments[0], tmp_path, *arguments[1:], fails=True)
    assert f"There is no feature store in {tmp_path}" in said
    assert not list(tmp_path.iterdir())


def test_prune_without_room_says_so_and_keeps_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_store(tmp_path / "store", range(100))

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(StoreError, match=r"can't be made smaller: .*No space left.*takes room"):
        maintenance.prune(tmp_path / "store", max_gb=1)
    assert_there(open_store(tmp_path / "store"), range(100))
    assert {path.name for path in (tmp_path / "store").iterdir()} == {
        "data.mdb",
        "lock.mdb",
        "in-use",
        "checked",
    }


def write_corpus(path: Path, texts: List[str]) -> Path:
    nlp = spacy.blank("en")
    docs = [Doc(nlp.vocab, words=text.split()) for text in texts]
    for doc in docs:
        doc[0].is_sent_start = True
    DocBin(docs=docs).to_disk(path)
    return path


def test_warm_encodes_the_corpora_of_a_config_ahead(
    tiny_encoder: Callable[[str], Path], tmp_path: Path
) -> None:
    options = [
        ROOT / "configs" / "posattn.cfg",
        *("--paths.train", write_corpus(tmp_path / "train.spacy", [*TEXTS, TEXTS[0]])),
        *("--paths.dev", write_corpus(tmp_path / "dev.spacy", ["Bob visited Athens ."])),
        *("--paths.encoder", tiny_encoder("bert")),
        *("--initialize.after_init.path", tmp_path / "store"),
    ]
    n_words = sum(len(text.split()) for text in [*TEXTS, TEXTS[0], "Bob visited Athens ."])
    assert f"{len(TEXTS) + 2} texts, {n_words} words in" in command("warm", *options)
    contents = maintenance.contents_of(tmp_path / "store")
    assert contents.texts == len(TEXTS) + 1
    assert contents.layers == dict.fromkeys(range(3), len(TEXTS) + 1)
    command("warm", *options)
    again = maintenance.contents_of(tmp_path / "store")
    assert again.misses == contents.misses
    assert again.hits == contents.hits + len(TEXTS) + 2


def test_warm_stops_when_the_store_is_full(tiny_encoder: Callable[[str], Path], tmp_path: Path) -> None:
    chance = random.Random(0)
    words = [word for text in TEXTS for word in text.split()]
    texts = [" ".join(chance.choices(words, k=20)) for _ in range(1500)]
    options = [
        ROOT / "configs" / "posattn.cfg",
        *("--paths.train", write_corpus(tmp_path / "train.spacy", texts)),
        *("--paths.dev", write_corpus(tmp_path / "dev.spacy", TEXTS)),
        *("--paths.encoder", tiny_encoder("bert")),
        *("--initialize.after_init.path", tmp_path / "store"),
        *("--initialize.after_init.max_gb", "0.0005"),
    ]
    with pytest.warns(UserWarning, match=r"has reached its size of 0\.0005 GB"):
        said = command("warm", *options, fails=True)
    assert f"The feature store {tmp_path / 'store'} has not taken all texts" in said
    assert "✔" not in said


def test_warm_needs_a_store_in_the_config(tmp_path: Path) -> None:
    config = tmp_path / "no-store.cfg"
    text = (ROOT / "configs" / "posattn.cfg").read_text()
    config.write_text(text.replace('path = "features/all-MiniLM-L6-v2"', "path = null"))
    assert "The config sets no feature store" in command("warm", config, fails=True)


def test_commands_of_spacy_load_nothing_heavy(tmp_path: Path) -> None:
    code = "import sys, posattn_spacy.cli; print({'torch', 'lmdb', 'transformers'} & sys.modules.keys())"
    heavy = run("-c", code).stdout
    plain = run("-c", code.replace("posattn_spacy.cli", "spacy.cli")).stdout
    assert heavy == plain
