"""What every view can be saved as, and its link, in a real browser."""

import csv
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import pytest
from looking import Looker

pytestmark = pytest.mark.browser

Open = Callable[..., Looker]
ALL = ["Picture (PNG)", "Picture (SVG)", "Table (CSV)", "Copy link"]
VIEWS = {
    "search": ["Parallel coordinates", "Curves", "Scatter", "Best so far", "Trials", "Confirmation"],
    "compare": ["Curves", "Side by side"],
    "why": ["Importance", "Slice", "Two parameters"],
    "scheduling": ["Rungs", "Timeline", "Decisions", "Cost"],
}
"""Of each tab that needs no model; those that do are in test_page_data_model.py."""
EVERY = [(tab, title) for tab, titles in VIEWS.items() for title in titles]
PLOTS = [
    *(("search", card) for card in ("parallel", "curves", "scatter", "history", "confirmation")),
    ("compare", "compare-curves"),
    *(("why", card) for card in ("importance", "slice", "cells")),
    *(("scheduling", card) for card in ("rungs", "timeline")),
]
HEAD = {"parallel": 34}
"""Room above the plot, for the names of the axes."""
SVG = "{http://www.w3.org/2000/svg}"
DIFFERING = """async ({ selector, svg, head }) => {
  const canvases = [...document.querySelectorAll(`${selector} canvas`)];
  const [{ width, height }] = canvases;
  const image = new Image();
  image.src = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  await image.decode();
  // A quarter of the size: letters lie up to a pixel apart.
  const pixels = (paint) => {
    const whole = new OffscreenCanvas(width, height + head);
    paint(whole.getContext("2d"));
    const context = new OffscreenCanvas(width / 4, height / 4).getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(whole, 0, head, width, height, 0, 0, width / 4, height / 4);
    return context.getImageData(0, 0, width / 4, height / 4).data;
  };
  const file = pixels((context) => context.drawImage(image, 0, 0));
  const page = pixels((context) => {
    context.fillStyle = getComputedStyle(document.querySelector(selector)).backgroundColor;
    context.fillRect(0, 0, width, height + head);
    for (const canvas of canvases) context.drawImage(canvas, 0, head);
  });
  let [differing, inked] = [0, 0];
  for (let at = 0; at < page.length; at += 4) {
    const far = (other) => [0, 1, 2].some((byte) => Math.abs(page[at + byte] - other(byte)) > 30);
    differing += far((byte) => file[at + byte]);
    inked += far((byte) => page[byte]);
  }
  return [differing, inked];
}"""


def _open(look: Open, tab: str, **context: Any) -> Looker:
    picks = {"compare": "&sel=1,2,3", "search": "&sel=2,5"}.get(tab, "")
    looker = look(f"/e/ended#tab={tab}{picks}", **context)
    waits = {
        "why": [".card-slice .note:text('forest')", ".card-cells .note:text('forest')"],
        "scheduling": [".card-decisions .grid-row"],
    }
    for selector in waits.get(tab, [".card"]):
        looker.page.locator(selector).first.wait_for()
    looker.settle()
    return looker


@pytest.mark.parametrize("tab", VIEWS)
def test_every_view_has_pictures_a_table_and_a_link(look: Open, tab: str) -> None:
    looker = _open(look, tab)
    found = {}
    for card in looker.page.locator(".card:visible").all():
        card.get_by_role("button", name="Save ").click()
        found[card.get_attribute("aria-label")] = looker.page.locator(".popover button").all_inner_texts()
        looker.press("Escape")
    assert found == dict.fromkeys(VIEWS[tab], ALL)


@pytest.mark.parametrize(("tab", "title"), EVERY)
def test_its_files_are_what_they_are_called(look: Open, tab: str, title: str) -> None:
    looker = _open(look, tab)
    assert looker.saved(title, "PNG").startswith(b"\x89PNG")
    image = ET.fromstring(looker.saved(title, "SVG"))
    assert image.tag == f"{SVG}svg"
    assert len(list(image.iter())) > 10
    head, *lines = csv.reader(looker.saved(title, "CSV").decode().splitlines())
    assert lines
    assert {len(line) for line in lines} == {len(head)}


@pytest.mark.parametrize(("tab", "card"), PLOTS)
def test_the_drawing_is_the_picture_on_the_page(look: Open, tab: str, card: str) -> None:
    looker = _open(look, tab)
    title = looker.page.locator(f".card-{card}").get_attribute("aria-label")
    svg = looker.saved(title, "SVG").decode()
    assert "NaN" not in svg
    looker.page.mouse.move(1, 1)
    looker.settle()
    drawn = {"selector": f".card-{card}", "svg": svg, "head": HEAD.get(card, 0)}
    differing, inked = looker.page.evaluate(DIFFERING, drawn)
    assert inked > 100
    assert differing < 0.1 * inked


def test_a_drawing_has_a_line_a_trial_and_the_names_of_its_axes(look: Open) -> None:
    looker = _open(look, "search")
    image = ET.fromstring(looker.saved("Parallel coordinates", "SVG"))
    strokes = [path for path in image.iter(f"{SVG}path") if path.get("stroke")]
    assert len(strokes) > 2 * 32
    texts = {text.text for text in image.iter(f"{SVG}text")}
    assert set(looker.page.locator(".axis-head").all_inner_texts()) <= texts


def test_markup_stays_text_in_a_drawing(look: Open) -> None:
    looker = look("/e/hostile#axis=param/note&axis=param/lr")
    image = ET.fromstring(looker.saved("Trials", "SVG"))
    texts = [text.text or "" for text in image.iter(f"{SVG}text")]
    assert any(text.startswith("<img src=x onerror=") for text in texts)
    looker.saved("Parallel coordinates", "PNG")
    assert looker.page.evaluate("document.body.dataset.broken === undefined")


def test_a_link_of_a_view_opens_it_large(look: Open) -> None:
    looker = look("/e/ended?x=1#q=reports+>+1", permissions=["clipboard-read", "clipboard-write"])
    looker.choose("Scatter", "Copy link")
    looker.page.get_by_text("Link copied").wait_for()
    link = looker.page.evaluate("navigator.clipboard.readText()")
    assert "x=1" not in link
    other = look(link.removeprefix(looker.address))
    assert other.page.locator(".card.large").get_attribute("aria-label") == "Scatter"
    assert other.shown() == looker.shown()
    other.press("Escape")
    assert other.page.locator(".card.large").count() == 0
    other.page.wait_for_url(lambda url: "large" not in url)


def test_a_view_that_is_large_is_in_the_address(look: Open) -> None:
    looker = look("/e/ended")
    looker.page.get_by_role("button", name="Enlarge Curves").click()
    looker.page.wait_for_url("**#large=curves")
    looker.settle()
    assert looker.ink(".card-curves")[1] > 500
    looker.page.get_by_role("button", name="Enlarge Curves").click()
    looker.page.wait_for_url("**/e/ended")


def test_what_is_ticked_in_a_view_is_in_its_link(look: Open) -> None:
    looker = look("/e/ended#tab=scheduling")
    looker.page.locator(".card-decisions .grid-row").first.wait_for()
    few = looker.text(".card-decisions .note")
    looker.page.get_by_label("also without consequence").check()
    looker.page.wait_for_url("**every=1*")
    assert looker.text(".card-decisions .note") != few
    again = look(looker.page.url.removeprefix(looker.address))
    again.page.locator(".card-decisions .grid-row").first.wait_for()
    again.settle()
    assert again.text(".card-decisions .note") == looker.text(".card-decisions .note")


def test_a_trial_has_its_curves_as_files(look: Open) -> None:
    looker = look("/e/ended#trial=1")
    looker.page.locator(".spark").first.wait_for()
    image = ET.fromstring(looker.saved("the trial", "SVG"))
    names = looker.page.locator(".spark figcaption span").all_inner_texts()
    texts = [text.text for text in image.iter(f"{SVG}text")]
    assert all(name.startswith(text.rstrip("…")) for name, text in zip(names, texts[::2], strict=True))
    rows = list(csv.DictReader(looker.saved("the trial", "CSV").decode().splitlines()))
    assert {row["metric"] for row in rows} == set(names)
    assert {row["trial"] for row in rows} == {"1"}


def test_the_overview_has_files_and_its_filter_in_the_address(look: Open) -> None:
    looker = look("/")
    looker.page.get_by_label("Filter experiments").fill("half")
    looker.page.wait_for_url("**#q=half")
    rows = list(csv.DictReader(looker.saved("the experiments", "CSV").decode().splitlines()))
    assert [row["name"] for row in rows] == ["halfway"]
    assert looker.saved("the experiments", "PNG").startswith(b"\x89PNG")
    again = look("/#q=half")
    assert again.page.locator("tbody tr").count() == 1
