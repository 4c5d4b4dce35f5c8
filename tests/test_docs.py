"""What README and docs/ say can be done: links lead somewhere, commands parse, snippets load."""

import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any, Dict, Iterator, List, Sequence, Set, Tuple

import pytest
import srsly
import typer
from spacy.cli import app as spacy_app
from spacy.util import registry
from thinc.api import Config

from processes import ROOT, script

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "benchmark").glob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SPAN = re.compile(r"`([^`\n]+)`")
PROJECT: Dict[str, Any] = srsly.read_yaml(ROOT / "project.yml")
each_page = pytest.mark.parametrize("page", PAGES, ids=NAMES)


def blocks(page: Path, language: str) -> List[str]:
    """The code blocks of a page in one language."""
    return [code for _, name, code in FENCE.findall(page.read_text()) if name == language]


@cache
def anchors(page: Path) -> Set[str]:
    """The names by which GitHub knows the headings of a page."""
    text = FENCE.sub("", page.read_text())
    found: Set[str] = set()
    for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", LINK.sub(lambda link: link[0], title).lower())
        name, number = plain.replace(" ", "-"), 0
        while name in found:
            number += 1
            name = f"{plain.replace(' ', '-')}-{number}"
        found.add(name)
    return found


def commands(page: Path) -> Iterator[str]:
    """The command lines of a page, in blocks and in the text."""
    for code in (*blocks(page, "bash"), *SPAN.findall(FENCE.sub("", page.read_text()))):
        for line in code.replace("\\\n", " ").splitlines():
            for part in line.split(" && "):
                command = re.sub(r"^(python -m )?spacy ", "spacy ", part.split("  #")[0].strip())
                if re.match(r"(spacy|make|python) [\w./-]+", command) and "…" not in command:
                    yield command


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        other = (page.parent / path).resolve() if path else page
        assert other.exists(), target
        assert not anchor or anchor in anchors(other), target


@each_page
def test_commands_parse(page: Path) -> None:
    for command in commands(page):
        words = shlex.split(command.replace("|", "\\|"))
        parse = {"spacy": check_spacy, "make": check_make, "python": check_script}[words[0]]
        parse(words[1:], command)


def check_make(words: Sequence[str], command: str) -> None:
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(words) <= set(targets), command


def check_script(words: Sequence[str], command: str) -> None:
    if words[0].startswith("-"):  # -c and -m
        assert words[1:2] == ["stress"] or words[0] == "-c", command
        return
    name = Path(words[0])
    assert (ROOT / name).is_file(), command
    assert str(name.parent) == "scripts", command
    check_options(typer.main.get_command(script(name.stem)), words[1:], command)


def check_spacy(words: Sequence[str], command: str) -> None:
    if words[:2] == ["project", "run"]:
        check_project(words[2:], command)
        return
    group: Any = typer.main.get_command(spacy_app)
    rest = list(words)
    while hasattr(group, "commands") and rest:
        name, *rest = rest
        for each in name.split("|"):
            assert each in group.commands, f"{command}: there is no {each}"
        group = group.commands[name.split("|")[0]]
    check_options(group, rest, command)


def check_project(words: Sequence[str], command: str) -> None:
    name, *rest = words
    assert name in {*PROJECT["workflows"], *(each["name"] for each in PROJECT["commands"])}, command
    for option in (word for word in rest if word.startswith("--")):
        variable = option.removeprefix("--vars.")
        assert option == "--force" or variable in {*PROJECT["vars"], "NAME"}, command
    assert not rest or rest[0] == "." or rest[0].startswith("--"), f"{command}: the dot is missing"


def check_options(known: Any, words: Sequence[str], command: str) -> None:
    names = {name for parameter in known.params for name in (*parameter.opts, *parameter.secondary_opts)}
    for word in words:
        option = word.split("=")[0]
        overrides = known.context_settings.get("ignore_unknown_options") and "." in option
        if option.startswith("-") and not re.fullmatch(r"-?\d.*", option):
            assert option in {*names, "--help"} or overrides, f"{command}: there is no {option}"


@each_page
def test_config_snippets_load(page: Path) -> None:
    for code in blocks(page, "ini"):
        for registry_name, section in registered(Config().from_str(with_parents(code), interpolate=False)):
            assert registry_name in registry.get_registry_names(), section
            resolved = registry.fill({"it": section}, validate=True)
            assert resolved["it"].keys() >= section.keys()


def with_parents(code: str) -> str:
    """A part of a config, with the sections that its own lie in."""
    lines, known = [], set()
    for line in code.splitlines():
        for i in range(line.count(".") if line.startswith("[") else 0):
            parent = ".".join(line.strip("[]").split(".")[: i + 1])
            lines += [] if parent in known else [f"[{parent}]"]
            known.add(parent)
        known.add(line.strip("[]"))
        lines.append(line)
    return "\n".join(lines)


def registered(config: Any) -> Iterator[Tuple[str, Dict[str, Any]]]:
    """The sections of a config that name a registered function, the inner ones as part of the outer."""
    for value in config.values():
        if isinstance(value, dict):
            names = [key.removeprefix("@") for key in value if key.startswith("@")]
            yield from ((name, value) for name in names)
            if not names:
                yield from registered(value)


@each_page
def test_python_snippets_are_python(page: Path) -> None:
    for code in blocks(page, "python"):
        compile(code, str(page), "exec")


def test_commands_and_snippets_are_found() -> None:
    found = [command for page in PAGES for command in commands(page)]
    assert len(found) > 40
    assert any(command.startswith("spacy posattn store warm") for command in found)
    assert any(command.startswith("python scripts/experiments.py") for command in found)
    assert sum(len(blocks(page, "ini")) for page in PAGES) >= 3


@pytest.mark.parametrize(
    "wrong",
    [
        "spacy posattn convrt my.conll",
        "spacy posattn convert my.conll out --repare",
        "spacy project run trains",
        "spacy project run train --vars.sed 1",
        "spacy project run train x --vars.seed 1",
        "spacy train my.cfg --out x",
        "make everything",
        "python scripts/missing.py",
        "python scripts/experiments.py --dry",
    ],
)
def test_a_command_that_does_not_parse_is_noticed(tmp_path: Path, wrong: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"```bash\n{wrong}\n```\n")
    with pytest.raises((AssertionError, KeyError)):
        test_commands_parse(page)


def test_the_tree_shows_every_file() -> None:
    text = (ROOT / "DESIGN.md").read_text()
    tree = re.findall(r"^    (\S+)/\n((?:      .+\n)+)", text, re.MULTILINE)
    shown = {f"{folder}/{line.split()[0]}" for folder, lines in tree for line in lines.splitlines()}
    modules = [*(ROOT / "posattn_spacy").rglob("*.py"), *(ROOT / "benchmark/posattn_benchmark").rglob("*.py")]
    there = {path.relative_to(ROOT).as_posix() for path in modules if path.name != "__init__.py"}
    assert there == {name for name in shown if name.endswith(".py")}
