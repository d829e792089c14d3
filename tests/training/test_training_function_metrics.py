"""The reports of a function of one's own: what they hold, and with which the trial is complete."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tuner.errors import TunerError
from tuner.records.states import TrialState
from tuner.training.functions import FunctionTraining
from tuner.training.job import TrialJob
from tuner.training.ranks import Ranks
from tuner.training.report import Objective, Trial

OBJECTIVE = Objective("loss", "min", also=("latency",))


def replays(config: dict[str, Any], trial: Trial) -> Iterator[dict[str, float]]:
    yield from config["reports"]


def training(*reports: dict[str, float], begun: int = 0, most: int | None = None) -> FunctionTraining:
    job = TrialJob(
        number=0,
        params={},
        objective=OBJECTIVE,
        folder=Path(),
        num_reports=begun,
        function=replays,
        config={"reports": reports},
        max_reports=most,
    )
    return FunctionTraining(job, Ranks())


def test_a_report_holds_what_the_function_yields() -> None:
    assert training({"loss": 1, "more": 3}).step().metrics == {"loss": 1, "more": 3}


def test_a_function_that_yields_nothing() -> None:
    with pytest.raises(TunerError, match="a training function must yield at least one report"):
        training().step()


GOOD = {"loss": 1.0, "latency": 2.0}


@pytest.mark.parametrize("begun", [0, 2])
def test_a_function_that_goes_on_for_ever_is_complete_with_its_last_report(begun: int) -> None:
    one = training(*[GOOD] * 9, begun=begun, most=3)
    ends = [one.step() for _ in range(begun, 3)]
    assert [report.step for report in ends] == list(range(begun + 1, 4))
    assert [report.state for report in ends[:-1]] == [None] * (2 - begun)
    assert (ends[-1].state, ends[-1].metrics) == (TrialState.COMPLETE, GOOD)
    assert ends[-1].reason == "trained max_reports = 3 reports"


def test_a_last_report_that_is_not_finite_is_no_completion() -> None:
    assert training(GOOD | {"loss": math.nan}, most=1).step().state is None
