"""Many files are annotated while workers, machines and the command itself are killed."""

import json
import random
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence

import psutil

from pipelines import TEXTS, saved_pipeline
from posattn_spacy.bulk.job import NOTES
from posattn_spacy.cli.bulk import REJECTED

from .running import Found, Outcome, Setting

PARTS, ROWS, BROKEN = 10, 3000, 7  # files, rows of each, and which row can't be annotated
VICTIMS = 3  # of each run
POLL = 0.02  # seconds
LIMIT = 300.0  # seconds, for a command that should have ended long before
Victim = Callable[[], Optional[psutil.Process]]


def kills(setting: Setting) -> Outcome:
    """Annotate again and again, with processes and with Ray in turn, and kill who works on it."""
    scene = Scene.made(setting.folder)
    tally = setting.go_through(setting.reach, scene.run)
    names = "kills", "lost", "twice", "different", "left behind"
    figures: Dict[str, Any] = {name: int(tally.counts[name]) for name in names}
    held = figures["kills"] == VICTIMS * setting.reach and not any(figures[name] for name in names[1:])
    held = held and not tally.faults
    return Outcome(setting.reach, held, {"runs": setting.reach, **figures}, "; ".join(tally.faults))


class Scene(NamedTuple):
    """What is annotated, and what is to come of it.

    model (Path): The pipeline.
    corpus (Path): Folder of the files.
    expected (Path): Folder of what they become when nobody is killed.
    folder (Path): For the runs.
    """

    model: Path
    corpus: Path
    expected: Path
    folder: Path

    @classmethod
    def made(cls, folder: Path) -> "Scene":
        """RETURNS (Scene): A scene in a folder, where it may be already."""
        scene = cls(folder / "model", folder / "corpus", folder / "expected", folder)
        if not scene.model.exists():
            saved_pipeline(scene.model)
            scene.corpus.mkdir()
            for part in range(PARTS):
                (scene.corpus / f"{part}.jsonl").write_text(_rows(part), encoding="utf-8")
        if not (scene.expected / "rejected.jsonl").exists():
            status = scene.start(scene.expected, []).wait(LIMIT)
            assert status == REJECTED, f"undisturbed, the command ended with {status}"
        return scene

    def start(self, output: Path, options: Sequence[object]) -> "subprocess.Popen[bytes]":
        """RETURNS (subprocess.Popen[bytes]): The command at work, with an output folder and options."""
        command = [sys.executable, "-m", "spacy", "posattn", "annotate", self.model, self.corpus]
        command += ["--output", output, "--threads", 1, *options]
        return subprocess.Popen(
            list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder
        )

    def run(self, item: int) -> Found:
        """Annotate once, with kills; odd items with Ray."""
        draw, output = random.Random(item), self.folder / f"out-{item}"
        with _cluster() if item % 2 else _processes() as engine:
            moments = sorted(draw.sample(range(PARTS - 4), len(engine.victims)))
            driver = self.start(output, engine.options)
            killed = 0
            for moment, victim in zip(moments, engine.victims, strict=True):
                _await(lambda moment=moment: _is_amid(output, moment), driver)  # type: ignore[misc]
                killed += _kill(victim, driver)
            killed += _kill(lambda: psutil.Process(driver.pid), driver, alone=True)
            driver.wait(LIMIT)
            again = self.start(output, engine.options)
            status = again.wait(LIMIT)
        return self._compared(output, status, killed)

    def _compared(self, output: Path, status: int, killed: int) -> Found:
        """What came of a run, beside what should have."""
        lines = [line for path in output.glob("[0-9]*.jsonl") for line in path.read_bytes().splitlines()]
        ids = [json.loads(line)["id"] for line in lines]
        names = {path.relative_to(self.expected) for path in self.expected.glob("*.jsonl")}
        counts = {
            "kills": killed,
            "lost": PARTS * (ROWS - 1) - len(set(ids)),
            "twice": len(ids) - len(set(ids)),
            "different": sum(_bytes(output / name) != _bytes(self.expected / name) for name in names),
            "left behind": sum(1 for path in output.rglob(".*") if path.name != NOTES),
        }
        return Found(counts, [] if status == REJECTED else [f"the command ended with {status}"])


class Engine(NamedTuple):
    """Who annotates, and who of them is killed.

    options (List[object]): Of the command.
    victims (List[Callable[[], Optional[psutil.Process]]]): Find who is killed, one after another; None where
        nobody is there yet.
    """

    options: List[object]
    victims: List[Victim]


@contextmanager
def _processes() -> Iterator[Engine]:
    yield Engine(["--n-process", 2], [_first_of("spawn_main"), _first_of("spawn_main")])


@contextmanager
def _cluster() -> Iterator[Engine]:
    """Ray with three nodes: an actor is killed, and later a node with all that runs there."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        others = [cluster.add_node(num_cpus=1) for _ in range(2)]
        cluster.wait_for_nodes()

        def node() -> psutil.Process:
            return psutil.Process(others[0].all_processes["raylet"][0].process.pid)

        options = ["--engine", "ray", "--address", cluster.address, "--n-process", 2]
        yield Engine(options, [_first_of("MapWorker"), node])
    finally:
        cluster.shutdown()


def _first_of(name: str) -> Victim:
    """Finds a process below this one by what its command line says."""

    def find() -> Optional[psutil.Process]:
        for process in psutil.Process().children(recursive=True):
            try:
                if name in " ".join(process.cmdline()):
                    return process
            except psutil.Error:  # it has ended
                pass
        return None

    return find


def _kill(victim: Victim, driver: "subprocess.Popen[bytes]", *, alone: bool = False) -> bool:
    """Kill a process, and all below it unless it is to die alone.

    RETURNS (bool): Whether it was killed; not if the run was over.
    """
    _await(lambda: victim() is not None, driver)
    process = victim()
    if driver.poll() is not None or process is None:
        return False
    for each in [process, *([] if alone else process.children(recursive=True))]:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    return True


def _await(condition: Callable[[], bool], driver: "subprocess.Popen[bytes]") -> None:
    """Wait until something is so, or the command has ended."""
    waited = 0.0
    while not condition() and waited < LIMIT:
        try:
            driver.wait(POLL)
            return
        except subprocess.TimeoutExpired:
            waited += POLL


def _is_amid(output: Path, finished: int) -> bool:
    """Whether so many files are finished, and another is half written."""
    if sum(1 for _ in output.glob("[0-9]*.jsonl")) < finished:
        return False
    try:
        return any(path.stat().st_size for path in output.glob(".[0-9]*.jsonl.*"))
    except FileNotFoundError:  # it is finished now
        return False


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _rows(part: int) -> str:
    draw = random.Random(part)
    rows: List[Dict[str, Any]] = [{"text": draw.choice(TEXTS), "id": f"{part}-{row}"} for row in range(ROWS)]
    rows[BROKEN]["text"] = None
    return "".join(f"{json.dumps(row)}\n" for row in rows)
