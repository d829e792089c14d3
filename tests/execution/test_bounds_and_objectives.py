"""The conductor with constraints and several objectives: who ends where, and what is told and written."""

import math
import re

import pytest
from execution_fakes import Clock, ListedSearcher, reported

from tuner.errors import ExperimentError
from tuner.execution.conductor import Conductor
from tuner.records.paths import ExperimentPaths
from tuner.records.rows import read_trials
from tuner.records.states import TrialState
from tuner.search.asha import Asha
from tuner.search.none import NoStopping
from tuner.search.scheduler import Action
from tuner.spec import Experiment, Float
from tuner.training.report import Report


def trains(config, trial):
    yield {"loss": 0.0}


def make(tmp_path, *, num_trials=1, scheduler=None, **search):
    """A conductor whose first trials run, and its searcher."""
    experiment = Experiment(train=trains, space={"x": Float(0.0, 9.0)}, metric="loss", **search)
    searcher = ListedSearcher([{"x": float(number)} for number in range(num_trials)])
    paths = ExperimentPaths(tmp_path)
    conductor = Conductor(
        experiment,
        paths,
        searcher,
        scheduler or NoStopping(),
        store_of=lambda data: tmp_path,
        num_gangs=num_trials,
        clock=Clock(),
    )
    for _ in range(num_trials):
        conductor.on_start(conductor.next().number)
    return conductor, searcher


class Listening(NoStopping):
    """Keeps what it is told."""

    def __init__(self):
        super().__init__()
        self.told = []

    def on_report(self, number, step, value):
        self.told.append((number, step, value))
        return super().on_report(number, step, value)


def complete(step, metrics):
    return Report(step, metrics, TrialState.COMPLETE, "trained")


def test_the_scheduler_hears_that_a_trial_is_bad_and_not_how_good_it_looked(tmp_path):
    scheduler = Listening()
    conductor, _ = make(tmp_path, scheduler=scheduler, constraints={"size": {"max": 5.0}})
    conductor.on_report(0, Report(1, {"loss": 0.5, "size": 5.0}))
    conductor.on_report(0, Report(2, {"loss": 0.1, "size": 6.0}))
    assert scheduler.told[0] == (0, 1, 0.5)
    assert scheduler.told[1][:2] == (0, 2)
    assert math.isnan(scheduler.told[1][2])


def test_a_report_outside_a_bound_ends_the_trial_as_infeasible(tmp_path):
    conductor, searcher = make(tmp_path, constraints={"size": {"max": 5.0}})
    assert conductor.on_report(0, Report(1, {"loss": 0.5, "size": 5.0})).action is Action.CONTINUE
    decision = conductor.on_report(0, Report(2, {"loss": 0.4, "size": 6.0}))
    reason = "size is 6, but must be at most 5"
    assert (decision.action, decision.reason) == (Action.STOP, reason)
    assert searcher.ends[0] == (TrialState.INFEASIBLE, 0.4, reason)
    assert searcher.metrics[0]["size"] == 6.0
    assert searcher.reports == [(0, 1, 0.5), (0, 2, 0.4)]
    conductor.close("over")
    assert [line["action"] for line in reported(conductor)] == ["CONTINUE", "STOP"]
    assert conductor.best() is None


def test_the_last_report_is_measured_too(tmp_path):
    conductor, searcher = make(tmp_path, constraints={"rate": {"min": 5.0}})
    conductor.on_report(0, complete(1, {"loss": 0.5, "rate": 4.0}))
    assert searcher.ends[0][::2] == (TrialState.INFEASIBLE, "rate is 4, but must be at least 5")


def test_a_trial_that_diverged_stays_diverged(tmp_path):
    conductor, searcher = make(tmp_path, constraints={"rate": {"min": 5.0}})
    conductor.on_report(0, Report(1, {"rate": 4.0}, TrialState.DIVERGED, "the loss is nan"))
    assert searcher.ends[0][0] is TrialState.DIVERGED


def test_the_end_of_a_function_without_a_report_breaks_nothing(tmp_path):
    conductor, searcher = make(tmp_path, constraints={"rate": {"min": 5.0}})
    conductor.on_report(0, Report(1, {"loss": 0.5, "rate": 6.0}))
    conductor.on_report(0, complete(1, {}))
    assert searcher.ends[0][0] is TrialState.COMPLETE


def test_no_trial_is_measured_against_one_outside(tmp_path):
    scheduler = Asha(mode="min", max_reports=9, grace=1)
    conductor, _ = make(tmp_path, num_trials=2, scheduler=scheduler, constraints={"size": {"max": 5.0}})
    conductor.on_report(0, Report(1, {"loss": 0.1, "size": 6.0}))
    decision = conductor.on_report(1, Report(1, {"loss": 0.9, "size": 1.0}))
    assert decision.action is Action.CONTINUE
    assert "best 1 of 1" in decision.reason


def test_objectives_are_those_of_the_best_report(tmp_path):
    conductor, searcher = make(tmp_path, also={"size": "min", "rate": "max"})
    conductor.on_report(0, Report(1, {"loss": 0.5, "size": 1.0, "rate": 1.0}))
    conductor.on_report(0, Report(2, {"loss": 0.25, "size": 3.0, "rate": 2.0}))
    conductor.on_report(0, complete(3, {"loss": 0.75, "size": 2.0, "rate": 3.0}))
    conductor.close("over")
    assert searcher.ends[0][:2] == (TrialState.COMPLETE, 0.25)
    assert searcher.metrics[0] == {"loss": 0.25, "size": 3.0, "rate": 2.0}
    (row,) = read_trials(conductor.paths.trials_csv)
    assert row.objectives == {"loss": 0.25, "size": 3.0, "rate": 2.0}
    assert row.best == {"loss": 0.25, "size": 1.0, "rate": 3.0}


def test_one_objective_has_no_columns_of_its_own(tmp_path):
    conductor, _ = make(tmp_path)
    conductor.on_report(0, complete(1, {"loss": 0.5, "size": 2.0}))
    conductor.close("over")
    assert read_trials(conductor.paths.trials_csv)[0].objectives == {}


def test_every_report_must_hold_what_is_compared_or_bounded(tmp_path):
    conductor, _ = make(tmp_path, also={"size": "min"}, constraints={"rate": {"min": 5.0}})
    assert conductor.objective.also == ("size", "rate")


SEARCHED = {"also": {"size": "min"}, "constraints": {"rate": {"min": 5.0}}}


@pytest.mark.parametrize(
    ("held", "sentence"),
    [
        ({"los": 1.0, "size": 1.0, "rate": 6.0}, r"^search.metric must be .* found no 'loss' in report 1 of "
         r"trial 1; did you mean 'los'\? allowed: los, rate, size$"),
        ({"loss": 1.0, "rate": 6.0}, r"^search.also.size must be .* 'size' .*; allowed: loss, rate$"),
        ({"loss": 1.0, "size": 1.0, "rates": 6.0}, r"^search.constraints.rate must .* did you mean 'rates'"),
        ({}, r"^search.metric must be .*; allowed: none$"),
    ],
)  # fmt: skip
def test_a_metric_that_nobody_reports_ends_the_search(tmp_path, held, sentence):
    conductor, searcher = make(tmp_path, num_trials=3, trials=9, **SEARCHED)
    decision = conductor.on_report(1, Report(1, held))
    assert decision.action is Action.STOP
    assert isinstance(conductor.error, ExperimentError)
    assert re.search(sentence, str(conductor.error))
    assert decision.reason == conductor.end_reason == str(conductor.error)
    states = [row.state for row in conductor.rows.values()]
    assert states == [TrialState.STOPPED, TrialState.FAILED, TrialState.STOPPED]
    assert sorted(conductor.take_cut()) == [0, 2]
    assert conductor.next() is None
    assert conductor.is_over
    conductor.close("over")
    assert len(read_trials(conductor.paths.trials_csv)) == 3
    assert searcher.num_suggested == 3


def test_a_metric_that_one_trial_leaves_out_fails_that_trial(tmp_path):
    conductor, _ = make(tmp_path, num_trials=2, **SEARCHED)
    conductor.on_report(0, Report(1, {"loss": 1.0, "size": 1.0, "rate": 6.0}))
    assert conductor.on_report(1, Report(1, {"loss": 1.0, "size": 1.0})).action is Action.STOP
    assert [row.state for row in conductor.rows.values()] == [TrialState.RUNNING, TrialState.FAILED]
    assert conductor.error is None
    assert not conductor.is_search_over
