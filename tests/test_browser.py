"""The report and the sentence viewer in a real browser: they work, by hand and by key, and can be read."""

import shutil
from typing import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from cells import MADE, RESULTS
from playwright.sync_api import Browser, Page, sync_playwright
from posattn_benchmark.report.contents import sections
from posattn_benchmark.report.page import page_html
from posattn_benchmark.report.predictions import look_at
from spacy.tokens import Doc
from spacy.training import Example

from pipelines import make_examples, plain_pipeline, train
from posattn_spacy.view.fragment import sentences_html
from posattn_spacy.view.sentences import ShownSentence

pytestmark = pytest.mark.browser
OFFLINE = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
PHONE, DESK = {"width": 400, "height": 800}, {"width": 1200, "height": 900}
WORDS = "button.posattn-token"
SENTENCES = ".posattn-sentence"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a report with three sentences, of which the last one has an error."""
    nlp = plain_pipeline(mask="soft")
    train(nlp, 60)
    examples = make_examples(nlp)[:2]
    wrong = Doc(nlp.vocab, words=["Nobody", "knows", "Carol", "."], ents=["O", "O", "B-per", "O"])
    examples.append(Example(Doc(nlp.vocab, words=["Nobody", "knows", "Carol", "."]), wrong))
    predictions = look_at(nlp, nlp.get_pipe("posattn_ner"), examples, 3)
    # Without the scores, which gold has not.
    found, gold = (
        [[span[:3] for span in getattr(sentence, part)] for sentence in predictions.sentences]
        for part in ("entities", "gold")
    )
    assert found != gold
    path = tmp_path_factory.mktemp("report") / "index.html"
    path.write_text(page_html("Experiments", "Made up.", sections(MADE, RESULTS, predictions)))
    return path.as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    assert chromium, "Install Chromium, or leave these tests out with -m 'not browser'."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=OFFLINE)
        yield browser
        browser.close()


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser: Browser, report: str) -> Iterator[Page]:
    """The report, which must not say anything on the console nor ask for anything."""
    context = browser.new_context(color_scheme=request.param, viewport=DESK)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda asked: said.append(asked.url))
    page.goto(report)
    yield page
    assert said == [report]
    context.close()


def shares(page: Page) -> list[str]:
    """What the first sentence says about where the chosen word looks."""
    return [text for text in page.locator(SENTENCES).first.locator(".posattn-look").all_inner_texts() if text]


def test_the_page_can_be_read_by_everyone(page: Page) -> None:
    for size in (DESK, PHONE):
        page.set_viewport_size(size)
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()


def test_the_page_fits_a_phone(page: Page) -> None:
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    too_wide = (
        "[...document.querySelectorAll('main *')].filter(e => !e.closest('.table, svg')"
        f" && e.getBoundingClientRect().right > {PHONE['width']}).length"
    )
    assert page.evaluate(too_wide) == 0


def test_light_and_dark_differ(browser: Browser, report: str) -> None:
    seen = {}
    for scheme in ("light", "dark"):
        with browser.new_page(color_scheme=scheme) as page:
            page.goto(report)
            body, svg = (f"getComputedStyle(document.querySelector('{name}'))" for name in ("body", "svg"))
            seen[scheme] = page.evaluate(f"[{body}.backgroundColor, {body}.color, {svg}.color]")
    assert all(light != dark for light, dark in zip(seen["light"], seen["dark"], strict=True))


def test_a_click_shows_where_a_word_looks(page: Page) -> None:
    word = page.locator(WORDS).first
    assert shares(page) == []
    word.click()
    assert word.get_attribute("aria-pressed") == "true"
    assert 90 <= sum(int(text.split()[0]) for text in shares(page)) <= 110
    page.locator(WORDS).nth(1).click()
    assert word.get_attribute("aria-pressed") == "false"
    page.locator(WORDS).nth(1).click()
    assert shares(page) == []


def test_a_key_shows_where_a_word_looks(page: Page) -> None:
    page.locator("input[type=range]").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "posattn-token"
    for key in ("Enter", "Tab", "Space"):
        page.keyboard.press(key)
        assert shares(page)
    assert page.locator(WORDS).nth(1).get_attribute("aria-pressed") == "true"


def test_words_for_which_the_encoder_did_not_run_are_marked(browser: Browser) -> None:
    words = ["Alice", "left", ".", "Bob", "came", "."]
    with browser.new_page() as page:
        page.set_content(sentences_html([ShownSentence(words, [], twice=[(3, 6)])]))
        assert page.locator(".posattn-once .posattn-token").all_inner_texts() == words[:3]
        assert "dotted line" in page.locator(".posattn-legend").inner_text()
        page.set_content(sentences_html([ShownSentence(words, [])]))
        assert page.locator(".posattn-once").count() == 0


def test_errors_are_filtered(page: Page) -> None:
    box = page.get_by_role("checkbox")
    total = page.locator(SENTENCES).count()
    box.click()
    errors = page.locator(SENTENCES).count()
    assert 0 < errors < total
    assert page.locator(".posattn-error").count() == errors
    assert page.locator(".posattn-status").inner_text() == f"{errors} of {total} sentences"
    box.press("Space")
    assert page.locator(SENTENCES).count() == total


def test_labels_and_unsure_entities_are_filtered(page: Page) -> None:
    total = page.locator(SENTENCES).count()
    page.get_by_role("combobox").focus()
    page.keyboard.press("p")  # "per"
    labels = page.locator(SENTENCES).filter(has=page.locator(".posattn-first", has_text="per"))
    assert page.locator(SENTENCES).count() == labels.count() > 0
    page.get_by_role("combobox").select_option("all labels")
    slider = page.get_by_role("slider")
    slider.press("Home")
    assert page.locator(SENTENCES).count() == 0
    slider.press("End")
    assert page.locator(SENTENCES).count() == total


def test_the_contents_lead_to_their_parts(page: Page) -> None:
    for link in page.locator("nav a").all():
        target = link.get_attribute("href")
        assert target
        assert page.locator(target).locator("h2").inner_text() == link.inner_text()
