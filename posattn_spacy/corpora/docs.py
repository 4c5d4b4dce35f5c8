"""Sentences as spaCy documents, and the .spacy files they are kept in."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Counter as CounterType
from typing import Iterable, List, Optional, Sequence

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab
from tqdm import tqdm

from ..partial import GROUPS
from .fields import FIELDS
from .files import read_bytes
from .recognise import recognise
from .repairs import Repairs
from .schemes import OPEN
from .sentences import CorpusError, Counts, Sentence
from .spacing import is_spaced, space_after
from .spans import count_spans, spans_to_ents

# Words and spaces are always stored.
ENTITY_ATTRS = ("ENT_IOB", "ENT_TYPE")
# A parse tells sentences, too; joined documents have them marked.
_PARSE_ATTRS = frozenset(["HEAD", "DEP"])
SENTENCES = "SENT_START"
_ZLIB = b"x"


@dataclass(frozen=True)
class StoredDocs:
    """The documents of a .spacy file.

    docs (List[Doc]): The documents.
    attrs (List[str]): The token attributes that the file keeps of them.
    notes (List[str]): What the user should know of the reading, one sentence each.
    """

    docs: List[Doc]
    attrs: List[str]
    notes: List[str]


def make_doc(sentence: Sentence, vocab: Vocab) -> Doc:
    """Make one document of one sentence, naturally spaced.

    sentence (Sentence): The sentence.
    vocab (Vocab): The vocabulary of the document.
    RETURNS (Doc): A document in which "O" is outside, and annotation is missing of `OPEN` words alone.
    """
    return Doc(
        vocab,
        words=sentence.words,
        spaces=space_after(sentence.words),
        tags=sentence.pos,
        sent_starts=[i == 0 for i in range(len(sentence.words))],
        ents=["" if tag == OPEN else tag for tag in sentence.tags],
    )


def join_docs(docs: Sequence[Doc], n_sents: int, attrs: Sequence[str]) -> List[Doc]:
    """Join consecutive documents, with a space between them where their script has spaces.

    docs (Sequence[Doc]): Documents of one sentence each.
    n_sents (int): How many make one document; the last may have fewer.
    attrs (Sequence[str]): The token attributes to keep, those of `kept_attrs`.
    RETURNS (List[Doc]): The documents, the same objects if n_sents is 1; else each begins a sentence.
    """
    if n_sents == 1:
        return list(docs)
    return [_join(docs[i : i + n_sents], attrs) for i in range(0, len(docs), n_sents)]


def _join(docs: Sequence[Doc], attrs: Sequence[str]) -> Doc:
    are_spaced = any(is_spaced(doc[-1].text) for doc in docs[:-1] if len(doc))
    for doc in docs:
        doc.user_data.pop(FIELDS, None)  # which is of one of them alone
    return Doc.from_docs(list(docs), ensure_whitespace=are_spaced, attrs=list(attrs))


def kept_attrs(attrs: Iterable[str], n_sents: int) -> List[str]:
    """Choose the token attributes to store.

    attrs (Iterable[str]): The attributes the documents have.
    n_sents (int): How many sentences make one document.
    RETURNS (List[str]): The attributes; joined documents have their sentences marked, so that spaCy's
        corpus reader can take them one by one (gold_preproc = true), and no parse beside that.
    """
    if n_sents == 1:
        return list(attrs)
    return [attr for attr in attrs if attr not in _PARSE_ATTRS | {SENTENCES}] + [SENTENCES]


def have_fields(docs: Iterable[Doc]) -> bool:
    """RETURNS (bool): Whether a tool or file has more of some of the documents than text and entities."""
    return any(FIELDS in doc.user_data for doc in docs)


def store_docs(
    docs: Iterable[Doc], path: Path, attrs: Sequence[str], name: str, with_fields: bool = False
) -> None:
    """Write documents to a file.

    docs (Iterable[Doc]): The documents.
    path (Path): The file.
    attrs (Sequence[str]): The token attributes to store.
    name (str): What the progress bar calls them.
    with_fields (bool): Whether to store what else their tool or file has of them. All else that stands in
        their `user_data` is taken away then.
    """
    stored = DocBin(attrs=attrs, store_user_data=with_fields)
    for doc in tqdm(docs, desc=name, disable=None):
        if with_fields:
            doc.user_data = {key: value for key, value in doc.user_data.items() if key == FIELDS}
        stored.add(doc)
    stored.to_disk(path)


def read_docs(
    path: Path, vocab: Vocab, *, spans_key: Optional[str] = None, repairs: Optional[Repairs] = None
) -> StoredDocs:
    """Read documents from a .spacy file.

    path (Path): The file.
    vocab (Vocab): The vocabulary of the documents.
    spans_key (Optional[str]): The key in `doc.spans` under which the entities stand; None for `doc.ents`.
    repairs (Optional[Repairs]): The account of the file's faults; by default the first one is an error.
    RETURNS (StoredDocs): The documents as they are, and what is annotated in them.
    RAISES (CorpusError): If it is no .spacy file, or a document lacks entity annotation.
    """
    data = read_bytes(path)
    try:
        stored = DocBin().from_bytes(data)
        docs = list(stored.get_docs(vocab))
    except Exception as error:  # zlib, msgpack and numpy each have their own
        foreign = recognise(path, data)
        if foreign is not None and not data.startswith(_ZLIB):
            raise foreign.refusal(path) from error
        raise CorpusError(
            f"{path} is no .spacy file that can be read ({error}). "
            "Write it anew with spacy.tokens.DocBin.to_disk."
        ) from error
    if spans_key is not None:
        notes = spans_to_ents(docs, spans_key, repairs or Repairs(path, wanted=False, place="document"))
    else:
        notes = _check_annotation(docs, path)
    attrs = [vocab.strings.as_string(attr) for attr in stored.attrs]
    return StoredDocs(docs, list(dict.fromkeys([*attrs, *ENTITY_ATTRS])), notes)


def _check_annotation(docs: Sequence[Doc], path: Path) -> List[str]:
    """Refuse documents that are not annotated; return what is to be known of spans that are no entities."""
    bare = [doc for doc in docs if not doc.ents]
    counts = count_spans(bare)
    there = ", ".join(f'doc.spans["{key}"] ({n:,})' for key, n in counts.items())
    remedy = f"Read them with --spans-key {next(iter(counts))}." if counts else ""
    if counts and len(bare) == len(docs):
        raise CorpusError(
            f"{path}: no document has entities in doc.ents, but there are spans in {there}. {remedy}"
        )
    for i, doc in enumerate(docs):
        if len(doc) and not doc.has_annotation("ENT_IOB") and not GROUPS & set(doc.spans):
            spans = f" There are spans in {there}. {remedy}" if counts else ""
            raise CorpusError(
                f"{path}, document {i + 1}: no entity is annotated, not even as absent. "
                f"Set doc.ents (to an empty list if there are none) before storing it.{spans}"
            )
    if not counts:
        return []
    n = sum(bool(count_spans([doc])) for doc in bare)
    return [
        f"{path}: {n:,} of {len(docs):,} documents have no entities in doc.ents, but spans in {there}, "
        f"which were left out. If they are the entities: {remedy}"
    ]


def count_docs(docs: Iterable[Doc]) -> Counts:
    """Count the sentences, tokens and entities of documents.

    docs (Iterable[Doc]): The documents; one without marks is one sentence.
    RETURNS (Counts): The counts, types from the most to the least frequent.
    """
    n_sentences = n_tokens = 0
    types: CounterType[str] = Counter()
    for doc in docs:
        n_sentences += max(1, int((doc.to_array("SENT_START") == 1).sum()))
        n_tokens += len(doc)
        types.update(ent.label_ for ent in doc.ents)
    return Counts(n_sentences, n_tokens, types.total(), dict(types.most_common()))
