"""Annotated documents of one's own, as the commands read them: .spacy files, or folders of them."""

from pathlib import Path
from typing import Any, Iterator, List, Sequence

from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.vocab import Vocab

from .reader import PartialCorpus

SUFFIX = ".spacy"


class UnreadableError(ValueError):
    """Documents that can't be read."""


def read_annotated(path: Path, vocab: Vocab) -> List[Doc]:
    """Read all documents that have tokens.

    path (Path): A .spacy file, or a folder with such files, at any depth.
    vocab (Vocab): The vocabulary they are to have.
    RETURNS (List[Doc]): The documents, at least one.
    RAISES (UnreadableError): If there are none, or what is there is something else or damaged.
    """
    docs = [doc for file in annotated_files(path) for doc in _read(file, vocab) if len(doc)]
    if not docs:
        raise UnreadableError(f"{path} has no documents with tokens. Give one that has, or check its source.")
    return docs


def text_key(text: str) -> str:
    """RETURNS (str): What texts have in common that differ in their white space, as tools and formats do."""
    return "".join(text.split())


def make_examples(nlp: Language, docs: Sequence[Doc], gold_preproc: bool = False) -> List[Example]:
    """Set documents against what a pipeline makes of their texts, as spaCy's reader does.

    nlp (Language): The pipeline.
    docs (Sequence[Doc]): The annotated documents.
    gold_preproc (bool): Whether to keep their tokens, and to cut them at their sentences.
    RETURNS (List[Example]): The examples.
    """
    reader = PartialCorpus("", gold_preproc=gold_preproc)
    make = reader.make_examples_gold_preproc if gold_preproc else reader.make_examples
    return list(make(nlp, docs))


def bare_copy(doc: Doc, vocab: Vocab, *, sentences: bool = False) -> Doc:
    """Make a document of the same tokens, without annotation.

    doc (Doc): The document.
    vocab (Vocab): The vocabulary of the copy.
    sentences (bool): Whether it keeps the sentences that are marked, if any are.
    RETURNS (Doc): The copy.
    """
    words, spaces = [token.text for token in doc], [bool(token.whitespace_) for token in doc]
    starts: Any = None
    if sentences and doc.has_annotation("SENT_START"):
        starts = [bool(token.is_sent_start) for token in doc]
    return Doc(vocab, words=words, spaces=spaces, sent_starts=starts)


def annotated_files(path: Path) -> List[Path]:
    """Find the files that are meant by a path.

    path (Path): A .spacy file, or a folder with such files, at any depth.
    RETURNS (List[Path]): The files, at least one.
    RAISES (UnreadableError): If there are none.
    """
    if not path.exists():
        raise UnreadableError(f"There is no {path}. Check the path, which is seen from {Path.cwd()}.")
    if path.is_dir():
        files = sorted(file for file in path.rglob(f"*{SUFFIX}") if not file.name.startswith("."))
        if files:
            return files
        others = sorted(file.name for file in path.iterdir())[:3]
        there = f"only {', '.join(others)} …" if others else "nothing"
        raise UnreadableError(f"There is no {SUFFIX} file in {path}, but {there}. {_conversion(path)}")
    if path.suffix != SUFFIX:
        raise UnreadableError(f"{path} is no {SUFFIX} file. {_conversion(path)}")
    return [path]


def _conversion(path: Path) -> str:
    return f"Convert it first: python -m spacy posattn convert {path} {path.stem or 'my'}-corpus"


def _read(file: Path, vocab: Vocab) -> Iterator[Doc]:
    try:
        yield from DocBin().from_disk(file).get_docs(vocab)
    except OSError as error:
        raise UnreadableError(f"{file} can't be read: {error.strerror}. Check its permissions.") from error
    except Exception as error:  # of zlib, msgpack, numpy or spaCy, by where the damage is
        raise UnreadableError(
            f"{file} is no intact {SUFFIX} file ({type(error).__name__}: {error}). Make or fetch it again."
        ) from error
