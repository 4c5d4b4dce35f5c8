import json
from pathlib import Path
from typing import Callable, Dict, List

import pytest
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from posattn_spacy.corpora.convert import convert, convert_to_file
from posattn_spacy.corpora.docs import make_doc, read_docs
from posattn_spacy.corpora.read import Format
from posattn_spacy.corpora.sentences import CorpusError, Sentence
from posattn_spacy.corpora.splits import PARTS
from small_corpora import SENTENCE, conll_text, kaggle_rows, run_convert

WriteCsv = Callable[..., Path]
WORDS = [word for word, _ in SENTENCE]


def parts_of(folder: Path, vocab: Vocab) -> Dict[str, List[Doc]]:
    return {part: read_docs(folder / f"{part}.spacy", vocab).docs for part in PARTS}


def write_docbin(path: Path, vocab: Vocab, n: int) -> None:
    words, tags = (list(column) for column in zip(*SENTENCE, strict=True))
    docs = [make_doc(Sentence(str(i), [f"{i}", *words], ["O", *tags]), vocab) for i in range(n)]
    docs[0][3].is_sent_start = True
    DocBin(docs=docs).to_disk(path)


def test_convert_splits_a_table_in_its_order(write_csv: WriteCsv, vocab: Vocab, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = convert(write_csv(kaggle_rows(20)), out, Format())
    docs = parts_of(out / "file-order", vocab)
    assert [len(docs[part]) for part in PARTS] == [14, 3, 3]
    firsts = [doc[0].text for part in PARTS for doc in docs[part]]
    assert firsts == [f"Ann{i}" for i in range(20)]
    assert docs["train"][0].text == "Ann0 Lee left Oslo."
    assert [(ent.text, ent.label_) for ent in docs["train"][0].ents] == [
        ("Ann0 Lee", "per"),
        ("Oslo", "geo"),
    ]
    assert docs["train"][0][0].tag_ == "NNP"
    written = json.loads((out / "corpus.json").read_text())
    assert written == report.to_json()
    assert written["splits"]["file-order"]["test"] == {
        "documents": 3,
        "sentences": 3,
        "tokens": 15,
        "entities": 6,
        "types": {"per": 3, "geo": 3},
    }
    assert written["read"]["sentences"] == 20
    assert (written["n_sents"], written["cut_off"]) == (1, None)


def test_convert_gives_the_same_bytes_twice(write_csv: WriteCsv, tmp_path: Path) -> None:
    source = write_csv(kaggle_rows(10))
    for out in ("a", "b"):
        convert(source, tmp_path / out, Format())
    for file in sorted((tmp_path / "a").rglob("*.*")):
        other = tmp_path / "b" / file.relative_to(tmp_path / "a")
        assert file.read_bytes() == other.read_bytes()


def test_convert_joins_sentences_within_a_part(write_csv: WriteCsv, vocab: Vocab, tmp_path: Path) -> None:
    source = write_csv(kaggle_rows(20))
    single = convert(source, tmp_path / "single", Format())
    joined = convert(source, tmp_path / "joined", Format(), n_sents=4)
    docs = parts_of(tmp_path / "joined" / "file-order", vocab)
    assert [len(docs[part]) for part in PARTS] == [4, 1, 1]
    assert docs["dev"][0].text == "Ann14 Lee left Oslo. Ann15 Lee left Oslo. Ann16 Lee left Oslo."
    assert [len(sentence) for sentence in docs["dev"][0].sents] == [5, 5, 5]
    assert not parts_of(tmp_path / "single" / "file-order", vocab)["dev"][0].has_annotation("SENT_START")
    for split, parts in single.splits.items():
        for part, of in parts.items():
            assert joined.splits[split][part].counts == of.counts


def test_convert_leaves_the_cut_off_sentence_out(
    write_csv: WriteCsv, vocab: Vocab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posattn_spacy.corpora.tables.ROW_LIMIT", 102)
    rows = kaggle_rows(21)[:103]
    report = convert(write_csv(rows), tmp_path / "out", Format())
    written = json.loads((tmp_path / "out" / "corpus.json").read_text())
    assert written["cut_off"] == {"sentence": "Sentence: 21", "tokens": 2, "entities": 1}
    assert "row limit" in report.notes[0]
    for parts in report.splits.values():
        assert sum(of.counts.sentences for of in parts.values()) == 20
    for split in report.splits:
        docs = parts_of(tmp_path / "out" / split, vocab)
        assert "Ann20" not in [doc[0].text for part in PARTS for doc in docs[part]]


@pytest.mark.parametrize(
    "names",
    [
        ["train.conll", "dev.conll", "test.conll"],
        ["train.txt", "valid.txt", "test.txt"],
        ["train.iob", "testa.bio", "testb.tsv"],
        ["eng.train", "eng.testa", "eng.testb"],
        ["my_train.conll", "my_devel.conll", "my-test.conll"],
        ["wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated"],
        ["train", "development", "test"],
        ["Training.txt", "Validation.txt", "Testing.txt"],
    ],
)
def test_convert_takes_a_given_split(vocab: Vocab, tmp_path: Path, names: List[str]) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "README.md").write_text("about")
    for i, name in enumerate(names):
        (folder / name).write_text(conll_text(i + 1))
    report = convert(folder, tmp_path / "out", Format())
    assert list(report.splits) == ["given"]
    docs = parts_of(tmp_path / "out" / "given", vocab)
    assert [len(docs[part]) for part in PARTS] == [1, 2, 3]
    assert [token.text for token in docs["test"][2]] == WORDS
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["corpus.json", "given"]


def test_convert_leaves_the_cut_off_sentence_out_of_a_given_part(
    write_csv: WriteCsv, vocab: Vocab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posattn_spacy.corpora.tables.ROW_LIMIT", 12)
    folder = tmp_path / "own"
    folder.mkdir()
    write_csv(kaggle_rows(3)[:13]).rename(folder / "train.csv")
    for part in ("dev", "test"):
        (folder / f"{part}.conll").write_text(conll_text(1))
    report = convert(folder, tmp_path / "out", Format())
    assert report.cut_off is not None
    assert report.cut_off.sentence == "Sentence: 3"
    docs = parts_of(tmp_path / "out" / "given", vocab)
    assert [doc[0].text for doc in docs["train"]] == ["Ann0", "Ann1"]


def test_convert_takes_mixed_formats(write_csv: WriteCsv, vocab: Vocab, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    write_csv(kaggle_rows(3)).rename(folder / "train.csv")
    (folder / "dev.conll").write_text(conll_text(1))
    write_docbin(folder / "test.spacy", vocab, 2)
    convert(folder, tmp_path / "out", Format())
    docs = parts_of(tmp_path / "out" / "given", vocab)
    assert [len(docs[part]) for part in PARTS] == [3, 1, 2]
    assert all(doc.ents for part in PARTS for doc in docs[part])


def test_convert_splits_a_docbin_and_leaves_its_docs_alone(vocab: Vocab, tmp_path: Path) -> None:
    path = tmp_path / "own.spacy"
    write_docbin(path, vocab, 20)
    before = read_docs(path, vocab).docs
    convert(path, tmp_path / "out", Format())
    docs = parts_of(tmp_path / "out" / "file-order", vocab)
    after = [doc for part in PARTS for doc in docs[part]]
    assert [doc.to_json() for doc in after] == [doc.to_json() for doc in before]
    assert after[0][3].is_sent_start


def test_convert_removes_the_splits_of_another_corpus(write_csv: WriteCsv, tmp_path: Path) -> None:
    out = tmp_path / "out"
    convert(write_csv(kaggle_rows(10)), out, Format())
    folder = tmp_path / "own"
    folder.mkdir()
    for part in PARTS:
        (folder / f"{part}.conll").write_text(conll_text(1))
    report = convert(folder, out, Format())
    assert sorted(path.parent.name for path in out.rglob("*.spacy")) == ["given"] * 3
    assert len(report.removed) == 3
    known = (out / "corpus.json").read_bytes()
    assert not convert(folder, out, Format()).removed
    assert (out / "corpus.json").read_bytes() == known


@pytest.mark.parametrize("n_sents", [1, 3])
def test_convert_says_what_moves_from_dev_and_test_into_train(
    write_csv: WriteCsv, tmp_path: Path, n_sents: int
) -> None:
    """As it happens when the same project is exported once more, with more in it."""
    out = tmp_path / "out"
    for n, moved in ((20, []), (20, []), (40, ["dev", "test"]), (40, [])):
        account = convert(write_csv(kaggle_rows(n)), out, Format(), n_sents=n_sents)
        assert [note.split()[4] for note in account.moved] == moved
        if moved:
            assert "before and are in train now: 3 of 3" in account.moved[0]
            assert "new.spacy" in account.moved[0]
            written = (out / "corpus.json").read_bytes()
    assert (out / "corpus.json").read_bytes() == written
    for part in ("dev", "test"):
        (out / "file-order" / f"{part}.spacy").write_bytes(b"damaged")
    assert convert(write_csv(kaggle_rows(80)), out, Format()).moved == []


def test_a_file_gives_way_to_another_corpus_only_if_nothing_is_lost(tmp_path: Path) -> None:
    first, second, out = tmp_path / "first.conll", tmp_path / "second.conll", tmp_path / "new.spacy"
    first.write_text(conll_text(2), encoding="utf-8")
    other = conll_text(1).replace("Oslo", "Bergen")
    second.write_text(other, encoding="utf-8")
    convert_to_file(first, out, Format())
    before = out.read_bytes()
    with pytest.raises(CorpusError, match=r"made of first\.conll.*1 of 1 sentences.*second\.conll.*new-2\."):
        convert_to_file(second, out, Format())
    assert out.read_bytes() == before
    second.write_text(f"{other}\n{conll_text(1)}", encoding="utf-8")
    assert convert_to_file(second, out, Format()).read.sentences == 2
    second.write_text(other, encoding="utf-8")
    assert convert_to_file(second, out, Format()).read.sentences == 1  # that is what it has become


@pytest.mark.parametrize(
    "name", ["corpus.json", "file-order/dev.spacy", "file-order/train.spacy", "given/train.spacy"]
)
def test_convert_leaves_files_alone_that_it_did_not_write(
    write_csv: WriteCsv, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "out" / name
    path.parent.mkdir(parents=True)
    path.write_text('[{"text": "annotated by hand"}]')
    source = write_csv(kaggle_rows(10))
    if name.startswith("given"):  # no split of this corpus: not removed either
        assert not convert(source, tmp_path / "out", Format()).removed
        assert not convert(source, tmp_path / "out", Format()).removed
    else:
        with pytest.raises(
            CorpusError, match=rf"{name} is there already.* Write to another folder, or move it"
        ):
            convert(source, tmp_path / "out", Format())
    assert path.read_text() == '[{"text": "annotated by hand"}]'


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"train": "", "test": ""},
            r"has train\.conll, test\.conll, but nothing for dev\. Let .*--dev-share 0\.1",
        ),
        (
            {"train": "", "dev": "", "valid": "", "test": ""},
            r"several files for dev: dev\.conll, valid\.conll",
        ),
        ({"train": "a B-x\n", "dev": "\n", "test": "a O\n"}, "empty corpus, the dev part"),
        ({"train": "a O\n", "dev": "a O\n", "test": "a O\n"}, "train part .* has no entity"),
        ({"train": "a B-x\n", "dev": "a I-x\nb X\n", "test": ""}, r"dev\.conll, line 2"),
    ],
)
def test_convert_error_on_an_unfit_folder(tmp_path: Path, files: Dict[str, str], message: str) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.conll").write_text(text)
    with pytest.raises(CorpusError, match=message):
        convert(folder, tmp_path / "out", Format())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "text", "options", "message"),
    [
        ("own.csv", "Sentence #,Word,Tag\n", Format(), r"own\.csv: empty corpus, the train part"),
        ("own.txt", "", Format(), "empty corpus"),
        ("own.txt", "a B-x\n\nb O\n\nc O\n", Format(), "empty corpus, the dev part"),
        ("own.xyz", "a\n", Format(), r'ending in "\.xyz" is no known corpus format'),
        ("own.csv", "", Format(tag_column=3), r"--tag-column are for columned text"),
        ("own.spacy", "hello", Format(), r"own\.spacy is no \.spacy file"),
    ],
)
def test_convert_error_on_an_unfit_file(
    tmp_path: Path, name: str, text: str, options: Format, message: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(CorpusError, match=message):
        convert(tmp_path / name, tmp_path / "out", options)
    assert not (tmp_path / "out").exists()


def test_convert_error_on_an_unknown_language(write_csv: WriteCsv, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r'no language "xyz".*--lang'):
        convert(write_csv(kaggle_rows(4)), tmp_path / "out", Format(), lang="xyz")


def test_convert_error_on_no_sentences_per_document(write_csv: WriteCsv, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="--n-sents is 0"):
        convert(write_csv(kaggle_rows(4)), tmp_path / "out", Format(), n_sents=0)


def test_convert_command_reports_every_repair(tmp_path: Path) -> None:
    text = "1 a I-x\n2 b B-x\n\n3 c O\n\n4 d I-x\n5\n\n" + "6 e B-x\n\n" * 4
    (tmp_path / "own.txt").write_text(text, encoding="latin-1")
    args = ["own.txt", "out", "--word-column", 1, "--tag-column", 2, "--lang", "xx"]
    failed = run_convert(*args, cwd=tmp_path)
    assert failed.code == 1
    assert "own.txt, line 7: missing columns, found only 1." in failed.output
    assert "Traceback" not in failed.output
    assert not (tmp_path / "out").exists()
    repaired = run_convert(*args, "--repair", cwd=tmp_path)
    assert repaired.code == 0, repaired.output
    assert "Repaired: 2 tags that continue no entity" in repaired.output
    assert "Repaired: 1 row with missing columns, dropped" in repaired.output
    repairs = json.loads((tmp_path / "out" / "corpus.json").read_text())["repairs"]
    assert sorted(repairs.values()) == [1, 2]


@pytest.mark.parametrize("source", ["corpus/given", "corpus/given/train.spacy"])
def test_a_corpus_is_not_replaced_by_what_is_made_of_it(source: str, vocab: Vocab, tmp_path: Path) -> None:
    for part in PARTS:
        path = tmp_path / f"corpus/given/{part}.spacy"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_docbin(path, vocab, 10)
    before = {path: path.read_bytes() for path in (tmp_path / "corpus/given").iterdir()}
    with pytest.raises(CorpusError, match="Give another folder to write to"):
        convert(tmp_path / source, tmp_path / "corpus", Format())
    assert {path: path.read_bytes() for path in (tmp_path / "corpus/given").iterdir()} == before
    convert(tmp_path / source, tmp_path / "elsewhere", Format())
