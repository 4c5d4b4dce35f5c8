"""What to annotate next."""

import json
import math
from pathlib import Path
from typing import Callable, List

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import DocBin

from pipelines import TEXTS, frozen_pipeline, train
from posattn_spacy import looks
from posattn_spacy.annotating.suggest import Suggestion, doubtful, spread, suggest
from processes import command

NAME = "posattn_ner"
POOL = [
    *TEXTS,
    "Alice Smith of Berlin spoke in London",
    "Peru",
    "It cost $ 5 million , said Bob Jones of Peru .",
]


@pytest.fixture
def nlp(tiny_encoder: Callable[[str], Path]) -> Language:
    nlp = frozen_pipeline(tiny_encoder("bert"))
    nlp.add_pipe("sentencizer", first=True)
    train(nlp, 12)
    return nlp


def text(entropy: float, words: int = 10, place: List[float] | None = None, number: int = 0) -> Suggestion:
    where = np.array(place or [number, 1.0], dtype=np.float16)
    return Suggestion(number, f"text {number}", words, entropy, -entropy, where)


def test_what_is_not_known_of_a_document_is_that_of_its_sentences(nlp: Language) -> None:
    sentences = [f"{text.removesuffix(' .')} ." for text in POOL]
    alone = list(doubtful(nlp, sentences, set()))
    (joined,) = doubtful(nlp, [" ".join(sentences)], set())
    assert joined.words == sum(each.words for each in alone)
    assert joined.entropy == pytest.approx(sum(each.entropy for each in alone), rel=1e-3)
    assert joined.log_best == pytest.approx(sum(each.log_best for each in alone), rel=1e-3)


def test_all_is_as_the_lattice_has_it(nlp: Language) -> None:
    pipe = nlp.get_pipe(NAME)
    found = list(doubtful(nlp, POOL, set()))
    assert [each.number for each in found] == list(range(len(POOL)))
    for each in found:
        doc = nlp.get_pipe("transformer")(nlp.make_doc(each.text))
        lattice = pipe.lattice([doc], pipe.model.predict([doc]))
        unknown = lattice.unknown(lattice.best())
        assert each.words == len(doc)
        assert each.entropy == pytest.approx(float(unknown.entropy), rel=1e-3)
        assert each.log_best == pytest.approx(float(unknown.log_best), rel=1e-3)


def test_each_text_counts_as_the_look_that_settles_it_sees_it(
    nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = nlp.get_pipe(NAME)
    by_encoder = list(doubtful(nlp, POOL, set()))
    pipe.cfg["second_look"] = 0.0
    by_first = list(doubtful(nlp, POOL, set()))
    sure = sorted(math.exp(each.log_best / each.words) for each in by_first)
    pipe.cfg["second_look"] = threshold = (sure[2] + sure[3]) / 2
    monkeypatch.setattr(looks, "AT_ONCE", 16)
    for each, one, other in zip(doubtful(nlp, POOL, set()), by_first, by_encoder, strict=True):
        first = math.exp(one.log_best / one.words) >= threshold
        expected = one if first else other
        assert each.words == expected.words
        assert each.entropy == pytest.approx(expected.entropy, rel=1e-3)


def test_a_document_too_long_to_be_looked_at_twice_counts_too(
    nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = list(doubtful(nlp, POOL, set()))
    nlp.get_pipe(NAME).cfg["second_look"] = 1.0
    monkeypatch.setattr(looks, "LONG", 5)
    found = list(doubtful(nlp, POOL, set()))
    assert [each.entropy for each in found] == pytest.approx([each.entropy for each in expected], rel=1e-3)


def test_texts_that_are_known_or_come_again_or_are_empty_are_left_out(nlp: Language) -> None:
    found = suggest(nlp, [POOL[0], "", " ", POOL[1], POOL[0], POOL[2]], n_texts=9, known=[POOL[1]])
    assert sorted(each.number for each in found) == [0, 5]


def test_who_looks_is_told_what_is_missing(nlp: Language) -> None:
    pipe = nlp.get_pipe(NAME)
    with pytest.raises(ValueError, match="transformer"):
        next(pipe.see([nlp.make_doc(POOL[0])]))
    pipe.cfg["threshold"] = 2.0
    with pytest.raises(ValueError, match="threshold"):
        list(doubtful(nlp, POOL, set()))


@pytest.mark.parametrize("asked", [{}, {"n_texts": 1, "n_words": 1}, {"n_texts": 0}, {"n_words": -1}])
def test_how_much_is_asked_for_has_to_be_said(nlp: Language, asked: dict) -> None:
    with pytest.raises(ValueError, match="how many"):
        suggest(nlp, POOL, **asked)


def test_what_is_kept_to_choose_from_is_bounded(nlp: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen_from: List[int] = []

    def choose(pool: List[Suggestion], asked: int, size: object) -> List[Suggestion]:
        chosen_from.append(len(pool))
        assert [each.score for each in pool] == sorted((each.score for each in pool), reverse=True)
        return pool[:asked]

    monkeypatch.setattr("posattn_spacy.annotating.suggest.spread", choose)
    texts = [f"{POOL[0]} {i}" for i in range(100)]
    everything = sorted(doubtful(nlp, texts, set()), key=lambda each: -each.score)
    found = suggest(nlp, texts, n_texts=2)
    assert [each.score for each in found] == pytest.approx([each.score for each in everything[:2]])
    words = everything[0].words
    suggest(nlp, texts, n_words=2 * words)
    assert chosen_from == [20, 20]


def test_a_text_like_one_that_was_chosen_counts_less() -> None:
    pool = [
        text(9.0, place=[1, 0, 0], number=0),
        text(8.9, place=[1, 0, 0.1], number=1),
        text(5.0, place=[0, 1, 0], number=2),
        text(1.0, place=[0, 0, 1], number=3),
    ]
    assert [each.number for each in spread(pool, 2, lambda each: 1)] == [0, 2]


@given(
    st.lists(st.tuples(st.floats(0.1, 9), st.integers(1, 30)), min_size=1, max_size=20), st.integers(1, 100)
)
def test_words_are_no_more_than_asked_for_and_none_that_fits_is_left(texts: list, asked: int) -> None:
    pool = [text(entropy, words, number=i) for i, (entropy, words) in enumerate(texts)]
    chosen = spread(pool, asked, lambda each: each.words)
    fitting = [each for each in pool if each.words <= asked] or pool
    assert chosen[0].score == max(each.score for each in fitting)
    assert len({each.number for each in chosen}) == len(chosen)
    left = asked - sum(each.words for each in chosen)
    assert left >= 0 or len(chosen) == 1
    if left >= 0:
        assert not [each for each in pool if each.words <= left and each not in chosen]


def test_the_command_writes_texts_for_a_tool(nlp: Language, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path / "model")
    (tmp_path / "texts.txt").write_text("\n".join(POOL), encoding="utf-8")
    DocBin(docs=[spacy.blank("xx")(POOL[0])]).to_disk(tmp_path / "known.spacy")
    args = ["suggest", tmp_path / "model", tmp_path / "texts.txt", tmp_path / "next.jsonl"]
    said = command(*args, "--texts", 3, "--known", tmp_path / "known.spacy")
    assert "3 texts with" in said
    lines = (tmp_path / "next.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    assert len(texts) == 3
    assert set(texts) < set(POOL) - {POOL[0]}
    expected = suggest(spacy.load(tmp_path / "model"), POOL, n_texts=3, known=[POOL[0]])
    assert texts == [each.text for each in expected]
    assert "entropy per word" in lines[0]
    for tool, name in (
        ("doccano", "out.jsonl"),
        ("label-studio", "out.json"),
        ("label-studio", "tasks"),
        ("prodigy", "out.txt"),
        ("jsonl", "out.ndjson"),
    ):  # what is out to be annotated
        out = tmp_path / name
        command("export", tmp_path / "known.spacy", out, "--to", tool)
        command(*args[:3], tmp_path / "more.jsonl", "--known", out, "--known", tmp_path / "next.jsonl")
        more = (tmp_path / "more.jsonl").read_text(encoding="utf-8").splitlines()
        assert {json.loads(line)["text"] for line in more} == set(POOL) - {POOL[0]} - set(texts)
    command("export", tmp_path / "known.spacy", tmp_path / "out.conll", "--to", "conll")
    assert "columns do not tell" in command(*args, "--known", tmp_path / "out.conll", fails=True)
    assert "not both" in command(*args, "--texts", 3, "--words", 10, fails=True)
    assert "no such tool" in command(*args, "--to", "brat", fails=True)
    (tmp_path / "texts.txt").write_text("\n", encoding="utf-8")
    assert "no text in" in command(*args, fails=True)
