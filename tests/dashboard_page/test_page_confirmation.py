"""The best trials and their fresh runs: of a search that confirmed them, and of one that does so now."""

import csv
import importlib
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from looking import AXE, Looker

from tuner.records.paths import ExperimentPaths
from tuner.records.rows import read_trials
from tuner.results.result import Result

pytestmark = pytest.mark.browser

Open = Callable[..., Looker]
CARD = ".card-confirmation"


def _fresh(results: Path) -> dict[int, list[float]]:
    """Trial -> what its fresh runs reached."""
    found: dict[int, list[float]] = {}
    for row in read_trials(results / "ended" / "trials.csv"):
        if row.confirms is not None:
            found.setdefault(row.confirms, []).append(row.best["val/accuracy"])
    return found


def test_candidates_their_runs_and_the_winner_are_told(look: Open, results: Path) -> None:
    looker = look("/e/ended")
    winner = Result.open(results / "ended").best.number
    fresh = _fresh(results)
    assert f"Trial {winner} is confirmed" in looker.text(f"{CARD} .told")
    rows = looker.page.locator(f"{CARD} tbody tr")
    assert rows.count() == len(fresh) == 2
    assert rows.first.inner_text().startswith(f"{winner} won")
    mean = sum(fresh[winner]) / len(fresh[winner])
    assert f"{mean:.4g} ±" in rows.first.inner_text()
    assert looker.ink(CARD)[1] > 300
    table = list(csv.DictReader(looker.saved("Confirmation", "CSV").decode().splitlines()))
    assert {int(line["trial"]): line["won"] for line in table}[winner] == "true"
    for trial, values in fresh.items():
        written = [float(line["value"]) for line in table if int(line["trial"]) == trial]
        assert sorted(written) == pytest.approx(sorted(values))


def test_a_candidate_is_strong_everywhere_and_opens(look: Open) -> None:
    looker = look("/e/ended")
    before = looker.ink(CARD)[2]
    assert before == 0
    looker.page.locator(f"{CARD} .plot-surface").focus()
    looker.press("ArrowRight", "Enter")
    assert "picked" in looker.text(".chip")
    assert looker.ink(".card-history")[2] > 20
    assert looker.ink(CARD)[2] > 50
    assert "won" in looker.text(f"{CARD} .tip")
    looker.press("ArrowRight")
    assert "a fresh run of trial" in looker.text(f"{CARD} .tip")
    looker.page.locator(f"{CARD} tbody button").first.click()
    looker.page.locator(".panel h2", has_text="Trial ").wait_for()


def test_without_fresh_runs_there_is_no_such_view(look: Open) -> None:
    looker = look("/e/halfway")
    assert not looker.page.locator(CARD).is_visible()
    table, scatter = (looker.page.locator(card).bounding_box() for card in (".card-table", ".card-scatter"))
    assert table["width"] > 2 * scatter["width"]


def test_runs_appear_as_they_end(look: Open, tmp_path: Path, serve: Callable[..., str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
        made = importlib.import_module("_made_search")
        experiment = importlib.import_module("make_results")._experiment("late", 12, 9, 0)
    lines = list(made.MadeSearch(experiment, num_gangs=4).lines())
    (tmp_path / "late").parent.mkdir(exist_ok=True)
    folder = made.MadeFolder(ExperimentPaths(tmp_path / "late"), experiment, begin_s=time.time())
    end = [line["action"] for line in lines].index("END")
    for line in lines[: end + 1]:
        folder.take(line)
    looker = look("/e/late", at=serve(tmp_path))
    assert not looker.page.locator(CARD).is_visible()
    rest = iter(lines[end + 1 :])
    for line in rest:
        folder.take(line)
        if line.get("state") == "COMPLETE":
            break
    looker.page.locator(f"{CARD} .note", has_text="1 of 4 fresh runs").wait_for()
    assert "Not confirmed: 1 of 4 fresh runs are there" in looker.text(f"{CARD} .told")
    for line in rest:
        folder.take(line)
    folder.close()
    looker.page.locator(f"{CARD} .note", has_text="4 of 4 fresh runs").wait_for()
    assert re.search(r"Trial \d+ is confirmed", looker.text(f"{CARD} .told"))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_serious_fault_in_the_view_by_itself(look: Open, theme: str) -> None:
    looker = look("/e/ended#large=confirmation", color_scheme=theme)
    looker.page.evaluate(AXE.read_text())
    assert looker.serious_faults() == []


def test_it_fits_a_phone(look: Open) -> None:
    phone: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    looker = look("/e/ended", **phone)
    assert looker.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert looker.page.locator(CARD).bounding_box()["width"] <= 390
