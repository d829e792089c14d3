"""The conductor with `search.stop`: what ends a search, what its trials become, where the reason is kept."""

import pytest
from execution_fakes import Clock, ListedSearcher, MadeUpGangs, PausesAt

from tuner.execution.conductor import Conductor
from tuner.records.files import read_lines
from tuner.records.paths import ExperimentPaths
from tuner.records.states import TrialState
from tuner.search.factory import make_scheduler
from tuner.search.none import NoStopping
from tuner.search.scheduler import Action
from tuner.spec import Experiment, Float, Parameter, Space
from tuner.spec.sections import SearchSpec
from tuner.training.report import Report

FULL = 4


def trains(config, trial):
    yield {"loss": 0.0}


def make(tmp_path, stop, *, values=range(20, 0, -1), num_gangs=1, gpus=0.0, mode="min", scheduler=None):
    values = list(values)
    experiment = Experiment(
        train=trains,
        space={"x": Float(-100.0, 100.0)},
        metric="loss",
        mode=mode,
        trials=len(values),
        max_reports=FULL,
        stop=stop,
        checkpoints=True,
    )
    clock = Clock()
    conductor = Conductor(
        experiment,
        ExperimentPaths(tmp_path),
        ListedSearcher([{"x": float(x)} for x in values]),
        scheduler or NoStopping(),
        store_of=lambda data: tmp_path,
        num_gangs=num_gangs,
        gpus_per_gang=gpus,
        clock=clock,
    )
    return conductor, clock


class PausesAlways(PausesAt):
    """Pauses every trial at every report."""

    def __init__(self, resumed=()):
        super().__init__(1, resumed)

    def on_report(self, number, step, value):
        return super().on_report(number, 1, value)


def run(conductor, clock, *, num_gangs=1, seconds=60.0):
    MadeUpGangs(conductor, lambda params: [params["x"]] * FULL, num_gangs, clock, seconds).run()


CASES = [
    ({"hours": 0.5}, 1, r"search.stop.hours: 0.5 hours are spent", 30),
    ({"gpu_hours": 1.0}, 1, r"search.stop.gpu_hours: 1 GPU hours are spent", 15),
    ({"target": 15.5}, 1, r"search.stop.target: loss 15 reaches 15.5", 21),
]


@pytest.mark.parametrize(("stop", "num_gangs", "reason", "num_reports"), CASES)
def test_what_ends_a_search(tmp_path, stop, num_gangs, reason, num_reports):
    conductor, clock = make(tmp_path, stop, gpus=4.0)
    run(conductor, clock)
    assert conductor.end_reason == reason
    rows = list(conductor.rows.values())
    assert sum(row.reports for row in rows) == num_reports
    assert rows[-1].state is TrialState.STOPPED
    assert rows[-1].reason == reason
    assert {row.state for row in rows[:-1]} == {TrialState.COMPLETE}
    assert conductor.is_over


def test_the_reason_is_a_line_of_the_decisions(tmp_path):
    conductor, clock = make(tmp_path, {"target": 15.5})
    run(conductor, clock)
    [end] = [line for line in read_lines(conductor.paths.decisions) if line["action"] == "END"]
    assert (end["trial"], end["reason"]) == (None, conductor.end_reason)


def test_a_target_to_be_exceeded(tmp_path):
    conductor, clock = make(tmp_path, {"target": 3.0}, values=[1, 2, 5, 7], mode="max")
    run(conductor, clock)
    assert conductor.end_reason == "search.stop.target: loss 5 reaches 3"


def test_patience_counts_finished_trials(tmp_path):
    conductor, clock = make(tmp_path, {"patience": 3}, values=[9, 5, 6, 5, 8, 1, 1])
    run(conductor, clock)
    assert len(conductor.rows) == 5
    assert conductor.end_reason == "search.stop.patience: 3 trials finished or paused without a better loss"


def test_patience_counts_a_paused_trial_once(tmp_path):
    """Nobody finishes: all pause at the first report, and trial 1 again at the second."""
    scheduler = PausesAlways(resumed=[1, 1])
    conductor, clock = make(tmp_path, {"patience": 4}, values=[5] * 20, scheduler=scheduler)
    run(conductor, clock)
    assert conductor.end_reason == "search.stop.patience: 4 trials finished or paused without a better loss"
    assert [row.reports for row in conductor.rows.values()] == [1, 3, 1, 1, 1]


def test_patience_begins_anew_with_a_better_trial_that_still_runs(tmp_path):
    conductor, _ = make(tmp_path, {"patience": 2}, values=[5] * 20, num_gangs=2, scheduler=PausesAt(1))
    slow, quick = conductor.next().number, conductor.next().number
    conductor.on_start(slow)
    conductor.on_start(quick)
    for step, value in enumerate((4.0, 3.0, 2.0), start=2):
        conductor.on_report(quick, Report(1, {"loss": 9.0}))
        conductor.on_saved(quick)
        conductor.on_report(slow, Report(step, {"loss": value}))
        quick = conductor.next().number
        conductor.on_start(quick)
    assert conductor.end_reason is None


@pytest.mark.parametrize(
    "scheduler", ["auto", "none", "asha", "iepoch", {"type": "asha", "variant": "promotion"}]
)
def test_a_constant_metric_ends_soon_whatever_the_scheduler(tmp_path, scheduler):
    search = SearchSpec(metric="loss", mode="min", trials=100, scheduler=scheduler)
    space = Space((Parameter("x", Float(-100.0, 100.0)),))
    conductor, clock = make(
        tmp_path,
        {"patience": 10},
        values=[5] * 100,
        num_gangs=2,
        scheduler=make_scheduler(search, FULL, space),
    )
    run(conductor, clock, num_gangs=2)
    assert conductor.end_reason is not None
    assert len(conductor.rows) <= 13


def test_little_left_to_gain(tmp_path):
    conductor, clock = make(tmp_path, {"min_gain": 0.5}, values=[1.0 + 0.01 * k for k in range(20)])
    run(conductor, clock)
    assert len(conductor.rows) == 10
    assert "10 more trials would gain about" in conductor.end_reason


def test_running_and_paused_trials_end_with_the_reason(tmp_path):
    conductor, clock = make(tmp_path, {"hours": 1.0}, num_gangs=2, scheduler=PausesAt(2))
    first = conductor.next().number
    conductor.on_start(first)
    conductor.on_report(first, Report(2, {"loss": 1.0}))
    conductor.on_saved(first)
    second, queued = conductor.next().number, conductor.next().number
    conductor.on_start(second)
    clock.now_s += 3600
    assert conductor.next() is None
    assert {row.reason for row in conductor.rows.values()} == {conductor.end_reason}
    assert sorted(conductor.take_cut()) == [first, second, queued]


def test_a_trial_that_was_to_go_on_or_pause_is_told_to_stop(tmp_path):
    for step, name in ((1, "goes on"), (2, "pauses")):
        (tmp_path / name).mkdir()
        conductor, _ = make(tmp_path / name, {"target": 1.0}, scheduler=PausesAt(2))
        number = conductor.next().number
        conductor.on_start(number)
        decision = conductor.on_report(number, Report(step, {"loss": 0.5}))
        assert decision.action is Action.STOP
        assert decision.reason == conductor.end_reason
        assert conductor.rows[number].state is TrialState.STOPPED


def test_no_rule_no_end(tmp_path):
    conductor, clock = make(tmp_path, {}, values=[3, 3, 3])
    run(conductor, clock)
    assert conductor.end_reason is None
    assert len(conductor.rows) == 3
