"""The figures of the cells: a JSON line for each, in one file for each config."""

import json
from pathlib import Path
from typing import Any, Dict, List

import portalocker

from posattn_spacy.writing import replacing

Entry = Dict[str, Any]
Archive = Dict[str, Entry]  # by the cells' places
Variants = Dict[str, List[Entry]]  # the seeds of each variant of an experiment


def read_archive(folder: Path) -> Archive:
    """Read the figures of all cells.

    folder (Path): The files' folder; it may not be there.
    RETURNS (Archive): The figures by the cells' places.
    RAISES (ValueError): If a line is no figures.
    """
    archive: Archive = {}
    for path in sorted(folder.rglob("*.jsonl")):
        archive |= read_records(path)
    return archive


def write_record(path: Path, record: Entry) -> None:
    """Write the figures of a training over those it had, also while others write theirs.

    path (Path): The file.
    record (Entry): The figures, with `place`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with portalocker.Lock(path.with_suffix(".lock"), timeout=None):
        records = {**(read_records(path) if path.is_file() else {}), record["place"]: record}
        lines = (json.dumps(records[place], ensure_ascii=False) for place in sorted(records))
        with replacing(path) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def age(record: Entry, code: str) -> str:
    """Tell of figures that were made by other training code than there is.

    record (Entry): The figures.
    code (str): Digest of the training code as it is.
    RETURNS (str): By what they were made; empty if by the same code.
    """
    made = record["made"]
    if made["training code"] == code:
        return ""
    return f"made by older training code: {made['posattn-spacy']}, commit {made['commit'] or 'unknown'}"


def read_records(path: Path) -> Archive:
    """Read one file of figures.

    path (Path): The file.
    RETURNS (Archive): The figures by their places.
    RAISES (ValueError): If a line is no figures.
    """
    records: Archive = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            record = json.loads(line)
            records[record["place"]] = record
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path}, line {number}, is no figures of a training: {error!r}. Take the file from the "
                "repository again, or delete the line."
            ) from error
    return records
