"""Sentences as spaCy documents, and the .spacy files they are kept in."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Counter as CounterType
from typing import Iterable, List, Sequence

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab
from tqdm import tqdm

from .files import replacing
from .sentences import CorpusError, Counts, Sentence
from .spacing import space_after

# Words and spaces are always stored.
ENTITY_ATTRS = ("ENT_IOB", "ENT_TYPE")
# Reading one of these back splits or marks a document at its sentences.
_SENTENCE_ATTRS = frozenset(["SENT_START", "HEAD", "DEP"])


@dataclass(frozen=True)
class StoredDocs:
    """The documents of a .spacy file, and the token attributes it keeps of them."""

    docs: List[Doc]
    attrs: List[str]


def make_doc(sentence: Sentence, vocab: Vocab) -> Doc:
    """Make one document of one sentence, naturally spaced and with every token annotated.

    sentence (Sentence): The sentence.
    vocab (Vocab): The vocabulary of the document.
    RETURNS (Doc): A document whose entities are complete: "O" is outside, never missing.
    """
    return Doc(
        vocab,
        words=sentence.words,
        spaces=space_after(sentence.words),
        tags=sentence.pos,
        ents=sentence.tags,
    )


def join_docs(docs: Sequence[Doc], n_sents: int) -> List[Doc]:
    """Join consecutive documents, with a space between them.

    docs (Sequence[Doc]): Documents of one sentence each.
    n_sents (int): How many make one document; the last may have fewer.
    RETURNS (List[Doc]): The documents, the same objects if n_sents is 1.
    """
    if n_sents == 1:
        return list(docs)
    groups = [docs[i : i + n_sents] for i in range(0, len(docs), n_sents)]
    return [Doc.from_docs(list(group), ensure_whitespace=True) for group in groups]


def kept_attrs(attrs: Iterable[str], n_sents: int) -> List[str]:
    """Choose the token attributes to store.

    attrs (Iterable[str]): The attributes the documents have.
    n_sents (int): How many sentences make one document.
    RETURNS (List[str]): The attributes. Sentence starts are left out of joined documents: with
        gold_preproc = true spaCy's corpus reader would split them at every sentence again.
    """
    return [attr for attr in attrs if n_sents == 1 or attr not in _SENTENCE_ATTRS]


def write_docs(docs: Iterable[Doc], path: Path, attrs: Sequence[str]) -> None:
    """Write documents to a .spacy file, as a whole or not at all.

    docs (Iterable[Doc]): The documents.
    path (Path): The file.
    attrs (Sequence[str]): The token attributes to store.
    """
    stored = DocBin(attrs=attrs)
    for doc in tqdm(docs, desc=f"{path.parent.name}/{path.name}", disable=None):
        stored.add(doc)
    with replacing(path) as temporary:
        stored.to_disk(temporary)


def read_docs(path: Path, vocab: Vocab) -> StoredDocs:
    """Read documents from a .spacy file.

    path (Path): The file.
    vocab (Vocab): The vocabulary of the documents.
    RETURNS (StoredDocs): The documents as they are, and what is annotated in them.
    RAISES (CorpusError): If it is no .spacy file, or a document lacks entity annotation.
    """
    try:
        stored = DocBin().from_disk(path)
        docs = list(stored.get_docs(vocab))
    except Exception as error:  # zlib, msgpack and numpy each have their own
        raise CorpusError(
            f"{path} is no .spacy file that can be read ({error}). "
            "Write it anew with spacy.tokens.DocBin.to_disk."
        ) from error
    for i, doc in enumerate(docs):
        if len(doc) and not doc.has_annotation("ENT_IOB"):
            raise CorpusError(
                f"{path}, document {i + 1}: no entity is annotated, not even as absent. "
                "Set doc.ents (to an empty list if there are none) before storing it."
            )
    return StoredDocs(docs, [vocab.strings.as_string(attr) for attr in stored.attrs])


def count_docs(docs: Iterable[Doc], n_sentences: int) -> Counts:
    """Count the tokens and entities of documents.

    docs (Iterable[Doc]): The documents.
    n_sentences (int): How many sentences they were made of.
    RETURNS (Counts): The counts, types from the most to the least frequent.
    """
    n_tokens = 0
    types: CounterType[str] = Counter()
    for doc in docs:
        n_tokens += len(doc)
        types.update(ent.label_ for ent in doc.ents)
    return Counts(n_sentences, n_tokens, types.total(), dict(types.most_common()))
