"""The report: what is shown of predictions, the charts, and the page."""

import re
from pathlib import Path
from typing import List
from xml.etree import ElementTree

import numpy as np
import pytest
import spacy
from cells import MADE, RESULTS, cell
from matplotlib.figure import Figure
from posattn_benchmark.grid.sweeps import EXPERIMENTS
from posattn_benchmark.report import charts
from posattn_benchmark.report.contents import CHARTS, MARKERS, markdown, sections
from posattn_benchmark.report.page import Chart, Section, page_html, svg, table_html, write_png
from posattn_benchmark.report.predictions import (
    choose,
    confusion_counts,
    look_at,
    reliability_bins,
)
from spacy.tokens import Doc
from spacy.training import Example

from pipelines import make_examples, plain_pipeline, train
from posattn_spacy.calibration import Judged
from processes import ROOT

VOCAB = spacy.blank("en").vocab


def example(found: List[str], gold: List[str]) -> Example:
    words = ["w"] * len(gold)
    return Example(Doc(VOCAB, words=words, ents=found), Doc(VOCAB, words=words, ents=gold))


RIGHT = example(["B-geo", "O"], ["B-geo", "O"])
MISTAKEN = example(["B-per", "O"], ["B-geo", "O"])
SHIFTED = example(["B-geo", "I-geo"], ["B-geo", "O"])
NOTHING = example(["O", "O"], ["O", "O"])


# Predictions


def test_labels_with_the_same_edges_are_confused() -> None:
    counts = confusion_counts([RIGHT, RIGHT, MISTAKEN, SHIFTED, NOTHING], ["geo", "per", "none"])
    assert counts.tolist() == [[2, 1, 1], [0, 0, 0], [1, 0, 0]]


def test_half_of_the_chosen_sentences_have_errors() -> None:
    examples = [RIGHT, NOTHING, MISTAKEN, RIGHT, SHIFTED, MISTAKEN, RIGHT]
    assert choose(examples, 4) == [0, 2, 3, 4]
    assert choose(examples, 100) == [0, 2, 3, 4, 5, 6]
    assert choose([RIGHT] * 5, 4) == [0, 1, 2, 3]
    assert choose([MISTAKEN] * 5, 4) == [0, 1, 2, 3]
    assert choose([NOTHING], 4) == []


def test_bins_hold_equally_many_entities() -> None:
    judged = Judged(
        np.zeros(4, int),
        np.array([0.9, 0.1, 0.3, 0.7], np.float32),
        np.array([True, False, True, True]),
        np.array([4]),
    )
    assert reliability_bins(judged, 2) == pytest.approx(np.array([[0.2, 0.5], [0.8, 1.0]]))
    assert len(reliability_bins(judged, 15)) == 4


def test_labels_that_are_not_the_components_are_confused_too() -> None:
    nlp = plain_pipeline()
    train(nlp, 1)
    text = "The Games cost $ 5 million"
    (other,) = make_examples(nlp, [(text, {"entities": [(4, 9, "eve")]})])
    predictions = look_at(nlp, nlp.get_pipe("posattn_ner"), [other], 1)
    assert predictions.labels == ["geo", "per", "eve", "none"]
    assert predictions.confusion[2].sum() == 1


def test_a_pipeline_that_finds_nothing_has_no_bins() -> None:
    judged = Judged(np.zeros(0, int), np.zeros(0, np.float32), np.zeros(0, bool), np.array([4]))
    empty = reliability_bins(judged, 15)
    assert empty.shape == (0, 2)
    charts.reliability(empty, empty)


def test_a_pipeline_is_looked_at() -> None:
    nlp = plain_pipeline(mask="soft")
    train(nlp, 60)
    examples = make_examples(nlp)
    predictions = look_at(nlp, nlp.get_pipe("posattn_ner"), examples, 2)
    assert predictions.labels == ["geo", "per", "none"]
    assert predictions.confusion.trace() == sum(len(each.reference.ents) for each in examples)
    assert len(predictions.sentences) == 2
    assert predictions.after[:, 1].min() == 1
    assert not any(each.predicted.ents for each in examples)


# Charts


def drawn_points(figure: Figure) -> List[int]:
    return [sum(len(line.get_xdata()) for line in axes.get_lines()) for axes in figure.axes]


def test_a_point_is_mean_and_spread() -> None:
    seeds = [cell(dev_loss=0.1), cell(dev_loss=0.3)]
    assert charts.point(seeds, "dev loss") == pytest.approx((0.2, 0.1414), abs=1e-4)
    assert charts.point(seeds[:1], "dev loss") == (0.1, 0.0)
    assert charts.point([cell(dev_loss=None), *seeds], "dev loss") is None
    assert charts.point([], "dev loss") is None


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_shows_every_variant(name: str) -> None:
    figure = CHARTS[name](MADE[name])
    assert sum(drawn_points(figure)) >= len(MADE[name])
    assert all(axes.get_ylabel() for axes in figure.axes)


def test_a_chart_leaves_out_what_is_not_measured() -> None:
    blind = {name: [cell(gold_mask_span_f=None, head=None)] for name in MADE["mask"]}
    full, less = (charts.masks(variants) for variants in (MADE["mask"], blind))
    assert sum(drawn_points(less)) < sum(drawn_points(full))


def test_minutes_are_plain_numbers() -> None:
    systems = {str(seconds): [cell(seconds=seconds)] for seconds in (30, 3000)}
    (axes,) = charts.costs(systems).axes
    assert {"0.5", "1", "2", "5", "10", "20", "50"} <= {tick.get_text() for tick in axes.get_xticklabels()}


def test_curves_end_where_the_shortest_seed_does() -> None:
    short = cell(curve=cell()["curve"][:3])
    (points,) = drawn_points(charts.curves({"posattn": [cell(), short]}))
    assert points == 2


# The page


CHART = Chart("losses", lambda: charts.training(cell()["history"]), 'What "falls" & rises')


def test_a_chart_takes_the_color_of_the_page() -> None:
    element = svg(CHART)
    ElementTree.fromstring(element.replace("xlink:", ""))  # well-formed
    assert "currentColor" in element
    assert "#0a0b0c" not in element
    assert 'role="img" aria-label="What &quot;falls&quot; &amp; rises"' in element
    assert "learning rate" in element  # text, not outlines
    assert element == svg(CHART)


def test_charts_of_a_page_do_not_share_names() -> None:
    ids = [set(re.findall(r'\bid="([^"]+)"', svg(CHART._replace(name=name)))) for name in ("one", "other")]
    assert ids[0]
    assert not ids[0] & ids[1]
    for reference in re.findall(r'(?:href="|url\()#([^")]+)', svg(CHART._replace(name="one"))):
        assert reference in ids[0]


def test_text_is_text_on_the_page() -> None:
    section = Section("A < B", "of `x<y>` & more", ("a", "b"), [("<i>", "1")])
    html = page_html("Title", "Intro", [section])
    assert "<h2>A &lt; B</h2>" in html
    assert "<code>x&lt;y&gt;</code> &amp; more" in html
    assert "&lt;i&gt;" in html
    assert 'href="#a-b"' in html
    assert 'id="a-b"' in html


def test_a_table_has_a_header_for_rows_and_columns() -> None:
    html = table_html(("system", "F1"), [("ours", "0.8")])
    assert '<th scope="col">F1</th>' in html
    assert '<th scope="row">ours</th><td>0.8</td>' in html


def test_the_report_has_all_that_was_made_and_needs_nothing_else(tmp_path: Path) -> None:
    nlp = plain_pipeline(mask="soft")
    train(nlp, 20)
    predictions = look_at(nlp, nlp.get_pipe("posattn_ner"), make_examples(nlp), 4)
    parts = sections(MADE, RESULTS, predictions)
    html = page_html("Experiments", "", parts)
    for experiment in EXPERIMENTS.values():
        assert experiment.title.replace("'", "&#x27;").split("`")[0] in html
    for title in ("Training curves", "F1 after each pass", "Labels", "How sure it is", "Sentences"):
        assert f"<h2>{title}</h2>" in html
    assert not re.search(r'(src|href)="(?!#|data:)', html)
    assert not re.search(r"@import|url\((?!#)", html)
    text = markdown(parts, "assets/experiments")
    assert "![" in text
    assert "| 0.800 |" in text
    assert text.count("assets/experiments/") == sum(part.chart is not None for part in parts)


def test_what_is_not_made_is_left_out() -> None:
    assert sections({}, [], None) == []
    (only,) = sections({"dropout": {"0.1": [cell()], "0.2": []}}, [], None)
    assert only.title == "Dropout"
    assert len(only.rows) == 1


def test_what_was_learned_from_is_said() -> None:
    seeds = {"a": [cell(share=1), cell(share=100)], "b": [cell(share=5)]}
    (only,) = sections({"size": seeds}, [], None)
    assert "from 1 to 100 % of the training documents (passes: 6)" in only.text
    assert only.text in markdown([only], "assets/experiments")


def test_the_machine_of_times_is_said() -> None:
    seeds = {"none": [cell()], "soft": [cell(made={"processor": "another"}, threads=1), cell()]}
    (only,) = sections({"mask": seeds}, [], None)
    assert "Times and memory: 2 threads of a processor; those of seeds made elsewhere are left" in only.text
    (only,) = sections({"mask": {"none": [cell()]}}, [], None)
    assert "Times and memory: 2 threads of a processor." in only.text


def test_trainings_of_older_code_are_said() -> None:
    old = cell(stale="made by older training code")
    (only,) = sections({"dropout": {"0.1": [old, cell()]}}, [], None)
    assert only.text.endswith("1 of 2 trainings were made by older training code: 0.1.0 (c0ffee).")


def test_pictures_have_a_background(tmp_path: Path) -> None:
    path = write_png(CHART, tmp_path)
    assert path.name == "losses.png"
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_page_has_the_place_for_the_experiments() -> None:
    text = (ROOT / "docs" / "experiments.md").read_text()
    start, end = MARKERS
    assert text.count(start) == text.count(end) == 1
