"""The Why tab: which parameters mattered, and how the metric depends on them."""

import csv
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import pytest
from looking import Looker

pytestmark = pytest.mark.browser

Open = Callable[..., Looker]
ANSWER = re.compile(r"/importance\?")
SIZED = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
"""Bars are painted when they have got their size, at the end of a frame."""
NO_DEPENDENCE = {"mean": [], "note": "partial dependence needs 20 trials"}
IMPORTANCES = [
    {"name": "train.optimizer", "importance": 0.6, "spread": 0.1},
    {"name": "model.dropout", "importance": 0.4, "spread": 0.05},
]


def _why(look: Open, path: str, **answer: Any) -> Looker:
    """The tab with importances that are known at once."""
    told = {"importances": IMPORTANCES, "n": 99, "note": None} | answer
    looker = look("/")
    looker.page.route(ANSWER, lambda route: route.fulfill(json=told))
    looker.page.route(re.compile(r"/dependence\?"), lambda route: route.fulfill(json=NO_DEPENDENCE))
    looker.open(path)
    looker.page.locator(".card-importance .note", has_text="trials").wait_for()
    looker.settle()
    looker.page.evaluate(SIZED)
    return looker


def _saved(looker: Looker, title: str) -> list[dict[str, str]]:
    return list(csv.DictReader(looker.saved(title, "CSV").decode().splitlines()))


def test_the_server_is_asked_for_the_metric_and_the_method(look: Open) -> None:
    looker = look("/")
    asked = []
    looker.page.on("request", lambda request: "importance?" in request.url and asked.append(request.url))
    looker.open("/e/halfway#tab=why")
    looker.page.locator(".bar").first.wait_for()
    assert "best tenth" in looker.text(".meaning")
    looker.page.get_by_label("Method").select_option("fanova")
    looker.page.get_by_label("Metric that parameters mattered for").select_option("val/loss")
    looker.page.locator(".meaning", has_text="trees").wait_for()
    looker.settle()
    assert asked[0].endswith("?metric=val%2Faccuracy&method=ped_anova")
    assert asked[-1].endswith("?metric=val%2Floss&method=fanova")


def test_bars_are_drawn_and_choose_the_parameter_of_the_slices(look: Open) -> None:
    looker = _why(look, "/e/halfway#tab=why")
    assert looker.ink(".bars")[0] > 1000
    bars = looker.page.locator(".bar")
    assert bars.nth(0).get_attribute("aria-label") == "train.optimizer: 60 % ± 10 %"
    assert bars.nth(1).get_attribute("aria-label") == "model.dropout: 40 % ± 5 %"
    chosen = looker.page.get_by_label("Parameter of the slice")
    second = looker.page.get_by_label("Second parameter")
    assert (chosen.input_value(), second.input_value()) == ("param/train.optimizer", "param/model.dropout")
    bars.nth(1).focus()
    looker.press("Enter")
    assert bars.nth(1).get_attribute("aria-pressed") == "true"
    assert (chosen.input_value(), second.input_value()) == ("param/model.dropout", "param/train.optimizer")


def test_what_cannot_be_computed_says_why_and_leaves_the_slices(look: Open) -> None:
    looker = _why(look, "/e/halfway#tab=why", importances=[], n=3, note="importances need 20 trials")
    assert "importances need 20 trials" in looker.text(".card-importance .notice")
    assert "Wait for more trials" in looker.text(".card-importance .notice")
    assert looker.ink(".card-slice")[1] > 500
    assert looker.ink(".card-cells")[1] > 5000


def test_a_failed_computation_can_be_tried_again(browser: Any, address: str) -> None:
    looker = Looker(browser, address)
    looker.page.route(ANSWER, lambda route: route.fulfill(status=422, json={"error": "torn"}))
    looker.open("/e/halfway#tab=why")
    looker.page.get_by_text("torn").wait_for()
    looker.page.unroute(ANSWER)
    told = {"importances": IMPORTANCES, "n": 99, "note": None}
    looker.page.route(ANSWER, lambda route: route.fulfill(json=told))
    looker.page.get_by_role("button", name="Try again").click()
    looker.page.locator(".bar").first.wait_for()
    looker.close()


def test_slices_follow_the_filters(look: Open) -> None:
    looker = _why(look, "/e/halfway#tab=why")
    points, cells = _saved(looker, "Slice"), _saved(looker, "Two parameters")
    assert sum(int(cell["trials"]) for cell in cells) == len(points)
    looker.page.locator("#expression").fill("optimizer == sgd")
    looker.settle()
    few, fewer_cells = _saved(looker, "Slice"), _saved(looker, "Two parameters")
    assert {point["param/train.optimizer"] for point in few} == {"sgd"}
    assert 0 < len(few) < len(points)
    assert sum(int(cell["trials"]) for cell in fewer_cells) == len(few)
    values = [float(point["best/val/accuracy"]) for point in few]
    weighed = [int(cell["trials"]) * float(cell["mean best/val/accuracy"]) for cell in fewer_cells]
    assert sum(weighed) == pytest.approx(sum(values))


def _with_forest(look: Open, path: str, **context: Any) -> Looker:
    """The tab when all has been computed."""
    looker = look("/", **context)
    looker.open(path)
    looker.page.locator(".card-slice .note", has_text="forest of all").wait_for()
    looker.page.locator(".card-cells .note", has_text="forest of all").wait_for()
    looker.settle()
    return looker


def _marks(looker: Looker, title: str) -> list[ET.Element]:
    """What is drawn in the plot's file."""
    return list(ET.fromstring(looker.saved(title, "SVG")).iter("{http://www.w3.org/2000/svg}path"))


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_a_line_with_its_band_is_drawn_and_saved(look: Open, color_scheme: str) -> None:
    path = "/e/halfway#tab=why&by=param/model.dropout"
    without, looker = _why(look, path), _with_forest(look, path, color_scheme=color_scheme)
    note = without.page.locator(".card-slice .note", has_text="no line")
    assert note.get_attribute("title") == NO_DEPENDENCE["note"]
    assert looker.ink(".card-slice")[0] > without.ink(".card-slice")[0] + 1000
    assert len(_marks(looker, "Slice")) == len(_marks(without, "Slice")) + 2
    points = _saved(looker, "Slice")
    assert all(0 < float(point["forest mean"]) < 1 for point in points)
    assert all(float(point["forest spread"]) > 0 for point in points)
    assert {point["forest mean"] for point in _saved(without, "Slice")} == {""}


def test_the_forest_is_of_all_trials_whatever_is_filtered(look: Open) -> None:
    looker = _with_forest(look, "/e/halfway#tab=why&by=param/model.dropout")
    everything = {point["number"]: point["forest mean"] for point in _saved(looker, "Slice")}
    looker.page.locator("#expression").fill("optimizer == sgd")
    looker.settle()
    few = {point["number"]: point["forest mean"] for point in _saved(looker, "Slice")}
    assert 0 < len(few) < len(everything)
    assert few.items() <= everything.items()


def test_contours_are_drawn_and_saved_and_give_way_to_cells(look: Open) -> None:
    path = "/e/halfway#tab=why&by=param/model.dropout&and=param/train.optimizer.adamw.lr"
    looker = _with_forest(look, path)
    note = looker.text(".card-cells .note")
    assert re.fullmatch(r"mean in a forest of all \d+ trials, over \d+ that have it", note)
    grid = _saved(looker, "Two parameters")
    assert list(grid[0]) == [
        *("param/model.dropout", "param/train.optimizer.adamw.lr", "mean best/val/accuracy", "spread")
    ]
    assert len(grid) == 16 * 16
    levels = {mark.get("fill") for mark in _marks(looker, "Two parameters")} - {"none"}
    assert len(levels) > 3
    box = looker.page.locator(".card-cells .plot-surface").bounding_box()
    tip = looker.page.locator(".card-cells .tip", has_text="in the forest")
    for step in range(20):  # Somewhere between the dots.
        looker.page.mouse.move(box["x"] + box["width"] * (0.2 + 0.03 * step), box["y"] + 0.5 * box["height"])
        looker.settle()
        if tip.count():
            break
    assert re.search(r"mean best val/accuracy 0\.\d+ ± ", tip.inner_text())
    looker.page.get_by_label("What the plane shows").select_option("cells")
    looker.settle()
    assert "of the shown trials" in looker.text(".card-cells .note")
    assert "trials" in _saved(looker, "Two parameters")[0]
    looker.page.wait_for_url(re.compile("plane=cells"))  # The address follows a moment later.


def test_cells_and_dots_tell_of_themselves_and_a_dot_is_picked(look: Open) -> None:
    looker = _why(look, "/e/halfway#tab=why")
    looker.page.locator(".card-slice .plot-surface").focus()
    looker.press("ArrowRight")
    assert "median" in looker.text(".card-slice .tip")
    assert looker.ink(".card-cells")[2] > 20
    looker.press("Enter")
    assert "picked" in looker.text(".chip")
    box = looker.page.locator(".card-cells .plot-surface").bounding_box()
    tip = looker.page.locator(".card-cells .tip strong", has_text="mean best val/accuracy")
    for step in range(20):  # Somewhere between the dots.
        x = box["x"] + box["width"] * (0.1 + 0.04 * step)
        looker.page.mouse.move(x, box["y"] + 0.5 * box["height"])
        looker.settle()
        if tip.count():
            break
    assert tip.is_visible()


def test_a_rectangle_in_a_slice_is_a_filter(look: Open) -> None:
    looker = _why(look, "/e/halfway#tab=why&by=param/model.dropout")
    looker.drag(".card-slice .plot-surface", (0.3, 0.02), (0.7, 0.75))
    chips = looker.page.locator(".chip").all_inner_texts()
    assert any("dropout" in chip for chip in chips)
    assert any("accuracy" in chip for chip in chips)


def test_a_link_holds_what_is_chosen_in_the_tab(look: Open) -> None:
    path = "/e/halfway#tab=why&why=val/loss&method=fanova&by=param/model.dropout&and=param/train.batch_size"
    looker = _why(look, path)
    names = ("Metric that parameters mattered for", "Method", "Parameter of the slice", "Second parameter")
    values = [looker.page.get_by_label(name, exact=True).input_value() for name in names]
    assert values[:3] == ["val/loss", "fanova", "param/model.dropout"]
    looker.page.get_by_label("Second parameter").select_option("param/train.optimizer")
    looker.page.wait_for_url("**and=param%2Ftrain.optimizer*")
    assert "by=param%2Fmodel.dropout" in looker.page.url
