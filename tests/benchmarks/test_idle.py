"""The benchmark of idle gangs: with suggestions drawn ahead, a slow sampler keeps none waiting."""

import importlib
from pathlib import Path
from typing import Any

import pytest

from tuner.search.ahead import num_ahead


@pytest.fixture
def idle(benchmarks: Path) -> Any:
    return importlib.import_module("idle")


def test_gangs_wait_for_the_first_suggestions_only(idle: Any) -> None:
    """Asks of .25 s on the virtual clock, one after the other: the eight gangs begin 1 s late on average."""
    ahead = num_ahead(idle.WORKERS)
    [without] = idle.replay("random", "none", 0, 48, [0], ask_seconds=0.25)
    [found] = idle.replay("random", "none", ahead, 48, [0], ask_seconds=0.25)
    assert found.idle < 0.02 < 0.03 < without.idle


def test_the_second_table_lets_trials_be_cut(idle: Any) -> None:
    for scheduler in idle.SCHEDULERS[1:]:
        [found] = idle.replay("tpe", scheduler, 2, 3, [0])
        assert found.trials > 8
