"""The conductor confirms what the search found: when, what it hands out, and who hears of it. No Ray."""

import itertools
import math

import pytest
from execution_fakes import Clock, ListedSearcher, PausesAt, conduct

from tuner.execution.conductor import Conductor
from tuner.records.confirmation import confirmation_of
from tuner.records.files import read_lines
from tuner.records.paths import ExperimentPaths
from tuner.records.rows import read_trials
from tuner.records.states import TrialState
from tuner.search.asha import Asha
from tuner.search.none import NoStopping
from tuner.spec import Experiment, Float
from tuner.spec.sections import ConfirmSpec
from tuner.training.report import Report

REPORTS = 3


def trains(config, trial):
    yield {"loss": 0.0}


def make(tmp_path, xs, *, confirm=None, scheduler=None, num_gangs=1, **search):
    """A conductor of trials whose curves are flat at their `x`, and the searcher that lists these."""
    experiment = Experiment(
        train=trains,
        space={"x": Float(0.0, 100.0)},
        metric="loss",
        trials=len(xs),
        max_reports=REPORTS,
        confirm=confirm or {"top": 2, "seeds": 2},
        seed=5,
        checkpoints=True,
        recovery={"retries": 0},
        **search,
    )
    searcher = ListedSearcher([{"x": float(x)} for x in xs])
    conductor = Conductor(
        experiment,
        ExperimentPaths(tmp_path),
        searcher,
        scheduler or NoStopping(),
        store_of=lambda data: tmp_path,
        num_gangs=num_gangs,
        clock=Clock(),
    )
    return conductor, searcher


def flat(params):
    return [params["x"]] * REPORTS


def fresh(conductor):
    return [row for row in conductor.rows.values() if row.confirms is not None]


@pytest.mark.parametrize("num_gangs", [1, 3])
def test_the_best_are_trained_again_in_full(tmp_path, num_gangs):
    scheduler = Asha(mode="min", max_reports=REPORTS)
    conductor, _ = make(tmp_path, [7, 1, 9, 3], scheduler=scheduler, num_gangs=num_gangs)

    conduct(conductor, flat, num_gangs=num_gangs)

    again = fresh(conductor)
    assert [row.number for row in again] == [4, 5, 6, 7]
    assert [row.confirms for row in again] == [1, 3, 1, 3]
    assert [row.params for row in again] == [{"x": 1.0}, {"x": 3.0}] * 2
    assert {(row.state, row.reports) for row in again} == {(TrialState.COMPLETE, REPORTS)}
    assert len({row.seed for row in again} | {5}) == 5
    assert conductor.is_over


def test_nobody_but_the_records_hears_of_a_fresh_run(tmp_path):
    scheduler = PausesAt(1)
    conductor, searcher = make(tmp_path, [1, 2], scheduler=scheduler)

    conduct(conductor, flat)

    assert len(fresh(conductor)) == 4
    assert searcher.ends.keys() == scheduler.begun.keys() == {0, 1}
    assert {number for number, _, _ in searcher.reports} == {0, 1}
    decisions = [line for line in read_lines(conductor.paths.decisions) if line["trial"] == 2]
    actions = ["BEGIN", "START", "CONTINUE", "CONTINUE", "STOP"]
    assert [line["action"] for line in decisions] == actions
    assert "fresh run" in decisions[2]["reason"]


def test_the_search_is_over_first(tmp_path):
    conductor, _ = make(tmp_path, [1, 2], num_gangs=2)
    first, second = conductor.next(), conductor.next()
    conductor.on_start(first.number)
    conductor.on_start(second.number)
    conductor.on_report(first.number, Report(1, {"loss": 1.0}, TrialState.COMPLETE, "done"))
    assert conductor.next() is None
    conductor.on_report(second.number, Report(1, {"loss": 2.0}, TrialState.COMPLETE, "done"))
    assert (conductor.next().number, conductor.next().number) == (2, 3)
    assert conductor.next() is None, "each gang has one"
    assert not conductor.is_over


def test_a_function_is_told_the_searchs_seed_and_then_a_fresh_one(tmp_path):
    conductor, _ = make(tmp_path, [1], confirm={"top": 1, "seeds": 1})
    job = conductor.next()
    conductor.on_start(job.number)
    conductor.on_report(job.number, Report(1, {"loss": 1.0}, TrialState.COMPLETE, "done"))
    again = conductor.next()
    assert job.seed == 5
    assert again.seed == conductor.rows[again.number].seed != 5
    assert again.folder == conductor.paths.trial(1).root


def test_a_model_of_ours_gets_the_fresh_seed_and_the_same_data(tmp_path):
    experiment = Experiment.from_dict(
        {
            "name": "seeded",
            "task": "tabular_classification",
            "data": {"source": {"type": "two_class"}},
            "model": {"type": "mlp", "width": {"int": [4, 8]}},
            "train": {"epochs": 1},
            "search": {"metric": "val/loss", "trials": 1},
            "confirm": {"top": 1, "seeds": 1},
        }
    )
    conductor = Conductor(
        experiment,
        ExperimentPaths(tmp_path),
        ListedSearcher([{"model.width": 8}]),
        NoStopping(),
        store_of=lambda data: tmp_path,
        num_gangs=1,
    )
    job = conductor.next()
    conductor.on_start(job.number)
    conductor.on_report(job.number, Report(1, {"val/loss": 1.0}, TrialState.COMPLETE, "done"))
    again = conductor.next()
    assert again.spec == job.spec.with_seed(conductor.rows[1].seed)
    assert again.spec.data == job.spec.data
    assert again.params == job.params


def test_a_fresh_run_that_diverges_or_fails_counts(tmp_path):
    conductor, _ = make(tmp_path, [1, 2], confirm={"top": 2, "seeds": 1})
    curves = iter([[1.0], [2.0], [0.5, math.nan]])
    conduct_one = {number: next(curves) for number in range(3)}
    for number in range(3):
        job = conductor.next()
        conductor.on_start(job.number)
        values = conduct_one[number]
        for step, value in enumerate(values, start=1):
            is_last = step == len(values) and math.isfinite(value)
            state = TrialState.COMPLETE if is_last else None
            conductor.on_report(job.number, Report(step, {"loss": value}, state, "trained"))
    job = conductor.next()
    conductor.on_fault(job.number, "error", "ValueError: no")

    assert [row.state.value for row in fresh(conductor)] == ["DIVERGED", "FAILED"]
    assert conductor.next() is None
    assert conductor.is_over
    found = confirmation_of(conductor.rows.values(), ConfirmSpec(top=2, seeds=1), "loss", "min")
    assert (found.winner, found.num_failed, found.num_missing) == (None, 2, 0)


def test_the_best_so_far_is_of_the_search(tmp_path):
    conductor, _ = make(tmp_path, [4, 2])
    values = itertools.chain([4.0, 2.0], itertools.repeat(0.0))
    conduct(conductor, lambda params: [next(values)])
    assert len(fresh(conductor)) == 4
    assert conductor.best().number == 1


def test_the_table_tells_what_the_fresh_runs_say(tmp_path):
    conductor, _ = make(tmp_path, [1, 2])
    values = iter([1.0, 2.0, 3.0, 2.0, 5.0, 2.5])
    conduct(conductor, lambda params: [next(values)])
    conductor.close("over")

    rows = read_trials(conductor.paths.trials_csv)

    assert rows[0].confirmed["mean"] == 4.0
    assert rows[1].confirmed["mean"] == 2.25
    assert [row.confirmed.get("rank") for row in rows] == [2, 1, None, None, None, None]
    assert rows[1].confirmed["optimism"] == pytest.approx(0.25)
    assert rows[1].confirmed["gap"] > 0


def test_an_interrupted_search_is_not_confirmed(tmp_path):
    conductor, _ = make(tmp_path, [1, 2, 3])
    job = conductor.next()
    conductor.on_start(job.number)
    conductor.close("SIGINT")
    assert fresh(conductor) == []
    assert not conductor.is_done


def test_an_interrupted_fresh_run_is_missing(tmp_path):
    conductor, _ = make(tmp_path, [1], confirm={"top": 1, "seeds": 2})
    job = conductor.next()
    conductor.on_start(job.number)
    conductor.on_report(job.number, Report(1, {"loss": 1.0}, TrialState.COMPLETE, "done"))
    conductor.next()
    conductor.close("SIGINT")

    assert [row.state.value for row in fresh(conductor)] == ["QUEUED"]
    found = confirmation_of(conductor.rows.values(), ConfirmSpec(top=1, seeds=2), "loss", "min")
    assert (found.winner, found.num_missing) == (None, 2)


def test_a_search_that_a_rule_ended_is_confirmed(tmp_path):
    conductor, _ = make(tmp_path, [3, 1, 2], stop={"target": 1.5})
    conduct(conductor, flat)
    assert conductor.end_reason is not None
    assert [row.confirms for row in fresh(conductor)] == [1, 0, 1, 0]
    assert {row.state for row in fresh(conductor)} == {TrialState.COMPLETE}


def test_a_fresh_run_outside_the_constraints_is_infeasible(tmp_path):
    confirm = {"top": 1, "seeds": 1}
    conductor, searcher = make(tmp_path, [1], confirm=confirm, constraints={"memory": {"max": 10}})
    for memory in (5.0, 50.0):
        job = conductor.next()
        conductor.on_start(job.number)
        report = Report(1, {"loss": 1.0, "memory": memory}, TrialState.COMPLETE, "trained")
        conductor.on_report(job.number, report)
    assert [row.state.value for row in conductor.rows.values()] == ["COMPLETE", "INFEASIBLE"]
    assert {number for number, _, _ in searcher.reports} == searcher.ends.keys() == {0}
    assert conductor.is_over
