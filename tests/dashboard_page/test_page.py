"""The dashboard's page in a real browser, on a real server."""

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from looking import AXE, Looker

import tuner
from tuner.records.events import EventWriter
from tuner.records.notes import Note, write_note
from tuner.records.paths import ExperimentPaths

pytestmark = pytest.mark.browser

PLOTS = [".card-parallel", ".card-curves", ".card-scatter", ".card-history"]
MARKUP = "<img src=x onerror=document.body.dataset.broken=1>"
Open = Callable[..., Looker]


def test_the_overview_lists_the_experiments_and_leads_to_them(look: Open) -> None:
    looker = look("/")
    assert looker.page.locator("tbody tr").count() == 3
    assert "of 3" in looker.text(".overview-head .note")
    looker.page.get_by_role("link", name="ended").click()
    looker.settle()
    assert looker.text("h1") == "ended"


def test_of_a_search_that_nobody_runs_nothing_is_running(look: Open) -> None:
    looker = look("/")
    row = looker.page.locator("tbody tr", has=looker.page.get_by_role("link", name="halfway"))
    assert "interrupted" in row.inner_text()
    assert row.locator('[data-label="running"]').inner_text() == "0"
    looker.open("/e/halfway")
    assert "running 0" in " ".join(looker.text(".head-facts").split())


def test_an_empty_folder_says_what_to_do(look: Open, empty_address: str) -> None:
    assert "tuner run" in look("/", at=empty_address).text(".notice")


def test_an_unknown_experiment_is_an_error_in_words(browser: Any, address: str) -> None:
    looker = Looker(browser, address)
    looker.page.goto(f"{address}/e/nowhere")
    looker.page.get_by_text("This experiment cannot be shown").wait_for()
    assert "nowhere" in looker.text(".notice p")
    looker.close()


def test_every_view_of_the_search_is_drawn(look: Open) -> None:
    looker = look("/e/halfway")
    for plot in PLOTS:
        back, main, *_ = looker.ink(plot)
        assert back > 500
        assert main > 500
    assert looker.page.locator(".card-table .grid-row").count() > 3


@pytest.mark.parametrize(("fragment", "query"), [("", ""), ("#tag=val%2Floss", "?tag=val%2Floss")])
def test_what_is_shown_first_is_asked_for_once(look: Open, fragment: str, query: str) -> None:
    looker, asked = look("/"), []
    looker.page.on("request", lambda request: asked.append(request.url.removeprefix(looker.address)))
    looker.open(f"/e/ended{fragment}")
    base = "/api/experiments/ended"
    found = sorted(each for each in asked if each.startswith(base) and "/live" not in each)
    assert found == [base, f"{base}/curves{query}", f"{base}/trials"]


def test_a_brush_on_an_axis_reaches_every_view(look: Open) -> None:
    looker = look("/e/halfway#curves=all")
    everything, before = looker.shown(), [looker.ink(plot)[1] for plot in PLOTS]
    last = 1 - 0.5 / looker.page.locator(".axis-head").count()
    looker.drag(".card-parallel .plot-surface", (last, 0.02), (last, 0.4))
    assert 0 < looker.shown() < everything
    assert looker.page.locator(".chip").count() == 1
    parallel, curves, scatter, history = [looker.ink(plot)[1] for plot in PLOTS]
    assert parallel < before[0]
    assert curves != before[1]  # Their axes follow, so fewer curves may fill more.
    assert scatter < before[2]
    assert history < before[3]
    assert looker.text(".card-table .note") == f"{looker.shown()} of {everything}"
    looker.page.locator(".chip button").click()
    looker.settle()
    assert looker.shown() == everything


def test_a_choice_is_brushed_by_its_values_and_absent_is_one_of_them(look: Open) -> None:
    looker = look("/e/halfway")
    names = looker.page.locator(".axis-head").all_inner_texts()
    momentum = (names.index("momentum") + 0.5) / len(names)
    looker.drag(".card-parallel .plot-surface", (momentum, 0.93), (momentum, 0.99))
    assert "absent" in looker.text(".chip")
    optimizer = (names.index("optimizer") + 0.5) / len(names)
    absent = looker.shown()
    looker.drag(".card-parallel .plot-surface", (optimizer, 0.5), (optimizer, 0.85))
    assert "adamw" in looker.page.locator(".chip").nth(1).inner_text()
    assert looker.shown() == absent


def test_a_rectangle_in_the_scatter_is_a_brush_on_two_axes(look: Open) -> None:
    looker = look("/e/halfway")
    looker.drag(".card-scatter .plot-surface", (0.4, 0.02), (0.9, 0.75))
    assert looker.page.locator(".chip").count() == 2
    assert looker.page.locator(".axis-head.filtered").count() == 2


def test_a_lasso_and_a_rectangle_over_curves_catch_trials(look: Open) -> None:
    looker = look("/e/halfway")
    everything = looker.shown()
    looker.page.locator(".card-scatter").get_by_title("lasso").click()
    box = looker.page.locator(".card-scatter .plot-surface").bounding_box()
    corners = [(0.3, 0.02), (0.95, 0.02), (0.95, 0.8), (0.3, 0.8)]
    looker.page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.02 * box["height"])
    looker.page.mouse.down()
    for x, y in corners:
        looker.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=3)
    looker.page.mouse.up()
    looker.settle()
    assert "caught" in looker.text(".chip")
    assert 0 < looker.shown() < everything
    looker.press("Escape")
    looker.drag(".card-curves .plot-surface", (0.5, 0.02), (0.99, 0.6))
    assert "caught" in looker.text(".chip")


def test_a_picked_row_is_strong_in_every_view_and_escape_lets_it_go(look: Open) -> None:
    looker = look("/e/halfway#sx=param/model.dropout")
    rows = looker.page.locator(".card-table .grid-row")
    rows.nth(0).click()
    rows.nth(2).click(modifiers=["Control"])
    looker.page.mouse.move(5, 5)
    looker.settle()
    assert looker.page.locator(".grid-row.chosen").count() == 2
    assert all(looker.ink(plot)[2] > 20 for plot in PLOTS)
    looker.press("Escape")
    assert looker.page.locator(".grid-row.chosen").count() == 0
    assert all(looker.ink(plot)[2] == 0 for plot in PLOTS[1:])


def test_a_trial_under_the_pointer_is_strong_in_the_other_views(look: Open) -> None:
    looker = look("/e/ended#sx=param/model.dropout")
    looker.page.locator(".card-table .grid-row").first.hover()
    looker.settle()
    assert all(looker.ink(plot)[2] > 20 for plot in PLOTS)


def test_an_expression_filters_and_a_wrong_one_says_why(look: Open) -> None:
    looker = look("/e/halfway")
    everything = looker.shown()
    field = looker.page.locator("#expression")
    field.fill("state == COMPLETE and not (optimizer == sgd)")
    looker.settle()
    assert 0 < looker.shown() < everything
    field.fill("momentun < 0.5")
    looker.settle()
    assert 'did you mean "momentum"?' in looker.text(".expression-error")
    assert looker.shown() == everything
    field.fill("lr < 0.5")
    looker.settle()
    assert "adamw.lr" in looker.text(".expression-error")


def test_a_link_shows_what_its_sender_saw(look: Open) -> None:
    looker = look("/e/halfway")
    last = 1 - 0.5 / looker.page.locator(".axis-head").count()
    looker.drag(".card-parallel .plot-surface", (last, 0.02), (last, 0.6))
    looker.page.locator("#expression").fill("reports > 1")
    looker.page.locator(".card-table .grid-row").nth(1).click()
    looker.page.locator(".card-table .grid-row").nth(2).click(modifiers=["Control"])
    looker.page.get_by_label("Which curves").select_option("all")
    looker.page.get_by_label("Metric of the curves").select_option("val/loss")
    looker.page.get_by_label("x axis of the scatter").select_option("param/model.dropout")
    looker.page.locator(".card-table").get_by_role("button", name="dropout", exact=True).click()
    looker.settle()
    looker.drag(".card-history .plot-surface", (0.3, 0.1), (0.9, 0.9))
    looker.page.locator(".card-table .grid-row .open").first.click()
    looker.settle()
    looker.page.evaluate("() => new Promise((done) => setTimeout(done, 300))")
    other = look("/" + looker.page.url.split("/", 3)[3])
    assert _state(other) == _state(looker)


def test_the_browser_goes_back_to_the_tab_before(look: Open) -> None:
    looker = look("/e/halfway")
    looker.page.get_by_role("tab", name="Scheduling").click()
    looker.page.wait_for_url("**#tab=scheduling")
    looker.page.go_back()
    looker.page.wait_for_selector('[role=tab][aria-selected=true]:text-is("Search")')
    looker.page.go_forward()
    looker.page.wait_for_selector('[role=tab][aria-selected=true]:text-is("Scheduling")')


def test_a_price_makes_money_of_time_and_is_in_the_address(look: Open) -> None:
    looker = look("/e/halfway#tab=scheduling")
    looker.page.wait_for_selector(".card-cost dd")
    assert "gangs were busy" in looker.text(".card-cost dl")
    looker.page.get_by_label("an hour of a").fill("2.5")
    looker.press("Enter")
    looker.page.wait_for_url("**price=2.5*")
    assert "spent" in looker.text(".card-cost dl")


def test_a_price_holds_for_the_overview_and_all_experiments(look: Open) -> None:
    looker = look("/")
    row = looker.page.locator("tbody tr", has=looker.page.get_by_role("link", name="ended"))
    cost = row.locator('[data-label="cost so far"]')
    hours, unit = cost.inner_text().split(" of ")
    assert hours != "–"
    looker.page.get_by_role("button", name="Prices").click()
    looker.page.get_by_label(f"an hour of a {unit[:-1]}").fill("7200")
    looker.press("Enter", "Escape")
    looker.page.wait_for_url(f"**#{unit[:-1]}=7200")
    spent = cost.inner_text().split("\n")[1].removesuffix(" spent")
    rows = csv.DictReader(looker.saved("the experiments", "CSV").decode().splitlines())
    assert {line["name"]: line["spent"] for line in rows}["ended"] == spent
    looker.open("/e/ended#tab=scheduling")
    looker.page.wait_for_url("**price=7200*")
    assert f"spent\n{spent}" in looker.text(".card-cost dl")
    shared = look(looker.page.url.removeprefix(looker.address))
    shared.page.locator(".card-cost dd", has_text=spent).wait_for()


def test_a_trial_shows_what_it_took_of_its_machine(
    look: Open, results: Path, tmp_path: Path, serve: Any
) -> None:
    shutil.copytree(results / "ended", tmp_path / "ended")
    trial = ExperimentPaths(tmp_path / "ended").trial(1)
    writer = EventWriter(trial.root)
    writer.scalars(99, {"system/cpu_percent": 87.25, "system/memory_bytes": 1.5e9})
    writer.close()
    looker = look("/e/ended#trial=1", at=serve(tmp_path))
    system = looker.page.locator(".panel section", has=looker.page.get_by_role("heading", name="System"))
    system.locator(".spark").first.wait_for()
    told = system.locator("figcaption").all_inner_texts()
    assert {"system/cpu_percent\n87.3 %", "system/memory_bytes\n1.5 GB"} <= set(told)
    assert any(text.startswith("train/samples_per_s") for text in told)
    assert not any("gpu" in text for text in told)
    assert "system/" not in looker.text(".panel section:has(h3:text-is('Curves'))")


def _state(looker: Looker) -> dict[str, Any]:
    page = looker.page
    return {
        "shown": looker.shown(),
        "chips": page.locator(".chip").all_inner_texts(),
        "expression": page.locator("#expression").input_value(),
        "selects": page.locator("select").evaluate_all("(all) => all.map((each) => each.value)"),
        "rows": page.locator(".card-table .grid-row").all_inner_texts()[:6],
        "chosen": page.locator(".grid-row.chosen").count(),
        "sorted": page.locator("[aria-sort=ascending], [aria-sort=descending]").all_inner_texts(),
        "trial": looker.text(".panel h2"),
        "ink": [looker.ink(plot)[1] > 0 for plot in PLOTS],
    }


def test_the_table_goes_by_keys(look: Open) -> None:
    looker = look("/e/halfway")
    first = looker.page.locator(".card-table .grid-row[tabindex='0']")
    first.focus()
    looker.press("ArrowDown", "ArrowDown", " ")
    chosen = looker.page.locator(".grid-row.chosen")
    assert chosen.get_attribute("aria-rowindex") == "4"
    looker.press("End")
    focused = looker.page.evaluate("document.activeElement.getAttribute('aria-rowindex')")
    assert int(focused) == looker.shown() + 1
    looker.press("Home", "Enter")
    assert looker.text(".panel h2").startswith("Trial ")
    looker.press("Escape")
    assert looker.page.locator(".panel").is_hidden()
    assert looker.page.evaluate("document.activeElement.className").startswith("grid-row")


def test_axes_move_and_filter_by_keys(look: Open) -> None:
    looker = look("/e/halfway")
    names = looker.page.locator(".axis-head").all_inner_texts()
    looker.page.locator(".axis-head").first.focus()
    looker.press("Shift+ArrowRight")
    assert looker.page.locator(".axis-head").all_inner_texts()[:2] == [names[1], names[0]]
    looker.press("ArrowLeft", "Enter")
    looker.page.get_by_label("From", exact=True).fill("2")
    looker.press("Enter")
    assert "depth" in looker.text(".chip")
    looker.press("Delete")
    assert looker.page.locator(".chip").count() == 0


def test_an_axis_is_dragged_to_another_place(look: Open) -> None:
    looker = look("/e/halfway")
    names = looker.page.locator(".axis-head").all_inner_texts()
    count = len(names)
    looker.drag(".axis-heads", (0.5 / count, 0.5), (2.6 / count, 0.5))
    assert looker.page.locator(".axis-head").all_inner_texts()[:3] == [names[1], names[2], names[0]]


def test_plots_go_by_keys(look: Open) -> None:
    looker = look("/e/ended")
    looker.page.locator(".card-scatter .plot-surface").focus()
    looker.press("ArrowRight", "ArrowRight", "Enter")
    assert "picked" in looker.text(".chip")


def test_columns_are_chosen_and_the_table_is_sorted(look: Open) -> None:
    looker = look("/e/halfway")
    looker.page.locator(".card-table").get_by_role("button", name="Columns").click()
    looker.page.get_by_label("last val/loss", exact=True).check()
    looker.press("Escape")
    looker.page.locator(".card-table").get_by_role("button", name="last val/loss", exact=True).click()
    looker.settle()
    head = looker.page.locator(".card-table [aria-sort=ascending]")
    assert "last val/loss" in head.inner_text()


def test_a_trial_is_shown_with_reason_parameters_curves_decisions_and_log(look: Open) -> None:
    looker = look("/e/ended#trial=1")
    looker.page.locator(".spark").first.wait_for()
    panel = looker.text(".panel")
    for part in ("Parameters", "Curves", "Decisions", "Checkpoints", "Log"):
        assert part in panel
    looker.page.locator(".panel summary", has_text="Log").click()
    looker.page.locator(".log:not(:empty)").wait_for()


def test_picked_trials_are_compared(look: Open) -> None:
    looker = look("/e/ended#tab=compare")
    looker.page.get_by_role("button", name="Compare the best 4").click()
    looker.settle()
    assert looker.page.locator(".compare thead th").count() == 4
    rows = looker.page.locator(".compare tbody tr").count()
    looker.page.get_by_label("differences only").uncheck()
    looker.settle()
    assert looker.page.locator(".compare tbody tr").count() > rows


def test_decisions_are_shown_at_their_rungs_and_gangs_in_time(look: Open) -> None:
    looker = look("/e/halfway#tab=scheduling")
    looker.page.locator(".card-decisions .grid-row").first.wait_for()
    looker.settle()
    assert looker.ink(".card-rungs")[1] > 300
    assert looker.ink(".card-timeline")[1] > 3000
    reasons = looker.page.locator(".card-decisions .cell-reason").all_inner_texts()
    assert any("report" in reason for reason in reasons)


def test_a_row_of_the_timeline_is_a_gang_named_by_node_and_devices(look: Open) -> None:
    looker = look("/e/halfway#tab=scheduling")
    looker.page.locator(".card-decisions .grid-row").first.wait_for()
    looker.settle()
    assert _rows_of_the_timeline(looker) == [
        f"gang {gang} · node0 GPU {2 * gang},{2 * gang + 1}" for gang in reversed(range(4))
    ]


def test_rows_of_gangs_without_gpus_or_of_an_older_log(look: Open) -> None:
    looker = look("/e/halfway")
    laps = {
        "gang": [0, 1, 0, 2],
        "nodes": ["a", "a,b", "b", "c"],
        "devices": ["", "0;2,3", "", None],
        "trial": [0, 1, 2, 3],
        "from_s": [0.0, 0.0, 5.0, 0.0],
        "to_s": [4.0, 9.0, None, 9.0],
        "kind": ["train"] * 4,
    }
    told = json.dumps({"columns": list(laps), "data": laps, "num_gangs": 3, "began_s": 0.0})
    looker.page.route("**/timeline", lambda route: route.fulfill(content_type="application/json", body=told))
    looker.open("/e/halfway#tab=scheduling")
    looker.page.locator(".card-decisions .grid-row").first.wait_for()
    looker.settle()
    assert _rows_of_the_timeline(looker) == [
        "gang 2",
        "gang 1 · a GPU 0 · b GPU 2,3",
        "gang 0 · b CPU",
        "gang 0 · a CPU",
    ]


def _rows_of_the_timeline(looker: Looker) -> list[str]:
    """Their names, from the lowest to the highest."""
    svg = looker.saved("Timeline", "SVG").decode()
    return [text for text in re.findall(r"<text[^>]*>([^<]*)</text>", svg) if text.startswith("gang ")]


def test_what_happens_while_one_looks_is_shown(look: Open, browser: Any, address: str) -> None:
    looker = Looker(browser, address)
    row = {"number": 5000, "state": "RUNNING", "best/val/accuracy": 0.9999, "reason": "just begun"}
    news = {"columns": list(row), "data": {name: [value] for name, value in row.items()}}
    told = f"retry: 60000\nevent: trials\ndata: {json.dumps(news)}\n\n"
    looker.page.route("**/live*", lambda route: route.fulfill(content_type="text/event-stream", body=told))
    looker.open("/e/halfway")
    looker.page.get_by_text("just begun").wait_for()
    looker.settle()
    assert looker.page.locator(".card-table .grid-row").first.inner_text().split()[1] == "5000"
    looker.close()
    assert looker.faults == []


LOW = "min/val/loss"


def _lows(looker: Looker) -> list[str]:
    """Of the rows that are seen, from above."""
    looker.page.locator(".card-table").get_by_role("button", name="min val/loss", exact=True).wait_for()
    looker.settle()
    return looker.page.locator(".card-table .grid-row .cell-min").all_inner_texts()


def test_the_lowest_points_of_curves_are_read_when_the_column_is_chosen(look: Open, results: Path) -> None:
    looker = look("/e/ended")
    asked: list[str] = []
    looker.page.on("request", lambda request: asked.append(request.url))
    looker.open("/e/ended")
    assert not any("/extremes" in url for url in asked)
    looker.page.locator(".card-table").get_by_role("button", name="Columns").click()
    looker.page.get_by_label("min val/loss").check()
    looker.press("Escape")
    looker.page.locator(".card-table").get_by_role("button", name="min val/loss", exact=True).click()
    lows = [float(text) for text in _lows(looker)]
    assert lows == sorted(lows)
    known = tuner.Result.open(results / "ended").curves("val/loss")["value"].min()
    assert lows[0] == pytest.approx(known, rel=1e-3)
    assert sum("/extremes" in url for url in asked) == 1


def test_a_link_to_a_column_of_extremes_shows_it_and_filters_by_it(look: Open) -> None:
    shown = f"#col=number&col={LOW}&sort=%2B{LOW}"
    looker = look(f"/e/ended{shown}")
    everything, lows = looker.shown(), [float(text) for text in _lows(looker)]
    filtered = look(f"/e/ended{shown}&q={LOW}+<+{lows[3]}")
    assert len(_lows(filtered)) == filtered.shown() <= 4 < everything


def test_an_expression_means_the_same_when_there_are_extremes(look: Open) -> None:
    filtered = "/e/ended#q=train/grad_norm+<+0.4"
    plain = look(filtered)
    assert " of " in plain.text(".count")
    more = look(f"{filtered}&col=number&col=min/train/grad_norm")
    heads = more.page.locator(".card-table")
    heads.get_by_role("button", name="min train/grad_norm", exact=True).wait_for()
    more.settle()
    assert more.shown() == plain.shown()


def test_a_column_of_extremes_follows_what_is_trained(look: Open, browser: Any, address: str) -> None:
    looker = Looker(browser, address)
    data = {"number": [1, 2], "state": ["RUNNING"] * 2, "reason": ["goes on", "goes on too"]}
    news = {"columns": list(data), "data": data}
    points = {"from_step": 9, "step": [9], "time_s": [0.0], "value": [0.5], "min": -7.0, "max": 8.0}
    told = (
        f"retry: 60000\nevent: trials\ndata: {json.dumps(news)}\n\n"
        f"event: curves\ndata: {json.dumps({'val/loss': {'1': points}})}\n\n"
    )

    def answer(route: Any) -> None:
        is_asked = "val%2Floss" in route.request.url
        route.fulfill(content_type="text/event-stream", body=told if is_asked else "retry: 60000\n\n")

    looker.page.route("**/live*", answer)
    looker.open(f"/e/halfway#col=number&col={LOW}&col=reason&sort=%2B{LOW}&q=number+<+3")
    looker.page.get_by_text("goes on", exact=True).wait_for()
    assert float(_lows(looker)[0].replace("−", "-")) == -7.0
    cells = looker.page.locator(".card-table .grid-row", has_text="goes on too").locator(".grid-cell")
    assert cells.nth(2).inner_text() == "2"
    assert cells.nth(3).inner_text() != "–"
    looker.close()
    assert looker.faults == []


def test_markup_in_a_parameter_stays_text(look: Open) -> None:
    looker = look("/e/hostile#trial=1&colour=param/note&sel=1,2")
    assert looker.page.get_by_text(MARKUP).count() > 0
    looker.page.get_by_role("tab", name="Compare").click()
    looker.settle()
    assert looker.page.locator("img").count() == 0
    assert looker.page.evaluate("document.body.dataset.broken === undefined")


def test_the_page_fits_a_phone(look: Open) -> None:
    tabs = ("/e/halfway#tab=compare&sel=1,2", "/e/halfway#tab=why")
    for path in ("/", "/e/halfway", *tabs, "/e/halfway#trial=1"):
        looker = look(path, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
        assert looker.page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/e/halfway",
        "/e/halfway#trial=3",
        "/e/ended#tab=compare&sel=1,2",
        "/e/ended#tab=why",
        "/e/ended#tab=scheduling",
    ],
)
def test_no_serious_fault_for_people_with_disabilities(look: Open, path: str, theme: str) -> None:
    looker = look(path, color_scheme=theme)
    looker.page.evaluate(AXE.read_text())
    assert looker.serious_faults() == []


def test_metrics_that_came_after_the_page_was_opened_can_be_chosen(
    look: Open, results: Path, tmp_path: Path, serve: Any
) -> None:
    shutil.copytree(results / "halfway", tmp_path / "halfway")
    looker = look("/", at=serve(tmp_path))
    early = re.compile("/api/experiments/halfway$")
    looker.page.route(early, lambda route: route.fulfill(json=route.fetch().json() | {"metrics": []}))
    looker.open("/e/halfway")
    tags = looker.page.get_by_label("Metric of the curves").first
    assert tags.locator("option").count() == 0
    looker.page.unroute(early)
    write_note(ExperimentPaths(tmp_path / "halfway").notes, 1, Note("", ("odd",)))
    tags.locator("option", has_text="val/loss").wait_for(state="attached")
