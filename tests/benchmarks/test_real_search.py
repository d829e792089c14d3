"""The real search's figures: what was seen within a budget, and the pairs of the table."""

import importlib
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def real_search(benchmarks: Path) -> Any:
    return importlib.import_module("real_search")


def test_a_budget_counts_the_reports_of_all_trials(real_search: Any) -> None:
    reports = [(float(k), f"trial {k // 54}", 1.0 - k / 1000, k / 1000) for k in range(216)]
    figures = real_search.figures_of(reports)
    assert figures["loss"] == pytest.approx([0.947, 0.893, 0.785])
    assert figures["accuracy"] == pytest.approx([0.053, 0.107, 0.215])
    assert figures["trials"] == [1, 2, 4]
    assert figures["seconds"] == [53, 107, 215]


def test_only_seeds_that_both_sides_have_are_compared(real_search: Any) -> None:
    lines = [
        {"side": "stock", "seed": 0, "loss": [0.4, 0.2, 0.1]},
        {"side": "stock", "seed": 1, "loss": [9.0, 9.0, 9.0]},
        {"side": "tuner", "seed": 0, "loss": [0.3, 0.2, 0.2]},
    ]
    stock, tuner, difference, wins = real_search.rows_of(lines, "loss", 1)
    assert stock[1:] == ["0.4", "0.2", "0.1"]
    assert tuner[1:] == ["0.3", "0.2", "0.2"]
    assert difference[1:] == ["-0.1", "0.0", "0.1"]
    assert wins[1:] == ["1 of 1", "0 of 1", "0 of 1"]


def test_both_sides_search_the_experiment_as_it_is_shipped(real_search: Any) -> None:
    from tuner.spec import Experiment

    shipped = Experiment.load(real_search.SPEC)
    run = Experiment.load(real_search.SPEC, real_search.overrides(3))
    assert run.space == shipped.space
    assert run.max_reports == shipped.max_reports == real_search.NUM_REPORTS
    assert (run.search.metric, run.search.mode, run.search.seed) == ("val/loss", "min", 3)
    assert run.resources.workers == 1
