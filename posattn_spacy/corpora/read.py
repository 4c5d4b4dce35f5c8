"""Reading: from any file that holds a corpus to spaCy documents."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Counter as CounterType
from typing import List, NamedTuple, Optional, Sequence

from spacy.tokens import Doc, Span
from spacy.vocab import Vocab
from tqdm import tqdm

from ..partial import annotate_for
from .conll import read_conll
from .decoding import decode
from .docs import ENTITY_ATTRS, SENTENCES, make_doc, read_docs
from .entities import blank_edged, crossing, trim_blanks, without_blanks
from .files import read_bytes
from .formats.brat import is_brat, read_brat
from .formats.tokens import read_parquet
from .json_formats import looks_like_json, read_json
from .marked import make_docs
from .marks import MarkedTexts
from .misfits import Misfits
from .recognise import check_is_known, looks_columned
from .records import parse_records
from .repairs import Repairs
from .schemes import OPEN
from .sentences import Corpus, CorpusError, Repair
from .tables import read_csv

_TABLES = frozenset([".csv", ".zip"])
_COLUMNED = frozenset([".conll", ".txt", ".iob", ".iob2", ".bio", ".tsv"])
_JSON = frozenset([".json", ".jsonl", ".ndjson"])
_PARQUET, _BRAT, _DOCBIN = ".parquet", ".ann", ".spacy"
SUFFIXES = _TABLES | _COLUMNED | _JSON | {_PARQUET, _BRAT, _DOCBIN}
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
    tag_names (Optional[Sequence[str]]): What tags are called that are written as numbers.
    annotator (Optional[str]): Whose annotation to take, where there are several.
    annotated_for (Optional[Sequence[str]]): The labels for which all was annotated; None for all.
    """

    encoding: Optional[str] = None
    word_column: int = 0
    tag_column: int = -1
    spans_key: Optional[str] = None
    repair: bool = False
    tag_names: Optional[Sequence[str]] = None
    annotator: Optional[str] = None
    annotated_for: Optional[Sequence[str]] = None


class Reading(NamedTuple):
    """What is needed to make documents of a file.

    vocab (Vocab): Their vocabulary.
    lang (str): Code of the language whose tokenizer parts texts that have no tokens.
    options (Format): What the file does not say about itself.
    """

    vocab: Vocab
    lang: str
    options: Format


@dataclass(frozen=True)
class Documents:
    """The sentences or texts of a file as documents.

    docs (List[Doc]): The documents, a cut-off last one included.
    ids (List[str]): The numbers of their sentences, or what the texts are called.
    attrs (List[str]): The token attributes that are annotated.
    cut_off (Optional[int]): The index of the cut-off sentence, if there is one.
    repairs (Counter[Repair]): What was repaired, and how often.
    notes (List[str]): What the user should know, one sentence each.
    misfits (Misfits): Marks that fit no tokens.
    """

    docs: List[Doc]
    ids: List[str]
    attrs: List[str]
    cut_off: Optional[int]
    repairs: CounterType[Repair]
    notes: List[str]
    misfits: Misfits = field(default_factory=lambda: Misfits(repaired=False))


def read_documents(path: Path, reading: Reading) -> Documents:
    """Read a file, told apart by the end of its name and by what is in it, or a folder of brat.

    path (Path): The file. One with another ending is read if there are words and tags in it, or JSON.
    reading (Reading): How it is to be read.
    RETURNS (Documents): The documents, in file order. White space is taken off the edges of entities.
    RAISES (CorpusError): If the file cannot be read, breaks its format, or is in one that is not read.
    """
    if not path.is_file() and not (path.is_dir() and is_brat(path)):
        raise CorpusError(f"There is no file {path}. Check the path of the corpus.")
    _check_options(path, reading.options)
    documents = _read(path, reading)
    documents.notes.extend(_mend_entities(documents.docs, path))
    if reading.options.annotated_for is not None:
        documents.notes.extend(_restrict(documents.docs, reading.options.annotated_for))
    return documents


def _read(path: Path, reading: Reading) -> Documents:
    suffix, options = path.suffix.lower(), reading.options
    if path.is_dir() or suffix == _BRAT or _is_text_of_brat(path):
        return _of_marked(read_brat(path, options.encoding), path, reading)
    if suffix == _DOCBIN:
        return _read_docbin(path, reading)
    if suffix in _TABLES:
        return _of_sentences(read_csv(path, encoding=options.encoding, repair=options.repair), path, reading)
    if suffix in _JSON | {_PARQUET} or looks_like_json(read_bytes(path)):
        return _read_records(path, reading)
    if suffix not in _COLUMNED:
        _check_is_columned(path)
    corpus = read_conll(
        path,
        encoding=options.encoding,
        word_column=options.word_column,
        tag_column=options.tag_column,
        repair=options.repair,
    )
    return _of_sentences(corpus, path, reading)


def _read_records(path: Path, reading: Reading) -> Documents:
    options, is_table = reading.options, path.suffix.lower() == _PARQUET
    repairs = Repairs(path, options.repair, place="row" if is_table else "record")
    if is_table:
        records = read_parquet(path)
    else:
        records = parse_records(decode(read_bytes(path), options.encoding, repairs), path)
    content = read_json(records, path, options.tag_names, options.annotator, repairs)
    if isinstance(content, Corpus):
        return _of_sentences(content, path, reading)
    return _of_marked(content, path, reading)


def _is_text_of_brat(path: Path) -> bool:
    is_text = path.suffix.lower() == ".txt" and path.with_suffix(_BRAT).is_file()
    return is_text and not looks_columned(read_bytes(path))


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
    columned = suffix in _COLUMNED or suffix not in SUFFIXES
    if not columned and (options.word_column, options.tag_column) != (0, -1):
        raise CorpusError(
            f"{path}: --word-column and --tag-column are for columned text "
            f"({', '.join(sorted(_COLUMNED))}). Leave them out."
        )
    if suffix != _DOCBIN and options.spans_key is not None:
        raise CorpusError(f"{path}: --spans-key is for .spacy files. Leave it out.")
    if suffix not in _JSON | {_PARQUET} and options.tag_names is not None:
        raise CorpusError(f"{path}: --tag-names is for JSON and Parquet with numbers of tags. Leave it out.")
    if suffix not in _JSON and options.annotator is not None:
        raise CorpusError(f"{path}: --annotator is for exports of Label Studio and Prodigy. Leave it out.")


def _read_docbin(path: Path, reading: Reading) -> Documents:
    repairs = Repairs(path, reading.options.repair, place="document")
    stored = read_docs(path, reading.vocab, spans_key=reading.options.spans_key, repairs=repairs)
    ids = [f"Sentence: {i + 1}" for i in range(len(stored.docs))]
    return Documents(stored.docs, ids, stored.attrs, None, repairs.counts, stored.notes)


def _of_sentences(corpus: Corpus, path: Path, reading: Reading) -> Documents:
    sentences = tqdm(corpus.sentences, desc=path.name, disable=None)
    has_pos = any(sentence.pos for sentence in corpus.sentences)
    n_open = sum(sentence.tags.count(OPEN) for sentence in corpus.sentences)
    notes = list(corpus.notes)
    if n_open:
        n_words = sum(len(sentence.words) for sentence in corpus.sentences)
        notes.append(
            f'Words tagged "{OPEN}", null or -100: {n_open:,} of {n_words:,}. Nothing is known of them; '
            "write O for words that are in no entity."
        )
    return Documents(
        [make_doc(sentence, reading.vocab) for sentence in sentences],
        [sentence.id for sentence in corpus.sentences],
        [*ENTITY_ATTRS, *(["TAG"] if has_pos else [])],
        corpus.cut_off,
        corpus.repairs,
        notes,
    )


def _of_marked(marked: MarkedTexts, path: Path, reading: Reading) -> Documents:
    misfits, notes = Misfits(reading.options.repair), list(marked.notes)
    texts = [text for text in marked.texts if text.text.strip()]
    empty = len(marked.texts) - len(texts)
    if empty:
        notes.append(f"Texts without a word, which were left out: {empty:,} of {len(marked.texts):,}.")
    docs = make_docs(texts, reading.lang, reading.vocab, misfits, path.name)
    notes.extend(misfits.told(sum(len(text.marks) + len(text.wrong) for text in texts)))
    ids = [text.id for text in texts]
    return Documents(docs, ids, [*ENTITY_ATTRS, SENTENCES], None, Counter(), notes, misfits)


def _restrict(docs: Sequence[Doc], labels: Sequence[str]) -> List[str]:
    """Let documents be annotated for some labels alone; return what the user should know of them."""
    for doc in docs:
        annotate_for(doc, labels)
    found = {ent.label_ for doc in docs for ent in doc.ents}
    notes = [f"Of other labels than {', '.join(labels)} nothing is known where no entity is annotated."]
    bare = [label for label in labels if label not in found]
    if bare:
        notes.append(f"There is no entity of {', '.join(bare)}. Check --annotated-for.")
    return notes


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
