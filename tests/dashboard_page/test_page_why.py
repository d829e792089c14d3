"""The Why tab: which parameters mattered, and how the metric depends on them."""

import csv
import re
from collections.abc import Callable
from typing import Any

import pytest
from looking import Looker

pytestmark = pytest.mark.browser

Open = Callable[..., Looker]
ANSWER = re.compile(r"/importance\?")
SIZED = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
"""Bars are painted when they have got their size, at the end of a frame."""
IMPORTANCES = [
    {"name": "train.optimizer", "importance": 0.6, "spread": 0.1},
    {"name": "model.dropout", "importance": 0.4, "spread": None},
]


def _why(look: Open, path: str, **answer: Any) -> Looker:
    """The tab with importances that are known at once."""
    told = {"importances": IMPORTANCES, "n": 99, "note": None} | answer
    looker = look("/")
    looker.page.route(ANSWER, lambda route: route.fulfill(json=told))
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
    looker.page.locator(".meaning", has_text="forest").wait_for()
    looker.settle()
    assert asked[0].endswith("?metric=val%2Faccuracy&method=ped_anova")
    assert asked[-1].endswith("?metric=val%2Floss&method=fanova")


def test_bars_are_drawn_and_choose_the_parameter_of_the_slices(look: Open) -> None:
    looker = _why(look, "/e/halfway#tab=why")
    assert looker.ink(".bars")[0] > 1000
    bars = looker.page.locator(".bar")
    assert bars.nth(0).get_attribute("aria-label") == "train.optimizer: 60 % ± 10 %"
    assert bars.nth(1).get_attribute("aria-label") == "model.dropout: 40 %"
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
