"""Reports in a real browser, opened from disk."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from looking import Looker

import tuner
from tuner.records.events import EventWriter

pytestmark = pytest.mark.browser

AXE = Path(__file__).parent / "axe-core-4.14.1" / "axe.min.js"
PLOTS = [".card-parallel", ".card-curves", ".card-scatter", ".card-history"]
MOST_BYTES = 1_500_000
Open = Callable[..., Looker]


@pytest.fixture
def read(look: Open, results: Path, tmp_path: Path) -> Open:
    """Opens the report of an experiment in `results`, with what stands behind its address."""

    def read_(name: str, fragment: str = "", **context: Any) -> Looker:
        return look(fragment, at=tuner.report(results / name, tmp_path / "a report.html").as_uri(), **context)

    return read_


def test_a_report_has_words_and_every_view(read: Open) -> None:
    reader = read("ended")
    assert "fresh runs" in reader.text(".words section p")
    for plot in PLOTS:
        back, main, *_ = reader.ink(plot)
        assert back > 500
        assert main > 500
    assert reader.page.locator(".card-table .grid-row").count() > 3


def test_a_thousand_trials_fit(look: Open, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
        make = importlib.import_module("make_results").make
    make(tmp_path / "many", trials=1000, reports=100, gangs=16, seed=0, full=False, done=True)
    file = tuner.report(tmp_path / "many")
    assert file.stat().st_size < MOST_BYTES
    assert look("", at=file.as_uri()).shown() > 1000


def test_its_views_are_saved_and_the_confirmation_is_one_of_them(read: Open) -> None:
    reader = read("ended")
    assert "is confirmed" in reader.text(".card-confirmation .told")
    assert reader.saved("Scatter", "PNG").startswith(b"\x89PNG")
    assert reader.saved("Confirmation", "SVG").startswith(b"<svg")
    assert reader.saved("Trials", "CSV").startswith(b"number,")


def test_a_brush_reaches_the_table_and_the_address(read: Open) -> None:
    reader = read("halfway")
    everything = reader.shown()
    last = 1 - 0.5 / reader.page.locator(".axis-head").count()
    reader.drag(".card-parallel .plot-surface", (last, 0.02), (last, 0.4))
    assert 0 < reader.shown() < everything
    assert reader.text(".card-table .note") == f"{reader.shown()} of {everything}"
    reader.page.wait_for_timeout(300)
    assert "#f=" in reader.page.evaluate("location.href")


def test_a_link_with_a_selection_leads_to_the_views_and_links_to_the_parts_keep_it(read: Open) -> None:
    reader = read("halfway", "#q=state+==+STOPPED")
    assert " of " in reader.text(".count")
    shown, at_views = reader.shown(), reader.page.evaluate("scrollY")
    reader.page.get_by_role("link", name="In words").click()
    reader.settle()
    assert reader.page.evaluate("scrollY") < at_views
    assert reader.shown() == shown


def test_a_trial_opens_with_curves_and_decisions(read: Open) -> None:
    reader = read("halfway", "#trial=1")
    reader.page.locator(".panel .spark canvas").first.wait_for()
    assert reader.page.locator(".panel .spark").count() > 3
    assert "Decisions" in reader.text(".panel .panel-body")
    assert "Checkpoints" not in reader.text(".panel .panel-body")
    reader.page.locator(".panel summary", has_text="Log").click()
    reader.page.get_by_text("trials/00001/log.txt").wait_for()


def test_why_and_scheduling_are_answered(read: Open) -> None:
    reader = read("halfway", "#tab=why")
    assert reader.page.locator(".bar").count() > 3
    for card in ("slice", "cells"):
        reader.page.locator(f".card-{card} .note", has_text="forest of all").wait_for()
    reader.page.get_by_label("Metric that parameters mattered for").select_option("val/loss")
    note = reader.page.locator(".card-slice .note", has_text="no line")
    assert "of val/accuracy only" in (note.get_attribute("title") or "")
    reader.page.get_by_label("Metric that parameters mattered for").select_option("val/accuracy")
    reader.page.get_by_label("Method").select_option("fanova")
    reader.settle()
    reader.page.get_by_text("This report holds importances for").wait_for()
    reader.page.get_by_role("tab", name="Scheduling").click()
    reader.page.locator(".card-decisions .grid-row").first.wait_for()
    reader.settle()
    assert reader.ink(".card-timeline")[1] > 500


def test_the_lowest_points_of_curves_are_held_too(read: Open) -> None:
    reader = read("halfway", "#col=number&col=min/val/loss&sort=%2Bmin/val/loss")
    reader.page.locator(".card-table").get_by_role("button", name="min val/loss", exact=True).wait_for()
    reader.settle()
    lows = [float(text) for text in reader.page.locator(".card-table .cell-min").all_inner_texts()]
    assert len(lows) > 3
    assert lows == sorted(lows)


def test_markup_in_a_parameter_is_text(read: Open) -> None:
    reader = read("hostile")
    assert reader.page.evaluate("document.body.dataset.broken") is None
    assert reader.page.locator("img").count() == 0
    assert "<img src=x onerror" in reader.text(".words")


def test_logs_of_others_have_views_too(look: Open, tmp_path: Path) -> None:
    for run in ("a", "b"):
        writer = EventWriter(tmp_path / run)
        for step in range(20):
            writer.scalars(step, {"loss": 1 / (1 + step)}, wall_time_s=1000.0 + step)
        writer.close()
    reader = look("", at=tuner.report(tmp_path).as_uri())
    assert reader.ink(".card-curves")[1] > 100
    assert reader.page.locator(".card-table .grid-row").count() == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(read: Open, scheme: str) -> None:
    reader = read("ended", color_scheme=scheme, bypass_csp=True)
    reader.page.add_script_tag(path=AXE)
    found = reader.page.evaluate("axe.run()")
    serious = [each["id"] for each in found["violations"] if each["impact"] in ("serious", "critical")]
    assert serious == []


def test_a_phone_shows_it_without_scrolling_sideways(read: Open) -> None:
    reader = read("ended", viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    assert reader.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_print_leaves_the_words(read: Open) -> None:
    reader = read("ended", color_scheme="dark")
    reader.page.emulate_media(media="print")
    assert reader.page.locator(".words").is_visible()
    assert not reader.page.locator(".views").is_visible()
    assert reader.page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
