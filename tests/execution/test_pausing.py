"""The conductor with trials that pause: who gets a free gang, what is counted, how the search ends."""

import pytest
from execution_fakes import Clock, ListedSearcher, MadeUpGangs, PausesAt, conduct

from tuner.execution.conductor import Conductor, new_state
from tuner.execution.decisions import read_decisions
from tuner.records.checkpoints import name_of
from tuner.records.commands import Command, send
from tuner.records.paths import ExperimentPaths
from tuner.records.states import TrialState
from tuner.search.promotion import AshaPromotion
from tuner.search.scheduler import Action
from tuner.spec import Experiment, Float
from tuner.training.job import TrialJob
from tuner.training.report import Report

FULL = 4
LEFT_BEHIND = "paused at report 2 and not among those that went on"


def trains(config, trial):
    yield {"loss": 0.0}


def make(tmp_path, num_trials, scheduler, *, num_gangs=1, gpus=0.0, clock=None, **search):
    experiment = Experiment(
        train=trains,
        space={"x": Float(0.0, 100.0)},
        metric="loss",
        trials=num_trials,
        max_reports=FULL,
        checkpoints=True,
        **search,
    )
    searcher = ListedSearcher([{"x": float(x)} for x in range(num_trials)])
    conductor = Conductor(
        experiment,
        ExperimentPaths(tmp_path),
        searcher,
        scheduler,
        store_of=lambda data: tmp_path,
        num_gangs=num_gangs,
        gpus_per_gang=gpus,
        clock=clock or Clock(),
    )
    return conductor, searcher


def flat(params):
    return [params["x"]] * FULL


def states(conductor):
    return [row.state.value for row in conductor.rows.values()]


def begin(conductor):
    job = conductor.next()
    assert isinstance(job, TrialJob)
    conductor.on_start(job.number)
    return job.number


def report(conductor, number, step, **changes):
    return conductor.on_report(number, Report(step, {"loss": float(number)}, **changes))


def pause(conductor, number):
    assert report(conductor, number, 2).action is Action.PAUSE
    conductor.on_saved(number)


def test_a_resumed_trial_trains_to_its_end_and_the_others_are_stopped(tmp_path):
    conductor, searcher = make(tmp_path, 3, PausesAt(2, [1]))
    conduct(conductor, flat)
    assert states(conductor) == ["STOPPED", "COMPLETE", "STOPPED"]
    assert [row.reports for row in conductor.rows.values()] == [2, FULL, 2]
    assert [searcher.ends[number][2] for number in (0, 2)] == [LEFT_BEHIND] * 2
    assert conductor.is_over
    assert conductor.next() is None


def test_a_free_gang_goes_on_with_a_paused_trial_before_it_begins_a_new_one(tmp_path):
    conductor, _ = make(tmp_path, 3, PausesAt(2, [0]))
    pause(conductor, begin(conductor))
    assert conductor.next().number == 0
    conductor.on_start(0)
    assert conductor.rows[0].state is TrialState.RUNNING


def test_a_scheduler_hears_that_no_new_trial_will_come(tmp_path):
    conductor, _ = make(tmp_path, 3, PausesAt(2, [2, 0], is_patient=True))
    conduct(conductor, flat)
    assert states(conductor) == ["COMPLETE", "STOPPED", "COMPLETE"]


def test_it_hears_so_too_when_the_searcher_has_no_more(tmp_path):
    scheduler = PausesAt(2, [0], is_patient=True)
    conductor, searcher = make(tmp_path, 3, scheduler)
    searcher._params = searcher._params[:1]
    conduct(conductor, flat)
    assert states(conductor) == ["COMPLETE"]


def test_a_trial_begins_once_for_the_scheduler(tmp_path):
    scheduler = PausesAt(2, [1, 0])
    conductor, _ = make(tmp_path, 2, scheduler)
    conduct(conductor, flat)
    assert scheduler.begun == {0: {"x": 0.0}, 1: {"x": 1.0}}


def test_a_trial_keeps_its_gang_until_its_checkpoint_is_written(tmp_path):
    conductor, _ = make(tmp_path, 3, PausesAt(2, [0]), num_gangs=1)
    number = begin(conductor)
    report(conductor, number, 2)
    assert conductor.rows[number].state is TrialState.RUNNING
    assert conductor.next() is None
    conductor.on_saved(number)
    assert conductor.rows[number].state is TrialState.PAUSED
    assert conductor.next() is not None


def test_a_trial_may_be_chosen_while_its_checkpoint_is_written(tmp_path):
    conductor, _ = make(tmp_path, 4, PausesAt(2, [0]), num_gangs=2)
    first, second = begin(conductor), begin(conductor)
    report(conductor, first, 2)
    pause(conductor, second)
    assert conductor.next().number == first
    assert conductor.next() is None, "both gangs are spoken for: one saves, one waits for what is saved"
    conductor.on_saved(first)
    assert conductor.rows[first].state is TrialState.QUEUED
    assert conductor.next() is not None
    conductor.on_start(first)
    assert conductor.next() is None


def test_a_checkpoint_of_a_trial_that_does_not_pause_changes_nothing(tmp_path):
    conductor, _ = make(tmp_path, 1, PausesAt(2))
    number = begin(conductor)
    conductor.on_saved(number)
    assert conductor.rows[number].state is TrialState.RUNNING


@pytest.mark.parametrize("is_saved", [False, True])
def test_a_failure_while_it_pauses_or_is_about_to_go_on(tmp_path, is_saved):
    recovery = {"retries": 0}
    conductor, searcher = make(tmp_path, 2, PausesAt(2, [0]), num_gangs=2, recovery=recovery)
    number = begin(conductor)
    report(conductor, number, 2)
    if is_saved:
        conductor.on_saved(number)
    assert conductor.next().number == number
    conductor.on_fault(number, "lost", "the gang was lost")
    assert searcher.ends[number] == (TrialState.FAILED, 0.0, "the gang was lost")
    conduct(conductor, flat, num_gangs=2)
    assert states(conductor) == ["FAILED", "STOPPED"]


def test_a_held_trial_that_is_resumed_and_cannot_be_saved_has_failed(tmp_path):
    conductor, _ = make(tmp_path, 1, PausesAt(2, [0]), num_gangs=2, recovery={"retries": 0})
    number = begin(conductor)
    send(conductor.paths.commands, Command("pause", trial=number))
    conductor.take_cut()
    report(conductor, number, 2)
    assert conductor.next() is None
    assert states(conductor) == ["PAUSED"]
    conductor.on_fault(number, "lost", "the disk was full")
    assert states(conductor) == ["FAILED"]
    state = new_state(conductor.experiment)
    for line in read_decisions(conductor.paths.decisions):
        state.apply(line)
    assert state.rows[number].state is TrialState.FAILED


def test_seconds_stand_still_while_a_trial_is_paused(tmp_path):
    clock = Clock()
    conductor, _ = make(tmp_path, 1, PausesAt(2, [0]), gpus=2.0, clock=clock)
    number = begin(conductor)
    clock.now_s += 10
    pause(conductor, number)
    clock.now_s += 1000
    conductor.next()
    conductor.on_start(number)
    clock.now_s += 5
    report(conductor, number, 4, state=TrialState.COMPLETE, reason="trained")
    assert (conductor.rows[number].seconds, conductor.rows[number].gpu_seconds) == (15.0, 30.0)


def test_resumes_are_written_with_their_reasons(tmp_path):
    conductor, _ = make(tmp_path, 2, PausesAt(2, [1]))
    conduct(conductor, flat)
    lines = [line for line in read_decisions(conductor.paths.decisions) if line["trial"] == 1]
    actions = ["BEGIN", "START", "CONTINUE", "PAUSE", "SAVED", "RESUME", "START", "CONTINUE", "STOP"]
    assert [line["action"] for line in lines] == actions
    resumed = lines[5]
    assert (resumed["report"], resumed["reason"]) == (2, "it was told to")


def test_the_checkpoint_of_a_trial_that_ended_is_gone_and_its_best_weights_stay(tmp_path):
    conductor, _ = make(tmp_path, 2, PausesAt(2, [0]))
    for number in (0, 1):
        for folder in (name_of(2, 30), "best"):
            (conductor.paths.trial(number).checkpoints / folder).mkdir(parents=True)
    pause(conductor, begin(conductor))
    assert (conductor.paths.trial(0).checkpoints / name_of(2, 30)).exists()
    conduct(conductor, flat)
    kept = sorted(path.name for path in conductor.paths.trials.glob("*/checkpoints/*"))
    assert kept == ["best", "best"]


def test_closing_keeps_paused_trials_paused(tmp_path):
    conductor, searcher = make(tmp_path, 2, PausesAt(2), num_gangs=2)
    pause(conductor, begin(conductor))
    begin(conductor)
    conductor.close("SIGINT")
    assert searcher.ends == {}
    assert states(conductor) == ["PAUSED", "QUEUED"]


def test_a_slow_searcher_is_waited_for_only_when_nothing_runs(tmp_path):
    conductor, searcher = make(tmp_path, 3, PausesAt(2), num_gangs=2)
    searcher.is_slow = True
    begin(conductor)
    assert conductor.next() is None
    assert not conductor.is_exhausted
    searcher.is_slow = False
    assert conductor.next() is not None


def test_a_suggestion_that_nobody_took_becomes_a_row(tmp_path):
    clock = Clock()
    conductor, searcher = make(tmp_path, 3, PausesAt(2), clock=clock, stop={"hours": 1})
    begin(conductor)
    searcher.leftover = [searcher.suggest()]
    clock.now_s += 3600
    conductor.next()
    assert states(conductor) == ["STOPPED", "STOPPED"]
    assert list(conductor.rows) == [0, 1]
    assert searcher.ends.keys() == {0, 1}


@pytest.mark.parametrize("num_gangs", [1, 3])
def test_promotion_on_made_up_gangs(tmp_path, num_gangs):
    scheduler = AshaPromotion(mode="min", max_reports=FULL, grace=1, factor=2)
    conductor, _ = make(tmp_path, 8, scheduler, num_gangs=num_gangs)
    MadeUpGangs(conductor, flat, num_gangs).run()
    assert states(conductor).count("COMPLETE") >= 1
    assert conductor.rows[0].state is TrialState.COMPLETE
    assert not [row for row in conductor.rows.values() if not row.state.is_finished()]
    assert sum(row.reports for row in conductor.rows.values()) < 8 * FULL


@pytest.mark.parametrize("waits", [True, False])
def test_a_trial_whose_pause_was_lost_is_resumed_and_goes_on_when_it_comes_there_again(tmp_path, waits):
    clock = Clock()
    conductor, _ = make(tmp_path, 2, PausesAt(2, [0]), num_gangs=2, clock=clock)
    begin(conductor)
    assert report(conductor, 0, 2).action is Action.PAUSE
    conductor.on_fault(0, "lost", "its node is gone")
    if waits:
        assert [begin(conductor), states(conductor)] == [1, ["QUEUED", "RUNNING"]]
    clock.now_s += 1.0
    assert begin(conductor) == 0
    if not waits:
        assert [begin(conductor), states(conductor)] == [1, ["RUNNING", "RUNNING"]]
    lines = read_decisions(conductor.paths.decisions)
    assert [line["under_way"] for line in lines if line["action"] == "RESUME"] == [True]
    assert [report(conductor, 0, step).action for step in (1, 2, 3)] == [Action.CONTINUE] * 3
    report(conductor, 0, FULL, state=TrialState.COMPLETE)
    assert states(conductor)[0] == "COMPLETE"
