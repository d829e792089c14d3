"""The conductor with made-up gangs: states, decisions, tables, concurrency. No Ray, no time."""

import math

import pytest
from execution_fakes import Clock, ListedSearcher, conduct, reported

from tuner.execution.conductor import Conductor
from tuner.execution.decisions import read_decisions
from tuner.records.paths import ExperimentPaths
from tuner.records.rows import read_trials
from tuner.records.states import TrialState
from tuner.search.asha import Asha
from tuner.search.none import NoStopping
from tuner.search.scheduler import Action
from tuner.spec import Experiment, Float
from tuner.training.report import Report

FULL = 9


def trains(config, trial):
    yield {"loss": 0.0}


def make(tmp_path, params, *, trials=None, scheduler=None, num_gangs=1, listeners=(), gpus=0.0, clock=None):
    experiment = Experiment(
        train=trains,
        space={"x": Float(0.0, 100.0)},
        metric="loss",
        trials=trials or len(params),
        max_reports=FULL,
        recovery={"retries": 0},
    )
    tmp_path.mkdir(exist_ok=True)
    searcher = ListedSearcher(params)
    conductor = Conductor(
        experiment,
        ExperimentPaths(tmp_path),
        searcher,
        scheduler or NoStopping(),
        store_of=lambda data: tmp_path,
        num_gangs=num_gangs,
        gpus_per_gang=gpus,
        listeners=listeners,
        clock=clock or Clock(),
    )
    return conductor, searcher


def values(*xs):
    return [{"x": float(x)} for x in xs]


def flat(params):
    return [params["x"]] * FULL


def test_every_trial_trains_to_the_end_without_a_scheduler(tmp_path):
    conductor, searcher = make(tmp_path, values(3, 1, 2))
    conduct(conductor, flat)
    conductor.close("over")
    assert [row.state for row in conductor.rows.values()] == [TrialState.COMPLETE] * 3
    assert searcher.ends == {i: (TrialState.COMPLETE, x, "trained") for i, x in enumerate([3.0, 1.0, 2.0])}
    assert len(searcher.reports) == 3 * FULL
    assert conductor.best().number == 1


def test_losers_are_stopped_and_told_so(tmp_path):
    scheduler = Asha(mode="min", max_reports=FULL)
    conductor, searcher = make(tmp_path, values(1, 5, 7), scheduler=scheduler)
    conduct(conductor, flat)
    states = [row.state for row in conductor.rows.values()]
    assert states == [TrialState.COMPLETE, TrialState.STOPPED, TrialState.STOPPED]
    state, value, reason = searcher.ends[1]
    assert (state, value) == (TrialState.STOPPED, 5.0)
    assert "cut-off" in reason


def test_every_decision_is_written_with_its_reason(tmp_path):
    scheduler = Asha(mode="min", max_reports=FULL)
    conductor, _ = make(tmp_path, values(1, 5), scheduler=scheduler)
    conduct(conductor, flat)
    lines = reported(conductor)
    assert len(lines) == FULL + 1
    assert all(line["reason"] for line in lines)
    stop = lines[-1]
    assert (stop["trial"], stop["report"], stop["action"]) == (1, 1, "STOP")
    assert (stop["rung"], stop["value"], stop["cutoff"]) == (1, 5.0, 1.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_diverges_at_once(tmp_path, bad):
    conductor, searcher = make(tmp_path, values(1, 2))
    conduct(conductor, lambda params: [0.5, bad, 0.1] if params["x"] == 1 else flat(params))
    assert conductor.rows[0].state is TrialState.DIVERGED
    assert conductor.rows[0].reports == 2
    assert searcher.ends[0][0] is TrialState.DIVERGED
    assert conductor.best().number == 1


def test_a_trial_that_ends_diverged_by_itself(tmp_path):
    conductor, searcher = make(tmp_path, values(1))
    job = conductor.next()
    conductor.on_start(job.number)
    report = Report(1, {"train/loss": math.nan}, TrialState.DIVERGED, "the training loss is nan in epoch 1")
    assert conductor.on_report(0, report).action is Action.STOP
    assert searcher.ends[0] == (TrialState.DIVERGED, None, "the training loss is nan in epoch 1")


def test_a_failure_is_a_row_and_the_search_goes_on(tmp_path):
    conductor, searcher = make(tmp_path, values(1, 2))
    job = conductor.next()
    conductor.on_fault(job.number, "error", "ValueError: no")
    conduct(conductor, flat)
    assert [row.state for row in conductor.rows.values()] == [TrialState.FAILED, TrialState.COMPLETE]
    assert searcher.ends[0] == (TrialState.FAILED, None, "ValueError: no")


def test_no_more_trials_than_gangs_at_once(tmp_path):
    conductor, _ = make(tmp_path, values(1, 2, 3), num_gangs=2)
    first, second = conductor.next(), conductor.next()
    assert conductor.next() is None
    assert not conductor.is_exhausted
    conductor.on_start(first.number)
    conductor.on_report(first.number, Report(1, {"loss": 1.0}, TrialState.COMPLETE, "done"))
    assert conductor.next().number == 2
    assert second.number == 1


def test_it_is_exhausted_at_the_number_of_trials_or_when_the_searcher_is(tmp_path):
    conductor, _ = make(tmp_path / "a", values(1, 2, 3), trials=2)
    conduct(conductor, flat)
    assert conductor.is_exhausted
    assert len(conductor.rows) == 2
    conductor, _ = make(tmp_path / "b", values(1), trials=5)
    conduct(conductor, flat)
    assert conductor.is_exhausted
    assert len(conductor.rows) == 1


def test_closing_lets_go_of_what_still_runs(tmp_path):
    conductor, searcher = make(tmp_path, values(1, 2), num_gangs=2)
    running, queued = conductor.next(), conductor.next()
    conductor.on_start(running.number)
    conductor.close("SIGTERM")
    assert searcher.ends == {}
    rows = read_trials(conductor.paths.trials_csv)
    assert [(row.number, row.state) for row in rows] == [
        (running.number, TrialState.QUEUED),
        (queued.number, TrialState.QUEUED),
    ]
    *_, last = read_decisions(conductor.paths.decisions)
    assert (last["action"], last["trial"], last["reason"]) == ("LEAVE", None, "SIGTERM")


def test_a_functions_job_says_with_which_report_it_is_complete(tmp_path):
    conductor, _ = make(tmp_path, values(1))
    assert conductor.next().max_reports == FULL


def test_the_table_holds_times_and_gpu_seconds(tmp_path):
    clock = Clock()
    conductor, _ = make(tmp_path, values(1), gpus=2.0, clock=clock)
    job = conductor.next()
    conductor.on_start(job.number)
    clock.now_s += 30.0
    report = Report(1, {"loss": 1.0}, TrialState.COMPLETE, "done", num_steps=39)
    conductor.on_report(job.number, report, ["a", "b"])
    [row] = read_trials(conductor.paths.trials_csv)
    assert (row.seconds, row.gpu_seconds, row.nodes, row.steps) == (30.0, 60.0, ("a", "b"), 39)


def test_the_table_is_not_rewritten_for_every_trial_of_a_fast_search(tmp_path):
    conductor, _ = make(tmp_path, values(*range(50)))
    conduct(conductor, flat)
    assert len(read_trials(conductor.paths.trials_csv)) == 1
    conductor.close("over")
    assert len(read_trials(conductor.paths.trials_csv)) == 50


def test_listeners_hear_of_every_change(tmp_path):
    seen = []
    conductor, _ = make(
        tmp_path, values(1), listeners=[lambda c: seen.append([r.state for r in c.rows.values()])]
    )
    conduct(conductor, flat)
    assert [states[0] for states in seen[:2]] == [TrialState.QUEUED, TrialState.RUNNING]
    assert seen[-1] == [TrialState.COMPLETE]


def test_parameters_that_break_a_rule_between_them_are_infeasible_and_the_search_goes_on(tmp_path):
    experiment = Experiment.from_dict(
        {
            "name": "uneven",
            "task": "tabular_classification",
            "data": {"source": {"type": "two_class"}},
            "model": {"type": "mlp"},
            "train": {"epochs": 1, "batch_size": 240, "micro_batch": {"int": [1, 8]}},
            "search": {"metric": "val/loss", "trials": 2},
        }
    )
    searcher = ListedSearcher([{"train.micro_batch": 7}, {"train.micro_batch": 6}])
    conductor = Conductor(
        experiment,
        ExperimentPaths(tmp_path),
        searcher,
        NoStopping(),
        store_of=lambda data: tmp_path,
        num_gangs=1,
    )
    assert conductor.next().number == 1
    assert conductor.rows[0].state is TrialState.INFEASIBLE
    assert "must divide every batch_size; found 7 x 1" in searcher.ends[0][2]


def test_a_trial_is_not_to_blame_for_a_disk_that_takes_nothing(tmp_path):
    conductor, _ = make(tmp_path, values(1))
    conductor.on_start(conductor.next().number)
    conductor.paths.trials_csv.mkdir()
    with pytest.raises(IsADirectoryError), conductor.noting_trouble():
        conductor.on_fault(0, "error", "OSError: [Errno 28] No space left on device")
    assert [line["action"] for line in read_decisions(conductor.paths.decisions)] == [
        "OPEN",
        "BEGIN",
        "START",
    ]
