"""The project from the corpus to the wheels, as a user runs it, on the sample corpus and a tiny encoder."""

import csv
import json
import re
import shlex
import shutil
import zipfile
from importlib import import_module
from pathlib import Path
from typing import Dict, List

import pytest
import spacy
import srsly
from posattn_benchmark import results
from posattn_benchmark.cost import beginning
from posattn_benchmark.cost.systems import SYSTEMS
from posattn_benchmark.cost.workload import Workload
from posattn_benchmark.digests import write_digests
from posattn_benchmark.grid.archive import read_archive
from posattn_benchmark.processes import Spent
from posattn_benchmark.runs import Run, missing_steps
from typer.main import get_command

from encoders import write_bert
from posattn_spacy import learning_pipe
from processes import ROOT, command, run, script

# What git would check out, less the tests.
FILES = (
    "assets/published.json",
    "assets/sample",
    "benchmark",
    "configs",
    "constraints.txt",
    "docs",
    "LICENSE",
    "posattn_spacy",
    "project.yml",
    "pyproject.toml",
    "README.md",
    "scripts",
    "setup.cfg",
)
SHORT = "--training.max_steps=60 --training.eval_frequency=30 --components.posattn_ner.model.hidden_width=32"
TRAINED = "posattn/file-order/0"
STEPS = ("locate", "encoder", "corpus", "train", "evaluate", "benchmark", "package", "smoke")
MADE = (*STEPS[:-1], "experiments")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project after it has run up to the wheels."""
    folder = tmp_path_factory.mktemp("project")
    for name in FILES:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    write_bert(folder / "tiny-encoder")
    definition = srsly.read_yaml(folder / "project.yml")
    names = {definition["workflows"].get(name, [name])[-1]: name for name in MADE}
    definition["workflows"]["most"] = ["digests", *names]
    srsly.write_yaml(folder / "project.yml", definition)
    _, *parts = re.split(f"=+ ({'|'.join(names)}) =+", run_command(folder, "most"))
    for step, said in zip(parts[::2], parts[1::2], strict=True):
        (folder / f"{names[step]}.log").write_text(said)
    return folder


@pytest.fixture(scope="module")
def again(project: Path) -> str:
    """What the same commands say when they are run once more."""
    return run_command(project, "most")


@pytest.fixture
def within(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, with this process in it, as the project's scripts are run."""
    monkeypatch.chdir(project)
    monkeypatch.setenv("SPACY_CONFIG_OVERRIDES", SHORT)
    return project


def run_command(folder: Path, name: str, *options: str) -> str:
    """Run one command of the project on the sample corpus."""
    variables: List[object] = ["--vars.corpus", "assets/sample/sample.csv"]
    variables += ["--vars.seeds", "1"]
    variables += ["--vars.experiments", "replication"]
    variables += ["--vars.encoder", folder / "tiny-encoder"]
    result = run(
        *("-m", "spacy", "project", "run", name, ".", *variables, *options),
        folder=folder,
        SPACY_CONFIG_OVERRIDES=SHORT,
        PYTHONUNBUFFERED="1",  # so that what processes say comes in order
    )
    return result.stdout + result.stderr


def test_every_public_name_notes_the_code_first_and_all_runs_them_in_order() -> None:
    workflows = dict(srsly.read_yaml(ROOT / "project.yml")["workflows"])
    commands = workflows.pop("all")
    before = ([], ["get-encoder"], ["locate"])
    assert all(steps[0] == "digests" and steps[1:-1] in before for steps in workflows.values())
    names = {steps[-1]: name for name, steps in workflows.items()}
    assert commands[0] == "digests"
    assert [names.get(command, command) for command in commands[1:]] == list(STEPS)


def test_every_script_of_the_project_is_called_as_it_can_be() -> None:
    project = srsly.read_yaml(ROOT / "project.yml")
    called = set()
    for line in (line for each in project["commands"] for line in each["script"]):
        filled = re.sub(r"\$\{vars\.(\w+)\}", lambda variable: str(project["vars"][variable[1]]), line)
        words = shlex.split(filled)
        if words[0] == "python" and words[1].startswith("scripts/"):
            name = Path(words[1]).stem
            called.add(name)
            get_command(script(name)).make_context(name, words[2:])
    named = {
        "locate",
        "corpus",
        "train",
        "benchmark",
        "results",
        "experiments",
        "cost",
        "corpora",
        "defaults",
    }
    assert called >= {*named, "smoke"}


def test_sample_run_marks_its_tables_and_leaves_the_readme_alone(project: Path) -> None:
    assert (project / "README.md").read_bytes() == (ROOT / "README.md").read_bytes()
    for name in ("locate", "corpus", "train", "evaluate", "benchmark", "experiments"):
        assert "[sample corpus]" in (project / f"{name}.log").read_text(), name
    assert json.loads((project / "corpus/source.json").read_text())["kind"] == "sample"


def test_train_shows_a_flat_column_and_evaluate_writes_it(project: Path) -> None:
    log = (project / "train.log").read_text()
    assert "FLAT_F" in log
    scores = json.loads((project / f"metrics/{TRAINED}/dev.json").read_text())
    component = scores["posattn_ner"]
    assert 0 <= component["flat_f"] <= 1
    assert component["ents_f"] == scores["posattn_ner"]["ents_f"]
    assert "B-geo" in component["flat_per_type"]


def test_benchmark_writes_every_metric(project: Path) -> None:
    measured = json.loads((project / f"metrics/{TRAINED}/test.json").read_text())
    counts = json.loads((project / "corpus/corpus.json").read_text())
    assert measured["source"] == "sample"
    assert measured["test"]["tokens"] == counts["splits"]["file-order"]["test"]["tokens"]
    assert measured["test"]["entities"] == counts["splits"]["file-order"]["test"]["entities"]
    for key in ("span_f", "span_macro_f", "flat_f", "token_f"):
        assert 0 <= measured["test"][key] <= 1
    assert set(measured["test"]["span_f_per_type"]) == {
        *("art", "eve", "geo", "gpe", "nat", "org", "per", "tim")
    }
    assert measured["dev_loss"] > 0
    pipe = spacy.load(project / f"training/{TRAINED}/model-best").get_pipe("posattn_ner")
    heads = [pipe.model.get_ref(name).shims[0]._model for name in ("output_layer", "first_look")]
    tables = [node for node in pipe.model.get_ref("lexical").walk() if node.has_param("E")]
    n_lexical = sum(table.get_param("E").size for table in tables)
    assert measured["trained_parameters"] == n_lexical + sum(
        weight.numel() for head in heads for weight in head.parameters()
    )
    assert set(measured["joined"]) == {"5", "20"}
    for figure in (*measured["joined"].values(), measured["raw_text"]):
        assert 0 <= figure <= 1
    assert measured["confidence"]["temperature"] == pytest.approx(pipe.cfg["temperature"])
    assert 0 <= measured["confidence"]["error"] <= 1


def test_results_are_of_every_training_and_made_once(within: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = {name: results.CONFIGS[name] for name in ("posattn", "features")}
    monkeypatch.setattr(results, "CONFIGS", shown)
    account = srsly.read_json("corpus/corpus.json")
    account["splits"].pop("random42")
    srsly.write_json(within / "one-split.json", account)
    arguments = ("metrics", "--account", "one-split.json", "--seeds", 1)
    arguments += ("--encoder", within / "tiny-encoder", "--readme", "README.md")
    said = command(*arguments, app=script("results"))
    assert "[sample corpus] Figures written to metrics/sample/tiny-encoder/results.json" in said
    assert "README.md, docs left as they are" in said
    runs = json.loads((within / "metrics/sample/tiny-encoder/results.json").read_text())
    assert [(run["config"], run["split"], run["seed"]) for run in runs] == [
        ("posattn", "file-order", 0),
        ("features", "file-order", 0),
    ]
    assert runs[0]["test"] == json.loads((within / f"metrics/{TRAINED}/test.json").read_text())["test"]
    assert len({run["test"]["span_f"] for run in runs} | {run["dev_loss"] for run in runs}) > 3
    assert 0 < runs[0]["confidence_share"] < 1
    monkeypatch.setattr("scripts.results.make", None)  # nothing is made again
    command(*arguments, app=script("results"))


def test_a_result_is_made_anew_when_what_it_comes_from_has_changed(within: Path) -> None:
    variables = {"encoder": within / "tiny-encoder"}
    shipped = Run("posattn", "file-order", 0)
    assert missing_steps(within, shipped, variables) == []
    config = within / "configs/posattn.cfg"
    before = config.read_text()
    config.write_text(before + "\n")
    try:
        assert missing_steps(within, shipped, variables) == ["train-head", "measure-test"]
    finally:
        config.write_text(before)
    measured = within / f"metrics/{TRAINED}/test.json"
    before = measured.read_text()
    measured.write_text(before.replace('"measuring code"', '"other code"'))
    try:
        assert missing_steps(within, shipped, variables) == ["measure-test"]
    finally:
        measured.write_text(before)


def test_cost_writes_every_figure_and_the_chart(within: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(system: str, workload: Workload, threads: int, log: Path) -> Dict[str, float]:
        return {**SYSTEMS[system](workload), "peak_bytes": 1.0}

    monkeypatch.setattr("posattn_benchmark.cost.rounds.measure", measure)  # without a process for each
    monkeypatch.setattr(learning_pipe, "objective", learning_pipe.objective)  # which gets a clock
    monkeypatch.setitem(SYSTEMS, "training_1000", lambda workload: {"cpu_seconds": 1.0})  # is as the other
    run_whole = beginning.run

    def run_shortly(command: List[str], threads: int, log: Path) -> Spent:
        return run_whole(
            [*command, *(["--training.max_steps=2"] if "train" in command else [])], threads, log
        )

    monkeypatch.setattr(beginning, "run", run_shortly)
    small = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 64}
    monkeypatch.setattr("posattn_benchmark.cost.base.SHAPE", small)
    paths = ("configs/posattn.cfg", "corpus/file-order", within / "tiny-encoder")
    paths += (f"training/{TRAINED}/model-best", "metrics", "metrics/cost.png")
    said = command(*paths, "--repeats", 1, "--epochs", 1, "--page", "docs/cost.md", app=script("cost"))
    assert "[sample corpus] Figures written to" in said
    assert "docs/cost.md left as it is" in said
    cost = json.loads((within / "metrics/sample/tiny-encoder/cost.json").read_text())
    assert cost["setting"]["source"] == "sample"
    assert cost["setting"]["epochs"] == 1
    (repeat,) = cost["repeats"]
    for system in ("raw_forward", "encoding", "stock_pipe", "cnn_pipe", "pipe", "base_pipe", "head_epoch"):
        assert repeat[system]["words_per_s"] > 0
        assert repeat[system]["peak_bytes"] > 0
    for system in ("stock_frozen_training", "stock_fine_tuning"):
        assert repeat[system]["words_per_s"] > 0
    for training in ("training_cold", "training_warm"):
        assert repeat[training]["seconds"] > 0
    for begun in ("cold_start", "stock_cold_start", "training_200", "training_1000"):
        assert repeat[begun]["cpu_seconds"] > 0
    assert repeat["training_cold"]["dev_span_f"] == repeat["training_warm"]["dev_span_f"]
    assert 0 < repeat["head_epoch"]["spacy_share"] < 1
    assert len(cost["ratios"]) >= 11
    assert (within / "metrics/cost.png").read_bytes().startswith(b"\x89PNG")
    assert not (within / "assets/cost.png").exists()
    assert not (within / "metrics/cost/measured").exists()
    assert 0 < repeat["pipe_apart"]["own"] < 1e6 / repeat["pipe"]["words_per_s"]
    rates = {system: {**figures, "words_per_s": 1e9} for system, figures in repeat.items()}
    monkeypatch.setattr(
        "posattn_benchmark.cost.rounds.measure",
        lambda system, *_: {**rates[system], "words_per_s": 1.0 if system == "pipe" else 1e9},
    )
    before = (within / "metrics/sample/tiny-encoder/cost.json").read_bytes()
    said = command(*paths, "--quick", 1, app=script("cost"))
    assert (within / "metrics/sample/tiny-encoder/cost.json").read_bytes() == before
    slower = "Slower than it was" in said
    assert slower == cost["setting"]["bfloat16"]  # else it is the pipeline in float32 that counts


def test_experiments_leave_figures_and_logs_but_no_pipelines(project: Path, again: str) -> None:
    place = "paper/file-order-100/own-passes/as-it-is/0"
    cell = read_archive(project / "metrics/sample/tiny-encoder/experiments")[place]
    assert cell["source"] == "sample"
    assert 0 <= cell["test"]["flat_f"] <= 1
    assert cell["head"]["padded"] > 0
    assert cell["seconds"] > 0
    assert len(cell["history"]["dev"]) == len(cell["curve"]) > 1
    name = "experiments-file-order-25-6-passes-1-seeds.csv"
    rows = list(csv.DictReader((project / f"metrics/sample/tiny-encoder/{name}").read_text().splitlines()))
    assert [(row["experiment"], row["config"], row["seed"]) for row in rows] == [
        ("replication", "paper", "0")
    ]
    assert float(rows[0]["test flat F1"]) == cell["test"]["flat_f"]
    folder = project / "training/experiments" / place
    assert {path.name for path in folder.iterdir()} == {
        "config.cfg",
        "log.jsonl",
        "output.txt",
        "steps.jsonl",
    }
    assert "0 trainings are missing" in again
    assert "Replication of the paper" in again


def test_a_training_that_fails_does_not_keep_others_from_being_shown(project: Path) -> None:
    result = run(
        *("scripts/experiments.py", "replication", "--seeds", 2, "--encoder", project / "tiny-encoder"),
        folder=project,
        fails=True,
        SPACY_CONFIG_OVERRIDES="--training.dropout none",
    )
    said = result.stdout + result.stderr
    assert "✘ [sample corpus] paper/file-order-100/own-passes/as-it-is/1" in said
    assert "dropout\tInput should be a valid number" in said
    assert "1 of 1 trainings failed" in said
    assert "Replication of the paper" in said


def test_second_run_skips_what_is_up_to_date(again: str) -> None:
    for name in ("get-encoder", "convert", "train-head", "evaluate-dev", "measure-test"):
        assert f"Skipping '{name}'" in again


def test_an_edit_runs_what_depends_on_it(project: Path) -> None:
    code = project / "posattn_spacy/corpora/columns.py"
    before = code.read_bytes()
    code.write_bytes(before + b"\n")
    try:
        assert "Skipping" not in run_command(project, "corpus")
        assert "Skipping" in run_command(project, "encoder")
    finally:
        code.write_bytes(before)
    assert "Skipping" not in run_command(project, "corpus")  # as it was at first
    assert "Skipping" in run_command(project, "train")  # the same corpus came out


@pytest.mark.parametrize(
    ("name", "trains"),
    [
        ("posattn_spacy/view/viewer.css", False),
        ("configs/posattn.cfg", True),
        ("posattn_spacy/attention.py", True),
    ],
)
def test_a_training_depends_on_config_and_code_and_not_on_a_style_sheet(
    name: str, trains: bool, within: Path
) -> None:
    path = within / name
    before = path.read_bytes()
    path.write_bytes(before + b"\n")
    try:
        write_digests(Path(), Path("digests"))  # with --dry, nothing does
        assert ("Skipping" not in run_command(within, "train", "--dry")) == trains
    finally:
        path.write_bytes(before)
        write_digests(Path(), Path("digests"))


def test_wheels_name_licence_sources_figures_and_limits(project: Path) -> None:
    wheels = {path.name.split("-")[0]: path for path in (project / "packages/wheels").glob("*.whl")}
    assert set(wheels) == {"en_posattn_ner", "posattn_spacy"}
    with zipfile.ZipFile(wheels["en_posattn_ner"]) as wheel:
        names = wheel.namelist()
        meta = json.loads(wheel.read("en_posattn_ner/meta.json"))
    assert not [name for name in names if "encoder" in name]
    assert meta["license"] == "MIT"
    assert "CC0" in meta["sources"][0]["license"]
    assert "art, eve, geo" in meta["description"]
    assert meta["performance"]["test"]["corpus"] == "sample"
    assert any(requirement.startswith("posattn-spacy") for requirement in meta["requirements"])
    with zipfile.ZipFile(wheels["posattn_spacy"]) as wheel:
        tops = {name.split("/")[0] for name in wheel.namelist()}
        assert "posattn_spacy/posattn.cfg" in wheel.namelist()
    assert tops == {"posattn_spacy", next(top for top in tops if top.endswith(".dist-info"))}


def test_smoke_check_fails_on_a_file_from_a_closed_folder(project: Path, tmp_path: Path) -> None:
    smoke = import_module("scripts.smoke")
    (tmp_path / "sitecustomize.py").write_text(smoke.WATCH)
    model = project / f"training/{TRAINED}/model-best"
    use = ("-c", smoke.USE, model)
    closed = run(*use, fails=True, PYTHONPATH=str(tmp_path), CLOSED=str(model.resolve()))
    assert "must not need" in closed.stderr
    encoder = (project / "tiny-encoder").resolve()
    opened = run(*use, PYTHONPATH=str(tmp_path), CLOSED=str(encoder))
    first, *_ = opened.stdout.splitlines()
    assert 0 < float(first.split()[-1]) <= 1  # how sure it is


def test_spacy_commands_run_on_the_trained_pipeline(project: Path) -> None:
    model = project / f"training/{TRAINED}/model-best"
    dev = project / "corpus/file-order/dev.spacy"
    run(
        "-m",
        "spacy",
        "benchmark",
        "speed",
        model,
        dev,
        "--batches",
        "30",
        "--batch-size",
        "2",
        "--warmup",
        "0",
    )
    labels = project / "labels"
    overrides = ("--paths.encoder", project / "tiny-encoder")
    run("-m", "spacy", "init", "labels", "configs/posattn.cfg", labels, *overrides, folder=project)
    written = json.loads((labels / "posattn_ner.json").read_text())
    assert written == ["art", "eve", "geo", "gpe", "nat", "org", "per", "tim"]
    steps = project / f"training/{TRAINED}/steps.jsonl"
    doctor = ["-m", "spacy", "posattn", "doctor", model, dev, "--gold-preproc", "--log", steps]
    said = run(*doctor, folder=project).stdout  # where the encoder's path leads to it
    assert "The training of 'posattn_ner'" in said
    assert "2 not known" in said  # two evaluations do not tell whether the loss on dev jumps, or F1 falls


def test_a_page_documents_the_project_as_it_is(project: Path, tmp_path: Path) -> None:
    page = tmp_path / "project.md"
    shutil.copy(ROOT / "docs" / "project.md", page)
    run("-m", "spacy", "project", "document", "--output", page)
    written = page.read_text().replace("](project.yml)", "](../project.yml)")  # as `make document` does
    assert written == (ROOT / "docs" / "project.md").read_text()
