"""The picture of a running search, composed from a made-up conductor."""

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tuner.execution.conductor import Conductor
from tuner.progress import PlainLines, clock, params_text, picture, time_left_s
from tuner.records.paths import ExperimentPaths
from tuner.records.rows import TrialRow, best_row
from tuner.records.states import TrialState
from tuner.spec import Experiment
from tuner.training.report import Objective

LONG = {f"train.a_parameter_with_a_long_name_{index}": 0.123456789 for index in range(6)}


@dataclass
class MadeUp:
    """What the picture needs of a conductor."""

    experiment: Experiment
    rows: dict[int, TrialRow] = field(default_factory=dict)
    objective: Objective = Objective("val/accuracy", "max")
    spent_s: float = 0.0
    waits_for: list[int] = field(default_factory=list)
    paths: ExperimentPaths = ExperimentPaths(Path("results/small"))

    def best(self) -> TrialRow | None:
        return best_row(self.rows.values(), self.objective.metric, self.objective.mode)


def conductor(*rows: TrialRow, **sections: Any) -> Any:
    made_up: Conductor | MadeUp = MadeUp(
        Experiment.from_dict(
            {
                "name": "small",
                "task": "tabular_classification",
                "data": {"source": {"type": "two_class"}},
                "model": {"type": "mlp"},
                "train": {"epochs": 9, "optimizer": {"type": "adam", "lr": {"float": [1e-3, 1e-1]}}},
                "search": {"metric": "val/accuracy", "trials": 10},
            }
            | sections
        ),
        {row.number: row for row in rows},
    )
    return made_up


def row(
    number: int, state: str, value: float | None, reports: int, seconds: float, **params: Any
) -> TrialRow:
    metrics = {} if value is None else {"val/accuracy": value}
    return TrialRow(
        number=number,
        state=TrialState(state),
        params=params or LONG,
        reason="a reason",
        best=metrics,
        last=metrics | ({"train/loss": 0.25} if metrics else {}),
        reports=reports,
        seconds=seconds,
    )


def shown(conductor: Any, width: int = 100) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(picture(conductor))
    return captured.get().splitlines()


def test_before_the_first_report_it_says_what_takes_so_long() -> None:
    lines = shown(conductor(row(0, "RUNNING", None, 0, 0.0)))

    assert lines[0].startswith("small ")
    assert "0/10 trials" in lines[0]
    assert "time left not known yet" in lines[0]
    assert lines[2] == "best: none yet"
    assert lines[3].startswith("the first gang imports torch and DeepSpeed")


def test_it_shows_states_best_running_curves_and_time_left() -> None:
    ended = [
        row(0, "COMPLETE", 0.75, 9, 4.0, lr=0.5),
        row(1, "STOPPED", 0.5, 1, 2.0),
        row(2, "FAILED", None, 0, 3.0),
    ]
    lines = shown(conductor(*ended, row(103, "RUNNING", 0.625, 4, 1.0)))

    assert "3/10 trials" in lines[0]
    assert "about 0:20 left" in lines[0]
    assert lines[1].split() == ["RUNNING", "1", "COMPLETE", "1", "STOPPED", "1", "FAILED", "1"]
    assert lines[2] == "best val/accuracy 0.75  trial 0: lr=0.5"
    assert lines[3].split() == ["running", "report", "val/accuracy", "train/loss", "parameters"]
    assert lines[4].startswith("trial 103  4/9     0.625         0.25        a_parameter_with")
    assert lines[4].endswith("…")


@pytest.mark.parametrize("width", [60, 80, 150])
def test_the_running_trials_take_one_line_each(width: int) -> None:
    running = [row(number, "RUNNING", 0.5, 1, 1.0) for number in range(100, 120)]
    lines = shown(conductor(*running), width)

    assert max(len(line) for line in lines) <= width
    assert [line.split()[:2] for line in lines[-9:-1]] == [
        ["trial", str(number)] for number in range(100, 108)
    ]
    assert lines[-1].startswith("and 12 more")


def test_time_left_counts_the_running_trials_share() -> None:
    ended = [row(0, "COMPLETE", 0.75, 9, 6.0), row(1, "STOPPED", 0.5, 1, 2.0)]
    running = [row(2, "RUNNING", 0.5, 1, 1.0), row(3, "RUNNING", 0.5, 1, 100.0)]

    assert time_left_s(conductor(*running)) is None
    assert time_left_s(conductor(*ended)) == pytest.approx(8 * 4.0)
    assert time_left_s(conductor(*ended, *running)) == pytest.approx((8 * 4.0 - 1.0 - 4.0) / 2)


def test_a_pipe_gets_one_line_a_finished_trial() -> None:
    text = io.StringIO()
    lines = PlainLines(Console(file=text, width=40))
    running = conductor(row(0, "RUNNING", 0.5, 2, 1.0), row(1, "RUNNING", 0.75, 3, 2.0))

    lines(running)
    running.rows[0] = row(0, "STOPPED", 0.5, 3, 2.0)
    lines(running)
    lines(running)
    running.rows[1] = row(1, "FAILED", None, 0, 1.0)
    lines(running)

    assert text.getvalue().splitlines() == [
        "trial 0 STOPPED val/accuracy=0.5 reports=3 seconds=2 best=0.75 finished=1/10: a reason",
        "trial 1 FAILED val/accuracy=- reports=0 seconds=1 best=0.5 finished=2/10: a reason",
    ]


def test_fresh_runs_are_named_after_the_trial_that_they_repeat() -> None:
    ended = [row(number, "COMPLETE", 0.75, 9, 2.0) for number in range(10)]
    again = row(10, "COMPLETE", 0.875, 9, 3.0)
    running = row(11, "RUNNING", 0.875, 3, 1.0)
    again.confirms = running.confirms = 4
    confirm = {"top": 2, "seeds": 2}
    confirming = conductor(*ended, again, running, confirm=confirm)
    text = io.StringIO()

    plain = PlainLines(Console(file=text))
    plain(conductor(*ended, confirm=confirm))
    plain(confirming)
    lines = shown(confirming)

    assert text.getvalue().splitlines()[-1] == (
        "trial 10 (trial 4 again) COMPLETE val/accuracy=0.875 reports=9 seconds=3 best=0.75 "
        "finished=11/14: a reason"
    )
    assert "11/14 trials" in lines[0]
    assert lines[-1].startswith("trial 4 again  3/9")
    assert time_left_s(confirming) == pytest.approx(3 * (10 * 2.0 + 3.0) / 11 - 1.0)


def test_it_says_when_only_paused_trials_are_left() -> None:
    waiting: Any = conductor(row(0, "PAUSED", 0.5, 3, 2.0), row(1, "PAUSED", 0.5, 3, 2.0))
    waiting.waits_for = [0, 1]
    text = io.StringIO()
    plain = PlainLines(Console(file=text))
    plain(waiting)
    plain(waiting)
    expected = (
        "waiting: nothing is left to do but what somebody has paused (trial 0, 1); go on with it by: "
        "tuner unpause results/small --trial 0"
    )
    assert text.getvalue().splitlines() == [expected]
    assert shown(waiting, width=200)[-1] == expected


def test_words() -> None:
    assert [clock(seconds) for seconds in (-3, 0, 59.2, 125, 3725)] == [
        "0:00",
        "0:00",
        "1:00",
        "2:05",
        "1:02:05",
    ]
    assert (
        params_text({"train.lr": 0.123456, "model.norm": "batch", "k": None})
        == "lr=0.1235, norm=batch, k=None"
    )
