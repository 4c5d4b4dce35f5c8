"""Whatever text reaches HTML stays text: it makes no element, no attribute and no script."""

import json
import re
from html.parser import HTMLParser
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from posattn_benchmark.report import charts
from posattn_benchmark.report.page import Chart, Section, page_html, svg, table_html
from posattn_benchmark.results import Average
from spacy.tokens import Doc

from posattn_spacy.view.fragment import embedded_json, sentences_html, visualize
from posattn_spacy.view.sentences import Entity, Look, ShownSentence

NASTY = [
    "</script>",
    "</ScRiPt ><script>alert(1)</script>",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    '"',
    "'",
    '" onload="alert(1)',
    "' onload='alert(1)",
    "<img src=x onerror=alert(1)>",
    "</title></style></svg></table>",
    "&lt;b&gt;",
    "&#60;",
    "\u2028\u2029",
    "\\u003c",
    "\\",
    "`",
    "`<b>`",
    "${alert(1)}",
    "$x$",
    "$\\frac$",
    'id="',
    'href="#',
    "javascript:alert(1)",
    "\x00\x0b\x1b",
    "\r\n",
    "#0a0b0c",
]
HARMLESS = "word"
texts = st.lists(st.sampled_from(NASTY) | st.text(max_size=8), min_size=1, max_size=4).map("".join)
with_surrogates = st.text(max_size=8).map(lambda text: f"\udfff{text}\ud800")

Element = Tuple[str, Tuple[str, ...]]


class Elements(HTMLParser):
    """Collects elements with the names of their attributes, comments, and the text by element."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: List[Element] = []
        self.values: Dict[str, List[Optional[str]]] = {}
        self.others: List[str] = []
        self.texts: Dict[str, List[str]] = {}
        self.open: List[str] = [""]
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: List[Tuple[str, Optional[str]]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        for name, value in attrs:
            self.values.setdefault(name, []).append(value)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self.open[-1], []).append(data)

    def handle_comment(self, data: str) -> None:
        self.others.append(data)

    def unknown_decl(self, data: str) -> None:
        self.others.append(data)

    def handle_pi(self, data: str) -> None:
        self.others.append(data)


def shape(html: str) -> Tuple[List[Element], int]:
    """What is there besides text; `code`, which back quotes make, is no harm."""
    found = Elements(html)
    return [element for element in found.elements if element != ("code", ())], len(found.others)


# Sentences


def sentences(text: str, label: str) -> List[ShownSentence]:
    entity = Entity(0, 1, label, 0.5)
    return [
        ShownSentence([text, label], [entity], [entity], [50, 50], [Look(0, [50, 50]), Look(0, [50, 50])])
    ]


@given(texts | with_surrogates, texts | with_surrogates)
def test_a_sentence_is_data_of_its_script(text, label):
    html = sentences_html(sentences(text, label))
    html.encode()  # it can be written
    assert shape(html) == shape(sentences_html(sentences(HARMLESS, HARMLESS)))
    (script,) = Elements(html).texts["script"]
    found = re.search(r"getElementById\(\"[^\"]+\"\), (\[.*\])\);\n", script, re.DOTALL)
    assert found
    (sentence,) = json.loads(found[1])
    assert sentence["tokens"] == [text, label]
    assert sentence["entities"][0]["label"] == sentence["gold"][0]["label"] == label


@given(texts | with_surrogates)
def test_json_has_nothing_that_ends_a_script_or_a_line(text):
    data = embedded_json({text: [text]})
    assert not set(data) & {"<", "\u2028", "\u2029", "\n", "\r"}
    assert json.loads(data) == {text: [text]}


@given(texts)
def test_a_documents_labels_and_words_are_data(text):
    doc = Doc(spacy.blank("en").vocab, words=[f"a{text}", "came"], ents=[f"B-{text}x", "O"])
    html = visualize(doc, jupyter=False)
    assert html is not None
    assert shape(html) == shape(sentences_html(sentences(HARMLESS, HARMLESS)))


# The report


def page(text: str, chart: bool = False) -> str:
    drawn = Chart(text, lambda: charts.labels({text: Average(0.5, 0.1)}), text) if chart else None
    section = Section(text, text, (text, text), [(text, text)], drawn)
    return page_html(text, text, [section])


@given(texts)
def test_text_of_the_report_is_text(text):
    html = page(f"a{text}")
    assert shape(html) == shape(page(HARMLESS))
    found = Elements(html)
    assert "".join(found.texts.get("h1", [])).replace("\r\n", "\n") == f"a{text}".replace("\r\n", "\n")
    assert all(re.fullmatch(r"#?[\w-]*", value or "") for value in found.values["href"] + found.values["id"])


@given(texts, texts)
def test_text_of_a_table_is_text(one, other):
    assert shape(table_html((one, other), [(other, one)])) == shape(table_html(("a", "b"), [("b", "a")]))


# Charts


def names(element: str) -> Tuple[Set[str], Set[str]]:
    """The names of elements, and of attributes; a text of two lines is two elements."""
    found = Elements(element)
    return {tag for tag, _ in found.elements}, set(found.values)


def one_label(text: str) -> Any:
    return charts.labels({text: Average(0.5, 0.1)})


def confused(text: str) -> Any:
    return charts.confusion([text, "none"], np.array([[2, 1], [1, 0]]))


@pytest.mark.filterwarnings("ignore:Glyph .* missing from font:UserWarning")
@pytest.mark.filterwarnings("ignore:Matplotlib currently does not support:UserWarning")
@pytest.mark.parametrize("draw", [one_label, confused])
@pytest.mark.parametrize("text", NASTY)
def test_text_of_a_chart_is_text(draw: Callable[[str], Any], text: str) -> None:
    element = svg(Chart(text, lambda: draw(f"a {text} b"), text))
    harmless = svg(Chart(HARMLESS, lambda: draw("a word b"), HARMLESS))
    assert names(element) == names(harmless)
    found = Elements(element)
    assert found.values["aria-label"] == [text]
    ids = found.values["id"]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[\w.-]+", value or "") for value in ids)
    for value in [*found.values.get("xlink:href", []), *found.values.get("clip-path", [])]:
        own = re.fullmatch(r"url\(#(.+)\)|#(.+)", value or "")
        assert (own and (own[1] or own[2]) in ids) or str(value).startswith("data:image/png;base64,")
    drawn = "".join(found.texts["text"]) + "".join(found.texts.get("tspan", []))
    if text.isprintable():
        assert f"a {text} b" in drawn
