"""Conversion: from a located corpus to .spacy files, split in every way, with all counts."""

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from spacy.tokens import Doc
from spacy.util import get_lang_class
from spacy.vocab import Vocab, create_vocab

from .docs import count_docs, join_docs, kept_attrs, write_docs
from .files import replacing
from .locate import Source
from .read import Documents, Format, find_parts, read_documents
from .sentences import CorpusError, Counts
from .splits import GIVEN, PARTS, SPLITS, make_splits

REPORT_NAME = "corpus.json"


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
class Report:
    """What a conversion read, repaired and wrote.

    source (Source): The corpus.
    n_sents (int): How many sentences make one document.
    read (Counts): What was read, a cut-off sentence included.
    splits (Dict[str, Dict[str, PartCounts]]): What was written, by split and part.
    cut_off (Optional[CutOff]): The cut-off sentence.
    repairs (Dict[str, int]): What was repaired, and how often.
    notes (List[str]): What the user should know, one sentence each.
    removed (List[Path]): Files of another corpus that were removed; no part of corpus.json, which is the
        same for the same corpus.
    """

    source: Source
    n_sents: int
    read: Counts
    splits: Dict[str, Dict[str, PartCounts]]
    cut_off: Optional[CutOff]
    repairs: Dict[str, int]
    notes: List[str]
    removed: List[Path]

    def to_json(self) -> Dict[str, Any]:
        """Build what is written to corpus.json; the counts of a part stand side by side."""
        return {
            "kind": self.source.kind,
            "md5": self.source.md5,
            "n_sents": self.n_sents,
            "read": asdict(self.read),
            "splits": {
                split: {part: {"documents": of.documents, **asdict(of.counts)} for part, of in parts.items()}
                for split, parts in self.splits.items()
            },
            "cut_off": None if self.cut_off is None else asdict(self.cut_off),
            "repairs": self.repairs,
            "notes": self.notes,
        }


def convert(source: Source, out_dir: Path, options: Format, *, n_sents: int = 1, lang: str = "en") -> Report:
    """Convert a corpus to .spacy files: OUT_DIR/SPLIT/{train,dev,test}.spacy and corpus.json.

    source (Source): The corpus. A folder with a file per part keeps the split it has, "given".
    out_dir (Path): The folder to write to.
    options (Format): What the files do not say about themselves.
    n_sents (int): How many consecutive sentences of a part make one document.
    lang (str): The language code of the documents.
    RETURNS (Report): What was read, repaired and written.
    RAISES (CorpusError): If the corpus breaks its format, a part would be empty, or the corpus lies where the
        splits are written.
    """
    if n_sents < 1:
        raise CorpusError(f"--n-sents is {n_sents}: a document needs at least one sentence.")
    _check_place(source.path, out_dir)
    files, splits = _read(source.path, options, lang)
    # Everything is checked before anything is written.
    for split, parts in splits.items():
        for part in PARTS:
            _check_part(source.path, split, part, parts[part])
    attrs = kept_attrs(dict.fromkeys(attr for file in files for attr in file.attrs), n_sents)
    counts = {
        split: {
            part: _write_part(docs, out_dir / split / f"{part}.spacy", attrs, n_sents)
            for part, docs in parts.items()
        }
        for split, parts in splits.items()
    }
    report = Report(
        source=source,
        n_sents=n_sents,
        read=count_docs([doc for file in files for doc in file.docs], sum(len(file.docs) for file in files)),
        splits=counts,
        cut_off=next((cut for cut in map(_cut_off, files) if cut), None),
        repairs=dict(sum((file.repairs for file in files), Counter())),
        notes=list(dict.fromkeys(note for file in files for note in file.notes)),
        removed=_remove_other_splits(out_dir, splits),
    )
    with replacing(out_dir / REPORT_NAME) as temporary:
        temporary.write_text(json.dumps(report.to_json(), indent=2) + "\n", encoding="utf-8")
    return report


def _read(path: Path, options: Format, lang: str) -> Tuple[List[Documents], Dict[str, Dict[str, List[Doc]]]]:
    """Read the corpus, and say which documents are in which part of which split."""
    vocab = _make_vocab(lang)
    if path.is_dir():
        given = {part: read_documents(file, vocab, options) for part, file in find_parts(path).items()}
        return list(given.values()), {
            GIVEN: {part: documents.docs[: documents.cut_off] for part, documents in given.items()}
        }
    documents = read_documents(path, vocab, options)
    splits = make_splits(documents.ids, documents.cut_off)
    return [documents], {
        split: {part: [documents.docs[i] for i in indices] for part, indices in parts.items()}
        for split, parts in splits.items()
    }


def _make_vocab(lang: str) -> Vocab:
    # A whole pipeline object would load every installed component first, which takes seconds.
    try:
        return create_vocab(lang, get_lang_class(lang).Defaults)
    except ImportError as error:
        raise CorpusError(f'spaCy has no language "{lang}". Pass another with --lang.') from error


def _check_place(path: Path, out_dir: Path) -> None:
    for split in SPLITS:
        if path.resolve().is_relative_to((out_dir / split).resolve()):
            raise CorpusError(
                f"{path} lies in {out_dir / split}, whose files are replaced. Give another folder to write "
                "to, or move the corpus."
            )


def _check_part(path: Path, split: str, part: str, docs: List[Doc]) -> None:
    if not any(len(doc) for doc in docs):
        raise CorpusError(
            f"{path}: empty corpus, the {part} part of the split {split} has no sentence. "
            "Give a corpus with at least a few sentences for every part."
        )
    if part == "train" and not any(doc.ents for doc in docs):
        raise CorpusError(
            f"{path}: the train part of the split {split} has no entity. "
            "Check that the tags are where they are looked for (--tag-column)."
        )


def _write_part(docs: List[Doc], path: Path, attrs: List[str], n_sents: int) -> PartCounts:
    joined = join_docs(docs, n_sents)
    write_docs(joined, path, attrs)
    return PartCounts(len(joined), count_docs(joined, len(docs)))


def _cut_off(documents: Documents) -> Optional[CutOff]:
    if documents.cut_off is None:
        return None
    doc = documents.docs[documents.cut_off]
    return CutOff(documents.ids[documents.cut_off], len(doc), len(doc.ents))


def _remove_other_splits(out_dir: Path, written: Dict[str, Dict[str, List[Doc]]]) -> List[Path]:
    """Remove what another corpus left behind, lest a training run mixes the two."""
    stale = [
        file
        for split in SPLITS
        if split not in written
        for file in (out_dir / split / f"{part}.spacy" for part in PARTS)
        if file.is_file()
    ]
    for file in stale:
        file.unlink()
    return stale
