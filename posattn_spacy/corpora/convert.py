"""Conversion: from a corpus to .spacy files, split, with all counts."""

import json
import os
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Collection, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from spacy.tokens import Doc
from spacy.util import get_lang_class
from spacy.vocab import Vocab, create_vocab

from ..annotated import UnreadableError, read_annotated, text_key
from ..partial import is_annotated
from ..writing import replacing
from .docs import count_docs, have_fields, join_docs, kept_attrs, store_docs
from .files import content_md5, naming_obstacles, read_bytes
from .parts import advise_part, find_parts, is_single
from .read import SUFFIXES, Documents, Format, Reading, read_documents
from .sentences import CorpusError, Counts, Repair
from .spacing import unspaced_share
from .splits import FILE_ORDER, GIVEN, PARTS, Splitter, cut_off_end, file_order

ACCOUNT_NAME = "corpus.json"
SPLITTERS: Dict[str, Splitter] = {FILE_ORDER: file_order}
# Languages without spaces between words that spaCy has tokenizers for.
_UNSPACED_LANGS = ("zh", "ja", "th")

# The documents of each part, by split.
Splits = Dict[str, Dict[str, List[Doc]]]


@dataclass(frozen=True)
class PartCounts:
    """The counts of one part of a split."""

    documents: int
    counts: Counts


@dataclass(frozen=True)
class CutOff:
    """The sentence that was left out because the file ends in the middle of it."""

    sentence: str
    tokens: int
    entities: int


@dataclass(frozen=True)
class Account:
    """What a conversion read, repaired and wrote.

    about (Mapping[str, Any]): What is known of the corpus besides.
    n_sents (int): How many sentences make one document.
    read (Counts): What was read, a cut-off sentence included.
    splits (Dict[str, Dict[str, PartCounts]]): What was written, by split and part.
    cut_off (Optional[CutOff]): The cut-off sentence.
    repairs (Dict[Repair, int]): What was repaired, and how often.
    notes (List[str]): What the user should know, one sentence each.
    misfits (List[Dict[str, str]]): Marks of annotation tools that fit no tokens, each with its document.
    removed (List[Path]): Files of another corpus that were removed; no part of corpus.json, which is the
        same for the same corpus.
    moved (List[str]): What moved into train from where an earlier conversion had it; no part of it, either.
    """

    about: Mapping[str, Any]
    n_sents: int
    read: Counts
    splits: Dict[str, Dict[str, PartCounts]]
    cut_off: Optional[CutOff]
    repairs: Dict[Repair, int]
    notes: List[str]
    misfits: List[Dict[str, str]]
    removed: List[Path]
    moved: List[str]

    def to_json(self) -> Dict[str, Any]:
        """Build what is written to corpus.json; the counts of a part stand side by side."""
        return {
            **self.about,
            "n_sents": self.n_sents,
            "read": asdict(self.read),
            "splits": {
                split: {part: {"documents": of.documents, **asdict(of.counts)} for part, of in parts.items()}
                for split, parts in self.splits.items()
            },
            "cut_off": None if self.cut_off is None else asdict(self.cut_off),
            "repairs": {repair.many: n for repair, n in self.repairs.items()},
            "notes": self.notes,
            **({"misfits": self.misfits} if self.misfits else {}),
        }


def convert(
    path: Path,
    out_dir: Path,
    options: Format,
    *,
    n_sents: int = 1,
    lang: str = "en",
    shares: Optional[Mapping[str, float]] = None,
    splitters: Mapping[str, Splitter] = SPLITTERS,
    about: Optional[Mapping[str, Any]] = None,
) -> Account:
    """Convert a corpus to .spacy files: OUT_DIR/SPLIT/{train,dev,test}.spacy and corpus.json.

    path (Path): The corpus. A folder with a file per part keeps the split it has, "given".
    out_dir (Path): The folder to write to.
    options (Format): What the files do not say about themselves.
    n_sents (int): How many consecutive sentences of a part make one document.
    lang (str): The language code of the documents; its tokenizer parts texts that have no tokens.
    shares (Optional[Mapping[str, float]]): Which share of train is cut off for dev or test, where a folder
        has no file for it.
    splitters (Mapping[str, Splitter]): How a single file is split, by the names of the splits.
    about (Optional[Mapping[str, Any]]): What else is written to corpus.json; by default the checksum of the
        corpus.
    RETURNS (Account): What was read, repaired and written.
    RAISES (CorpusError): If the corpus breaks its format, a part would be empty, the corpus lies where the
        splits are written, there are files of others, or nothing can be written.
    """
    if n_sents < 1:
        raise CorpusError(f"--n-sents is {n_sents}: a document needs at least one sentence.")
    if not os.path.exists(path):  # Path.exists raises where a folder can't be entered
        raise CorpusError(f"There is no corpus {path}. Check the path.")
    names = {*splitters, GIVEN}
    _check_place(path, out_dir, names)
    vocab = _make_vocab(lang)
    if path.is_dir() and not is_single(path):
        files, splits, notes = _read_folder(path, Reading(vocab, lang, options), shares or {})
    else:
        files, splits, notes = _read_file(path, Reading(vocab, lang, options), shares or {}, splitters)
    # Everything is checked before anything is written.
    read_notes = [*(note for file in files for note in file.notes), *notes]
    for split, parts in splits.items():
        for part in PARTS:
            _check_part(path, split, part, parts, read_notes)
    made_before = _check_out_dir(out_dir, splits)
    joined = _joined(files, splits, n_sents)
    account = _account(path, files, splits, joined, n_sents, [*read_notes, *_doubt_lang(splits, lang)], about)
    account.moved.extend(_moved_into_train(out_dir, splits))
    with naming_obstacles(out_dir):
        _write(joined, out_dir, account)
        account.removed.extend(_remove_splits(out_dir, (made_before & names) - set(splits)))
    return account


def convert_to_file(
    path: Path, file: Path, options: Format, *, n_sents: int = 1, lang: str = "en"
) -> Account:
    """Convert a corpus to one .spacy file, as it is, with its account beside it.

    path (Path): The corpus, a file or a folder of brat. The other arguments are those of `convert`.
    file (Path): The file to write; `account_of` says what the account is called.
    RETURNS (Account): What was read, repaired and written.
    RAISES (CorpusError): If the corpus breaks its format, has no sentence, the file was made of another
        corpus and has documents that this one lacks, or nothing can be written.
    """
    if n_sents < 1:
        raise CorpusError(f"--n-sents is {n_sents}: a document needs at least one sentence.")
    if path.resolve() == file.resolve():
        raise CorpusError(f"{file} is the corpus itself. Give another file to write to.")
    documents = read_documents(path, Reading(_make_vocab(lang), lang, options))
    docs = documents.docs[: documents.cut_off]
    if not any(map(len, docs)):
        empty = f"{path}: empty corpus, there is no sentence in it. Give one that has any."
        raise CorpusError(" ".join([empty, *documents.notes]))
    account_file = account_of(file)
    splits = {"all": {"all": docs}}
    joined = _joined([documents], splits, n_sents)
    _insist_nothing_lost(path, joined.splits["all"]["all"], file, account_file)
    notes = [*documents.notes, *_doubt_lang(splits, lang)]
    account = _account(path, [documents], splits, joined, n_sents, notes, None)
    with naming_obstacles(file), replacing(file) as temporary, replacing(account_file) as said:
        store_docs(joined.splits["all"]["all"], temporary, joined.attrs, file.name, joined.with_fields)
        said.write_text(json.dumps(account.to_json(), indent=2) + "\n", encoding="utf-8")
    return account


def account_of(file: Path) -> Path:
    """RETURNS (Path): Where the account of a corpus in one file is."""
    return file.with_suffix(".account.json")


class _Joined(NamedTuple):
    """Documents of several sentences each; which attributes are stored, and whether other fields are."""

    splits: Splits
    attrs: List[str]
    with_fields: bool


def _joined(files: Sequence[Documents], splits: Splits, n_sents: int) -> _Joined:
    attrs = kept_attrs(dict.fromkeys(attr for file in files for attr in file.attrs), n_sents)
    return _Joined(
        {
            split: {part: join_docs(docs, n_sents, attrs) for part, docs in parts.items()}
            for split, parts in splits.items()
        },
        attrs,
        n_sents == 1 and have_fields(doc for file in files for doc in file.docs),
    )


def _account(
    path: Path,
    files: Sequence[Documents],
    splits: Splits,
    joined: _Joined,
    n_sents: int,
    notes: Sequence[str],
    about: Optional[Mapping[str, Any]],
) -> Account:
    return Account(
        about={"source": path.resolve().name, "md5": content_md5(path)} if about is None else about,
        n_sents=n_sents,
        read=count_docs(doc for file in files for doc in file.docs),
        splits={
            split: {
                part: PartCounts(len(docs), count_docs(splits[split][part])) for part, docs in parts.items()
            }
            for split, parts in joined.splits.items()
        },
        cut_off=next((cut for cut in map(_cut_off, files) if cut), None),
        repairs=dict(sum((file.repairs for file in files), Counter())),
        notes=list(dict.fromkeys(notes)),
        misfits=[misfit for file in files for misfit in file.misfits.to_json()],
        removed=[],
        moved=[],
    )


def _write(joined: _Joined, out_dir: Path, account: Account) -> None:
    """Write all files before the first one takes its place."""
    with ExitStack() as files:  # which takes the last file first: the account is there when all else is
        file = files.enter_context(replacing(out_dir / ACCOUNT_NAME))
        for split, parts in joined.splits.items():
            for part, docs in parts.items():
                path = out_dir / split / f"{part}.spacy"
                temporary, name = files.enter_context(replacing(path)), f"{split}/{path.name}"
                store_docs(docs, temporary, joined.attrs, name, joined.with_fields)
        file.write_text(json.dumps(account.to_json(), indent=2) + "\n", encoding="utf-8")


def _read_file(
    path: Path,
    reading: Reading,
    shares: Mapping[str, float],
    splitters: Mapping[str, Splitter],
) -> Tuple[List[Documents], Splits, List[str]]:
    """Read a single file, and cut it in all ways."""
    if shares:
        raise CorpusError(
            f"{path}: a single file is cut 70/15/15 as it is. Leave {_options(shares)} out, or pass a folder "
            "with a file for train."
        )
    documents = read_documents(path, reading)
    found = {name: split(documents.ids, documents.cut_off) for name, split in splitters.items()}
    splits = {
        split: {part: [documents.docs[i] for i in indices] for part, indices in parts.items()}
        for split, parts in found.items()
    }
    return [documents], splits, []


def _read_folder(
    folder: Path, reading: Reading, shares: Mapping[str, float]
) -> Tuple[List[Documents], Splits, List[str]]:
    """Read a file per part, and cut parts that are missing off train."""
    paths, notes = find_parts(folder, SUFFIXES)
    needless = {part: share for part, share in shares.items() if part in paths}
    if needless:
        names = ", ".join(paths[part].name for part in needless)
        raise CorpusError(f"{folder} has {names} already. Leave {_options(needless)} out.")
    missing = [part for part in PARTS if part not in paths and part not in shares]
    if missing:
        there = ", ".join(path.name for path in paths.values())
        raise CorpusError(
            f"{folder} has {there}, but nothing for {' and '.join(missing)}. Let there be a file "
            f"{' and one '.join(map(advise_part, missing))}; or cut off the end of train with "
            f"{' '.join(f'--{part}-share 0.1' for part in missing)}."
        )
    read = {part: read_documents(path, reading) for part, path in paths.items()}
    parts = {part: documents.docs[: documents.cut_off] for part, documents in read.items()}
    train = parts["train"]
    if shares:
        cut = cut_off_end(len(train), shares)
        parts |= {part: [train[i] for i in indices] for part, indices in cut.items()}
        sizes = ", ".join(f"{part} {len(indices):,}" for part, indices in cut.items())
        notes.append(
            f"The {len(train):,} sentences of {paths['train'].name} were cut in their order: {sizes}."
        )
    return list(read.values()), {GIVEN: {part: parts[part] for part in PARTS}}, notes


def _options(shares: Mapping[str, float]) -> str:
    return " and ".join(f"--{part}-share" for part in shares)


def _doubt_lang(splits: Splits, lang: str) -> List[str]:
    """Say so if the tokenizer of the language parts words at spaces that the text has not."""
    first, *_ = (docs for parts in splits.values() for docs in parts.values())  # train, or all
    docs = islice(first, 1000)
    if lang in _UNSPACED_LANGS or unspaced_share("".join(doc.text for doc in docs)) < 0.5:
        return []
    return [
        f'The text is written without spaces between words, but the tokenizer of "{lang}" splits at spaces: '
        "in raw text it will not find these words. Pass the language with --lang (spaCy has zh, ja and th)."
    ]


def _make_vocab(lang: str) -> Vocab:
    # A whole pipeline object would load every installed component first, which takes seconds.
    try:
        return create_vocab(lang, get_lang_class(lang).Defaults)
    except ImportError as error:
        raise CorpusError(f'spaCy has no language "{lang}". Pass another with --lang.') from error


def _check_place(path: Path, out_dir: Path, names: Collection[str]) -> None:
    for split in names:
        if path.resolve().is_relative_to((out_dir / split).resolve()):
            raise CorpusError(
                f"{path} lies in {out_dir / split}, whose files are replaced. Give another folder to write "
                "to, or move the corpus."
            )


def _check_part(
    path: Path, split: str, part: str, parts: Mapping[str, List[Doc]], notes: Sequence[str]
) -> None:
    docs, n_all = parts[part], sum(map(len, parts.values()))
    if not any(len(doc) for doc in docs):
        empty = (
            f"{path}: empty corpus, the {part} part of the split {split} has no sentence, of {n_all} in all. "
            "Give a corpus with at least a few sentences for every part (in columned text a blank line ends "
            "a sentence); or a name that ends in .spacy to write to, to have all of it in one file."
        )
        raise CorpusError(" ".join([empty, *notes]))
    if part == "train" and not any(map(is_annotated, docs)):
        bare = (
            f"{path}: the train part of the split {split} has no entity. "
            "Check that the tags are where they are looked for (--tag-column in columned text, --spans-key "
            "in .spacy files)."
        )
        raise CorpusError(" ".join([bare, *notes]))


def _cut_off(documents: Documents) -> Optional[CutOff]:
    if documents.cut_off is None:
        return None
    doc = documents.docs[documents.cut_off]
    return CutOff(documents.ids[documents.cut_off], len(doc), len(doc.ents))


def _check_out_dir(out_dir: Path, splits: Collection[str]) -> Set[str]:
    """See to it that only what a conversion wrote is replaced; return the splits that were written before."""
    account = out_dir / ACCOUNT_NAME
    made = set(_account_before(account)["splits"])
    for split in splits:
        files = [path for path in _paths(out_dir, split) if path.exists()]
        if files and split not in made:
            raise CorpusError(
                f"{files[0]} is there already, and no conversion that {account} tells of wrote it. Write to "
                "another folder, or move it."
            )
    return made


def _account_before(account: Path) -> Dict[str, Any]:
    """What an earlier conversion tells of itself, nothing if there was none; another file is none of ours."""
    if not account.is_file():
        return {"splits": []}
    try:
        before: Dict[str, Any] = json.loads(read_bytes(account))
        return {**before, "splits": list(before["splits"])}
    except (ValueError, KeyError, TypeError) as error:
        raise CorpusError(
            f"{account} is there already, and no conversion wrote it. Write to another folder, or move it."
        ) from error


def _insist_nothing_lost(path: Path, docs: Iterable[Doc], file: Path, account: Path) -> None:
    """See to it that what is made of another corpus replaces a file only if it has its sentences."""
    source = _account_before(account).get("source")
    if source in (None, path.resolve().name):
        return
    before = _stored_sentences(file)
    lost = before - _sentences(docs)
    if lost:
        raise CorpusError(
            f"{file} is there already, made of {source}, and has {len(lost):,} of {len(before):,} sentences "
            f"that {path.name} lacks: they would be lost. Give another name, such as "
            f"{file.with_stem(f'{file.stem}-2')}; or move it."
        )


def _moved_into_train(out_dir: Path, splits: Splits) -> List[str]:
    """Say so if what an earlier conversion to the same place has put into dev or test is in train now."""
    notes = []
    for split, parts in splits.items():
        train, dev, test = map(_stored_sentences, _paths(out_dir, split))
        new = _sentences(parts["train"]) - train if dev or test else set()
        for part, before in (("dev", dev), ("test", test)):
            if before & new:
                notes.append(
                    f"Sentences that were in {part} of {split} before and are in train now: "
                    f"{len(before & new):,} of {len(before):,}. Scores of before and after do not compare. "
                    f"To have the former {part} again, convert the former corpus again, and what is new to "
                    f"a file of its own, such as {out_dir / 'new.spacy'}."
                )
    return notes


def _stored_sentences(file: Path) -> Set[str]:
    """Those of a file of documents that gives way to another; none if it is missing or damaged."""
    try:
        return _sentences(read_annotated(file, Vocab()))
    except UnreadableError:
        return set()


def _sentences(docs: Iterable[Doc]) -> Set[str]:
    """The sentences of documents, whatever is joined to one document, and whatever their white space."""
    marked = (doc.sents if doc.has_annotation("SENT_START") else [doc] for doc in docs if len(doc))
    return {text_key(sentence.text) for sentences in marked for sentence in sentences}


def _paths(out_dir: Path, split: str) -> List[Path]:
    return [out_dir / split / f"{part}.spacy" for part in PARTS]


def _remove_splits(out_dir: Path, splits: Collection[str]) -> List[Path]:
    """Remove what the conversion of another corpus left behind, lest a training run mixes the two."""
    stale = [file for split in sorted(splits) for file in _paths(out_dir, split) if file.is_file()]
    for file in stale:
        file.unlink()
    return stale
