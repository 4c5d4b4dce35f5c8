"""Formats that are not read: what they are called, and the ways from there to one that is."""

from pathlib import Path
from typing import NamedTuple

from .sentences import CorpusError

STORE = 'DocBin(docs=docs).to_disk("corpus.spacy") stores them; then convert corpus.spacy'
OFFSETS = (
    "Export it as JSONL, as doccano does, or write each text on a line of its own, with the characters of "
    'its entities: {"text": "Ann left Oslo", "label": [[0, 3, "PER"], [9, 13, "LOC"]]}'
)
TOKENS = (
    "Make documents of it with spaCy: Doc(nlp.vocab, words=tokens, ents=tags), with tags such as B-geo, "
    f"I-geo and O. {STORE}"
)
NUMBERS = (
    "Make documents of it with spaCy: Doc(nlp.vocab, words=tokens, ents=[names[n] for n in tags]), where "
    f"names are those that the data set gives its tags, such as O, B-geo and I-geo. {STORE}"
)
EXPORT_CONLL = "Export it as CoNLL 2002 from there"
SPACY_CONVERT = "`python -m spacy convert FILE . --converter {}` makes a .spacy file of it; convert that"
ROWS = (
    "Write each word with its tag, such as B-geo, on a line of its own, and a blank line after each sentence"
)
UNPACK = "Unpack it, and pass the file or folder that is in it"


class Foreign(NamedTuple):
    """A format that is not read.

    name (str): What it is.
    way (str): What to do, without a full stop; FILE stands for the file.
    """

    name: str
    way: str

    def refusal(self, path: Path) -> CorpusError:
        """RETURNS (CorpusError): The error for a file in this format."""
        way = self.way.replace("FILE", str(path))
        return CorpusError(f"{path} is {self.name}, which is not read. {way}.")
