"""The conductor when a gang fails, when memory is short, and when the run is told to leave."""

import math

import pytest
from execution_fakes import Clock, ListedSearcher, PausesAt, conduct, write_checkpoint

from tuner.execution.conductor import Conductor
from tuner.execution.decisions import read_decisions
from tuner.execution.runner import _held
from tuner.execution.state import SearchState
from tuner.records.commands import Command, ask_to_leave, send
from tuner.records.paths import ExperimentPaths
from tuner.records.rows import read_trials
from tuner.records.states import TrialState
from tuner.search.none import NoStopping
from tuner.search.scheduler import Action
from tuner.spec import Experiment, Float
from tuner.training.report import Report

FULL = 3


def trains(config, trial):
    yield {"loss": 0.0}


def make(tmp_path, num_trials=2, *, scheduler=None, num_gangs=1, clock=None, checkpoints=True, **options):
    experiment = Experiment(
        train=trains,
        space={"x": Float(0.0, 100.0)},
        metric="loss",
        trials=num_trials,
        max_reports=FULL,
        checkpoints=checkpoints,
        **options,
    )
    searcher = ListedSearcher([{"x": float(x)} for x in range(num_trials)])
    conductor = Conductor(
        experiment,
        ExperimentPaths(tmp_path),
        searcher,
        scheduler or NoStopping(),
        store_of=lambda data: tmp_path,
        num_gangs=num_gangs,
        clock=clock or Clock(),
    )
    return conductor, searcher


def begin(conductor):
    number = conductor.next().number
    conductor.on_start(number)
    return number


def faulty(step=0, fault="lost", reason="rank 1 died"):
    return Report(step, {}, TrialState.FAILED, reason, fault=fault)


def test_a_trial_begins_again_after_a_fault_and_after_a_pause_that_doubles(tmp_path):
    clock = Clock()
    conductor, searcher = make(tmp_path, 1, clock=clock, recovery={"retries": 2})
    waits = []
    for _ in range(2):
        assert conductor.on_report(begin(conductor), faulty()).action is Action.STOP
        assert conductor.rows[0].state is TrialState.QUEUED
        began_s = clock.now_s
        while conductor.next() is None:
            clock.now_s += 0.5
        waits.append(clock.now_s - began_s)
        conductor._state.interrupted.add(0)
    assert waits == [1.0, 2.0]
    conductor._state.interrupted.clear()
    conductor.on_start(0)
    conductor.on_report(0, faulty())
    assert conductor.rows[0].state is TrialState.FAILED
    assert searcher.ends == {0: (TrialState.FAILED, None, "rank 1 died")}
    assert conductor.rows[0].retries == 2


def test_a_new_report_gives_all_retries_back(tmp_path):
    clock = Clock()
    conductor, _ = make(tmp_path, 1, clock=clock, recovery={"retries": 1})
    for step in range(1, FULL):
        begin(conductor)
        conductor.on_report(0, Report(step, {"loss": 1.0}))
        conductor.on_report(0, faulty(step))
        clock.now_s += 60
    assert conductor.rows[0].state is TrialState.QUEUED
    assert conductor.rows[0].retries == FULL - 1


def test_other_trials_do_not_wait_for_one_that_waits(tmp_path):
    conductor, _ = make(tmp_path, 2)
    conductor.on_report(begin(conductor), faulty())
    assert conductor.next().number == 1


def test_a_report_that_was_heard_before_is_told_to_nobody(tmp_path):
    clock = Clock()
    conductor, searcher = make(tmp_path, 1, clock=clock)
    begin(conductor)
    for step in (1, 2):
        conductor.on_report(0, Report(step, {"loss": float(step)}))
    conductor.on_report(0, faulty(2))
    clock.now_s += 60
    begin(conductor)
    num_lines = len(list(read_decisions(conductor.paths.decisions)))
    for step in (1, 2):
        decision = conductor.on_report(0, Report(step, {"loss": 77.0}))
        assert decision.action is Action.CONTINUE
    assert len(list(read_decisions(conductor.paths.decisions))) == num_lines
    conductor.on_report(0, Report(3, {"loss": 0.5}, TrialState.COMPLETE, "trained"))
    assert searcher.reports == [(0, 1, 1.0), (0, 2, 2.0), (0, 3, 0.5)]


def test_a_pause_that_was_decided_before_a_fault_is_decided_again(tmp_path):
    clock = Clock()
    conductor, _ = make(tmp_path, 1, scheduler=PausesAt(2, [0]), clock=clock)
    begin(conductor)
    assert conductor.on_report(0, Report(2, {"loss": 1.0})).action is Action.PAUSE
    conductor.on_fault(0, "lost", "the disk was full")
    clock.now_s += 60
    begin(conductor)
    assert conductor.on_report(0, Report(1, {"loss": 1.0})).action is Action.CONTINUE
    assert conductor.on_report(0, Report(2, {"loss": 1.0})).action is Action.PAUSE
    conductor.on_saved(0)
    assert conductor.rows[0].state is TrialState.PAUSED


def test_a_function_that_runs_out_of_memory_is_infeasible(tmp_path):
    conductor, searcher = make(tmp_path, 1)
    conductor.on_report(begin(conductor), faulty(fault="memory", reason="rank 0 ran out of memory"))
    assert searcher.ends[0][0] is TrialState.INFEASIBLE
    assert searcher.ends[0][2] == "out of memory: rank 0 ran out of memory"


def model(tmp_path, params, *, num_gangs=1, **train):
    """A search over models of ours; `params`: suggested in turn."""
    experiment = Experiment.from_dict(
        {
            "name": "memory",
            "task": "tabular_classification",
            "data": {"source": {"type": "two_class"}},
            "model": {"type": "mlp", "width": {"int": [4, 64]}, "dropout": {"float": [0.0, 0.5]}},
            "train": {"epochs": 2, "batch_size": 12, **train},
            "search": {"metric": "val/loss", "trials": len(params), "scheduler": "none"},
            "resources": {"workers": 2},
        }
    )
    searcher = ListedSearcher([{"model.width": width, "model.dropout": dropout} for width, dropout in params])
    conductor = Conductor(
        experiment,
        ExperimentPaths(tmp_path),
        searcher,
        NoStopping(),
        store_of=lambda data: tmp_path,
        num_gangs=num_gangs,
        clock=Clock(),
    )
    return conductor, searcher


def test_out_of_memory_halves_the_micro_batch_down_to_one(tmp_path):
    conductor, searcher = model(tmp_path, [(8, 0.1)])
    sizes = []
    while (job := conductor.next()) is not None:
        sizes.append(job.spec.train.micro_batch)
        assert job.spec.train.batch_size == 12
        conductor.on_start(0)
        conductor.on_report(0, faulty(fault="memory", reason="rank 0 ran out of memory"))
    assert sizes == [None, 3, 1]
    assert searcher.ends[0][0] is TrialState.INFEASIBLE
    assert "at micro-batch 1" in searcher.ends[0][2]
    assert conductor.rows[0].retries == 2


def test_what_fits_is_remembered_for_trials_alike(tmp_path):
    conductor, _ = model(tmp_path, [(8, 0.1), (8, 0.3), (16, 0.1)])
    conductor.next()
    conductor.on_start(0)
    conductor.on_report(0, faulty(fault="memory"))
    assert conductor.next().spec.train.micro_batch == 3
    conductor.on_start(0)
    conductor.on_report(0, Report(1, {"val/loss": 1.0}, TrialState.COMPLETE, "trained"))
    assert conductor.next().spec.train.micro_batch == 3, "another rate of dropout needs no less"
    conductor.on_start(1)
    conductor.on_report(1, Report(1, {"val/loss": 1.0}, TrialState.COMPLETE, "trained"))
    assert conductor.next().spec.train.micro_batch is None, "nobody knows about wider ones"


def test_trials_alike_that_run_out_of_memory_side_by_side_are_halved_once(tmp_path):
    conductor, _ = model(tmp_path, [(8, 0.1), (8, 0.2), (8, 0.3)], num_gangs=3)
    numbers = [begin(conductor) for _ in range(3)]
    for number in numbers:
        conductor.on_report(number, faulty(fault="memory"))
    reasons = [
        line["reason"] for line in read_decisions(conductor.paths.decisions) if line["action"] == "RETRY"
    ]
    assert reasons == ["out of memory at micro-batch 6: goes on with 3"] * 3
    assert [conductor.next().spec.train.micro_batch for _ in range(3)] == [3, 3, 3]


def test_what_a_trial_learns_late_makes_no_other_larger(tmp_path):
    conductor, searcher = model(tmp_path, [(8, 0.1), (8, 0.2)], num_gangs=2)
    first, late = begin(conductor), begin(conductor)
    for _ in range(2):
        conductor.on_report(first, faulty(fault="memory"))
        if conductor.rows[first].state is TrialState.QUEUED:
            assert begin(conductor) == first
    conductor.on_report(late, faulty(fault="memory"))
    last = list(read_decisions(conductor.paths.decisions))[-1]
    assert last["reason"] == "out of memory at micro-batch 6: goes on with 1"
    assert conductor.next().spec.train.micro_batch == 1
    conductor.on_report(first, faulty(fault="memory", reason="rank 0 ran out of memory"))
    assert searcher.ends[first][0] is TrialState.INFEASIBLE
    assert conductor.rows[late].state is TrialState.QUEUED, "it has not been tried with 1"


def test_leaving_waits_for_gangs_that_save_and_begins_nothing(tmp_path):
    conductor, searcher = make(tmp_path, 3, num_gangs=2)
    running, promised = begin(conductor), conductor.next().number
    conductor.ask_to_leave("SIGTERM")
    assert conductor.next() is None
    assert conductor.paths.give_back.exists()
    assert conductor.take_cut() == [promised], "it has no gang yet"
    assert left(conductor) == [
        (promised, "it had no gang yet: it has no checkpoint, and begins from scratch")
    ]
    assert not conductor.is_over
    decision = conductor.on_report(running, Report(0, {}, has_left=True))
    assert decision.action is Action.STOP
    assert conductor.is_over
    assert not conductor.is_done
    conductor.close(conductor.leave_reason)
    assert searcher.ends == {}
    assert not conductor.paths.give_back.exists()
    assert {row.state for row in read_trials(conductor.paths.trials_csv)} == {TrialState.QUEUED}


def test_trials_that_cannot_be_saved_are_cut_when_the_run_leaves(tmp_path):
    conductor, _ = make(tmp_path, 1, checkpoints=False)
    number = begin(conductor)
    conductor.ask_to_leave("SIGINT")
    assert conductor.take_cut() == [number]
    assert conductor.is_over
    reason = "it is not saved (search.checkpoints is false): it has no checkpoint, and begins from scratch"
    assert left(conductor) == [(number, reason)]


def test_a_gang_that_does_not_save_in_time_is_ended(tmp_path):
    clock = Clock()
    conductor, _ = make(tmp_path, 1, clock=clock, recovery={"grace_seconds": 5})
    number = begin(conductor)
    write_checkpoint(conductor.paths.trial(number), 1, num_steps=9)
    conductor.ask_to_leave("SIGTERM")
    assert conductor.take_cut() == []
    clock.now_s += 6
    assert conductor.take_cut() == [number]
    assert conductor.is_over
    assert conductor.rows[number].state is TrialState.QUEUED
    reason = "it was not saved within 5 s: its newest checkpoint is of report 1, step 9"
    assert left(conductor) == [(number, reason)]


@pytest.mark.parametrize("is_saved", [False, True])
def test_a_trial_that_is_not_saved_in_time_for_its_pause_is_ended(tmp_path, is_saved):
    clock = Clock()
    recovery = {"grace_seconds": 5}
    conductor, _ = make(tmp_path, 1, scheduler=PausesAt(2), clock=clock, recovery=recovery)
    number = begin(conductor)
    conductor.on_report(number, Report(2, {"loss": 1.0}))
    conductor.ask_to_leave("SIGTERM")
    assert conductor.take_cut() == []
    clock.now_s += 6
    assert conductor.take_cut() == [number]
    assert conductor.is_over
    if is_saved:
        write_checkpoint(conductor.paths.trial(number), 2)
    conductor._asked_to_leave = None
    assert conductor.regroup()
    assert conductor.rows[number].state is (TrialState.PAUSED if is_saved else TrialState.QUEUED)


@pytest.mark.parametrize("is_held", [False, True])
def test_a_trial_that_is_resumed_while_it_is_saved_is_ended_too(tmp_path, is_held):
    clock = Clock()
    recovery = {"grace_seconds": 5}
    scheduler = PausesAt(2, [0])
    conductor, _ = make(tmp_path, 1, scheduler=scheduler, num_gangs=2, clock=clock, recovery=recovery)
    number = begin(conductor)
    if is_held:
        send(conductor.paths.commands, Command("pause", trial=number))
        conductor.take_cut()
    conductor.on_report(number, Report(2, {"loss": 1.0}))
    assert (conductor.next() is None) == is_held
    conductor.ask_to_leave("SIGTERM")
    cut = conductor.take_cut()
    clock.now_s += 6
    assert [*cut, *conductor.take_cut()] == [number]
    assert conductor.is_over
    assert conductor.rows[number].state is (TrialState.PAUSED if is_held else TrialState.QUEUED)


@pytest.mark.parametrize("is_regrouped", [False, True])
def test_a_trial_that_is_resumed_while_it_is_saved_keeps_its_gang_until_it_is(tmp_path, is_regrouped):
    conductor, _ = make(tmp_path, 1, scheduler=PausesAt(2, [0]), num_gangs=2)
    number = begin(conductor)
    conductor.on_report(number, Report(2, {"loss": 1.0}))
    assert conductor.next().number == number
    if is_regrouped:
        send(conductor.paths.commands, Command("gangs", params={"gangs": 1}))
    else:
        conductor.ask_to_leave("SIGTERM")
    assert conductor.take_cut() == []
    assert not conductor.is_over
    write_checkpoint(conductor.paths.trial(number), 2)
    conductor.on_saved(number)
    assert conductor.take_cut() == [number]
    assert conductor.is_over
    assert left(conductor) == [(number, "it is saved: its newest checkpoint is of report 2")]
    assert conductor.regroup() == is_regrouped
    assert conductor.rows[number].state is TrialState.QUEUED
    assert not is_regrouped or conductor.next().number == number


def left(conductor):
    lines = read_decisions(conductor.paths.decisions)
    return [(line["trial"], line["reason"]) for line in lines if line["action"] == "LEAVE"]


@pytest.mark.parametrize(
    ("place", "saved", "reason"),
    [
        ((2, 40), (2, 40), "it is saved: its newest checkpoint is of report 2, step 40"),
        ((2, None), (2, 0), "it is saved: its newest checkpoint is of report 2"),
        ((0, 7), (0, 7), "it is saved: its newest checkpoint is of report 0, step 7"),
        ((2, 40), (2, 30), "it could not be saved: its newest checkpoint is of report 2, step 30"),
        ((2, 40), None, "it could not be saved: it has no checkpoint, and begins from scratch"),
        ((0, 0), None, "it had made no step yet"),
    ],
)
def test_what_a_trial_that_leaves_is_said_to_leave_behind(tmp_path, place, saved, reason):
    conductor, _ = make(tmp_path, 1)
    number, (step, num_steps) = begin(conductor), place
    if saved is not None:
        write_checkpoint(conductor.paths.trial(number), saved[0], num_steps=saved[1])
    conductor.ask_to_leave("SIGTERM")
    conductor.take_cut()
    conductor.on_report(number, Report(step, {}, num_steps=num_steps, has_left=True))
    assert left(conductor) == [(number, reason)]


def test_a_file_asks_to_leave_too(tmp_path):
    conductor, _ = make(tmp_path, 1)
    conductor.paths.leave.touch()
    conductor.next()
    assert conductor.leave_reason == "tuner stop"


def test_who_asks_a_run_that_prepares_to_leave_is_heard_when_it_begins(tmp_path):
    paths = ExperimentPaths(tmp_path)
    paths.leave.touch()
    with _held(paths):
        assert not paths.leave.exists(), "what was asked of an earlier run"
        ask_to_leave(paths)
        conductor, _ = make(tmp_path, 1)
        assert conductor.next() is None
        assert conductor.leave_reason == "tuner stop"


def test_after_a_write_that_failed_nothing_is_written(tmp_path):
    conductor, searcher = make(tmp_path, 2)
    number = begin(conductor)
    before = conductor.paths.decisions.read_bytes()

    class Full:
        def write(self, line):
            raise OSError(28, "No space left on device")

        def close(self):
            pass

    conductor._log = Full()
    with pytest.raises(OSError, match="No space left"), conductor.noting_trouble():
        conductor.on_report(number, Report(1, {"loss": 1.0}))
    with pytest.raises(OSError, match="No space left"):
        conductor.on_report(number, Report(2, {"loss": 1.0}))
    conductor.close("the run failed")
    assert searcher.reports == []
    assert conductor.paths.decisions.read_bytes() == before


def test_the_weights_of_the_best_trials_are_kept(tmp_path):
    conductor, _ = make(tmp_path, 4, recovery={"keep_best": 2})
    for number in range(4):
        conductor.paths.trial(number).best_checkpoint.mkdir(parents=True)
    conduct(conductor, lambda params: [5 - params["x"] if params["x"] < 3 else math.nan])
    kept = [number for number in range(4) if conductor.paths.trial(number).best_checkpoint.exists()]
    assert kept == [1, 2]


def test_hours_of_earlier_runs_count(tmp_path):
    clock = Clock()
    conductor, _ = make(tmp_path, 3, clock=clock, stop={"hours": 1})
    begin(conductor)
    clock.now_s += 3000
    conductor.on_report(0, Report(1, {"loss": 1.0}))
    conductor.close("SIGTERM")
    state = SearchState(conductor.experiment.search, {})
    for line in read_decisions(conductor.paths.decisions):
        state.apply(line)
    assert state.spent_s == 3000


def test_a_clock_that_jumps_changes_no_duration(tmp_path, monkeypatch):
    clock = Clock()
    conductor, _ = make(tmp_path, 1, clock=clock)
    begin(conductor)
    clock.now_s += 10
    monkeypatch.setattr("time.time", lambda: 0.0)
    conductor.on_report(0, Report(1, {"loss": 1.0}, TrialState.COMPLETE, "trained"))
    assert conductor.rows[0].seconds == 10
    assert conductor.spent_s == 10


def test_a_pause_whose_checkpoint_was_written_needs_no_gang_again(tmp_path):
    conductor, _ = make(tmp_path, 1, scheduler=PausesAt(2))
    begin(conductor)
    conductor.on_report(0, Report(2, {"loss": 1.0}))
    write_checkpoint(conductor.paths.trial(0), 2)
    state = SearchState(conductor.experiment.search, {})
    for line in read_decisions(conductor.paths.decisions):
        state.apply(line)
    again = Conductor(
        conductor.experiment,
        conductor.paths,
        ListedSearcher([]),
        PausesAt(2),
        store_of=lambda data: tmp_path,
        num_gangs=1,
        clock=Clock(),
        state=state,
    )
    assert again.rows[0].state is TrialState.PAUSED
