"""`spacy posattn init config`: from one's own documents to a training."""

import io
import json
import subprocess
from pathlib import Path
from typing import Any, Callable, List, Sequence

import numpy as np
import pytest
import spacy
from spacy.cli import app as spacy_app
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import train as train_loop
from spacy.util import get_lang_class, load_config

from pipelines import TRAIN_DATA, make_examples
from posattn_spacy.diagnosis.findings import Finding
from posattn_spacy.frozen.download import short_name
from posattn_spacy.frozen.store import About, FeatureStore
from posattn_spacy.partial import annotate_for
from posattn_spacy.schedule import PassSize
from posattn_spacy.starting import config as starting_config
from posattn_spacy.starting import fitted
from posattn_spacy.starting.config import make_config
from posattn_spacy.starting.doubts import count_labels, find_doubts
from processes import ROOT, command, printed, run

NLP = spacy.blank("en")


def write_corpus(path: Path, times: int = 1) -> Path:
    examples = make_examples(NLP, [*TRAIN_DATA] * times)
    DocBin(docs=[example.reference for example in examples]).to_disk(path)
    return path


# The config


def test_the_config_is_the_shipped_one_fitted_to_the_corpus(
    tiny_encoder: Callable[[str], Path], tmp_path: Path
) -> None:
    train, dev = write_corpus(tmp_path / "train.spacy", 10), write_corpus(tmp_path / "dev.spacy")
    start = make_config(train, dev, 23, tiny_encoder("bert"), "de", tmp_path / "features")
    shipped = load_config(ROOT / "configs" / "posattn.cfg")
    config = start.config
    assert config["paths"]["train"] == str(train)
    assert config["paths"]["encoder"] == str(tiny_encoder("bert"))
    assert config["nlp"]["lang"] == "de"
    training = config["training"]
    assert training["batcher"]["size"] == 1024
    assert training["max_steps"] == 4 * training["eval_frequency"] == 480  # no fewer, for a corpus so small
    assert training["optimizer"]["learn_rate"]["total_steps"] == 481
    assert start.size.words == 230
    assert config["initialize"]["after_init"] | {"path": "", "max_gb": 1} == (
        shipped["initialize"]["after_init"] | {"path": "", "max_gb": 1}
    )
    assert config["components"] == shipped["components"]


def test_an_encoder_with_fewer_layers_gives_what_it_has(
    tiny_encoder: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = write_corpus(tmp_path / "train.spacy")
    features = tmp_path / "not" / "yet"
    assert make_config(train, train, 23, tiny_encoder("bert"), "en", features).layers == 3
    words = 2 * 23
    per_layer = words * 16 * 2 * fitted.SPARE
    for room, layers in ((2.5, 2), (1.5, 1)):
        monkeypatch.setattr(
            starting_config.shutil, "disk_usage", lambda _, room=room: Usage(room * per_layer)
        )
        start = make_config(train, train, 23, tiny_encoder("bert"), "en", features)
        assert start.layers == start.config["components"]["transformer"]["model"]["layers"] == layers
        assert start.store_gb == start.config["initialize"]["after_init"]["max_gb"] == 1.0
    monkeypatch.setattr(starting_config.shutil, "disk_usage", lambda _: Usage(0.5 * per_layer))
    start = make_config(train, train, 23, tiny_encoder("bert"), "en", features)
    assert start.store_gb is None
    assert start.config["initialize"]["after_init"]["path"] is None


@pytest.mark.parametrize(("least_words", "most_gb", "layers"), [(230, 1.0, 7), (231, 1.0, 3), (230, 1e-9, 3)])
def test_all_layers_are_kept_where_there_is_enough_to_learn_and_they_are_few(
    tiny_encoder: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    least_words: int,
    most_gb: float,
    layers: int,
) -> None:
    monkeypatch.setattr(fitted, "ALL_LAYERS_WORDS", least_words)
    monkeypatch.setattr(fitted, "ALL_LAYERS_GB", most_gb)
    shape = json.loads((tiny_encoder("bert") / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**shape, "num_hidden_layers": 6}))
    train = write_corpus(tmp_path / "train.spacy", 10)
    assert make_config(train, train, 230, tmp_path, "en", tmp_path / "features").layers == layers


def test_a_store_that_is_there_gets_room_for_what_comes(
    tiny_encoder: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All corpora with the same encoder share a store."""
    features, train = tmp_path / "features", write_corpus(tmp_path / "train.spacy")
    monkeypatch.setattr(starting_config, "LEAST_GB", 0.0)
    alone = make_config(train, train, 23, tiny_encoder("bert"), "en", features).store_gb
    assert alone == 0.1
    rows = np.zeros((1, 1_000_000, 60), np.float16)  # of other corpora
    about = About(encoder="tiny", fingerprint="0" * 32, width=60, dtype="float16")
    store = FeatureStore.open(features, about, max_gb=1.0)
    store.write([bytes(16)], [1_000_000], [0], rows)
    store.close()
    needed = 2 * 23 * 3 * 16 * 2 * fitted.SPARE
    monkeypatch.setattr(starting_config.shutil, "disk_usage", lambda _: Usage(needed))  # for what comes alone
    start = make_config(train, train, 23, tiny_encoder("bert"), "en", features)
    assert start.layers == 3
    assert start.store_gb == start.config["initialize"]["after_init"]["max_gb"] == 0.2
    store = FeatureStore.open(features, about, start.store_gb)
    store.write([bytes([1] * 16)], [100_000], [0], rows[:, :100_000])
    store.finish()
    assert store.complete


def test_something_else_in_the_place_of_the_store_is_named(
    tiny_encoder: Callable[[str], Path], tmp_path: Path
) -> None:
    train = write_corpus(tmp_path / "train.spacy")
    (tmp_path / "data.mdb").write_bytes(b"of somebody else")
    with pytest.raises(ValueError, match="is no file of a feature store"):
        make_config(train, train, 23, tiny_encoder("bert"), "en", tmp_path)


class Usage:
    def __init__(self, room: float) -> None:
        self.free = room / starting_config.FREE_SHARE


@pytest.mark.parametrize("lang", ["en", "xx", "zh", "ja", "th", "ko", "vi"])
def test_texts_are_split_as_the_language_is(
    tiny_encoder: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lang: str
) -> None:
    train = write_corpus(tmp_path / "train.spacy")
    monkeypatch.setattr(fitted, "measure_pass", lambda *_: PassSize(4, 23))  # needs its package
    config = make_config(train, train, 23, tiny_encoder("bert"), lang, tmp_path).config
    assert config["nlp"]["tokenizer"] == get_lang_class(lang).default_config["nlp"]["tokenizer"]
    plain = {"@tokenizers": "spacy.Tokenizer.v1"}
    assert (config["nlp"]["tokenizer"] == plain) == (lang in ("en", "xx"))


def test_chinese_is_trained_and_found_in_running_text(
    tiny_encoder: Callable[[str], Path], tmp_path: Path
) -> None:
    blank = spacy.blank("zh")
    docs = [blank.make_doc("我住在北京。"), blank.make_doc("他去上海了。")]
    for doc, start in zip(docs, (3, 2), strict=True):
        doc.ents = [Span(doc, start, start + 2, label="geo")]
    DocBin(docs=docs * 4).to_disk(tmp_path / "train.spacy")
    train = tmp_path / "train.spacy"
    config = make_config(train, train, 48, tiny_encoder("bert"), "zh", tmp_path / "features").config
    config["initialize"]["after_init"]["path"] = None
    config["training"]["before_to_disk"] = None
    config["training"]["gpu_allocator"] = None
    nlp = init_nlp(config)
    train_loop(nlp, use_gpu=-1, stdout=io.StringIO())
    nlp.to_disk(tmp_path / "model")
    assert [ent.text for ent in spacy.load(tmp_path / "model")("我住在北京。").ents] == ["北京"]


def test_a_folder_without_an_encoder_is_refused(tmp_path: Path) -> None:
    train = write_corpus(tmp_path / "train.spacy")
    with pytest.raises(ValueError, match="no Hugging Face encoder in"):
        make_config(train, train, 23, tmp_path, "en", tmp_path)


# The documents


def doc_of(*words: str, ents: Sequence[str] = (), **settings: Any) -> Example:
    doc = Doc(NLP.vocab, words=list(words), ents=list(ents) or ["O"] * len(words), **settings)
    return Example(NLP.make_doc(doc.text), doc)


def warnings_of(findings: Sequence[Finding]) -> List[str]:
    return [f"{finding.said} {finding.remedy}" for finding in findings if finding.verdict == "warn"]


MANY = [doc_of("London", str(i), ents=["B-geo", "O"]) for i in range(60)]


DEV = [doc_of("Paris", "calls", ents=["B-geo", "O"])]


def test_a_good_corpus_raises_no_doubt() -> None:
    assert not warnings_of(list(find_doubts(MANY, DEV)))


@pytest.mark.parametrize(("train", "dev", "part"), [([], DEV, "train"), (MANY, [], "dev")])
def test_a_part_without_entities_is_named(train: List[Example], dev: List[Example], part: str) -> None:
    bare = [doc_of("word", str(i)) for i in range(3)]
    (found,) = warnings_of(list(find_doubts([*train, *bare], [*dev, doc_of("other")])))
    assert f"There is no entity in {part}." in found


def test_labels_are_counted() -> None:
    dev = [doc_of("Alice", ents=["B-per"])]
    assert count_labels(MANY, dev) == [("geo", 60, 0), ("per", 0, 1)]
    (found,) = warnings_of(list(find_doubts(MANY, dev)))
    assert "1 of 2 labels have fewer than 50 entities in train: per (0 in train, 1 in dev)" in found


def test_entities_within_spacys_tokens_are_named() -> None:
    within = doc_of("N", "York", spaces=[False, False], ents=["B-geo", "O"])
    (found,) = warnings_of(list(find_doubts([*MANY, within], DEV)))
    assert "1 of 62 entities begin or end within a token, for instance in ['NYork']" in found


def test_documents_that_are_paragraphs_are_named() -> None:
    words = ["word"] * 120
    marked = doc_of(*words, sent_starts=[i % 40 == 0 for i in range(120)])
    (found,) = warnings_of(list(find_doubts([*MANY, doc_of(*words), marked], DEV)))
    assert "1 of 63 documents have more than 100 tokens and no sentences" in found


def test_documents_without_annotation_are_named() -> None:
    bare = Doc(NLP.vocab, words=["no", "tags"])
    (found,) = warnings_of(list(find_doubts([*MANY, Example(bare.copy(), bare)], DEV)))
    assert "1 of 62 documents have no entity annotation" in found


def test_entities_in_white_space_and_across_sentences_are_named() -> None:
    spaced = doc_of("Berlin", "  ", "calls", ents=["B-geo", "I-geo", "O"])
    crossing = doc_of("St", ".", "Gallen", ents=["B-geo", "I-geo", "I-geo"], sent_starts=[True, False, True])
    found = warnings_of(list(find_doubts([*MANY, spaced, crossing], DEV)))
    assert "1 of 63 entities begin or end in white space, for instance ['Berlin" in found[0]
    assert "1 of 63 entities cross the beginning of a sentence, for instance ['St . Gallen']" in found[1]
    assert len(found) == 2


def test_texts_that_are_annotated_in_two_ways_are_named() -> None:
    other = doc_of("London", "7", ents=["B-org", "O"])
    found = warnings_of(list(find_doubts([*MANY, other], DEV)))
    assert any("annotated in different ways: 1" in each and "London 7" in each for each in found)
    annotate_for(other.reference, ["org"])  # of geo it says nothing, and so it contradicts nobody
    assert not any("more than once" in each for each in warnings_of(list(find_doubts([*MANY, other], DEV))))


def test_few_of_many_are_no_doubt() -> None:
    within = doc_of("N", "York", spaces=[False, False], ents=["B-geo", "O"])
    bare = Doc(NLP.vocab, words=["no", "tags"])
    odd = [within, doc_of(*["word"] * 120), Example(bare.copy(), bare)]
    many = [doc_of("London", str(i), ents=["B-geo", "O"]) for i in range(300)]
    assert not warnings_of(list(find_doubts([*many, *odd], DEV)))


def test_documents_of_both_parts_are_counted() -> None:
    (found,) = warnings_of(list(find_doubts(MANY, MANY[:3])))
    assert "3 of 3 documents of dev stand in train" in found


# The command


def test_the_config_trains(
    tiny_encoder: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    train, dev = write_corpus(tmp_path / "train.spacy", 5), write_corpus(tmp_path / "dev.spacy")
    init = ["init", "config", "own/ner.cfg", "--train", train, "--dev", dev]
    init += ["--encoder", tiny_encoder("bert")]
    said = printed(*init)
    assert "480 steps, 480 passes over" in " ".join(said.split())
    (train_command,) = (line for line in said.splitlines() if line.startswith("python"))
    assert train_command == (
        "python -m spacy train own/ner.cfg --output own/model "
        "--training.logger.logger2.output_file own/steps.jsonl"
    )
    assert "fewer than 50 entities" in " ".join(said.split())
    filled = tmp_path / "filled.cfg"
    command("init", "fill-config", tmp_path / "own/ner.cfg", filled, app=spacy_app)
    assert filled.read_text() == (tmp_path / "own/ner.cfg").read_text()
    run(*train_command.split()[1:], folder=tmp_path)
    nlp = spacy.load(tmp_path / "own/model/model-best")
    assert (tmp_path / "own/steps.jsonl").is_file()
    assert set(nlp.get_pipe("posattn_ner").labels) == {"geo", "per"}
    assert "there already" in command(*init, fails=True)
    command(*init, "--force")


def test_an_encoder_comes_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    train = write_corpus(tmp_path / "train.spacy")
    init = ["init", "config", "ner.cfg", "--train", train, "--dev", train]
    assert "22.7 M weights" in command(*init)
    config = load_config(tmp_path / "ner.cfg")
    assert config["paths"]["encoder"] == "assets/encoder/all-MiniLM-L6-v2"
    assert config["initialize"]["after_init"]["path"] == "features/all-MiniLM-L6-v2"
    assert (tmp_path / "assets/encoder/all-MiniLM-L6-v2/config.json").is_file()
    assert "can't be had" in command(*init, "--force", "--encoder", "no/such", fails=True)


@pytest.fixture
def refused(
    tiny_encoder: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """What the command says when it fails; it must leave nothing behind."""
    monkeypatch.chdir(tmp_path)

    def said(train: str, dev: str, *options: str, output: str = "ner.cfg") -> str:
        before = sorted(tmp_path.rglob("*"))
        documents = ("--train", train, "--dev", dev, "--encoder", tiny_encoder("bert"))
        result = command("init", "config", output, *documents, *options, fails=True)
        assert sorted(tmp_path.rglob("*")) == before
        return result

    return said


def test_what_can_not_be_started_with_is_named_at_once(tmp_path: Path, refused: Callable[..., str]) -> None:
    write_corpus(tmp_path / "good.spacy")
    (tmp_path / "my.csv").write_text("Sentence #,Word,Tag\n")
    convert = "my.csv is no .spacy file. Convert it first: python -m spacy posattn convert my.csv my-corpus"
    assert convert in refused("my.csv", "good.spacy")
    assert "There is no nowhere.spacy" in refused("good.spacy", "nowhere.spacy")
    assert "my.csv is no folder. Give another" in refused("good.spacy", "good.spacy", output="my.csv/ner.cfg")
    assert "SudachiPy" in refused("good.spacy", "good.spacy", "--lang", "ja")
    unknown = refused("good.spacy", "good.spacy", "--lang", "klingon")
    assert "E048" in unknown
    assert "take xx" in unknown


def test_documents_without_entities_get_no_config(tmp_path: Path, refused: Callable[..., str]) -> None:
    write_corpus(tmp_path / "good.spacy")
    doc = NLP.make_doc("Alice lives in Berlin")
    doc.ents = ()
    DocBin(docs=[doc]).to_disk(tmp_path / "bare.spacy")
    said = refused("bare.spacy", "good.spacy")
    assert "No entity is annotated in bare.spacy: there is nothing to learn." in said
    assert "spans" not in said
    doc.spans["sc"] = [doc[3:4]]
    DocBin(docs=[doc]).to_disk(tmp_path / "bare.spacy")
    said = refused("bare.spacy", "good.spacy")
    assert 'There are spans in doc.spans["sc"]' in said
    assert "--spans-key sc" in said


def test_an_unreadable_corpus_leaves_no_config(tmp_path: Path, refused: Callable[..., str]) -> None:
    (tmp_path / "train.spacy").write_bytes(b"no corpus")
    assert "train.spacy is no intact .spacy file" in refused("train.spacy", "train.spacy")


# Encoders


def test_encoders_are_tried_once_each(
    tiny_encoder: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPACY_CONFIG_OVERRIDES", "--training.max_steps 30 --training.eval_frequency 15")
    train = write_corpus(tmp_path / "train.spacy")
    arguments = ("compare-encoders", f"{tiny_encoder('bert')}:1", "--train", train, "--dev", train)
    said = command(*arguments)
    (figures,) = tmp_path.glob("encoders/*/figures.json")
    tried = json.loads(figures.read_text())
    assert 0 <= tried["span_f"] <= 1
    assert min(tried[key] for key in ("minutes", "words_per_s", "peak_bytes", "bytes")) > 0
    assert f"{tried['span_f']:.3f} * {tried['macro_f']:.3f}" in said
    model = load_config(figures.with_name("config.cfg"))["components"]["transformer"]["model"]
    assert model["layers"] == 2
    monkeypatch.setattr(subprocess, "run", None)  # nothing is trained
    assert f"{tried['span_f']:.3f} * {tried['macro_f']:.3f}" in command(*arguments)


def test_one_encoder_that_fails_does_not_hide_the_others(
    tiny_encoder: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is anything deleted that the command has not made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPACY_CONFIG_OVERRIDES", "--training.max_steps 4 --training.eval_frequency 2")
    train, encoder = write_corpus(tmp_path / "train.spacy"), tiny_encoder("bert")
    mine = tmp_path / "encoders" / short_name(f"{encoder}:0")
    mine.mkdir(parents=True)
    (mine / "notes.txt").write_text("of mine")
    corpora = ("--train", train, "--dev", train)
    said = command("compare-encoders", f"{encoder}:9", f"{encoder}:0", f"{encoder}:1", *corpora, fails=True)
    assert "It has 2 layers, and 9 are asked for" in said
    assert "has files of others, which stay" in said
    assert (mine / "notes.txt").read_text() == "of mine"
    assert "2 of 3 encoders could not be tried" in said
    assert len(list(tmp_path.glob("encoders/*/figures.json"))) == 1
    bare = write_bare(tmp_path / "bare.spacy")
    said = command("compare-encoders", encoder, "--train", bare, "--dev", train, fails=True)
    assert f"No entity is annotated in {bare}" in said


def write_bare(path: Path) -> Path:
    DocBin(docs=[doc_of("nothing", "here").reference]).to_disk(path)
    return path
