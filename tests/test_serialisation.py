"""A pipeline on its way to bytes, to disk, to another process and to worker processes."""

import json
import shutil
from pathlib import Path
from typing import Any, List

import numpy as np
import pytest
import spacy
import torch
from spacy.language import Language

from pipelines import GOLD, MASKS, TEXTS, entities, frozen_pipeline, make_examples, plain_pipeline, train
from processes import run

SHOW = "[[[e.start_char, e.end_char, e.label_] for e in doc.ents] for doc in docs]"
EXPECTED = [[list(entity) for entity in entities] for entities in GOLD]


@pytest.fixture(scope="module")
def trained() -> Language:
    nlp = plain_pipeline()
    train(nlp, 60)
    return nlp


@pytest.fixture(scope="module")
def on_transformer(tiny_encoder: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a trained pipeline with a frozen transformer; the encoder it came from is gone."""
    folder = tmp_path_factory.mktemp("pipeline")
    shutil.copytree(tiny_encoder("bert"), folder / "encoder")
    nlp = frozen_pipeline(folder / "encoder")
    train(nlp, 80)
    nlp.to_disk(folder / "model")
    shutil.rmtree(folder / "encoder")
    return folder / "model"


def scores(nlp: Language) -> List[np.ndarray]:
    model = nlp.get_pipe("posattn_ner").model
    return [model.predict([doc]).tags for doc in nlp.pipe(TEXTS)]


# Checkpoints


def test_an_encoder_is_written_again_only_if_something_has_changed(tiny_encoder, tmp_path):
    nlp = frozen_pipeline(tiny_encoder("bert"))
    train(nlp, 2)
    model, file = nlp.get_pipe("transformer").model, tmp_path / "model-last" / "transformer" / "model"

    def is_written() -> bool:
        before = file.stat().st_ino if file.exists() else None
        nlp.to_disk(tmp_path / "model-last")
        assert file.read_bytes() == model.to_bytes()
        assert [each.name for each in file.parent.glob(".*")] == []
        return file.stat().st_ino != before

    def change_a_weight() -> None:
        next(model.shims[0]._model.parameters()).data[0, 0] += 1

    def change_a_setting() -> None:
        model.attrs["batch_pieces"] += 1

    def change_the_file() -> None:
        file.write_bytes(bytes(file.stat().st_size))

    def delete_the_file() -> None:
        file.unlink()

    def load_it_anew() -> None:
        model.from_disk(file)

    assert is_written()
    assert not is_written()
    for change in (change_a_weight, change_a_setting, change_the_file, delete_the_file):
        change()
        assert is_written(), change.__name__
        assert not is_written()
    load_it_anew()
    assert not is_written()
    shutil.rmtree(tmp_path / "model-last")
    assert is_written()


def test_an_encoder_is_written_to_another_place_and_by_another_pipeline(tiny_encoder, tmp_path):
    nlp, other = (frozen_pipeline(tiny_encoder("bert")) for _ in range(2))
    for each in (nlp, other):
        train(each, 2)
    next(other.get_pipe("transformer").model.shims[0]._model.parameters()).data[0, 0] += 1
    for each in (nlp, other, nlp):
        for folder in ("one", "two"):
            each.to_disk(tmp_path / folder)
            written = (tmp_path / folder / "transformer" / "model").read_bytes()
            assert written == each.get_pipe("transformer").model.to_bytes()


# Bytes


@pytest.mark.parametrize("mask", MASKS)
def test_a_component_is_the_same_after_bytes(mask):
    nlp, other = plain_pipeline(mask=mask), plain_pipeline(mask=mask)
    train(nlp, 3)
    pipe, copy = nlp.get_pipe("posattn_ner"), other.get_pipe("posattn_ner")
    copy.from_bytes(pipe.to_bytes())
    assert copy.labels == pipe.labels == ("geo", "per")
    assert copy.cfg == pipe.cfg
    assert copy.to_bytes() == pipe.to_bytes()
    for one, two in zip(scores(nlp), scores(other), strict=True):
        assert np.array_equal(one, two)


def test_a_pipeline_is_the_same_after_bytes(trained):
    other = plain_pipeline().from_bytes(trained.to_bytes())
    assert other.to_bytes() == trained.to_bytes()
    assert entities(other) == GOLD


def test_a_head_on_a_transformer_is_the_same_after_bytes(on_transformer):
    nlp = spacy.load(on_transformer)
    other = spacy.load(on_transformer)
    head = nlp.get_pipe("posattn_ner").model.get_ref("output_layer").shims[0]._model
    head.tags.weight.data.add_(torch.randn_like(head.tags.weight))
    other.get_pipe("posattn_ner").from_bytes(nlp.get_pipe("posattn_ner").to_bytes())
    assert other.get_pipe("posattn_ner").to_bytes() == nlp.get_pipe("posattn_ner").to_bytes()
    for one, two in zip(scores(nlp), scores(other), strict=True):
        assert np.array_equal(one, two)


def test_the_order_of_the_labels_survives():
    nlp, other = plain_pipeline(), plain_pipeline()
    examples = make_examples(nlp)
    nlp.get_pipe("posattn_ner").initialize(lambda: examples, labels=["per", "geo"])
    other.get_pipe("posattn_ner").from_bytes(nlp.get_pipe("posattn_ner").to_bytes())
    assert other.get_pipe("posattn_ner").labels == ("per", "geo")


def test_an_uninitialized_component_survives():
    pipe, copy = (plain_pipeline().get_pipe("posattn_ner") for _ in range(2))
    pipe.add_label("per")
    copy.from_bytes(pipe.to_bytes())
    assert copy.labels == ("per",)
    assert copy.add_label("geo") == 1


def test_the_vocabulary_may_be_left_out(trained):
    pipe, copy = trained.get_pipe("posattn_ner"), plain_pipeline().get_pipe("posattn_ner")
    data = pipe.to_bytes(exclude=["vocab"])
    assert len(data) < len(pipe.to_bytes())
    copy.from_bytes(data, exclude=["vocab"])
    assert copy.labels == pipe.labels
    assert copy.to_bytes(exclude=["vocab"]) == data


def test_the_model_may_be_left_out(trained):
    nlp = plain_pipeline()
    copy = nlp.get_pipe("posattn_ner")
    copy.from_bytes(trained.get_pipe("posattn_ner").to_bytes(exclude=["model"]))
    assert copy.labels == ("geo", "per")
    with pytest.raises(ValueError, match="E109"):
        nlp(TEXTS[0])


# Disk


@pytest.mark.parametrize("exclude", [["vocab"], ["model"]])
def test_what_is_excluded_is_not_on_disk(trained, tmp_path, exclude):
    trained.get_pipe("posattn_ner").to_disk(tmp_path / "pipe", exclude=exclude)
    written = {path.name for path in (tmp_path / "pipe").iterdir()}
    assert written == {"vocab", "model", "cfg"} - set(exclude)
    copy = plain_pipeline().get_pipe("posattn_ner")
    copy.from_disk(tmp_path / "pipe", exclude=exclude)
    assert copy.labels == ("geo", "per")


def test_a_pipeline_predicts_the_same_from_disk(trained, tmp_path):
    trained.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert entities(loaded) == GOLD
    for one, two in zip(scores(trained), scores(loaded), strict=True):
        assert np.array_equal(one, two)


def test_settings_survive_the_disk(tmp_path):
    nlp = plain_pipeline(settings={"overwrite": True, "positional_weight": 0.75}, mask="hard", pad_ratio=0.5)
    train(nlp, 1)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert loaded.get_pipe("posattn_ner").cfg == nlp.get_pipe("posattn_ner").cfg
    config = loaded.get_pipe("posattn_ner").model.get_ref("output_layer").shims[0]._model.config
    assert (config.mask, config.pad_ratio) == ("hard", 0.5)


def test_a_label_can_be_added_after_loading(trained, tmp_path):
    trained.to_disk(tmp_path)
    nlp = spacy.load(tmp_path)
    assert nlp.get_pipe("posattn_ner").add_label("org") == 1
    nlp.to_disk(tmp_path / "wider")
    assert spacy.load(tmp_path / "wider").get_pipe("posattn_ner").labels[-1] == "org"


def test_a_loaded_pipeline_trains_on(on_transformer):
    nlp = spacy.load(on_transformer)
    before = nlp.get_pipe("posattn_ner").model.to_bytes()
    encoder = nlp.get_pipe("transformer").model.to_bytes()
    optimizer = nlp.resume_training()
    losses = nlp.update(make_examples(nlp), sgd=optimizer, losses={})
    assert 0 < losses["posattn_ner"] < 0.1
    assert nlp.get_pipe("posattn_ner").model.to_bytes() != before
    assert nlp.get_pipe("transformer").model.to_bytes() == encoder


# Other processes


def test_a_fresh_process_needs_no_import(on_transformer):
    script = (
        "import json, sys, spacy\n"
        "nlp = spacy.load(sys.argv[1])\n"
        "docs = list(nlp.pipe(json.loads(sys.argv[2])))\n"
        f"print(json.dumps({SHOW}))\n"
    )
    result = run("-I", "-c", script, on_transformer, json.dumps(TEXTS))
    assert json.loads(result.stdout.splitlines()[-1]) == EXPECTED


def test_worker_processes_find_the_same(on_transformer):
    script = (
        "import json, sys, spacy, torch\n"
        "if __name__ == '__main__':\n"
        "    torch.set_num_threads(2)\n"
        "    torch.ones(512, 512) @ torch.ones(512, 512)  # starts the threads that do not survive a fork\n"
        "    nlp = spacy.load(sys.argv[1])\n"
        "    texts = json.loads(sys.argv[2]) * 5\n"
        "    docs = list(nlp.pipe(texts))\n"
        f"    one = {SHOW}\n"
        "    docs = list(nlp.pipe(texts, n_process=2, batch_size=3))\n"
        f"    print(json.dumps([one, {SHOW}]))\n"
    )
    result = run("-c", script, on_transformer, json.dumps([*TEXTS, ""]))
    one, two = json.loads(result.stdout.splitlines()[-1])
    assert one == two == [*EXPECTED, []] * 5
