"""What feature stores are put through, in short; `make stress` does the same for as long as it takes."""

import json
import re
from pathlib import Path
from typing import Any, Callable, Dict

import pytest

from processes import run
from stress.store import FAILURES, Figures

SAID = {
    "full_disk": r"can't be written: .* Is the disk full\?",
    "full_disk_at_the_start": r"can't be opened: .*(No space left|too large).*with room",
    "read_only_store": "may be read, but not written to",
    "read_only_folder": "can't be opened: .*(Read-only file system|Permission denied).*the right to write",
    "foreign_database": "an LMDB database that is no feature store. Choose another folder",
    "foreign_file": "data.mdb is no file of a feature store: .*Choose another folder",
    "other_encoder": "was made by another encoder, 'another'",
    "newer_format": "has format 2, .*update posattn-spacy",
    "hostile_facts": "does not say what it holds. Move it away",
    "damaged_record": "a record differs from what was written. Affected texts are encoded anew",
    "damaged_file": "is damaged, or is none: .*move it away, and it will be made anew",
    "cut_off_file": "is damaged, or is none: .*move it away, and it will be made anew",
    "cut_off_while_in_use": "data.mdb was cut off while it was in use",
    "lost_file": "data.mdb was moved or deleted while it was in use.*made anew",
    "link_out_of_the_folder": "data.mdb is a link or no file",
    "two_hosts": "is open on another machine, 'another-machine'",
    "store_too_large": "holds .* GB already, and max_gb = 1e-05 .*Raise max_gb",
}
GOOD: Dict[str, Any] = {"messages": 1, "trained": True, "unchanged": True, "damaged": 0, "refused": 18}


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.__name__)
def test_each_failure_is_said_once_and_training_goes_on(
    failure: Callable[[Path, Path], Figures], tiny_encoder: Callable[[str], Path], tmp_path: Path
) -> None:
    figures = failure(tmp_path / "store", tiny_encoder("bert"))
    message = figures.pop("message")
    assert isinstance(message, str)
    assert message.isprintable()
    assert "elete" not in message.replace("deleted while", "")
    assert re.search(SAID[failure.__name__], message), message
    if "texts" in figures:
        assert figures.pop("texts") > 0  # type: ignore[operator]
    assert figures == {name: GOOD[name] for name in figures}
    assert {"messages", "trained"} <= figures.keys()


def in_a_process(call: str, encoder: Path, folder: Path) -> Figures:
    """Call a function in a process that it may fork, and return its figures."""
    code = (
        "import json, sys; from pathlib import Path; from stress.store import *; "
        f"folder, encoder = map(Path, sys.argv[1:]); print(json.dumps({call}))"
    )
    figures: Figures = json.loads(
        run("-c", code, folder, encoder, PYTHONPATH="tests").stdout.splitlines()[-1]
    )
    return figures


def test_killed_encoding_loses_nothing(tiny_encoder: Callable[[str], Path], tmp_path: Path) -> None:
    figures = in_a_process("kill_while_encoding(folder, encoder, kills=5)", tiny_encoder("bert"), tmp_path)
    assert figures.pop("texts") > 0  # type: ignore[operator]
    assert figures.pop("kills while encoding") > 0  # type: ignore[operator]
    assert figures == {"kills": 5, "lost": 0, "wrong": 0, "damaged": 0, "failed": 0}


def test_killed_training_can_be_repeated(tiny_encoder: Callable[[str], Path], tmp_path: Path) -> None:
    figures = in_a_process("kill_while_training(folder, encoder, kills=2)", tiny_encoder("bert"), tmp_path)
    del figures["kills with features"]
    assert figures == {"kills": 2, "damaged": 0, "other weights": 0, "failed": 0}


def test_trainings_at_once_give_the_weights_of_one(
    tiny_encoder: Callable[[str], Path], tmp_path: Path
) -> None:
    figures = in_a_process("train_at_once(folder, encoder, trainings=4)", tiny_encoder("bert"), tmp_path)
    assert figures == {"trainings": 4, "other weights": 0, "failed": 0, "damaged": 0}
