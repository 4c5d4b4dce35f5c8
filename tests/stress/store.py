"""What feature stores are put through: killed processes, trainings side by side, all that can go wrong.

Each function returns plain figures. Those that kill or train fork the process they are called in, which must
therefore have no threads and no store open: call them in a process of their own.
"""

import json
import os
import random
import resource
import select
import signal
import subprocess
import time
import warnings
from collections import Counter
from contextlib import contextmanager, suppress
from hashlib import blake2b
from itertools import chain, count
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, Union

import lmdb
import numpy as np
import spacy
import torch
from spacy.cli.train import train as spacy_train
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.util import fix_random_seed
from spacy.vocab import Vocab

from pipelines import TEXTS, add_frozen_transformer, frozen_pipeline, head_parameters
from posattn_spacy.frozen import locking
from posattn_spacy.frozen.architecture import huggingface
from posattn_spacy.frozen.callback import FeatureStoreCallback
from posattn_spacy.frozen.locking import StoreLock
from posattn_spacy.frozen.maintenance import contents_of, verify
from posattn_spacy.frozen.store import StoreError
from processes import ROOT

Figures = Dict[str, Union[int, str, bool]]

SENTENCES = 6  # of a document, which are written in one transaction
WORDS = sorted({word for text in TEXTS for word in text.split()})
STEPS = 10  # of a training
TEXTS_OF_A_FAILURE = 80
LIMIT = 300.0  # seconds for a process that is not killed


# Killed processes


def kill_while_encoding(folder: Path, encoder: Path, kills: int, seed: int = 0) -> Figures:
    """Kill processes that encode documents into one store, and look whether the next finds what was written.

    folder (Path): Where the store shall be.
    encoder (Path): A Hugging Face encoder.
    kills (int): How many processes to kill.
    seed (int): Decides when.
    RETURNS (Figures): Kills, and those that came while encoding; texts that were there in the end; how many
        were lost of those that a process had seen written; documents whose features differ from the
        encoder's; damaged records; processes that ended otherwise than killed.
    """
    chance, nlp = random.Random(seed), encoding_pipeline(encoder)
    written: Dict[int, str] = {}
    unchecked: Dict[int, str] = {}
    figures: Counter[str] = Counter()
    for _ in range(kills):
        first = max(written, default=-1) + 1
        child = Child(lambda say, first=first: encode(nlp, folder, unchecked, count(first), say))
        child.listen(chance.uniform(0, 0.1))
        if chance.random() < 0.7:  # the others die while they open the store, or check
            child.listen(LIMIT, until="checked")
            child.listen(chance.uniform(0, 0.3))
        figures["failed"] += not child.kill()
        if take_stock(child.said, written, unchecked, figures):
            figures["kills while encoding"] += 1
    last = Child(lambda say: encode(nlp, folder, written, [], say))
    anew = Child(lambda say: encode(nlp, folder / "anew", {}, written, say))
    figures["failed"] += (not last.wait()) + (not anew.wait())
    take_stock(last.said, {}, {}, figures)
    made = dict(document(line) for line in anew.said if line[0] == "document")
    figures["wrong"] += sum(made.get(step) != digest for step, digest in written.items())
    return {
        "kills": kills,
        "kills while encoding": figures["kills while encoding"],
        "texts": contents_of(folder).texts,
        "lost": figures["lost"],
        "wrong": figures["wrong"],
        "damaged": verify(folder, lambda records, total: records).damaged,
        "failed": figures["failed"],
    }


def encode(nlp: Language, folder: Path, known: Dict[int, str], steps: Any, say: Callable[..., None]) -> None:
    """Check what is in a store, then encode further documents into it, and say so when each is written."""
    warnings.simplefilter("error")
    (store,) = FeatureStoreCallback(folder, max_gb=2.0, dtype="float16").attach(nlp)
    calls: List[int] = []
    huggingface(nlp.get_pipe("transformer").model)[0].register_forward_pre_hook(lambda *_: calls.append(1))
    lost = wrong = 0
    for step, digest in known.items():
        before = len(calls)
        wrong += features(nlp, step) != digest
        lost += SENTENCES * (len(calls) > before)
    say("checked", lost, wrong)
    for step in steps:
        digest = features(nlp, step)
        store.finish()
        say("document", step, digest)


def take_stock(
    said: List[List[str]], written: Dict[int, str], unchecked: Dict[int, str], figures: "Counter[str]"
) -> bool:
    """Count what a process has said; whether it was encoding."""
    for line in said:
        if line[0] == "checked":
            unchecked.clear()
            figures["lost"] += int(line[1])
            figures["wrong"] += int(line[2])
        else:
            step, digest = document(line)
            written[step] = unchecked[step] = digest
    return any(line[0] == "checked" for line in said)


def document(line: List[str]) -> Tuple[int, str]:
    return int(line[1]), line[2]


def encoding_pipeline(encoder: Path) -> Language:
    """A pipeline that does nothing but encode."""
    nlp = spacy.blank("en")
    add_frozen_transformer(nlp, encoder).model.initialize()
    return nlp


def features(nlp: Language, step: int) -> str:
    """Sum up what a pipeline makes of a document, whose sentences are its own."""
    chance = random.Random(step)
    sentences = [[f"{step}-{i}", *chance.choices(WORDS, k=chance.randrange(2, 9))] for i in range(SENTENCES)]
    starts = [i == 0 for sentence in sentences for i in range(len(sentence))]
    doc = nlp(Doc(nlp.vocab, words=list(chain(*sentences)), sent_starts=starts))
    return blake2b(doc._.trf_data.model_output.last_hidden_state.tobytes(), digest_size=16).hexdigest()


class Child:
    """A forked process that says lines of words."""

    def __init__(self, work: Callable[[Callable[..., None]], None]) -> None:
        self.said: List[List[str]] = []
        self._read, write = os.pipe()
        self._rest = ""
        self.pid = os.fork()
        if self.pid == 0:
            ended = 1
            try:
                os.close(self._read)
                work(lambda *words: os.write(write, (" ".join(map(str, words)) + "\n").encode()))  # type: ignore
                ended = 0
            except BaseException as error:
                os.write(2, f"{type(error).__name__}: {error}\n".encode())
            finally:
                os._exit(ended)
        os.close(write)

    def listen(self, seconds: float, until: Optional[str] = None) -> bool:
        """Hear what it says for a while, or until it has said a word; whether it is still there."""
        deadline = time.monotonic() + seconds
        while until is None or not any(line[0] == until for line in self.said):
            left = deadline - time.monotonic()
            if not select.select([self._read], [], [], max(left, 0))[0]:
                return True
            data = os.read(self._read, 1 << 16)
            if not data:
                return False
            *lines, self._rest = (self._rest + data.decode()).split("\n")
            self.said += [line.split() for line in lines]
        return True

    def kill(self) -> bool:
        """Kill it and hear the rest; whether that is what it died of."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        return self._ended() == -signal.SIGKILL

    def wait(self) -> bool:
        """Wait until it ends; whether it has done its work."""
        if self.listen(LIMIT):
            os.kill(self.pid, signal.SIGKILL)
        return self._ended() == 0

    def _ended(self) -> int:
        while self.listen(LIMIT):
            pass
        os.close(self._read)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


# Trainings


def kill_while_training(folder: Path, encoder: Path, kills: int, seed: int = 0) -> Figures:
    """Kill trainings with a new store each, and train again to the end with what they have left.

    folder (Path): An empty folder.
    encoder (Path): A Hugging Face encoder.
    kills (int): How many trainings to kill.
    seed (int): Decides when.
    RETURNS (Figures): Kills; how many of them came after the first features were stored; damaged records; how
        many trainings after a kill gave other weights than one that nobody killed; those that failed.
    """
    chance = random.Random(seed)
    config = training_config(folder, encoder)
    started = time.monotonic()
    alone = start_training(folder / "alone", config, folder / "store-alone")
    figures: Counter[str] = Counter(failed=not alone.wait())
    seconds = time.monotonic() - started
    for i in range(kills):
        store = folder / f"store-{i}"
        killed = start_training(folder / "killed", config, store)
        killed.listen(LIMIT, until="training")
        killed.listen(chance.uniform(0, seconds))
        killed.kill()
        if (store / "data.mdb").exists():
            verdict = verify(store, lambda records, total: records)
            figures["damaged"] += verdict.damaged
            figures["kills with features"] += verdict.records > 0
        again = start_training(folder / "again", config, store)
        figures["failed"] += not again.wait()
        figures["other weights"] += again.said != alone.said
    return {"kills": kills, **{name: figures[name] for name in TRAINING_FIGURES}}


TRAINING_FIGURES = ["kills with features", "damaged", "other weights", "failed"]


def train_at_once(folder: Path, encoder: Path, trainings: int = 4) -> Figures:
    """Train several times at once, with one store, and once alone with another.

    folder (Path): An empty folder.
    encoder (Path): A Hugging Face encoder.
    trainings (int): How many at once.
    RETURNS (Figures): Trainings; how many gave other weights than the one alone, byte for byte; those that
        failed; damaged records.
    """
    config = training_config(folder, encoder)
    alone = start_training(folder / "alone", config, folder / "store-alone")
    failed = not alone.wait()
    together = [start_training(folder / str(i), config, folder / "store") for i in range(trainings)]
    failed += sum(not child.wait() for child in together)
    return {
        "trainings": trainings,
        "other weights": sum(child.said != alone.said for child in together),
        "failed": failed,
        "damaged": verify(folder / "store", lambda records, total: records).damaged,
    }


def start_training(output: Path, config: Dict[str, Any], store: Path) -> Child:
    """Begin `spacy train`, with the shipped config; it says the sum of its weights in the end."""

    def work(say: Callable[..., None]) -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        warnings.filterwarnings("error", message="The feature store")
        say("training")
        spacy_train(
            ROOT / "configs" / "posattn.cfg",
            output,
            overrides={**config, "initialize.after_init.path": str(store)},
        )
        digest = blake2b(digest_size=16)
        for name, weight in sorted(head_parameters(spacy.load(output / "model-last")).items()):
            digest.update(name.encode() + weight.numpy().tobytes())
        say("weights", digest.hexdigest())

    return Child(work)


def training_config(folder: Path, encoder: Path) -> Dict[str, Any]:
    """What is set for a short training on documents with many different words."""
    folder.mkdir(parents=True, exist_ok=True)
    vocab = Vocab()
    for name, docs in (("train", 150), ("dev", 20)):
        DocBin(docs=[annotated(name, i, vocab) for i in range(docs)]).to_disk(folder / f"{name}.spacy")
    return {
        "paths.train": str(folder / "train.spacy"),
        "paths.dev": str(folder / "dev.spacy"),
        "paths.encoder": str(encoder),
        "training.max_steps": STEPS,
        "training.eval_frequency": STEPS // 2,
        "training.optimizer.learn_rate.total_steps": STEPS + 1,
        "training.optimizer.learn_rate.warmup_steps": 2,
    }


def annotated(name: str, i: int, vocab: Vocab) -> Doc:
    """A sentence with an entity."""
    chance = random.Random(f"{name} {i}")
    words = [f"{name}{i}", *chance.choices(WORDS, k=chance.randrange(3, 20))]
    doc = Doc(vocab, words=words, sent_starts=[i == 0 for i in range(len(words))])
    doc.ents = [Span(doc, 1, 2, label=chance.choice(["per", "geo"]))]
    return doc


# All that can go wrong


def train_with(
    encoder: Path, store: Path, during: Callable[[], None] = lambda: None, **settings: Any
) -> Figures:
    """Train a little, with a store; what the store said, and whether the training came to its end.

    encoder (Path): A Hugging Face encoder.
    store (Path): Folder of the store.
    during (Callable[[], None]): What happens in the middle.
    settings (Any): Of the store.
    RETURNS (Figures): All messages, how many there were, and whether the loss was a number to the end.
    """
    fix_random_seed(0)
    nlp = frozen_pipeline(encoder)
    callback = {"@callbacks": "posattn-spacy.feature_store.v1", "path": str(store), "max_gb": 0.1, **settings}
    nlp.config["initialize"]["after_init"] = callback
    docs = [annotated("failing", i, nlp.vocab) for i in range(TEXTS_OF_A_FAILURE)]
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in docs]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        optimizer = nlp.initialize(lambda: examples)
        losses: List[float] = []
        for epoch in range(2):
            for first in range(0, len(examples), 20):
                losses.append(nlp.update(examples[first : first + 20], sgd=optimizer)["posattn_ner"])
                if epoch == first == 0:
                    during()
        nlp.evaluate(examples)
    messages = [str(each.message) for each in said if "feature store" in str(each.message)]
    return {
        "message": " ".join(messages),
        "messages": len(messages),
        "trained": bool(np.isfinite(losses).all()),
    }


def full_disk(folder: Path, encoder: Path) -> Figures:
    """The disk is full after some texts; with room, the store is used again."""
    with small_disk(folder, 4096 * 40):
        figures = train_with(encoder, folder / "store")
        texts = contents_of(folder / "store").texts
        damaged = verify(folder / "store", lambda records, total: records).damaged
    return {**figures, "texts": texts, "damaged": damaged}


def full_disk_at_the_start(folder: Path, encoder: Path) -> Figures:
    """The disk has no room for an empty store, whichever of its pages it is that does not fit."""
    nlp, refused = encoding_pipeline(encoder), 0
    for pages in range(2, 20):
        with small_disk(folder, 4096 * pages):
            with suppress(StoreError):
                refused -= len(
                    FeatureStoreCallback(folder / "store", max_gb=0.1, dtype="float16").attach(nlp)
                )
            refused += not list((folder / "store").glob("data.mdb*"))
    with small_disk(folder, 4096 * 10):
        return {**train_with(encoder, folder / "store"), "refused": refused}


def read_only_store(folder: Path, encoder: Path) -> Figures:
    """Nobody may write to the store; it is read."""
    train_some(folder, encoder)
    (folder / "data.mdb").chmod(0o444)
    before = (folder / "data.mdb").read_bytes()
    figures = train_with(encoder, folder)
    return {**figures, "unchanged": (folder / "data.mdb").read_bytes() == before}


def read_only_folder(folder: Path, encoder: Path) -> Figures:
    """No store can be made."""
    with read_only(folder):
        figures = train_with(encoder, folder / "store")
    return {**figures, "unchanged": not (folder / "store").exists()}


def foreign_database(folder: Path, encoder: Path) -> Figures:
    """The folder has the database of another program."""
    folder.mkdir(exist_ok=True)
    with lmdb.open(str(folder)) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"invoice", b"paid")
    return left_alone(folder, encoder)


def foreign_file(folder: Path, encoder: Path) -> Figures:
    """The folder has a file of the same name."""
    folder.mkdir(exist_ok=True)
    (folder / "data.mdb").write_bytes(b"my notes\n" * 5000)
    return left_alone(folder, encoder)


def other_encoder(folder: Path, encoder: Path) -> Figures:
    """The store was made by another encoder."""
    train_some(folder, encoder)
    change_about(folder, fingerprint="0" * 32, encoder="another")
    return left_alone(folder, encoder)


def newer_format(folder: Path, encoder: Path) -> Figures:
    """The store was made by a later version."""
    train_some(folder, encoder)
    change_about(folder, format=2, compression="zstd")
    return left_alone(folder, encoder)


def hostile_facts(folder: Path, encoder: Path) -> Figures:
    """What the store says of itself is no fact, and moves the cursor."""
    train_some(folder, encoder)
    change_about(folder, width=1e308, encoder="\x1b[2J" * 1000, more=[[[]]])
    return left_alone(folder, encoder)


def damaged_record(folder: Path, encoder: Path) -> Figures:
    """A bit of the features of a text has changed."""
    train_some(folder, encoder)
    data = bytearray((folder / "data.mdb").read_bytes())
    with lmdb.open(str(folder), max_dbs=3) as environment:
        table = environment.open_db(b"features")
        with environment.begin(db=table) as transaction:
            (value,) = (value for i, (_, value) in enumerate(transaction.cursor()) if i == 7)
    data[data.index(value) + 9] ^= 1
    (folder / "data.mdb").write_bytes(data)
    return train_with(encoder, folder)


def damaged_file(folder: Path, encoder: Path) -> Figures:
    """A page in the middle is empty."""
    train_some(folder, encoder)
    with (folder / "data.mdb").open("r+b") as file:
        file.seek(4096 * (file.seek(0, os.SEEK_END) // 8192))
        file.write(bytes(4096))
    return left_alone(folder, encoder)


def cut_off_file(folder: Path, encoder: Path) -> Figures:
    """The second half is missing."""
    train_some(folder, encoder)
    os.truncate(folder / "data.mdb", (folder / "data.mdb").stat().st_size // 2)
    return left_alone(folder, encoder)


def cut_off_while_in_use(folder: Path, encoder: Path) -> Figures:
    """Somebody cuts off the file in the middle of a training."""
    train_some(folder, encoder)
    return train_with(encoder, folder, during=lambda: os.truncate(folder / "data.mdb", 8192))


def lost_file(folder: Path, encoder: Path) -> Figures:
    """Somebody deletes the store in the middle of a training."""
    return train_with(encoder, folder, during=lambda: (folder / "data.mdb").unlink())


def link_out_of_the_folder(folder: Path, encoder: Path) -> Figures:
    """The store's file is a link to another one."""
    folder.mkdir(exist_ok=True)
    (folder / "outside").write_bytes(b"of somebody else")
    (folder / "store").mkdir()
    (folder / "store" / "data.mdb").symlink_to(folder / "outside")
    figures = train_with(encoder, folder / "store")
    return {**figures, "unchanged": (folder / "outside").read_bytes() == b"of somebody else"}


def two_hosts(folder: Path, encoder: Path) -> Figures:
    """Another machine has the store open, as far as locks on files tell."""
    train_some(folder, encoder)
    node = locking.platform.node
    locking.platform.node = lambda: "another-machine"
    lock = StoreLock(folder, exclusive=False)
    locking.platform.node = node
    lock.share()
    try:
        return left_alone(folder, encoder)
    finally:
        lock.close()


def store_too_large(folder: Path, encoder: Path) -> Figures:
    """The store is larger than it may be."""
    train_some(folder, encoder)
    return train_with(encoder, folder, max_gb=1e-5)


FAILURES: List[Callable[[Path, Path], Figures]] = [
    full_disk,
    full_disk_at_the_start,
    read_only_store,
    read_only_folder,
    foreign_database,
    foreign_file,
    other_encoder,
    newer_format,
    hostile_facts,
    damaged_record,
    damaged_file,
    cut_off_file,
    cut_off_while_in_use,
    lost_file,
    link_out_of_the_folder,
    two_hosts,
    store_too_large,
]


def train_some(folder: Path, encoder: Path) -> None:
    """Make a store with some of the texts."""
    nlp = frozen_pipeline(encoder)
    nlp.get_pipe("transformer").model.initialize()
    (store,) = FeatureStoreCallback(folder, max_gb=0.1, dtype="float16").attach(nlp)
    for doc in nlp.get_pipe("transformer").pipe(
        annotated("failing", i, nlp.vocab) for i in range(TEXTS_OF_A_FAILURE // 2)
    ):
        assert len(doc._.trf_data.model_output.last_hidden_state)
    store.close()


def left_alone(folder: Path, encoder: Path) -> Figures:
    """Train, and look whether the file in the store's place is as it was."""
    before = (folder / "data.mdb").read_bytes()
    figures = train_with(encoder, folder)
    return {**figures, "unchanged": (folder / "data.mdb").read_bytes() == before}


def change_about(folder: Path, **facts: Any) -> None:
    """Change what a store says of itself."""
    with lmdb.open(str(folder), max_dbs=3) as environment:
        table = environment.open_db(b"about")
        with environment.begin(db=table, write=True) as transaction:
            about = {**json.loads(transaction.get(b"about")), **facts}
            transaction.put(b"about", json.dumps(about).encode())


@contextmanager
def small_disk(folder: Path, n_bytes: int) -> Iterator[None]:
    """Let a folder have room for some bytes only, or, without the right to mount, each of its files."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={n_bytes}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
        try:
            yield
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)
    else:
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, limits[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let nobody write to a folder, not even who may do everything."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", "ro,mode=0555", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    folder_mode = folder.stat().st_mode
    if not mounted:
        folder.chmod(0o555)
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)
        else:
            folder.chmod(folder_mode)


torch.set_num_threads(1)
