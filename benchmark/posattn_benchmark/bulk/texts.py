"""Texts to be annotated: sentences of a corpus, put together so that no two texts are the same."""

import json
import random
from pathlib import Path
from typing import Iterator, List, Sequence

import spacy
from spacy.tokens import DocBin


def sentences(corpus: Path) -> List[str]:
    """RETURNS (List[str]): The texts of a .spacy file."""
    vocab = spacy.blank("xx").vocab
    return [doc.text for doc in DocBin().from_disk(corpus).get_docs(vocab) if len(doc)]


def texts(of: Sequence[str], n: int, sentences_each: int, seed: int) -> Iterator[str]:
    """Put sentences together.

    of (Sequence[str]): The sentences.
    n (int): How many texts.
    sentences_each (int): How many sentences in each.
    seed (int): Of the choice.
    YIELDS (str): The texts; a number at the end makes each one of its own.
    """
    draw = random.Random(seed)
    for number in range(n):
        yield f"{' '.join(draw.choices(of, k=sentences_each))} No {seed}-{number} ."


def write_parts(folder: Path, of: Sequence[str], parts: int, rows: int, sentences_each: int) -> List[Path]:
    """Write JSONL files of texts.

    folder (Path): Where to.
    of (Sequence[str]): The sentences.
    parts (int): How many files.
    rows (int): Rows of each.
    sentences_each (int): Sentences of each row.
    RETURNS (List[Path]): The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{part:03}.jsonl" for part in range(parts)]
    for part, path in enumerate(paths):
        with path.open("w", encoding="utf-8") as file:
            for number, text in enumerate(texts(of, rows, sentences_each, part)):
                file.write(f"{json.dumps({'id': number, 'text': text})}\n")
    return paths
