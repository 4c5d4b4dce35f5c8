"""Several systems on several corpora: finding corpora, training systems, showing what comes out."""

import hashlib
import shutil
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import numpy as np
import pytest
import spacy
from posattn_benchmark.corpora import found
from posattn_benchmark.corpora.chart import draw
from posattn_benchmark.corpora.found import TITLES, Asset, Corpus, fetch, listed, part_of, prepare
from posattn_benchmark.corpora.looks import HEADER, draw_looks, look_rows, looks_markdown
from posattn_benchmark.corpora.shares import SHARES, share_figures, threshold_of
from posattn_benchmark.corpora.standing import goal_rows, standing_rows
from posattn_benchmark.corpora.summary import (
    by_system,
    corpora_markdown,
    corpus_rows,
    overview_header,
    overview_rows,
)
from posattn_benchmark.corpora.systems import SYSTEMS, System, Task
from posattn_benchmark.corpora.training import SHORT_SECONDS, Entrant, Workplace, wanted
from posattn_benchmark.corpora.variants import AS_WRITTEN, VARIANTS, left_out_rows, stop, variant_rows
from posattn_benchmark.crf import Crf
from posattn_benchmark.gmb.locate import DATA_VARIABLE
from posattn_benchmark.hugging_face import main as fine_tune
from spacy.util import load_config
from typer.testing import CliRunner

from pipelines import GOLD, TEXTS, entities, frozen_pipeline, make_examples, train
from posattn_spacy.corpora.sentences import CorpusError
from posattn_spacy.fitting import calibrate
from posattn_spacy.second_look import TextCounts, at_threshold
from processes import ROOT, script
from small_corpora import conll_text

CONTENT = conll_text(8).encode()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the systems are made from, in which the process runs."""
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    (tmp_path / "digests").mkdir()
    for name in ("train", "corpus"):
        (tmp_path / f"digests/{name}.txt").write_text("code\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def small_corpus(project: Path) -> Corpus:
    folder = project / "mine"
    folder.mkdir()
    for part in ("train", "devel", "test"):
        (folder / f"{part}.tsv").write_bytes(CONTENT)
    return prepare(str(folder), "en", Path("corpora"))


# The corpora


def test_the_project_lists_published_corpora_with_checksums() -> None:
    files = listed(ROOT / "project.yml")
    for name in ("wnut17", "ncbi-disease"):
        assert name in TITLES
        assert len([file for file in files if file.place.parent.name == name]) == 3
    assert all(len(file.checksum) == 32 and file.url.startswith("https://") for file in files)


def test_published_files_are_found_in_the_data_folder(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = project / "data/corpora/wnut17"
    data.mkdir(parents=True)
    (data / "train.conll").write_bytes(CONTENT)
    monkeypatch.setenv(DATA_VARIABLE, str(project / "data"))
    file = Asset(Path("corpora/wnut17/train.conll"), "https://nowhere.invalid/", _md5(CONTENT))
    assert fetch("wnut17", [file]) == data
    with pytest.raises(CorpusError, match=r"train\.conll: wrong checksum, expected 0+, got"):
        fetch("wnut17", [file._replace(checksum="0" * 32)])


def test_published_files_are_downloaded_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "published").write_bytes(CONTENT)
    url = (project / "published").as_uri()
    file = Asset(Path("corpora/wnut17/train.conll"), url, _md5(CONTENT))
    assert fetch("wnut17", [file]) == Path("assets/corpora/wnut17")
    (project / "published").unlink()
    assert fetch("wnut17", [file]) == Path("assets/corpora/wnut17")
    missing = file._replace(place=Path("corpora/wnut17/dev.conll"))
    with pytest.raises(CorpusError, match=r"WNUT-17: file:.* could not be downloaded .*POSATTN_DATA"):
        fetch("wnut17", [missing])


def test_a_corpus_of_ones_own_is_converted_once_and_anew_when_it_changes(project: Path) -> None:
    corpus = small_corpus(project)
    assert corpus.folder.parent.parent == Path("corpora")
    assert corpus.title == "mine"
    assert corpus.words("train") == 40
    written = corpus.folder / "train.spacy"
    before = written.stat().st_mtime_ns
    assert prepare("mine", "en", Path("corpora")) == corpus
    assert written.stat().st_mtime_ns == before
    (project / "mine/train.tsv").write_text(conll_text(9))
    assert prepare("mine", "en", Path("corpora")).words("train") == 45
    with pytest.raises(CorpusError, match=r"no corpus yours: choose from ncbi-disease, wnut17, gmb"):
        found.find("yours")


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


# The systems


@pytest.mark.parametrize("name", sorted(SYSTEMS.keys() - {"layers_3"}))  # the tiny encoder has two
def test_each_system_has_a_command_and_a_sound_config(
    name: str, project: Path, tiny_encoder: Callable[[str], Path]
) -> None:
    corpus = small_corpus(project)
    folder = project / "training"
    folder.mkdir()
    system = SYSTEMS[name]
    rate = 0.004 if system.rates else 0.0
    task = Task(corpus.folder, 40, 40, tiny_encoder("bert"), "en", 3, folder, rate)
    for command in filter(None, (system.command, system.trial)):
        words = command(task)
        if name == "hugging_face":
            assert words[-6:] == ["--seed", "3", "--lang", "en", "--passes", "8"]
            continue
        config = load_config(words[words.index("train") + 1])
        assert config["system"]["seed"] == 3
        assert config.interpolate()["paths"]["train"] == str(corpus.folder / "train.spacy")
        if system.rates:
            assert config["training"]["optimizer"]["learn_rate"]["initial_rate"] == 0.004


def test_a_crf_learns_and_survives_the_disk(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("posattn_crf")
    nlp.initialize(lambda: make_examples(nlp) * 5)
    assert entities(nlp) == GOLD
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert isinstance(loaded.get_pipe("posattn_crf"), Crf)
    assert entities(loaded, [*TEXTS, ""]) == [*GOLD, []]


@pytest.mark.filterwarnings("ignore:mtime may not be reliable")  # the passes take no second
# Of transformers, where the processor is fast at bfloat16.
@pytest.mark.filterwarnings("ignore:.torch.cpu.amp.autocast:FutureWarning")
def test_hugging_face_fine_tunes_and_leaves_a_pipeline(
    project: Path, tiny_encoder: Callable[[str], Path]
) -> None:
    corpus = small_corpus(project)
    parts = [corpus.folder / f"{part}.spacy" for part in ("train", "dev")]
    fine_tune(*parts, tiny_encoder("bert"), project / "out", rate=3e-3, passes=20)
    nlp = spacy.load(project / "out/model-best")
    (doc,) = nlp.pipe(["Ann Lee left Oslo ."])
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("Ann Lee", "per"), ("Oslo", "geo")]
    assert [doc.text for doc in nlp.pipe(["", "\n", "Oslo"])] == ["", "\n", "Oslo"]


# The trainings


def made(
    system: str, seed: int = 0, rate: float = 0.0, trial: bool = False, **figures: Any
) -> Dict[str, Any]:
    entrant = Entrant(system, seed, rate, trial)
    scores = {"span_f": 0.8, "span_macro_f": 0.7}
    origin = {"commit": "0", "posattn-spacy": "0", "spacy": "3", "torch": "2", "processor": "one"}
    origin["training code"] = "older"
    return {
        "place": entrant.place,
        **entrant._asdict(),
        **{"dev": scores, "test": scores, "seconds": 60.0, "cpu_seconds": 120.0, "peak_bytes": None},
        **{"words_per_s": 1000.0, "mb": 90.0, "made": origin},
        "confidence": {"temperature": 1.4, "error_uncalibrated": 0.1, "error": 0.02, "error_by_chance": 0.01},
        **figures,
    }


def archive_of(*records: Dict[str, Any]) -> Dict[str, Dict[str, Any]]:
    return {record["place"]: record for record in records}


def test_the_rate_that_is_best_on_dev_is_trained_with() -> None:
    frozen = SYSTEMS["frozen"]
    assert [entrant.rate for entrant in wanted("frozen", frozen, 3, {})] == list(frozen.rates)
    trials = [
        made("frozen", rate=rate, trial=True, dev={"span_f": 0.9 if rate == 3e-3 else 0.5})
        for rate in frozen.rates
    ]
    (only,) = [entrant for entrant in wanted("frozen", frozen, 3, archive_of(*trials)) if not entrant.trial]
    assert (only.rate, only.seed) == (3e-3, 0)


def test_short_trainings_are_made_with_more_seeds() -> None:
    for seconds, seeds in ((SHORT_SECONDS - 1, [0, 1, 2]), (SHORT_SECONDS + 1, [0])):
        archive = archive_of(made("stock", seconds=seconds))
        assert [each.seed for each in wanted("stock", SYSTEMS["stock"], 3, archive)] == seeds
    assert len(wanted("posattn", SYSTEMS["posattn"], 3, archive_of(made("posattn", seconds=1e6)))) == 3
    assert len(wanted("crf", SYSTEMS["crf"], 3, archive_of(made("crf")))) == 1  # always comes out the same


def test_a_training_is_made_measured_and_not_made_again(
    project: Path, tiny_encoder: Callable[[str], Path]
) -> None:
    encoder = tiny_encoder("bert")
    place = Workplace(small_corpus(project), encoder, "en", Path("training"), Path("metrics/mine.jsonl"))
    entrant = place.next(["crf"], 3, stale=False)
    assert entrant == Entrant("crf", 0)
    place.make(entrant)
    assert place.next(["crf"], 3, stale=False) is None
    (record,) = place.read().values()
    assert record["test"]["span_f"] == 1.0
    assert record["cpu_seconds"] > 0
    assert record["words_per_s"] > 0
    assert record["mb"] > 0
    assert record["confidence"] is None
    assert not (place.folder(entrant) / "model-best").exists()
    with (project / "configs/baselines/crf.cfg").open("a") as config:
        config.write("\n")
    assert place.next(["crf"], 3, stale=False) is None
    assert place.next(["crf"], 3, stale=True) == entrant
    assert place._replace(encoder=tiny_encoder("roberta")).next(["crf"], 3, stale=False) == entrant


def test_a_part_of_a_corpus_has_so_many_sentences(project: Path) -> None:
    corpus = small_corpus(project)
    part = part_of(corpus, 3)
    assert part.words("train") == 15
    assert part.words("dev") == corpus.words("dev")
    assert (part.folder / "dev.spacy").read_bytes() == (corpus.folder / "dev.spacy").read_bytes()
    with pytest.raises(CorpusError, match="has 8 sentences to learn from, not 9"):
        part_of(corpus, 9)
    with pytest.raises(CorpusError, match="a number stands behind the colon"):
        prepare("gmb:few", "en", Path("corpora"))


def test_a_corpus_that_lacks_a_part_is_not_converted(project: Path) -> None:
    (project / "mine").mkdir()
    (project / "mine/train.tsv").write_bytes(CONTENT)
    with pytest.raises(CorpusError, match=r"--test-share.*posattn convert mine OUT_DIR"):
        prepare("mine", "en", Path("corpora"))


# The commands


def run_of(name: str, *arguments: object, fails: bool = False) -> str:
    result = CliRunner().invoke(script(name), list(map(str, arguments)))
    assert (result.exit_code != 0) is fails, result.output
    return " ".join(result.output.split())


def test_a_training_that_fails_stops_no_other_and_is_tried_again(
    project: Path, tiny_encoder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(task: Task) -> List[str]:
        (task.folder / "features").mkdir()
        return [sys.executable, "-c", "raise SystemExit('no luck')"]

    crf = SYSTEMS["crf"]
    for name in reversed(list(SYSTEMS)):  # so that they come back in their order
        monkeypatch.delitem(SYSTEMS, name)
    monkeypatch.setitem(SYSTEMS, "crf", crf)
    monkeypatch.setitem(SYSTEMS, "broken", System("broken", "broken", broken))
    small_corpus(project)
    command = ("corpora", "mine", "--encoder", tiny_encoder("bert"), "--readme", "README.md")
    said = run_of(*command, "--system", "broken", "--system", "crf", fails=True)
    assert "mine: broken/0" in said
    assert "no luck" in said
    assert "1 trainings failed" in said
    assert "CRF on hand-made features 1 1.000" in said
    (log,) = (project / "training").glob("**/broken/0/*")  # and no features
    assert log.name == "output.txt"
    monkeypatch.delitem(SYSTEMS, "broken")
    assert "README and docs left as they are" in run_of(*command)
    assert "There is no system broken" in run_of(*command, "--system", "broken", fails=True)
    said = run_of("corpora", "mine", "--encoder", project, fails=True)
    assert f"There is no encoder in {project}: `python -m spacy project run get-encoder`" in said


# What is shown


def corpora() -> List[Corpus]:
    about = {"splits": {"given": {part: {"tokens": 1000} for part in ("train", "dev", "test")}}}
    return [Corpus(name, title, Path(name) / "given", about) for name, title in TITLES.items()]


def sure(seed: int) -> Dict[str, float]:
    errors = {"error_uncalibrated": 0.1, "error": 0.02, "error_by_chance": 0.01}
    return {"temperature": 1.4 + 0.2 * seed, **errors}


def test_tables_have_every_system_best_first_and_ours_in_bold(project: Path, tmp_path: Path) -> None:
    better = {"span_f": 0.9, "span_macro_f": 0.7}
    archive = archive_of(
        *(made("posattn", seed, cpu_seconds=60.0 * (seed + 1), confidence=sure(seed)) for seed in (0, 1)),
        made("finetuned", test=better),
        made("frozen", rate=3e-3, trial=True, test=None),
    )
    assert list(by_system(archive)) == ["finetuned", "posattn"]
    rows = corpus_rows(archive)
    assert rows[0][:3] == (SYSTEMS["finetuned"].title, "1", "0.900")
    assert rows[1][1:6] == (
        "**2**",
        "**0.800**",
        "**0.700**",
        "**0.800**",
        "**1.5 ± 0.7**",
    )
    archives = {name: archive if name == "gmb" else {} for name in TITLES}
    header, overview = overview_header(corpora()), overview_rows(archives)
    assert all(len(row) == len(header) for row in overview)
    assert overview[0][-2:] == ("**0.800**", "**1.5 ± 0.7**")
    page = corpora_markdown(corpora(), archives, "corpora.png")
    assert "| GMB | 1.500 ± 0.141 | 0.100 | 0.020 | 0.010 |" in page
    assert "4 of 4 trainings were made by older code" in page
    draw(corpora(), archives, tmp_path / "corpora.png")
    assert (tmp_path / "corpora.png").read_bytes().startswith(b"\x89PNG")


def scored(system: str, f: float, seed: int = 0, **figures: Any) -> Dict[str, Any]:
    return made(system, seed, test={"span_f": f, "span_macro_f": f}, **figures)


def test_the_page_says_where_others_are_ahead_and_what_was_not_reached(project: Path) -> None:
    ours = [scored("posattn", f, seed) for seed, f in enumerate((0.84, 0.86))]
    others = [scored("bilstm", 0.845), scored("stock", 0.7, cpu_seconds=600.0), scored("finetuned", 0.9)]
    archives = {name: archive_of(*ours, *others) if name == "wnut17" else {} for name in TITLES}
    grouped = {name: by_system(archive) for name, archive in archives.items()}
    title = {corpus.name: corpus.title for corpus in corpora()}["wnut17"]
    (row,) = standing_rows(corpora(), grouped)
    assert row == (title, *(SYSTEMS[name].title for name in ("stock", "bilstm", "finetuned")))
    assert goal_rows(corpora(), grouped) == [
        ("span F1 on test", title, "0.850", "≥ 0.45", "✓"),
        ("CPU time ÷ that of spaCy's CPU recipe", title, "0.20", "≤ 0.4", "✓"),
        ("calibration error on test", title, "0.020", "≤ 0.03", "✓"),
    ]
    archives["wnut17"] = archive_of(scored("posattn", 0.44))
    short = goal_rows(corpora(), {name: by_system(archive) for name, archive in archives.items()})
    assert [row[-1] for row in short] == ["✗", "✓"]


# What the second look gives


def shares(seed: int) -> Dict[str, Any]:
    def point(words: float, f: float, rate: float) -> Dict[str, Any]:
        return {"threshold": None, "words": words, "f": f + seed / 100, "f_all": 0.8, "words_per_s": rate}

    curve = [point(0.0, 0.7, 9000.0), point(0.5, 0.75, 5000.0), point(1.0, 0.8, 1000.0)]
    return {"fitted": point(0.25 + 0.5 * seed, 0.79, 3000.0), "curve": curve}


def test_the_second_look_has_a_row_and_a_panel_for_each_corpus(project: Path, tmp_path: Path) -> None:
    archive = archive_of(*(made("posattn", seed, shares=shares(seed)) for seed in (0, 1)))
    archives = {name: archive if name == "gmb" else archive_of(made("posattn")) for name in TITLES}
    (row,) = look_rows(corpora(), archives)
    assert len(row) == len(HEADER)
    assert row[:4] == ("GMB", "2", "50%", "0.7950 ± 0.0071")
    assert row[5:] == ("0.7050 ± 0.0071", "3,000", "1,000")
    assert "2 of 2 trainings were made by older code" in looks_markdown(corpora(), archives, "looks.png")
    draw_looks(corpora(), archives, tmp_path / "looks.png")
    assert (tmp_path / "looks.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("share", "threshold", "encoded"),
    [(0.0, 0.2, 0.0), (0.12, 0.2, 0.0), (0.3, 0.5, 0.25), (0.74, 0.9, 0.75), (1.0, None, 1.0)],
)
def test_so_large_a_share_of_the_words_is_encoded(
    share: float, threshold: float | None, encoded: float
) -> None:
    once = np.ones((2, 3), dtype=np.int64)
    counts = TextCounts(np.array([0.9, 0.2, 0.5]), np.array([10, 10, 20]), once, once, 3)
    assert threshold_of(counts, share) == threshold
    assert at_threshold(counts, threshold).words == encoded


def test_the_second_look_is_measured_and_its_setting_put_back(tiny_encoder: Callable[[str], Path]) -> None:
    nlp = frozen_pipeline(tiny_encoder("bert"))
    train(nlp, 40)
    examples = make_examples(nlp)
    timed = [example.reference for example in examples]
    assert share_figures(nlp, examples, timed) is None  # nothing has been fitted
    calibrate(nlp, examples)
    pipe = nlp.get_pipe("posattn_ner")
    pipe.cfg["second_look"] = 0.25
    figures = share_figures(nlp, examples, timed)
    assert pipe.cfg["second_look"] == 0.25
    assert figures is not None
    assert [point["threshold"] is None for point in figures["curve"]] == [share == 1.0 for share in SHARES]
    assert figures["curve"][0]["words"] == 0.0
    assert figures["curve"][-1]["words"] == 1.0
    assert figures["curve"][-1]["f"] == figures["fitted"]["f_all"]
    assert all(point["words_per_s"] > 0 for point in figures["curve"])


# Other settings than `init config` writes


def test_each_variant_is_a_config_that_learns_from_as_many_words(
    project: Path, tiny_encoder: Callable[[str], Path]
) -> None:
    corpus, folder = small_corpus(project), project / "training"
    folder.mkdir()
    task = Task(corpus.folder, 40, 40, tiny_encoder("bert"), "en", 0, folder)

    def training_of(name: str) -> Dict[str, Any]:
        VARIANTS[name].command(task)
        config = load_config(folder / "config.cfg")
        assert config.interpolate()["initialize"]["after_init"]["path"] == "features/defaults/bert"
        return {**config["training"], "weights": config["components"]["posattn_ner"]["label_weights"]}

    written = training_of(AS_WRITTEN)
    assert (written["batcher"]["size"], written["max_steps"], written["weights"]) == (1024, 480, {})
    steps = {"batch-512": 960, "batch-4096": 120, "words-0.5": 240, "words-2": 960, "before": 120}
    assert {name: training_of(name)["max_steps"] for name in VARIANTS} == dict.fromkeys(VARIANTS, 480) | {
        **steps,
        "batch-2048": 240,
    }
    weights = training_of("rare")["weights"]
    assert min(weights.values()) == 1


def test_a_variant_is_chosen_without_the_corpus_it_is_held_against() -> None:
    def dev(system: str, span_f: float) -> Dict[str, Any]:
        return made(system, dev={"span_f": span_f, "span_macro_f": 0.5})

    scores = {"ncbi-disease": (0.8, 0.7), "wnut17": (0.5, 0.6), "gmb": (0.9, 0.91)}
    archives = {
        name: archive_of(dev(AS_WRITTEN, written), dev("wide", wide))
        for name, (written, wide) in scores.items()
    }
    archives["gmb"] |= archive_of(dev("rare", 1.0))
    title = VARIANTS["wide"].title
    rows = {row[0]: row[1:] for row in left_out_rows(corpora(), archives)}
    assert rows["NCBI-disease"] == (title, "0.700", "0.800", "−0.100")
    assert rows["WNUT-17"] == (VARIANTS[AS_WRITTEN].title, "0.500", "0.500", "+0.000")
    shown = variant_rows(list(VARIANTS), corpora(), archives, "span_f")
    assert [row[0] for row in shown] == [f"**{VARIANTS[AS_WRITTEN].title}**", VARIANTS["rare"].title, title]
    assert shown[1][1:] == ("–", "–", "1.000", "–")


@pytest.mark.parametrize(
    ("scores", "patience", "stopped"),
    [
        ([0.0, 0.5, 0.4, 0.6, 0.5], 1, (-0.1, 0.5)),
        ([0.0, 0.5, 0.4, 0.6, 0.5], 2, (0.0, 1.0)),
        ([0.5, 0.4, 0.3, 0.2, 0.1], 2, (0.0, 0.5)),
        ([0.1, 0.2, 0.3, 0.4, None], 1, (0.0, 1.0)),
    ],
)
def test_stopping_early_costs_what_would_have_come(
    scores: List[float | None], patience: int, stopped: Tuple[float, float]
) -> None:
    curve = [{"step": 10 * i, "span_f": score} for i, score in enumerate(scores)]
    assert stop(curve, patience) == pytest.approx(stopped)
