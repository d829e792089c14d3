"""The benchmark of idle gangs: with suggestions drawn ahead, the slowest sampler keeps none waiting."""

import importlib
from pathlib import Path
from typing import Any

import pytest

from tuner.search.ahead import num_ahead


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    return importlib.import_module("idle")


@pytest.mark.slow
def test_gangs_hardly_idle_with_ten_second_trainings(idle: Any) -> None:
    [found] = idle.replay("gp", "none", num_ahead(idle.WORKERS), 48, [0])
    assert found.ask_seconds > 1, "asks of the real sampler were charged"
    assert found.idle < 0.02


def test_the_second_table_lets_trials_be_cut(idle: Any) -> None:
    for scheduler in idle.SCHEDULERS[1:]:
        [found] = idle.replay("tpe", scheduler, 2, 3, [0])
        assert found.trials > 8
