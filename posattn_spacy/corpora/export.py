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


def export_docs(docs: Iterable[Doc], path: Path, tool: str) -> None:
    """Write documents for an annotation tool.

    docs (Iterable[Doc]): The documents; entities that a component has found have their scores.
    path (Path): The file, which is there as a whole or not at all.
    tool (str): One of `TOOLS`.
    RAISES (CorpusError): If it can't be written.
    """
    with (
        naming_obstacles(path),
        replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="\n") as file,
    ):
        for line in TOOLS[tool](map(exported, docs)):
            file.write(f"{line}\n")
