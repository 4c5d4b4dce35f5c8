"""Folders of pipelines that are damaged, mixed up or hostile: a message that names the file, no more."""

import json
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, Set

import pytest
import spacy
import srsly

from hostile import HEAD, KINDS, TRANSFORMER, Kind, Message, Payload, Place, model, pickled, settings
from old_format import torch_save
from pipelines import LEXICAL, TEXTS, TRAIN_DATA, entities, frozen_pipeline, plain_pipeline, train
from posattn_spacy.saving import sealed


@pytest.fixture(scope="module")
def saved(tiny_encoder: Any, tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Path]:
    """A saved pipeline, another one with other labels and fewer layers, and one that owns its transformer."""
    root = tmp_path_factory.mktemp("saved")
    nlp = frozen_pipeline(tiny_encoder("bert"), lexical=LEXICAL)
    train(nlp, 40)
    nlp.to_disk(root / "pipeline")
    data = [("Alice Smith visited Berlin .", {"entities": [(0, 11, "person")]}), *TRAIN_DATA[1:]]
    other = frozen_pipeline(tiny_encoder("bert"), layers=[2], lexical=LEXICAL)
    train(other, 1, data)
    other.to_disk(root / "other")
    nlp.replace_listeners("transformer", "posattn_ner", ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    nlp.to_disk(root / "owner")
    return {path.name: path for path in root.iterdir()}


@pytest.fixture(scope="module")
def expected(saved: Dict[str, Path]) -> Any:
    """What the pipeline finds before it is spoilt."""
    return entities(spacy.load(saved["pipeline"]))


@pytest.fixture
def place(saved: Dict[str, Path], tmp_path: Path) -> Place:
    shutil.copytree(saved["pipeline"], tmp_path / "pipeline")
    return Place(tmp_path / "pipeline", saved["other"], tmp_path / "marker")


def files(folder: Path) -> Set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_there_are_many_kinds():
    assert len(KINDS) >= 20


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.filterwarnings("ignore:Automatically converting a transformer component:UserWarning")
def test_a_spoilt_folder_is_named_and_runs_nothing(place, tmp_path, expected, name):
    kind: Kind = KINDS[name]
    kind.spoil(place)
    before = files(tmp_path)
    if kind.names is None:
        assert entities(spacy.load(place.folder)) == expected
    else:
        with pytest.raises(ValueError, match=r"Take (the folder|both) from") as error:
            spacy.load(place.folder)(TEXTS[0])
        assert kind.names in str(error.value)
    assert files(tmp_path) == before  # no marker, and nothing else


@pytest.mark.parametrize("file", ["cfg", "model"])
def test_files_of_two_pipelines_with_as_many_labels_are_told_apart(tmp_path: Path, file: str) -> None:
    for folder, label in (("one", "geo"), ("other", "drug")):
        nlp = plain_pipeline()
        text, annotation = TRAIN_DATA[0]
        spans = [(start, end, label) for start, end, _ in annotation["entities"]]
        train(nlp, 2, [(text, {"entities": spans})])
        nlp.to_disk(tmp_path / folder)
    shutil.copy(tmp_path / "other/posattn_ner" / file, tmp_path / "one/posattn_ner" / file)
    with pytest.raises(ValueError, match=r"one/posattn_ner' can't be used: .* are of different pipelines"):
        spacy.load(tmp_path / "one")
    spacy.load(tmp_path / "other")


def test_a_transformer_file_that_is_missing_is_named_by_spacy(place):
    (place.folder / TRANSFORMER).unlink()
    with pytest.raises(FileNotFoundError, match=TRANSFORMER):
        spacy.load(place.folder)


# A transformer within the component that it feeds


def of_encoder(change: Callable[[Message, Path], Any]) -> Callable[[Message, Place], None]:
    """Change the message of the encoder in a component's model."""

    def change_model(message: Message, place: Place) -> None:
        for shims in message["shims"]:
            own = srsly.msgpack_loads(shims[0]) if shims else {}
            if "tokenizer" in own:
                change(own, place.marker)
                own.pop("checksum", None)
                shims[0] = sealed(own) if isinstance(own["tokenizer"], str) else srsly.msgpack_dumps(own)

    return change_model


def without_change(message: Message, marker: Path) -> None:
    pass


def code_for_weights(message: Message, marker: Path) -> None:
    message.update(tokenizer={}, config={"model_type": "bert"}, state=torch_save(Payload(marker)))


def enormous(message: Message, marker: Path) -> None:
    message["config"] = json.dumps({**json.loads(message["config"]), "hidden_size": 10**12})


def test_a_transformer_within_a_component_is_read(saved, place, expected):
    shutil.copytree(saved["owner"], place.folder, dirs_exist_ok=True)
    model(HEAD, of_encoder(without_change))(place)
    assert entities(spacy.load(place.folder)) == expected != [[]] * len(TEXTS)


@pytest.mark.parametrize("change", [code_for_weights, enormous])
def test_a_hostile_transformer_within_a_component_is_refused(saved, place, tmp_path, change):
    shutil.copytree(saved["owner"], place.folder, dirs_exist_ok=True)
    model(HEAD, of_encoder(change))(place)
    before = files(tmp_path)
    with pytest.raises(ValueError, match=rf"{HEAD}' can't be used: The encoder that is saved"):
        spacy.load(place.folder)
    assert files(tmp_path) == before


# What spaCy reads by itself


@pytest.mark.parametrize(
    "name", ["config.cfg", "meta.json", "tokenizer", "vocab/strings.json", "vocab/vectors", "transformer/cfg"]
)
def test_files_of_spacys_own_run_nothing_either(place, tmp_path, name):
    pickled(name)(place)
    before = files(tmp_path)
    with pytest.raises(Exception, match=r"."):
        spacy.load(place.folder)
    assert files(tmp_path) == before


# Bytes


def test_bytes_are_checked_like_files(saved):
    nlp = spacy.load(saved["pipeline"])
    pipe = nlp.get_pipe("posattn_ner")
    message = srsly.msgpack_loads(pipe.to_bytes(exclude=["vocab"]))
    message["cfg"] = srsly.json_dumps({**pipe.cfg, "temperature": -1}).encode()
    with pytest.raises(ValueError, match=r"the component 'posattn_ner' can't be used: temperature = -1"):
        pipe.from_bytes(srsly.msgpack_dumps(message), exclude=["vocab"])
    with pytest.raises(ValueError, match=r"the component 'posattn_ner' can't be used"):
        pipe.from_bytes(b"\x80")
    with pytest.raises(ValueError, match=r"A transformer's file 'model'"):
        nlp.get_pipe("transformer").model.from_bytes(b"")


def test_a_settings_file_of_a_later_version_may_say_more(place, expected):
    settings(more={"of": "it"})(place)
    assert entities(spacy.load(place.folder)) == expected
