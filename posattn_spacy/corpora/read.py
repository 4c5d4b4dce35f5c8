"""Reading: from any file or folder that holds a corpus to spaCy documents."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Counter as CounterType
from typing import Dict, List, Optional

from spacy.tokens import Doc
from spacy.vocab import Vocab
from tqdm import tqdm

from .conll import read_conll
from .docs import ENTITY_ATTRS, make_doc, read_docs
from .gmb import read_csv
from .sentences import Corpus, CorpusError
from .splits import PARTS

_TABLES = frozenset([".csv", ".zip"])
_COLUMNED = frozenset([".conll", ".txt", ".iob", ".iob2", ".bio", ".tsv"])
_DOCBIN = ".spacy"
_SUFFIXES = _TABLES | _COLUMNED | {_DOCBIN}
_PART_NAMES = {
    "train": ("train",),
    "dev": ("dev", "valid", "testa"),
    "test": ("test", "testb"),
}


@dataclass(frozen=True)
class Format:
    """What a file does not say about itself.

    encoding (Optional[str]): The encoding, None for the default of the kind of file.
    word_column (int): The column of the word in columned text, counted from 0.
    tag_column (int): The column of the tag in columned text, counted from 0, or from -1 backwards.
    repair (bool): Repair what can be repaired instead of raising.
    """

    encoding: Optional[str] = None
    word_column: int = 0
    tag_column: int = -1
    repair: bool = False


@dataclass(frozen=True)
class Documents:
    """The sentences of a file as documents.

    docs (List[Doc]): One document per sentence, a cut-off last one included.
    ids (List[str]): The sentence numbers.
    attrs (List[str]): The token attributes that are annotated.
    cut_off (Optional[int]): The index of the cut-off sentence, if there is one.
    repairs (Counter[str]): What was repaired, and how often.
    notes (List[str]): What the user should know, one sentence each.
    """

    docs: List[Doc]
    ids: List[str]
    attrs: List[str]
    cut_off: Optional[int]
    repairs: CounterType[str]
    notes: List[str]


def read_documents(path: Path, vocab: Vocab, options: Format) -> Documents:
    """Read a csv, zip, CoNLL-style or .spacy file, told apart by the end of its name.

    path (Path): The file.
    vocab (Vocab): The vocabulary of the documents.
    options (Format): What the file does not say about itself.
    RETURNS (Documents): The documents, in file order.
    RAISES (CorpusError): If the file cannot be read or breaks its format.
    """
    suffix = path.suffix.lower()
    if not path.is_file():
        raise CorpusError(f"There is no file {path}. Check the path of the corpus.")
    if suffix not in _SUFFIXES:
        raise CorpusError(
            f'{path}: a file ending in "{path.suffix}" is no known corpus format. '
            f"Let its name end in one of: {', '.join(sorted(_SUFFIXES))}."
        )
    if suffix not in _COLUMNED and (options.word_column, options.tag_column) != (0, -1):
        raise CorpusError(
            f"{path}: --word-column and --tag-column are for columned text "
            f"({', '.join(sorted(_COLUMNED))}). Leave them out."
        )
    if suffix == _DOCBIN:
        stored = read_docs(path, vocab)
        ids = [f"Sentence: {i + 1}" for i in range(len(stored.docs))]
        return Documents(stored.docs, ids, stored.attrs, None, Counter(), [])
    corpus = _read_text(path, options)
    sentences = tqdm(corpus.sentences, desc=path.name, disable=None)
    has_pos = any(sentence.pos for sentence in corpus.sentences)
    return Documents(
        [make_doc(sentence, vocab) for sentence in sentences],
        [sentence.id for sentence in corpus.sentences],
        [*ENTITY_ATTRS, *(["TAG"] if has_pos else [])],
        corpus.cut_off,
        corpus.repairs,
        corpus.notes,
    )


def find_parts(folder: Path) -> Dict[str, Path]:
    """Find the files of a split that a corpus brings along.

    folder (Path): A folder with files such as train.conll, dev.conll and test.conll.
    RETURNS (Dict[str, Path]): The file of each part.
    RAISES (CorpusError): If a part has no file, or several.
    """
    files = [file for file in sorted(folder.iterdir()) if file.suffix.lower() in _SUFFIXES]
    found = {part: [f for f in files if _stem(f) in _PART_NAMES[part]] for part in PARTS}
    for part, candidates in found.items():
        if len(candidates) != 1:
            names = ", ".join(file.name for file in candidates) or "none"
            raise CorpusError(
                f"{folder} must hold exactly one file for {part}, but holds: {names}. Name it "
                f"{' or '.join(f'{name}.*' for name in _PART_NAMES[part])}, with one of the "
                f"endings {', '.join(sorted(_SUFFIXES))}, and take other files out."
            )
    return {part: candidates[0] for part, candidates in found.items()}


def _read_text(path: Path, options: Format) -> Corpus:
    if path.suffix.lower() in _TABLES:
        return read_csv(path, encoding=options.encoding, repair=options.repair)
    return read_conll(
        path,
        encoding=options.encoding,
        word_column=options.word_column,
        tag_column=options.tag_column,
        repair=options.repair,
    )


def _stem(file: Path) -> str:
    return file.name.lower().partition(".")[0]
