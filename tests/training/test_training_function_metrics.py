"""What every report of a function of one's own must hold."""

from collections.abc import Iterator
from typing import Any

import pytest

from tuner.errors import TunerError
from tuner.training.functions import FunctionTraining
from tuner.training.report import Objective, Trial

OBJECTIVE = Objective("loss", "min", also=("latency",))


def replays(config: dict[str, Any], trial: Trial) -> Iterator[dict[str, float]]:
    yield from config["reports"]


def training(*reports: dict[str, float]) -> FunctionTraining:
    trial = Trial(number=0, folder="", rank=0, num_ranks=1, device="cpu", seed=0)
    return FunctionTraining(replays, {"reports": reports}, trial, OBJECTIVE)


def test_what_is_compared_or_bounded_is_there() -> None:
    assert training({"loss": 1, "latency": 2, "more": 3}).step().metrics == {
        "loss": 1,
        "latency": 2,
        "more": 3,
    }


@pytest.mark.parametrize("missing", ["loss", "latency"])
def test_a_metric_that_is_missing(missing: str) -> None:
    held = ({"loss", "latency"} - {missing}).pop()
    sentence = (
        rf"every report must hold the searched metric '{missing}', but report 1 holds \['{held}'\]; yield"
    )
    with pytest.raises(TunerError, match=sentence):
        training({held: 1.0}).step()
