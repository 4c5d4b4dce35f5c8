"""Tables of measured figures, for the terminal, the README and docs/."""

import os
import re
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

from posattn_spacy.writing import replacing

Rows = List[Tuple[str, ...]]
SETS = {"test": "test", "test_without_duplicates": "test, less sentences also in train"}
_COUNTS = ("docs", "tokens", "entities")
METRICS = {
    "span P": "span_p",
    "span R": "span_r",
    "span F1": "span_f",
    "macro F1": "span_macro_f",
    "flat F1": "flat_f",
    "token F1": "token_f",
}
SUMMARY_HEADER = ("test set", *_COUNTS, *METRICS)
# The run whose figures the README shows.
README_RUN = {
    "source": "gmb",
    "n_sents": 1,
    "config": "posattn",
    "split": "file-order",
    "seed": 0,
    "encoder": "all-MiniLM-L6-v2",
}


EXAMPLE = ("<!-- EXAMPLE: written by `spacy project run smoke` -->", "<!-- END OF EXAMPLE -->")


def figures_folder(metrics: Path, kind: str, encoder: str) -> Path:
    """Say where figures over seeds are kept, apart by corpus and encoder.

    metrics (Path): Folder for all figures.
    kind (str): Kind of the corpus.
    encoder (str): Name or path of the encoder.
    RETURNS (Path): The folder.
    """
    return metrics / kind / Path(encoder).name


def is_readme_run(measured: Dict[str, Any]) -> bool:
    """RETURNS (bool): Whether figures are of the run that the README shows."""
    return all(measured[key] == value for key, value in README_RUN.items())


def summary_rows(measured: Dict[str, Any]) -> Rows:
    """One row for each set of documents that was scored.

    measured (Dict[str, Any]): What `benchmark` returned.
    RETURNS (Rows): Cells in the order of `SUMMARY_HEADER`.
    """
    rows: Rows = []
    for part, name in SETS.items():
        scores = measured[part]
        counts = (f"{scores[column]:,}" for column in _COUNTS)
        rows.append((name, *counts, *(figure(scores[key]) for key in METRICS.values())))
    return rows


def type_rows(measured: Dict[str, Any]) -> Rows:
    """RETURNS (Rows): Type and span F1 on the test set, best first."""
    per_type = measured["test"]["span_f_per_type"]
    return [(label, figure(f)) for label, f in sorted(per_type.items(), key=lambda item: -item[1])]


def markdown_table(header: Sequence[str], rows: Rows) -> str:
    """RETURNS (str): A Markdown table whose columns, but for the first, are aligned to the right."""
    lines = [header, ("---", *("---:" for _ in header[1:])), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def figure(value: float | None) -> str:
    """RETURNS (str): A figure with three decimal places, "–" if there is none."""
    return "–" if value is None else f"{value:.3f}"


def bold(row: Tuple[str, ...]) -> Tuple[str, ...]:
    """RETURNS (Tuple[str, ...]): A row of a Markdown table that stands out."""
    return tuple(f"**{cell}**" if cell else cell for cell in row)


def fill_page(page: Path, markers: Tuple[str, str], markdown: str) -> None:
    """Put text between two markers of a page.

    page (Path): The Markdown file.
    markers (Tuple[str, str]): The lines before and after the text.
    markdown (str): The text.
    RAISES (ValueError): If the page has not exactly one pair of markers.
    """
    text = page.read_text(encoding="utf-8")
    start, end = markers
    pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise ValueError(f"{page} needs one line {start!r} and, after it, one line {end!r}.")
    written = pattern.sub(lambda _: f"{start}\n\n{markdown}\n\n{end}", text)
    with replacing(page) as temporary:
        temporary.write_text(written, encoding="utf-8")


def seen_from(page: Path, path: Path) -> str:
    """RETURNS (str): A path as links of a page have it."""
    return Path(os.path.relpath(path, page.parent)).as_posix()
