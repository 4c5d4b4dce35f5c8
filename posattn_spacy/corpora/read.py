"""Reading: from any file that holds a corpus to spaCy documents."""

from dataclasses import dataclass
from pathlib import Path
from typing import Counter as CounterType
from typing import List, Optional

from spacy.tokens import Doc, Span
from spacy.vocab import Vocab
from tqdm import tqdm

from .conll import read_conll
from .docs import ENTITY_ATTRS, make_doc, read_docs
from .entities import blank_edged, crossing, trim_blanks, without_blanks
from .files import read_bytes
from .recognise import check_is_known, looks_columned
from .repairs import Repairs
from .sentences import Corpus, CorpusError, Repair
from .tables import read_csv

_TABLES = frozenset([".csv", ".zip"])
_COLUMNED = frozenset([".conll", ".txt", ".iob", ".iob2", ".bio", ".tsv"])
_DOCBIN = ".spacy"
SUFFIXES = _TABLES | _COLUMNED | {_DOCBIN}
_CROSSING = (
    "Where sentences are marked, spaCy's own ner can neither learn nor predict them, and a corpus reader "
    "with gold_preproc = true, as in the shipped configs, leaves them out of training; posattn_ner can "
    "predict them. Take the marks away if they are wrong"
)


@dataclass(frozen=True)
class Format:
    """What a file does not say about itself.

    encoding (Optional[str]): The encoding, None for the default of the kind of file.
    word_column (int): The column of the word in columned text, counted from 0.
    tag_column (int): The column of the tag in columned text, counted from 0, or from -1 backwards.
    spans_key (Optional[str]): Where the entities of a .spacy file stand in `doc.spans`; None: in `doc.ents`.
    repair (bool): Repair what can be repaired instead of raising.
    """

    encoding: Optional[str] = None
    word_column: int = 0
    tag_column: int = -1
    spans_key: Optional[str] = None
    repair: bool = False


@dataclass(frozen=True)
class Documents:
    """The sentences of a file as documents.

    docs (List[Doc]): One document per sentence, a cut-off last one included.
    ids (List[str]): The sentence numbers.
    attrs (List[str]): The token attributes that are annotated.
    cut_off (Optional[int]): The index of the cut-off sentence, if there is one.
    repairs (Counter[Repair]): What was repaired, and how often.
    notes (List[str]): What the user should know, one sentence each.
    """

    docs: List[Doc]
    ids: List[str]
    attrs: List[str]
    cut_off: Optional[int]
    repairs: CounterType[Repair]
    notes: List[str]


def read_documents(path: Path, vocab: Vocab, options: Format) -> Documents:
    """Read a csv, zip, CoNLL-style or .spacy file, told apart by the end of its name.

    path (Path): The file. One with another ending is read if there are words and tags in it.
    vocab (Vocab): The vocabulary of the documents.
    options (Format): What the file does not say about itself.
    RETURNS (Documents): The documents, in file order. White space is taken off the edges of entities.
    RAISES (CorpusError): If the file cannot be read, breaks its format, or is in one that is not read.
    """
    if not path.is_file():
        raise CorpusError(f"There is no file {path}. Check the path of the corpus.")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        _check_is_columned(path)
    _check_options(path, options)
    documents = _read_docbin(path, vocab, options) if suffix == _DOCBIN else _read_text(path, vocab, options)
    documents.notes.extend(_mend_entities(documents.docs, path))
    return documents


def _check_is_columned(path: Path) -> None:
    data = read_bytes(path)
    if looks_columned(data):
        return
    check_is_known(path, data)
    raise CorpusError(
        f'{path}: a file ending in "{path.suffix}" is no known corpus format. '
        f"Let its name end in one of: {', '.join(sorted(SUFFIXES))}."
    )


def _check_options(path: Path, options: Format) -> None:
    suffix = path.suffix.lower()
    if suffix in _TABLES | {_DOCBIN} and (options.word_column, options.tag_column) != (0, -1):
        raise CorpusError(
            f"{path}: --word-column and --tag-column are for columned text "
            f"({', '.join(sorted(_COLUMNED))}). Leave them out."
        )
    if suffix != _DOCBIN and options.spans_key is not None:
        raise CorpusError(f"{path}: --spans-key is for .spacy files. Leave it out.")


def _read_docbin(path: Path, vocab: Vocab, options: Format) -> Documents:
    repairs = Repairs(path, options.repair, place="document")
    stored = read_docs(path, vocab, spans_key=options.spans_key, repairs=repairs)
    ids = [f"Sentence: {i + 1}" for i in range(len(stored.docs))]
    return Documents(stored.docs, ids, stored.attrs, None, repairs.counts, stored.notes)


def _read_text(path: Path, vocab: Vocab, options: Format) -> Documents:
    corpus = _read_corpus(path, options)
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


def _read_corpus(path: Path, options: Format) -> Corpus:
    if path.suffix.lower() in _TABLES:
        return read_csv(path, encoding=options.encoding, repair=options.repair)
    return read_conll(
        path,
        encoding=options.encoding,
        word_column=options.word_column,
        tag_column=options.tag_column,
        repair=options.repair,
    )


def _mend_entities(docs: List[Doc], path: Path) -> List[str]:
    """Take white space off the edges of entities; return what the user should know of them."""
    n_ents = sum(len(doc.ents) for doc in docs)
    edged = [(i, ent) for i, doc in enumerate(docs) for ent in blank_edged(doc)]
    empty = [(i, ent) for i, ent in edged if without_blanks(ent) is None]
    trimmed = [(i, ent) for i, ent in edged if without_blanks(ent) is not None]
    notes = []
    if trimmed:
        notes.append(
            f"Entities that begin or end in white space, which was taken off them: {len(trimmed):,} of "
            f"{n_ents:,} ({_where(path, *trimmed[0])})."
        )
    if empty:
        notes.append(
            f"Entities of white space alone, which were left out: {len(empty):,} of {n_ents:,} "
            f"({_where(path, *empty[0])})."
        )
    for i in dict.fromkeys(i for i, _ in edged):
        trim_blanks(docs[i])
    crossed = [(i, ent) for i, doc in enumerate(docs) for ent in crossing(doc)]
    if crossed:
        notes.append(
            f"Entities across the beginning of a sentence: {len(crossed):,} of {n_ents:,} "
            f"({_where(path, *crossed[0])}). {_CROSSING}."
        )
    return notes


def _where(path: Path, i: int, ent: Span) -> str:
    return f"the first: {path.name}, document {i + 1}, {ent.text!r}"
