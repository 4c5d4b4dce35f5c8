"""Downloading published files, each known by its checksum."""

import shutil
from pathlib import Path
from urllib.request import urlopen

from posattn_spacy.corpora.files import md5
from posattn_spacy.corpora.sentences import CorpusError
from posattn_spacy.writing import replacing

_TIMEOUT = 10.0  # seconds without an answer


def download(url: str, path: Path, checksum: str) -> None:
    """Download a file, checksum verified.

    url (str): Where it is published.
    path (Path): The file to write; it appears only once it is complete and right.
    checksum (str): Its MD5, in hexadecimal digits.
    RAISES (OSError): If there is no connection.
    RAISES (CorpusError): If the checksum is wrong.
    """
    with replacing(path) as temporary:
        with urlopen(url, timeout=_TIMEOUT) as response, temporary.open("wb") as file:
            shutil.copyfileobj(response, file)
        found = md5(temporary.read_bytes())
        if found != checksum:
            raise CorpusError(f"wrong checksum, expected {checksum}, got {found}")
