"""The corpora: found on disk or fetched, and converted as users convert them."""

import os
import shutil
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence

import spacy
import srsly

from posattn_spacy.corpora.convert import ACCOUNT_NAME, convert
from posattn_spacy.corpora.docs import read_docs
from posattn_spacy.corpora.files import content_md5, md5
from posattn_spacy.corpora.read import Format
from posattn_spacy.corpora.sentences import CorpusError
from posattn_spacy.corpora.splits import FILE_ORDER, GIVEN

from ..fetching import download
from ..gmb.conversion import convert_located
from ..gmb.locate import DATA_VARIABLE, identify, locate_corpus
from ..grid.subsets import draw
from ..provenance import digest

ASSETS = Path("assets")
SAMPLE = ASSETS / "sample/sample.csv"
CONVERTING_CODE = Path("digests/corpus.txt")
GMB = "gmb"
TITLES = {"ncbi-disease": "NCBI-disease", "wnut17": "WNUT-17", GMB: "GMB"}


class Corpus(NamedTuple):
    """A corpus that is ready to be learned from.

    name (str): Under which its figures are kept.
    title (str): As people call it.
    folder (Path): Has train.spacy, dev.spacy and test.spacy.
    about (Dict[str, Any]): What its conversion has noted.
    """

    name: str
    title: str
    folder: Path
    about: Dict[str, Any]

    def words(self, part: str) -> int:
        """RETURNS (int): How many tokens a part has."""
        tokens: int = self.about["splits"][self.folder.name][part]["tokens"]
        return tokens


class Asset(NamedTuple):
    """A published file, as project.yml lists it.

    place (Path): Where it lies, seen from the folder for assets.
    url (str): Where it is published.
    checksum (str): Its MD5.
    """

    place: Path
    url: str
    checksum: str


def prepare(name: str, lang: str, converted: Path) -> Corpus:
    """Find a corpus and convert it, if that has not been done.

    name (str): One of `TITLES`, or the path of a corpus of one's own; "gmb:100" has a hundred documents of
        GMB to learn from.
    lang (str): Language of the corpus.
    converted (Path): Folder for converted corpora.
    RETURNS (Corpus): The corpus.
    RAISES (CorpusError): If it can't be found or converted.
    """
    whole, _, size = name.partition(":")
    if whole in TITLES and size:
        if not size.isdecimal():
            raise CorpusError(f"There is no corpus {name}: a number stands behind the colon.")
        return part_of(prepare(whole, lang, converted), int(size))
    source = find(name)
    made_of = {"md5": content_md5(source), "lang": lang, "code": digest([CONVERTING_CODE])}
    short = name if name in TITLES else f"{source.resolve().stem}-{made_of['md5'][:8]}"
    out_dir = converted / short
    note = out_dir / "made.json"
    if not note.is_file() or srsly.read_json(note) != made_of:
        if name == GMB:
            convert_located(identify(source), out_dir, Format(), lang=lang)
        else:
            about = {"kind": short, "md5": made_of["md5"]}
            with _with_advice(source):
                convert(source, out_dir, Format(), lang=lang, about=about)
        srsly.write_json(note, made_of)
    about = srsly.read_json(out_dir / ACCOUNT_NAME)
    split = GIVEN if GIVEN in about["splits"] else FILE_ORDER
    return Corpus(short, TITLES.get(name, source.resolve().stem), out_dir / split, about)


@contextmanager
def _with_advice(source: Path) -> Iterator[None]:
    """What `convert` needs to be told, it can't be told from here."""
    try:
        yield
    except CorpusError as error:
        raise CorpusError(
            f"{error} Options are given to `python -m spacy posattn convert {source} OUT_DIR`; then name a "
            "folder of OUT_DIR here."
        ) from error


def part_of(corpus: Corpus, n_docs: int) -> Corpus:
    """Take a part of a corpus to learn from, and all of it to be measured on.

    corpus (Corpus): The corpus.
    n_docs (int): How many documents to learn from.
    RETURNS (Corpus): The part.
    """
    folder = corpus.folder.with_name(f"{corpus.folder.name}-{n_docs}")
    folder.mkdir(exist_ok=True)
    stored = read_docs(corpus.folder / "train.spacy", spacy.blank("xx").vocab)
    if n_docs > len(stored.docs):
        raise CorpusError(f"{corpus.title} has {len(stored.docs):,} sentences to learn from, not {n_docs:,}.")
    draw(stored, n_docs, folder / "train.spacy")
    for part in ("dev.spacy", "test.spacy"):
        shutil.copyfile(corpus.folder / part, folder / part)
    words = sum(map(len, read_docs(folder / "train.spacy", spacy.blank("xx").vocab).docs))
    splits = corpus.about["splits"]
    own = {**splits[corpus.folder.name], "train": {"tokens": words}}
    about = {**corpus.about, "splits": {**splits, folder.name: own}}
    return Corpus(f"{corpus.name}-{n_docs}", f"{corpus.title}, {n_docs:,} sentences", folder, about)


def find(name: str) -> Path:
    """Find the files of a corpus.

    name (str): One of `TITLES`, or the path of a corpus of one's own.
    RETURNS (Path): A file or folder.
    RAISES (CorpusError): If there is no such corpus, or a published one is neither on disk nor to be had.
    """
    if name == GMB:
        located, notes = locate_corpus(None, ASSETS, SAMPLE)
        if located.kind != GMB:
            raise CorpusError(f"There is no {TITLES[GMB]}. {' '.join(notes)}")
        return located.path
    if name in TITLES:
        return fetch(name, [asset for asset in listed() if asset.place.parent.name == name])
    if not Path(name).exists():
        raise CorpusError(f"There is no corpus {name}: choose from {', '.join(TITLES)}, or give a path.")
    return Path(name)


def listed(project: Path = Path("project.yml")) -> List[Asset]:
    """RETURNS (List[Asset]): The published files that a project lists."""
    assets = srsly.read_yaml(project)["assets"]
    return [Asset(Path(each["dest"]).relative_to(ASSETS), each["url"], each["checksum"]) for each in assets]


def fetch(name: str, files: Sequence[Asset]) -> Path:
    """Find the files of a published corpus beside each other, or download them.

    name (str): Its name.
    files (Sequence[Asset]): Its files.
    RETURNS (Path): Their folder.
    RAISES (CorpusError): If they are neither on disk nor to be had, or one is not what it should be.
    """
    data = os.environ.get(DATA_VARIABLE)
    for root in (ASSETS, *([Path(data)] if data else [])):
        if all((root / file.place).is_file() for file in files):
            for file in files:
                _check(root / file.place, file)
            return (root / files[0].place).parent
    for file in files:
        try:
            download(file.url, ASSETS / file.place, file.checksum)
        except (OSError, HTTPException, ValueError) as error:
            raise CorpusError(
                f"{TITLES[name]}: {file.url} could not be downloaded ({error}), and neither {ASSETS} nor "
                f"{DATA_VARIABLE} has {file.place}. Put its files into {ASSETS / files[0].place.parent}."
            ) from error
    return (ASSETS / files[0].place).parent


def _check(path: Path, file: Asset) -> None:
    found = md5(path.read_bytes())
    if found != file.checksum:
        raise CorpusError(
            f"{path}: wrong checksum, expected {file.checksum}, got {found}. Put it here anew from "
            f"{file.url}."
        )
