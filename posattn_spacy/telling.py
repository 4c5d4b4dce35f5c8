"""Errors that end a command with a message."""

from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Type

from wasabi import msg

from .writing import UnwritableError, require_writable


@contextmanager
def told(*errors: Type[Exception], what: str = "", remedy: str = "") -> Iterator[None]:
    """End the command with a message where such errors come up.

    errors (Type[Exception]): The errors, whose text is the message.
    what (str): What stands before it.
    remedy (str): What stands below it.
    """
    try:
        yield
    except errors as error:
        msg.fail(f"{what}{error}", remedy, exits=1)


def insist_writable(path: Path) -> None:
    """End the command with a message if a file can't be written, before there is anything to write.

    path (Path): The file to be.
    """
    with told(UnwritableError):
        require_writable(path)
