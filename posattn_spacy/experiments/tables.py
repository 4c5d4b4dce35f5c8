"""Tables of measured figures, for the terminal and for the README."""

import json
import re
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

from ..corpora.files import replacing

Rows = List[Tuple[str, ...]]
SETS = {"test": "test", "test_without_duplicates": "test, without sentences of train"}
_COUNTS = ("docs", "tokens", "entities")
_FIGURES = {
    "span P": "span_p",
    "span R": "span_r",
    "span F1": "span_f",
    "macro F1": "span_macro_f",
    "flat F1": "flat_f",
    "token F1": "token_f",
}
SUMMARY_HEADER = ("test set", *_COUNTS, *_FIGURES)
# The run whose figures the README shows.
README_RUN = {
    "source": "gmb",
    "n_sents": 1,
    "config": "posattn",
    "split": "file-order",
    "seed": 0,
    "encoder": "all-MiniLM-L6-v2",
}
MARKERS = ("<!-- RESULTS: written by `spacy project run benchmark` -->", "<!-- END OF RESULTS -->")


def summary_rows(measured: Dict[str, Any]) -> Rows:
    """One row for each set of documents that was scored.

    measured (Dict[str, Any]): What `benchmark` returned.
    RETURNS (Rows): Cells in the order of `SUMMARY_HEADER`.
    """
    rows: Rows = []
    for part, name in SETS.items():
        scores = measured[part]
        counts = (f"{scores[column]:,}" for column in _COUNTS)
        rows.append((name, *counts, *(_figure(scores[key]) for key in _FIGURES.values())))
    return rows


def type_rows(measured: Dict[str, Any]) -> Rows:
    """RETURNS (Rows): Type and span F1 on the test set, best first."""
    per_type = measured["test"]["span_f_per_type"]
    return [(label, f"{f:.4f}") for label, f in sorted(per_type.items(), key=lambda item: -item[1])]


def markdown_table(header: Sequence[str], rows: Rows) -> str:
    """RETURNS (str): A Markdown table whose columns, but for the first, are aligned to the right."""
    lines = [header, ("---", *("---:" for _ in header[1:])), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def results_markdown(measured: Dict[str, Any], published: List[Dict[str, Any]]) -> str:
    """Write the README's results: our figures among the published ones, then ours by type.

    measured (Dict[str, Any]): What the benchmark command wrote: figures, and the keys of `README_RUN`.
    published (List[Dict[str, Any]]): Other systems, with `system`, `split`, `span_f` and `flat_f`.
    RETURNS (str): Markdown.
    """
    scores = measured["test"]
    ours = {
        "system": f"**posattn-spacy**, `configs/{measured['config']}.cfg`, seed {measured['seed']}",
        "split": measured["split"],
        "span_f": scores["span_f"],
        "flat_f": scores["flat_f"],
    }
    systems: Rows = [
        (str(row["system"]), str(row["split"]), _figure(row["span_f"]), _figure(row["flat_f"]))
        for row in [ours, *published]
    ]
    parts = [
        markdown_table(("system", "split", "span F1", "flat F1"), systems),
        f"{measured['trained_parameters'] / 1e6:.2f} M trained parameters; dev loss "
        f"{_figure(measured['dev_loss'])} nats per token. In full, and by type (span F1 on test):",
        markdown_table(SUMMARY_HEADER, summary_rows(measured)),
        markdown_table(("type", "span F1"), type_rows(measured)),
    ]
    return "\n\n".join(parts)


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def write_readme(readme: Path, metrics: Path, published: Path) -> bool:
    """Put measured results between the README's markers, if they are those of the shipped defaults.

    Figures of the sample corpus or of one's own, of another config, split, seed or encoder never get there.

    readme (Path): The README.
    metrics (Path): What the benchmark command wrote.
    published (Path): JSON list of other systems' figures.
    RETURNS (bool): Whether the README was written.
    RAISES (ValueError): If the README has not exactly one pair of markers.
    """
    measured = json.loads(metrics.read_text(encoding="utf-8"))
    if any(measured[key] != value for key, value in README_RUN.items()):
        return False
    others = json.loads(published.read_text(encoding="utf-8"))
    fill_readme(readme, MARKERS, results_markdown(measured, others))
    return True


def fill_readme(readme: Path, markers: Tuple[str, str], markdown: str) -> None:
    """Put text between two markers of the README.

    readme (Path): The README.
    markers (Tuple[str, str]): The lines before and after the text.
    markdown (str): The text.
    RAISES (ValueError): If the README has not exactly one pair of markers.
    """
    text = readme.read_text(encoding="utf-8")
    start, end = markers
    pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise ValueError(f"{readme} needs one line {start!r} and, after it, one line {end!r}.")
    written = pattern.sub(lambda _: f"{start}\n\n{markdown}\n\n{end}", text)
    with replacing(readme) as temporary:
        temporary.write_text(written, encoding="utf-8")
