"""Documents as files that annotation tools take."""

import json
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator

from spacy.tokens import Doc

from ..writing import replacing
from .exported import Exported, exported
from .files import naming_obstacles
from .formats.conll import write_conll
from .formats.label_studio import write_label_studio
from .formats.offsets import write_doccano, write_jsonl
from .formats.prodigy import write_prodigy

Records = Callable[[Iterable[Exported]], Iterator[Dict[str, Any]]]


def _lines(write: Records, texts: Iterable[Exported]) -> Iterator[str]:
    """A record on each line."""
    for record in write(texts):
        yield json.dumps(record, ensure_ascii=False)


def _list(write: Records, texts: Iterable[Exported]) -> Iterator[str]:
    """A list of records, one on each line."""
    opening = "["
    for line in _lines(write, texts):
        yield f"{opening}{line}"
        opening = ","
    yield "]" if opening == "," else "[]"


# What writes the lines of a file, by the names of the tools.
TOOLS: Dict[str, Callable[[Iterable[Exported]], Iterator[str]]] = {
    "doccano": partial(_lines, write_doccano),
    "label-studio": partial(_list, write_label_studio),
    "prodigy": partial(_lines, write_prodigy),
    "conll": write_conll,
    "jsonl": partial(_lines, write_jsonl),
}


def export_docs(docs: Iterable[Doc], path: Path, tool: str, *, predicted: bool = False) -> int:
    """Write documents for an annotation tool.

    docs (Iterable[Doc]): The documents; entities that a component has found have their scores.
    path (Path): The file, which is there as a whole or not at all.
    tool (str): One of `TOOLS`.
    predicted (bool): Whether a pipeline has found the entities, in place of annotation.
    RETURNS (int): How many documents were annotated in part, which this tool can't say: there what nobody
        has annotated reads as no entity.
    RAISES (CorpusError): If it can't be written.
    """
    n_partial = 0

    def texts() -> Iterator[Exported]:
        nonlocal n_partial
        for doc in docs:
            text = exported(doc, predicted)
            n_partial += _is_partial(text, tool)
            yield text

    with (
        naming_obstacles(path),
        replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="\n") as file,
    ):
        for line in TOOLS[tool](texts()):
            file.write(f"{line}\n")
    return n_partial


def _is_partial(text: Exported, tool: str) -> bool:
    """Whether more is known of a text, or less, than a tool can say."""
    if tool == "jsonl" or text.is_bare:
        return False
    return bool(text.annotated_for or text.incorrect or (text.missing and tool != "conll"))
