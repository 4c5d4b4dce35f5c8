"""Finding pickles in files, however deep they lie."""

import io
import pickletools
import zipfile
from pathlib import Path
from typing import Any, Iterator, List

import srsly


def pickles_in(folder: Path) -> List[str]:
    """RETURNS (List[str]): Where in the files of a folder there are pickles."""
    return [
        f"{path.relative_to(folder)}{place}"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for place in _places(path.read_bytes())
    ]


def _places(data: Any, place: str = "") -> Iterator[str]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _places(value, f"{place}[{key!r}]")
    elif isinstance(data, (list, tuple)):
        for i, value in enumerate(data):
            yield from _places(value, f"{place}[{i}]")
    elif isinstance(data, bytes) and data:
        if _is_pickle(data):
            yield place
        elif data.startswith(b"PK") and zipfile.is_zipfile(io.BytesIO(data)):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for name in archive.namelist():
                    yield from _places(archive.read(name), f"{place}/{name}")
        else:
            try:
                message = srsly.msgpack_loads(data)
            except Exception:  # it is something else
                return
            if isinstance(message, (dict, list, bytes)):
                yield from _places(message, place)


def _is_pickle(data: bytes) -> bool:
    if not data.startswith(b"\x80"):
        return False
    try:
        return [operation.name for operation, _, _ in pickletools.genops(data)][-1] == "STOP"
    except Exception:  # it is something else
        return False
