"""Fetching encoders into the project."""

import os
from pathlib import Path

import pytest
import torch
from transformers import AutoModel

from encoders import write_bert
from posattn_spacy.frozen.download import encoder_folder, fetch_encoder, short_name
from processes import command, script


def test_folder_is_copied_with_its_tokenizer(tmp_path: Path) -> None:
    source = write_bert(tmp_path / "source")
    n_weights = fetch_encoder(str(source), tmp_path / "deep" / "copy")
    copied = {path.name for path in (tmp_path / "deep" / "copy").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= copied
    assert n_weights > 0
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["copy"]  # no temporary folder


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_files_have_the_mode_that_new_files_have(tmp_path: Path, mask: int) -> None:
    source = write_bert(tmp_path / "source")
    before = os.umask(mask)
    try:
        fetch_encoder(str(source), tmp_path / "copy")
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "copy").iterdir()}
    assert modes == dict.fromkeys(modes, 0o666 & ~mask)


def test_the_lowest_layers_of_an_encoder_are_an_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = write_bert(tmp_path / "source")
    folder = encoder_folder(f"{source}:1")
    assert folder.parent == Path("assets/encoder")
    assert folder != encoder_folder(f"{write_bert(tmp_path / 'other' / 'source')}:1")
    fetch_encoder(f"{source}:1", folder)
    ids = torch.tensor([[1, 2, 3]])
    whole, cut = (
        AutoModel.from_pretrained(path).eval()(ids, output_hidden_states=True).hidden_states
        for path in (source, folder)
    )
    assert len(cut) == 2 < len(whole)
    assert torch.equal(cut[1], whole[1])
    assert encoder_folder(str(source)) == source
    with pytest.raises(ValueError, match=r"It has 2 layers, and 3 are asked for"):
        fetch_encoder(f"{source}:3", folder)


def test_files_of_an_encoder_are_called_as_those_of_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = write_bert(tmp_path / "all-MiniLM-L6-v2")
    names = ["me/bert", "me--bert-3", "me/bert:3", "bert:3", f"{source}:1", str(source), "all-MiniLM-L6-v2:1"]
    assert len({short_name(name) for name in names[:-1]}) == len(names) - 1
    # A folder of that name is meant, whole or cut.
    assert short_name("all-MiniLM-L6-v2:1") == short_name(f"{source}:1")
    before = short_name(str(source))
    (source / "model.safetensors").write_bytes(b"trained on")
    assert short_name(str(source)) != before


def test_fetching_again_replaces_what_is_there(tmp_path: Path) -> None:
    source = write_bert(tmp_path / "source")
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "stale.txt").write_text("stale")
    fetch_encoder(str(source), tmp_path / "copy")
    assert not (tmp_path / "copy" / "stale.txt").exists()


def test_unknown_encoder_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    said = command("no/such-encoder", tmp_path / "copy", app=script("encoder"), fails=True)
    assert "'no/such-encoder' can't be had" in said
    assert not (tmp_path / "copy").exists()


@pytest.mark.minilm
def test_default_encoder_comes_with_its_package(tmp_path: Path) -> None:
    assert fetch_encoder("all-MiniLM-L6-v2", tmp_path / "minilm") == pytest.approx(22.7e6, rel=0.01)
