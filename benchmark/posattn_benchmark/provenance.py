"""Where a figure comes from: the commit, the versions and the machine, and what it was made of."""

import hashlib
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Set

PACKAGES = ("posattn-spacy", "spacy", "torch")
TRAINING_CODE = Path("digests/train.txt")  # what `digests` notes, seen from the project
MEASURING_CODE = Path("digests/benchmark.txt")
COST_CODE = Path("digests/cost.txt")


def origin(project: Path) -> Dict[str, Optional[str]]:
    """Say by what figures are made now.

    project (Path): The project's folder.
    RETURNS (Dict[str, Optional[str]]): `commit` (None outside of a repository; it ends with "-dirty" if files
        differ from it), the version of each of `PACKAGES`, and `processor`.
    """
    return {
        "commit": commit(project),
        **{package: version(package) for package in PACKAGES},
        "processor": processor(),
    }


def made_sentence(made: Sequence[Mapping[str, Optional[str]]]) -> str:
    """Tell by which versions figures were made, and on what; older ones are called so.

    made (Sequence[Mapping[str, Optional[str]]]): The `origin` of each.
    RETURNS (str): A sentence or two.
    """
    commits: Dict[Optional[str], Set[str]] = {}
    for each in made:
        commits.setdefault(each["posattn-spacy"], set()).add(each["commit"] or "unknown")
    by = [f"posattn-spacy {own}, commit {', '.join(sorted(of))}" for own, of in commits.items()]
    unknown = "a machine that was not noted"
    on = {f"spaCy {each['spacy']}, torch {each['torch']}, on {each['processor'] or unknown}" for each in made}
    old = any(each["posattn-spacy"] != version("posattn-spacy") for each in made)
    older = f" They are older than this version, {version('posattn-spacy')}." if old else ""
    return f"Made by {' and '.join(sorted(by))}, with {' and '.join(sorted(on))}.{older}"


def commit(project: Path) -> Optional[str]:
    """RETURNS (Optional[str]): The commit that is checked out; None outside of a repository."""
    command = ["git", "-C", str(project), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def processor() -> str:
    """RETURNS (str): What the processor calls itself; empty if it does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")


def training_sources(
    project: Path, config: Path, corpus: Sequence[Path], encoder: Optional[Path]
) -> Dict[str, str]:
    """Sum up what a training is made of.

    project (Path): The project's folder, in which `digests` has noted what the code is.
    config (Path): The config.
    corpus (Sequence[Path]): The documents it learns from and is evaluated on.
    encoder (Optional[Path]): Folder of the encoder, if the config has one.
    RETURNS (Dict[str, str]): Digests in hexadecimal digits, by what they are of.
    """
    sources = {"training code": [project / TRAINING_CODE], "config": [config], "corpus": [*corpus]}
    if encoder is not None:
        sources["encoder"] = [encoder / "config.json", encoder / "model.safetensors"]
    return {name: digest(paths) for name, paths in sources.items()}


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> List[str]:
    """RETURNS (List[str]): What figures were made of that is not as it is now."""
    return [name for name, value in now.items() if before.get(name) != value]


def digest(paths: Sequence[Path]) -> str:
    """RETURNS (str): What files contain, in 16 hexadecimal digits."""
    content = hashlib.blake2b(digest_size=8)
    for path in paths:
        with path.open("rb") as stream:
            content.update(hashlib.file_digest(stream, "blake2b").digest())
    return content.hexdigest()
