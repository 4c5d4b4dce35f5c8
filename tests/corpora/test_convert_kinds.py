"""Conversion of what is not as usual: missing parts, white space, scripts without spaces, full disks."""

import errno
import json
import os
from pathlib import Path
from typing import Any, Dict, List

import pytest
import spacy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from malformed import KINDS, Kind, docs, spans_docs
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.vocab import Vocab

from posattn_spacy.corpora.convert import Account, convert
from posattn_spacy.corpora.docs import read_docs
from posattn_spacy.corpora.read import Format
from posattn_spacy.corpora.sentences import CorpusError
from posattn_spacy.writing import replacing
from small_corpora import conll_text, run_convert

READ_SUFFIXES = ("conll", "csv", "zip", "spacy", "json", "txt", "annotated", "")


def numbered(n: int) -> str:
    """Columned text whose sentences can be told apart."""
    return "".join(f"Ann{i} B-per\nleft O\n\n" for i in range(n))


def firsts(folder: Path, vocab: Vocab) -> Dict[str, List[str]]:
    return {
        part: [doc[0].text for doc in read_docs(folder / f"{part}.spacy", vocab).docs]
        for part in ("train", "dev", "test")
    }


def write_folder(folder: Path, **texts: str) -> Path:
    folder.mkdir()
    for name, text in texts.items():
        (folder / f"{name}.conll").write_text(text)
    return folder


def test_parts_that_are_missing_are_cut_off_the_end_of_train(vocab: Vocab, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "own", train=numbered(20), test=numbered(3))
    report = convert(folder, tmp_path / "out", Format(), shares={"dev": 0.25})
    names = [f"Ann{i}" for i in range(20)]
    assert firsts(tmp_path / "out" / "given", vocab) == {
        "train": names[:15],
        "dev": names[15:],
        "test": names[:3],
    }
    assert report.read.sentences == 23
    assert "The 20 sentences of train.conll were cut in their order: train 15, dev 5." in report.notes
    alone = write_folder(tmp_path / "alone", train=numbered(20))
    convert(alone, tmp_path / "out", Format(), shares={"test": 0.1, "dev": 0.1})
    assert firsts(tmp_path / "out" / "given", vocab) == {
        "train": names[:16],
        "dev": names[16:18],
        "test": names[18:],
    }


def test_files_of_editors_and_notes_are_no_parts(vocab: Vocab, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "own", train=numbered(2), dev=numbered(1), test=numbered(1))
    for name in (".train.conll.swp", "._dev.conll", "test.conll~", "train.py", "train_test_split.md"):
        (folder / name).write_text("about")
    (folder / "train_dev.conll").write_text(numbered(3))  # both in one, as some corpora have it
    (folder / "dev").mkdir()
    report = convert(folder, tmp_path / "out", Format())
    assert "train_dev.conll was left out: its name says dev and train." in report.notes
    assert firsts(tmp_path / "out" / "given", vocab)["train"] == ["Ann0", "Ann1"]


def spaced_doc(vocab: Vocab) -> Doc:
    """A document with white space at the edges of an entity, one of white space alone, and a sound one."""
    doc = Doc(vocab, words=["Mara", "Quill", "\n", "moved", " ", "to", "Oslo", "."])
    doc.ents = [Span(doc, 0, 3, "PER"), Span(doc, 4, 5, "ORG"), Span(doc, 6, 7, "LOC")]
    return doc


def test_white_space_is_taken_off_entities_and_told(vocab: Vocab, tmp_path: Path) -> None:
    DocBin(docs=[spaced_doc(vocab) for _ in range(10)]).to_disk(tmp_path / "own.spacy")
    report = convert(tmp_path / "own.spacy", tmp_path / "out", Format())
    assert report.read.types == {"PER": 10, "LOC": 10}
    assert report.notes == [
        "Entities that begin or end in white space, which was taken off them: 10 of 30 (the first: "
        "own.spacy, document 1, 'Mara Quill \\n').",
        "Entities of white space alone, which were left out: 10 of 30 (the first: own.spacy, document 1, "
        "' ').",
    ]
    written = read_docs(tmp_path / "out" / "file-order" / "train.spacy", vocab).docs
    assert [(ent.text, ent.label_) for ent in written[0].ents] == [("Mara Quill", "PER"), ("Oslo", "LOC")]
    # What is counted, what is written and what is read back is the same.
    counted = report.splits["file-order"]["train"].counts
    assert counted.entities == sum(len(doc.ents) for doc in written)


def test_entities_across_sentences_are_counted_and_the_cost_told(vocab: Vocab, tmp_path: Path) -> None:
    made = docs(20)
    made[4][1].is_sent_start = True
    DocBin(docs=made).to_disk(tmp_path / "own.spacy")
    report = convert(tmp_path / "own.spacy", tmp_path / "out", Format())
    assert report.read.entities == 40
    (note,) = report.notes
    assert (
        "across the beginning of a sentence: 1 of 40 (the first: own.spacy, document 5, 'Mara Quill')" in note
    )
    assert "gold_preproc = true" in note


def test_entities_are_read_from_spans_on_request(vocab: Vocab, tmp_path: Path) -> None:
    DocBin(docs=spans_docs()).to_disk(tmp_path / "own.spacy")
    result = run_convert("own.spacy", "out", "--spans-key", "sc", cwd=tmp_path)
    assert result.code == 0, result.output
    assert 'The entities were read from doc.spans["sc"]' in result.output
    doc = read_docs(tmp_path / "out" / "file-order" / "train.spacy", vocab).docs[0]
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("Mara Quill", "PER"), ("Oslo", "LOC")]


# From public texts, split as corpora in these languages are: (language, words with tags, text, entities).
LANGUAGES = [
    (
        "zh",
        "苹果 B-ORG|公司 I-ORG|于 O|2007 O|年 O|在 O|旧金山 B-LOC|发布 O|了 O|iPhone B-PRO|。 O",
        "苹果公司于2007年在旧金山发布了iPhone。",
        [("苹果公司", "ORG"), ("旧金山", "LOC"), ("iPhone", "PRO")],
    ),
    (
        "zh",
        "王 B-PER|菲 I-PER|生 O|于 O|北 B-LOC|京 I-LOC|， O|唱 O|过 O|O B-ART|K I-ART|。 O",
        "王菲生于北京，唱过OK。",
        [("王菲", "PER"), ("北京", "LOC"), ("OK", "ART")],
    ),
    (
        "ja",
        "夏目 B-PER|漱石 I-PER|は O|「 O|坊っちゃん B-ART|」 O|を O|東京 B-LOC|で O|書い O|た O|。 O",
        "夏目漱石は「坊っちゃん」を東京で書いた。",
        [("夏目漱石", "PER"), ("坊っちゃん", "ART"), ("東京", "LOC")],
    ),
    (
        "th",
        "กรุงเทพมหานคร B-LOC|เป็น O|เมืองหลวง O|ของ O|ประเทศ B-LOC|ไทย I-LOC",
        "กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย",
        [("กรุงเทพมหานคร", "LOC"), ("ประเทศไทย", "LOC")],
    ),
    (
        "th",
        "บริษัท B-ORG|Apple I-ORG|เปิด O|ร้าน O|ใน O|กรุงเทพ B-LOC|ปี O|2018 O",
        "บริษัท Apple เปิดร้านในกรุงเทพปี 2018",
        [("บริษัท Apple", "ORG"), ("กรุงเทพ", "LOC")],
    ),
    (
        "ko",
        "서울 B-LOC|은 O|大韓民國 B-LOC|의 O|수도 O|다 O|. O",
        "서울 은 大韓民國 의 수도 다.",
        [("서울", "LOC"), ("大韓民國", "LOC")],
    ),
]


@pytest.mark.parametrize(("lang", "rows", "text", "ents"), LANGUAGES)
def test_text_comes_out_as_the_language_writes_it(
    tmp_path: Path, lang: str, rows: str, text: str, ents: List[tuple]
) -> None:
    sentence = rows.replace("|", "\n").replace(" ", "\t") + "\n\n"
    (tmp_path / "own.conll").write_text(sentence * 10)
    report = convert(tmp_path / "own.conll", tmp_path / "out", Format(), lang=lang)
    nlp = spacy.blank(
        "zh" if lang == "zh" else "xx"
    )  # the tokenizers of the others need packages of their own
    doc = read_docs(tmp_path / "out" / "file-order" / "train.spacy", nlp.vocab).docs[0]
    assert doc.text == text
    assert [(text[ent.start_char : ent.end_char], ent.label_) for ent in doc.ents] == ents
    assert report.notes == ["The tags were read as IOB2."]
    if lang == "zh":
        gold = Example(nlp.make_doc(text), doc).get_aligned_ner()
        assert None not in gold
        assert sum(tag[0] in "BU" for tag in gold) == len(ents)


def test_sentences_without_spaces_are_joined_without(tmp_path: Path) -> None:
    (tmp_path / "own.conll").write_text("小 B-PER\n明 I-PER\n来 O\n。 O\n\n" * 10)
    convert(tmp_path / "own.conll", tmp_path / "out", Format(), lang="zh", n_sents=3)
    doc = read_docs(tmp_path / "out" / "file-order" / "train.spacy", spacy.blank("xx").vocab).docs[0]
    assert doc.text == "小明来。" * 3
    assert [sentence.text for sentence in doc.sents] == ["小明来。"] * 3


def test_a_language_that_splits_at_spaces_is_doubted(tmp_path: Path) -> None:
    (tmp_path / "own.conll").write_text("小 B-PER\n明 I-PER\n来 O\n。 O\n\n" * 10)
    report = convert(tmp_path / "own.conll", tmp_path / "out", Format(), lang="en")
    assert 'the tokenizer of "en" splits at spaces' in report.notes[-1]
    assert "--lang" in report.notes[-1]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
@pytest.mark.parametrize("nth", [1, 2, 4])
def test_what_was_there_stays_when_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, nth: int
) -> None:
    (tmp_path / "own.conll").write_text(conll_text(20))
    (tmp_path / "new.conll").write_text(conll_text(30))
    out = tmp_path / "out"
    convert(tmp_path / "own.conll", out, Format())
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    calls = 0

    def fail(path: Path) -> Any:
        nonlocal calls
        calls += 1
        if calls == nth:
            raise OSError(number, os.strerror(number), str(path))
        return replacing(path)

    monkeypatch.setattr("posattn_spacy.corpora.convert.replacing", fail)
    with pytest.raises(CorpusError, match=r"out cannot be written: .*(Make some|Write to another folder)"):
        convert(tmp_path / "new.conll", out, Format())
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_convert_command_says_what_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "own.conll").write_text(conll_text(20))
    (tmp_path / "out").write_text("notes")
    result = run_convert("own.conll", "out", cwd=tmp_path)
    assert result.code == 1
    assert "out is a file, where a folder is needed. Write to another folder." in result.output
    assert "Traceback" not in result.output
    assert (tmp_path / "out").read_text() == "notes"


def test_convert_command_cuts_dev_off_train(tmp_path: Path) -> None:
    write_folder(tmp_path / "own", train=numbered(20), test=numbered(4))
    failed = run_convert("own", "out", cwd=tmp_path)
    assert failed.code == 1
    assert "--dev-share 0.1" in failed.output
    result = run_convert("own", "out", "--dev-share", 0.1, cwd=tmp_path)
    assert result.code == 0, result.output
    assert (
        json.loads((tmp_path / "out" / "corpus.json").read_text())["splits"]["given"]["dev"]["sentences"] == 2
    )


KIND = st.sampled_from(KINDS)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """What lies in a corpus of some kind, with bytes changed, left out, or put in."""
    kind: Kind = draw(KIND)
    content = draw(st.sampled_from([*kind.broken.values(), *kind.mended.values()]))[:600]
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(content)))
        stop = draw(st.integers(start, min(len(content), start + 20)))
        content = content[:start] + draw(st.binary(max_size=3)) + content[stop:]
    return content


@given(damaged(), st.sampled_from(READ_SUFFIXES), st.booleans())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_converted_or_named(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, suffix: str, repair: bool
) -> None:
    folder = tmp_path_factory.mktemp("any")
    path = folder / f"own.{suffix}".rstrip(".")
    path.write_bytes(content)
    try:
        report: Account = convert(path, folder / "out", Format(repair=repair))
    except CorpusError:
        assert os.listdir(folder) == [path.name]
    else:
        assert report.read.entities > 0
    assert path.read_bytes() == content
