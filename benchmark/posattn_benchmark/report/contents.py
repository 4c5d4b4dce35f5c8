"""What stands in the report, and in docs/experiments.md."""

from functools import partial
from itertools import chain
from typing import Any, Callable, Dict, List, Optional, Sequence

from matplotlib.figure import Figure

from posattn_spacy.view.fragment import sentences_html

from ..grid.comparison import COLUMNS, Variants, machine_of, on_one_machine, stale_sentence, variant_rows
from ..grid.sweeps import EXPERIMENTS
from ..pages import bold, markdown_table
from ..provenance import made_sentence
from ..results import SHIPPED, Average, of
from . import charts
from .page import Chart, Section
from .predictions import Predictions

MARKERS = ("<!-- EXPERIMENTS: written by `spacy project run report` -->", "<!-- END OF EXPERIMENTS -->")

CHARTS: Dict[str, Callable[[Variants], Figure]] = {
    "learning_rate": charts.learning_rates,
    "positional_loss": partial(
        charts.by_setting, label="weight of the positional loss", upper="span F1", lower="shifted edges"
    ),
    "mask": charts.masks,
    "dropout": partial(charts.by_setting, label="dropout", upper="span F1", lower="dev loss"),
    "size": charts.sizes,
    "baselines": charts.costs,
}


def sections(
    made: Dict[str, Variants], results: Sequence[Dict[str, Any]], predictions: Optional[Predictions]
) -> List[Section]:
    """Put the report together, of what there is.

    made (Dict[str, Variants]): The seeds of each variant of each experiment.
    results (Sequence[Dict[str, Any]]): What `results` measured.
    predictions (Optional[Predictions]): What is shown of predictions.
    RETURNS (List[Section]): Its parts.
    """
    parts = [experiment_section(name, made[name]) for name in EXPERIMENTS if any(made.get(name, {}).values())]
    return [*parts, *_training_sections(made), *_result_sections(results), *_prediction_sections(predictions)]


def experiment_section(name: str, variants: Variants) -> Section:
    """RETURNS (Section): The part about one experiment."""
    experiment = EXPERIMENTS[name]
    rows = variant_rows(variants, experiment.figures)
    draw = CHARTS.get(name)
    filled = {variant: seeds for variant, seeds in variants.items() if seeds}
    chart = Chart(name, partial(draw, filled), f"{experiment.title}, as in the table below") if draw else None
    command = f"spacy project run experiments . --vars.experiments {name}"
    text = f"{_how(filled)} Mean ± standard deviation over seeds, made by `{command}`."
    if any(COLUMNS[figure].by_machine for figure in experiment.figures):
        text += f" {_where(filled)}"
    text = f"{text} {stale_sentence(filled)}".rstrip()
    return Section(experiment.title, text, experiment.header, rows, chart, shipped=experiment.shipped)


def _how(variants: Variants) -> str:
    """What the trainings have learned from, and on what they were measured."""
    cells = [cell for seeds in variants.values() for cell in seeds]
    shares = _range([cell["share"] for cell in cells])
    passes = _range([round(cell["passes_made"]) for cell in cells])
    return (
        f"Learned from {shares} % of the training documents (passes: {passes}), "
        "measured on dev unless a column says test."
    )


def _where(variants: Variants) -> str:
    """What times were taken on; of seeds made elsewhere, they are not shown."""
    shown = list(chain.from_iterable(on_one_machine(variants).values()))
    threads, processor = machine_of(shown[0])
    used = f"{threads} {'thread' if threads == 1 else 'threads'} of {processor or 'one processor'}"
    elsewhere = sum(map(len, variants.values())) - len(shown)
    left_out = "; those of seeds made elsewhere are left out" if elsewhere else ""
    return f"Times and memory: {used}{left_out}."


def _range(numbers: Sequence[int]) -> str:
    lowest, highest = min(numbers), max(numbers)
    return str(lowest) if lowest == highest else f"{lowest} to {highest}"


def _training_sections(made: Dict[str, Variants]) -> List[Section]:
    found: List[Section] = []
    replicas = [cell for seeds in made.get("replication", {}).values() for cell in seeds if cell["history"]]
    if replicas:
        draw = partial(charts.training, replicas[0]["history"])
        says = "Both parts of the loss, the learning rate, and what gate and attention do, step by step"
        text = "Losses, learning rate, gate and attention, step by step, of the paper's config."
        text = f"{text} {stale_sentence({'replication': replicas})}".rstrip()
        found.append(Section("Training curves", text, chart=Chart("training", draw, says)))
    sizes = made.get("size", {})
    named = {name.split(", ")[1]: seeds for name, seeds in sizes.items() if name.startswith("25 %") and seeds}
    if named:
        chart = Chart("passes", partial(charts.curves, named), "Span F1 after each pass, by config")
        text = "On 25 % of the training documents; mean (line) and range (band) over seeds."
        text = f"{text} {stale_sentence(named)}".rstrip()
        found.append(Section("F1 after each pass", text, chart=chart))
    return found


def _result_sections(results: Sequence[Dict[str, Any]]) -> List[Section]:
    shipped = of(results, SHIPPED, results[0]["split"]) if results else []
    if not shipped:
        return []
    per_label = [each["test"]["span_f_per_type"] for each in shipped]
    points = {label: Average.of([each[label] for each in per_label]) for label in per_label[0]}
    chart = Chart("labels", partial(charts.labels, points), "Span F1 of each label on test")
    made = made_sentence([each["made"] for each in shipped])
    text = f"The shipped config, all training documents, on test. {made}"
    return [Section("Labels", text, chart=chart)]


def _prediction_sections(predictions: Optional[Predictions]) -> List[Section]:
    if predictions is None:
        return []
    reliability = Chart(
        "reliability",
        partial(charts.reliability, predictions.before, predictions.after),
        "Share of entities that are right, by how sure the pipeline is",
    )
    confusion = Chart(
        "confusion",
        partial(charts.confusion, predictions.labels, predictions.confusion),
        "Which label is taken for which",
    )
    return [
        Section("How sure it is", "Entities on dev, in bins with equally many.", chart=reliability),
        Section(
            "Confusion of labels",
            "Entities on dev with the right edges, or missed and made up.",
            chart=confusion,
        ),
        Section("Sentences", "Sentences of dev.", html=sentences_html(predictions.sentences)),
    ]


def markdown(parts: Sequence[Section], pictures: str) -> str:
    """Write the part of docs/experiments.md that is made.

    parts (Sequence[Section]): The parts of the report.
    pictures (str): Folder of the PNG files, seen from the page.
    RETURNS (str): Markdown.
    """
    written: List[str] = []
    for part in parts:
        if part.chart is None and not part.rows:
            continue
        written.append(f"### {part.title}")
        if part.chart:
            written.append(f"![{part.chart.says}]({pictures}/{part.chart.name}.png)")
        if part.text:
            written.append(part.text)
        if part.rows:
            rows = [bold(row) if part.shipped and row[0] == part.shipped else row for row in part.rows]
            written.append(markdown_table(part.header, rows))
    return "\n\n".join(written)
