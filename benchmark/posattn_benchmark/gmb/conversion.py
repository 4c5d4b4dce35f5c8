"""The conversion of a corpus that was located, in both splits of the benchmark."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from posattn_spacy.corpora.convert import Account, convert
from posattn_spacy.corpora.read import Format
from posattn_spacy.corpora.sentences import CorpusError, Counts

from .known import GMB
from .locate import FoundCorpus, table_of
from .splits import SPLITS


def convert_located(
    source: FoundCorpus,
    out_dir: Path,
    options: Format,
    *,
    n_sents: int = 1,
    lang: str = "en",
) -> Account:
    """Convert a corpus as `convert` does, a single file in both splits; the published one is known.

    source (FoundCorpus): The corpus. For the other arguments see `convert`.
    RETURNS (Account): What was read, repaired and written.
    RAISES (CorpusError): If the corpus can't be converted, or is the published one with other counts.
    """
    if source.kind == "gmb" and options.encoding is None:
        options = replace(options, encoding=GMB.encoding)
    about = {"kind": source.kind, "md5": source.md5}
    with TemporaryDirectory() as folder:
        path, table = source.path, table_of(source.path)
        if table is not None:
            path = Path(folder) / GMB.file_name
            path.write_bytes(table)
        account = convert(path, out_dir, options, n_sents=n_sents, lang=lang, splitters=SPLITS, about=about)
    if source.kind == "gmb":
        check_counts(account.read, GMB.counts, source.path)
    return account


def check_counts(found: Counts, expected: Counts, path: Path) -> None:
    """Check the counts of a known corpus.

    found (Counts): What was read.
    expected (Counts): What is known.
    path (Path): The file, for the error.
    RAISES (CorpusError): If they differ.
    """
    if found != expected:
        raise CorpusError(
            f"{path} has the known checksum, but was read as {found} instead of {expected}. "
            "The reader is broken: please report it, and use a released version."
        )
