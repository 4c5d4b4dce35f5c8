"""The parts of a corpus that comes as several files, told by the files' names."""

import re
from pathlib import Path
from typing import Collection, Dict, List, Tuple

from .files import list_folder
from .formats.brat import is_brat
from .recognise import recognise_folder
from .sentences import CorpusError
from .splits import PARTS

_NAMES = {
    "train": ("train", "training", "trn"),
    "dev": ("dev", "devel", "development", "val", "valid", "validation", "testa", "eval"),
    "test": ("test", "testing", "testb", "tst"),
}
_PART_OF = {name: part for part, names in _NAMES.items() for name in names}
# Names are read piece by piece: "eng.testa", "my_dev.conll", "wnut17train.conll", "devSet.txt".
_PIECES = re.compile(r"[a-z]+|[A-Z]+(?![a-z])|[A-Z][a-z]*")


def find_parts(folder: Path, suffixes: Collection[str]) -> Tuple[Dict[str, Path], List[str]]:
    """Find the files of a split that a corpus brings along.

    folder (Path): A folder with files such as train.conll, dev.conll and test.conll.
    suffixes (Collection[str]): Endings that are preferred, if several files have the name of a part.
    RETURNS (Tuple[Dict[str, Path], List[str]]): The file of each part there is, train among them, and what
        the user should know.
    RAISES (CorpusError): If there is no file for train, or several for a part, or one for several parts.
    """
    found: Dict[str, List[Path]] = {part: [] for part in PARTS}
    several: List[Tuple[Path, List[str]]] = []
    for file in list_folder(folder):
        if file.name.startswith(".") or file.name.endswith("~"):  # of editors
            continue
        if not (file.is_file() or is_brat(file)):
            continue
        named = _parts_of(file.name)
        if len(named) == 1:
            found[named[0]].append(file)
        elif named and file.suffix.lower() in suffixes:
            several.append((file, named))
    for part, files in found.items():
        found[part] = [file for file in files if file.suffix.lower() in suffixes] or files
        if len(found[part]) > 1:
            names = ", ".join(file.name for file in found[part])
            raise CorpusError(
                f"{folder} has several files for {part}: {names}. Keep one there, and move the others away."
            )
    notes = []
    for file, named in several:  # such as train_dev.tsv, both parts in one file
        if not all(found[part] for part in named):
            raise CorpusError(f"{file}: the name says {' and '.join(named)}. Name it after one part.")
        notes.append(f"{file.name} was left out: its name says {' and '.join(named)}.")
    if not found["train"]:
        raise _no_train(folder)
    return {part: files[0] for part, files in found.items() if files}, notes


def is_single(folder: Path) -> bool:
    """RETURNS (bool): Whether a folder is of brat, and has no folders for train, dev and test."""
    return is_brat(folder) and not any(map(_parts_of, (file.name for file in list_folder(folder))))


def advise_part(part: str) -> str:
    """RETURNS (str): How a file of a part may be called, as the end of a sentence."""
    return f"named {', '.join(f'{name}.*' for name in _NAMES[part])} or *.{part}"


def _parts_of(name: str) -> List[str]:
    return sorted({_PART_OF[piece] for piece in map(str.lower, _PIECES.findall(name)) if piece in _PART_OF})


def _no_train(folder: Path) -> CorpusError:
    foreign = recognise_folder(folder)
    if foreign is not None:
        return foreign.refusal(folder)
    names = [file.name + "/" * file.is_dir() for file in list_folder(folder)]
    shown = ", ".join(names[:8]) + ", ..." * (len(names) > 8)
    return CorpusError(
        f"{folder} has no file for train, but holds: {shown or 'nothing'}. Let there be a file "
        f"{advise_part('train')}, one for dev and one for test; or pass a single file, which is cut 70/15/15."
    )
