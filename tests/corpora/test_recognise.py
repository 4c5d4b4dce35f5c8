"""The ways that messages show lead to a corpus."""

import json
import re
from pathlib import Path
from typing import Any, Dict, List

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from malformed import BRACKETED, CONLLU, ENTITIES, KINDS, PIPED, PLACES, SPACY2, TEXT, N, rows
from spacy.cli.convert import convert as spacy_convert
from spacy.tokens import Doc, DocBin

from posattn_spacy.corpora.convert import convert
from posattn_spacy.corpora.read import Format
from posattn_spacy.corpora.recognise import recognise

FILES = sorted({(name, content) for kind in KINDS for name, content in kind.mended.items()})
READ = [(name, content) for name, content in FILES if name.endswith((".conll", ".csv", ".tsv"))]


def advice(name: str, content: bytes) -> str:
    foreign = recognise(Path(name), content)
    assert foreign is not None
    return str(foreign.refusal(Path(name)))


def converted(folder: Path, name: str) -> int:
    return convert(folder / name, folder / "out", Format()).read.entities


@pytest.mark.parametrize(("name", "content"), READ)
def test_what_is_read_is_recognised_as_nothing_else(name: str, content: bytes) -> None:
    assert recognise(Path(name), content) is None


@pytest.mark.parametrize(
    ("name", "content", "n_ents"),
    [
        ("own.conllu", b"# sent_id = 1\n" + CONLLU, ENTITIES),
        ("own.txt", b"# sent_id = 1\n" + CONLLU, ENTITIES),
        ("own.iob", PIPED, ENTITIES),
        ("own.json", json.dumps(SPACY2).encode(), N),
    ],
)
def test_spacys_own_command_does_what_is_said_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, n_ents: int
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(content)
    command = re.search(r"`python -m spacy convert (\S+) (\S+) --converter (\w+)`", advice(name, content))
    assert command is not None
    spacy_convert(Path(command[1]), command[2], file_type="spacy", converter=command[3], silent=True)
    assert converted(tmp_path, "own.spacy") == n_ents


def test_texts_with_places_become_a_corpus_as_the_message_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    message = advice("own.jsonl", json.dumps({"content": TEXT, "annotation": []}).encode())
    shown = re.search(r"\{.*\}", message)
    assert shown is not None
    keys = json.loads(shown[0]).keys()
    line = json.dumps(dict(zip(keys, (TEXT, PLACES), strict=True)))
    Path("corpus.jsonl").write_text(f"{line}\n" * N, encoding="utf-8")
    assert converted(tmp_path, "corpus.jsonl") == ENTITIES


def test_words_with_tags_become_a_corpus_as_the_message_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    message = advice("own.jsonl", json.dumps({"tokenized_text": ["Mara"], "ner": [[0, 0, "PER"]]}).encode())
    code = re.search(r"with spaCy: (Doc\(.*?\)), with.*?(DocBin\(.*?\)) stores them", message)
    assert code is not None
    names: Dict[str, Any] = {"nlp": spacy.blank("en"), "tokens": ["Mara", "moved"], "tags": ["B-PER", "O"]}
    names |= {"Doc": Doc, "DocBin": DocBin}
    exec(code[2], {**names, "docs": [eval(code[1], names) for _ in range(N)]})
    assert converted(tmp_path, "corpus.spacy") == N


def test_brackets_become_tags_as_the_message_says(tmp_path: Path) -> None:
    assert "Write (GPE* as B-GPE, the * and *) behind it as I-GPE" in advice("own.conll", BRACKETED)
    tags = {"(PER*": "B-PER", "*)": "I-PER", "(LOC)": "B-LOC", "*": "O"}
    changed = [[*row[:-1], tags[row[-1]]] if row else row for row in map(split, BRACKETED.splitlines())]
    (tmp_path / "own.conll").write_text("\n".join("\t".join(row) for row in changed))
    report = convert(tmp_path / "own.conll", tmp_path / "out", Format(word_column=3))
    assert report.read.entities == ENTITIES
    assert report.read.tokens == sum(map(bool, rows()))


def split(line: bytes) -> List[str]:
    return line.decode().split()


@given(st.binary(max_size=200), st.sampled_from(["own.txt", "own.json", "own.jsonl", "own", "own.csv"]))
@settings(deadline=None)
def test_recognise_takes_any_bytes(data: bytes, name: str) -> None:
    foreign = recognise(Path(name), data)
    assert foreign is None or str(foreign.refusal(Path(name))).startswith(f"{name} is ")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["text", "label", "data", "tokens", "tags", "x", "paragraphs"]), inner
        )
    ),
    max_leaves=8,
)


@given(JSON)
@settings(deadline=None)
def test_recognise_takes_any_json(value: Any) -> None:
    foreign = recognise(Path("own.json"), json.dumps(value).encode())
    assert foreign is None or "JSON" in foreign.name
