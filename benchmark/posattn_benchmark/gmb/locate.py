"""Finding the corpus: the user's own, the published one on disk or online, or the sample."""

import json
import os
import zipfile
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import List, Optional, Tuple

from posattn_spacy.corpora.files import content_md5, md5, naming_obstacles, read_bytes
from posattn_spacy.corpora.recognise import check_is_known
from posattn_spacy.corpora.sentences import CorpusError
from posattn_spacy.writing import replacing

from ..fetching import download
from .known import GMB, KnownCorpus

DATA_VARIABLE = "POSATTN_DATA"
# Stands before everything that is said about the sample corpus or measured on it.
SAMPLE_MARK = "[sample corpus] "
_SOURCE_KEYS = {"kind", "path", "md5"}


@dataclass(frozen=True)
class FoundCorpus:
    """Where a corpus lies and what it is.

    kind (str): "gmb" for the published corpus, "sample" for the project's own, else "own".
    path (Path): The file or folder, relative to the project's folder if it lies inside it.
    md5 (str): The checksum of its content.
    """

    kind: str
    path: Path
    md5: str

    @property
    def mark(self) -> str:
        """What every message about the sample corpus begins with, and no other message."""
        return sample_mark(self.kind)


def sample_mark(kind: str) -> str:
    """RETURNS (str): What messages about a corpus of this kind begin with; empty but for the sample."""
    return SAMPLE_MARK if kind == "sample" else ""


def locate_corpus(
    corpus: Optional[Path], assets: Path, sample: Path, *, known: KnownCorpus = GMB
) -> Tuple[FoundCorpus, List[str]]:
    """Find the corpus to use.

    corpus (Optional[Path]): The user's choice, which excludes all others.
    assets (Path): The folder to look in first, and to download into.
    sample (Path): The sample corpus, used if nothing else can be had.
    known (KnownCorpus): The published corpus. It is also looked for in the folder named by the
        environment variable POSATTN_DATA.
    RETURNS (Tuple[FoundCorpus, List[str]]): The corpus, and what was tried without success.
    RAISES (CorpusError): If there is no corpus, or a wrong one under the published name.
    """
    if corpus is not None:
        return identify(corpus, sample, known=known), []
    notes: List[str] = []
    data = os.environ.get(DATA_VARIABLE)
    for folder in [assets, *([Path(data)] if data else [])]:
        for name in known.file_names:
            if (folder / name).is_file():
                return identify(folder / name, sample, known=known), notes
        if folder != assets:
            notes.append(f"{DATA_VARIABLE}={folder} holds no {' or '.join(known.file_names)}.")
    archive = assets / known.file_names[0]
    try:
        download(known.url, archive, known.zip_md5)
    except (OSError, HTTPException, ValueError) as error:
        notes.append(f"{known.url} could not be downloaded: {error}")
    else:
        return identify(archive, sample, known=known), notes
    if not sample.is_file():
        raise CorpusError(
            f"No corpus: neither {assets} nor {DATA_VARIABLE} has {known.file_name}, the download "
            f"failed, and there is no sample corpus {sample}. {' '.join(notes)} "
            f"Put {known.file_names[0]} into {assets}, or pass a corpus with --corpus."
        )
    return identify(sample, sample, known=known), notes


def identify(path: Path, sample: Optional[Path] = None, *, known: KnownCorpus = GMB) -> FoundCorpus:
    """Say what a corpus is by its checksum.

    path (Path): The file or folder.
    sample (Optional[Path]): The sample corpus.
    known (KnownCorpus): The published corpus.
    RETURNS (FoundCorpus): The corpus.
    RAISES (CorpusError): If it is not there, or not what its name promises.
    """
    if not os.path.exists(path):  # Path.exists raises where a folder can't be entered
        raise CorpusError(f"There is no corpus {path}. Check the path.")
    table = table_of(path, known)
    found = content_md5(path) if table is None else md5(table)
    if path.name in known.file_names and found != known.md5:
        raise CorpusError(
            f"{path}: wrong checksum, expected {known.md5} for {known.file_name}, got {found}. If it shall "
            f"be the published corpus, put it here anew from {known.url}; if it is a corpus of your own, "
            "give it another name."
        )
    if found == known.md5:
        kind = "gmb"
    elif sample is not None and path.resolve() == sample.resolve():
        kind = "sample"
    else:
        kind = "own"
    return FoundCorpus(kind, _relative(path), found)


def table_of(path: Path, known: KnownCorpus = GMB) -> Optional[bytes]:
    """Read the published table out of Kaggle's own archive, which holds a second one.

    path (Path): A file.
    known (KnownCorpus): The published corpus.
    RETURNS (Optional[bytes]): The table; None if the file is no archive with such a table among others.
    """
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.lower().endswith(".csv")]
        return archive.read(known.file_name) if known.file_name in names and len(names) > 1 else None


def write_source(source: FoundCorpus, path: Path) -> bool:
    """Write down where the corpus lies, touching the file only if that has changed.

    source (FoundCorpus): The corpus.
    path (Path): The JSON file.
    RETURNS (bool): Whether it was written.
    RAISES (CorpusError): If it can't be written.
    """
    values = {"kind": source.kind, "path": source.path.as_posix(), "md5": source.md5}
    text = json.dumps(values, indent=2) + "\n"
    if path.is_file() and read_bytes(path) == text.encode():
        return False
    with naming_obstacles(path), replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return True


def read_source(path: Path) -> FoundCorpus:
    """Read where the corpus lies, and check that it is still the same.

    path (Path): The JSON file that write_source wrote.
    RETURNS (FoundCorpus): The corpus.
    RAISES (CorpusError): If the file is broken or is something else, or the corpus has changed since it was
        written.
    """
    data, values = read_bytes(path), None
    try:
        values = json.loads(data)
        source = FoundCorpus(values["kind"], Path(values["path"]), values["md5"])
    except (ValueError, KeyError, TypeError) as error:
        if not (isinstance(values, dict) and values.keys() <= _SOURCE_KEYS):
            check_is_known(path, data)
        raise CorpusError(
            f"{path} does not name a corpus with kind, path and md5, as scripts/locate.py writes it "
            f"({error!r}), and holds no documents in a JSON format that is known. Pass the corpus itself, in "
            "a format that `python -m spacy posattn convert --help` lists."
        ) from error
    if not os.path.exists(source.path):
        raise CorpusError(f"{path} names {source.path}, which is not there. Locate again.")
    table = table_of(source.path)
    found = content_md5(source.path) if table is None else md5(table)
    if found != source.md5:
        raise CorpusError(
            f"{source.path}: wrong checksum, expected {source.md5} as in {path}, got {found}. "
            "The corpus has changed since it was located: locate it again."
        )
    return source


def _relative(path: Path) -> Path:
    absolute = path.resolve()
    project = Path.cwd()
    return absolute.relative_to(project) if absolute.is_relative_to(project) else absolute
