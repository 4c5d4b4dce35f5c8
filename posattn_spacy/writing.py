"""Writing files so that they are there as a whole or not at all."""

import secrets
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file so that it is there as a whole or not at all.

    path (Path): The file to be.
    YIELDS (Path): A temporary file beside it, which takes its name when the block ends well.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    # Not from tempfile, which makes files that nobody else may read.
    temporary.touch(exist_ok=False)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
