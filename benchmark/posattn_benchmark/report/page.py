"""The page: sections with text, tables and charts, in one file that needs nothing else."""

import io
import re
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any, Callable, List, NamedTuple, Optional, Sequence

from matplotlib import rc_context
from matplotlib.figure import Figure

from posattn_spacy.writing import replacing

from ..pages import Rows

Draw = Callable[[], Figure]
INK = "#0a0b0c"  # stands for the color of the text, which a page in dark has in white
DPI = 130
INK_STYLE = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
    "svg.fonttype": "none",
    "font.family": "sans-serif",
}
TAG = re.compile(r"<[^>]+>")  # of matplotlib's, in which no value holds a >
NAMES = re.compile(r'\b(?:id="|(?:href|clip-path)="(?:url\()?#)')
HEAD = (
    '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
)


SHIPPED = ' class="shipped"'


class Chart(NamedTuple):
    """A chart.

    name (str): Of its PNG file, without ending.
    draw (Callable[[], Figure]): Draws it.
    says (str): What there is to see, for those who can't see it.
    """

    name: str
    draw: Draw
    says: str


class Section(NamedTuple):
    """A part of the page.

    title (str): Its title.
    text (str): What it is about.
    header (Sequence[str]): Header of its table.
    rows (Rows): The table; there is none without rows.
    chart (Optional[Chart]): Its chart.
    html (str): More, which is taken as it is.
    shipped (str): The row of the table that is as shipped, if there is one.
    """

    title: str
    text: str = ""
    header: Sequence[str] = ()
    rows: Rows = []  # noqa: RUF012  # never changed
    chart: Optional[Chart] = None
    html: str = ""
    shipped: str = ""


def page_html(title: str, intro: str, sections: Sequence[Section]) -> str:
    """Make the page.

    title (str): Its title.
    intro (str): The text at its head.
    sections (Sequence[Section]): Its parts.
    RETURNS (str): HTML.
    """
    links = "".join(f'<li><a href="#{_anchor(each)}">{escape(each.title)}</a></li>' for each in sections)
    parts = [
        f"{HEAD}<title>{escape(title)}</title>\n<style>\n{_css()}</style>\n</head>\n<body>\n<main>",
        f"<h1>{escape(title)}</h1>\n<p>{escape(intro)}</p>\n<nav><ol>{links}</ol></nav>",
        *map(_section_html, sections),
        "</main>\n</body>\n</html>\n",
    ]
    return "\n".join(parts)


def _css() -> str:
    return files(__package__).joinpath("page.css").read_text(encoding="utf-8")


def _section_html(section: Section) -> str:
    parts: List[str] = [f'<section id="{_anchor(section)}">\n<h2>{escape(section.title)}</h2>']
    if section.text:
        parts.append(f"<p>{_marked(section.text)}</p>")
    if section.chart:
        parts.append(f"<figure>{svg(section.chart)}</figure>")
    if section.rows:
        parts.append(table_html(section.header, section.rows, section.shipped))
    return "\n".join([*parts, section.html, "</section>"])


def _anchor(section: Section) -> str:
    return _slug(section.title.lower())


def _slug(text: str) -> str:
    return re.sub(r"\W+", "-", text).strip("-")


def _marked(text: str) -> str:
    """Text in which `this` is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def table_html(header: Sequence[str], rows: Rows, shipped: str = "") -> str:
    """RETURNS (str): A table that scrolls by itself where it is too wide; its row `shipped` stands out."""
    head = "".join(f'<th scope="col">{_marked(cell)}</th>' for cell in header)
    body = "\n".join(
        f"<tr{SHIPPED if shipped and row[0] == shipped else ''}>"
        + f'<th scope="row">{_marked(row[0])}</th>'
        + "".join(f"<td>{_marked(c)}</td>" for c in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="table" tabindex="0"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>'
        "</table></div>"
    )


def svg(chart: Chart) -> str:
    """Draw a chart into the page.

    chart (Chart): The chart.
    RETURNS (str): An SVG element whose text has the color of the page's.
    """
    style: Any = {**INK_STYLE, "svg.hashsalt": chart.name}
    with rc_context(style):
        buffer = io.StringIO()
        chart.draw().savefig(buffer, format="svg", metadata={"Date": None})
    element = buffer.getvalue()
    prefix = _slug(chart.name)

    def adapt(tag: re.Match[str]) -> str:
        colored = tag[0].replace(INK, "currentColor")
        return NAMES.sub(lambda found: f"{found[0]}{prefix}-", colored)

    adapted = TAG.sub(adapt, element[element.index("<svg") :])
    return f'<svg role="img" aria-label="{escape(chart.says)}"{adapted.removeprefix("<svg")}'


def write_png(chart: Chart, folder: Path) -> Path:
    """Draw a chart into a file.

    chart (Chart): The chart.
    folder (Path): Where the file is put.
    RETURNS (Path): The file.
    """
    path = folder / f"{chart.name}.png"
    figure = chart.draw()
    figure.patch.set(alpha=1, facecolor="white")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})
    return path
