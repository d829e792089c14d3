"""The benchmark of suggestions: every sampler can be asked in each of its settings."""

import importlib
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def ask(benchmarks: Path) -> Any:
    return importlib.import_module("ask")


def test_half_of_the_space_is_conditional(ask: Any) -> None:
    conditional = [parameter for parameter in ask.SPACE.parameters if parameter.conditions]
    assert (len(ask.SPACE.parameters), len(conditional)) == (40, 20)


def test_every_sampler_is_measured(ask: Any) -> None:
    assert {"auto", "gp", "curve_gp", "tpe", "cmaes", "nsgaii", "random"} <= set(ask.SAMPLERS)
    for work in ask.WORK.values():
        known = ask.told(13, work)
        for sampler in ask.able(ask.SAMPLERS, work):
            (seconds,) = ask.seconds_of_asks(sampler, work, known, 1)
            assert min(seconds) > 0
            assert ask.row_of(sampler, [seconds, seconds])[0] == sampler
