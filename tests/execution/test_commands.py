"""Commands to a search that runs: what is done, what is refused, and what a crash between the two leaves."""

import time
from pathlib import Path

import pytest
from execution_fakes import Clock, MadeUpGangs, PausesAt, write_checkpoint

from tuner.execution.commands import Standing, answer
from tuner.execution.conductor import Conductor, new_state
from tuner.execution.decisions import read_decisions
from tuner.execution.resume import catch_up, replay
from tuner.records.checkpoints import Checkpoint, drop_checkpoints, newest_sound
from tuner.records.commands import Command, send
from tuner.records.paths import ExperimentPaths
from tuner.records.rows import TrialRow, read_trials
from tuner.records.states import TrialState
from tuner.search.ahead import make_asker
from tuner.search.factory import make_searcher
from tuner.search.none import NoStopping
from tuner.search.scheduler import Action, Decision
from tuner.spec import Choice, Experiment, Float
from tuner.training.report import Report

FULL = 4


def trains(config, trial):
    yield {"loss": 0.0}


def make_experiment(**changes):
    return Experiment(
        train=trains,
        name="told",
        space={"x": Float(0.0, 1.0), "kind": Choice([{"type": "a", "z": Float(0.0, 1.0)}, {"type": "b"}])},
        metric="loss",
        max_reports=FULL,
        sampler="random",
        **{"trials": 4, "checkpoints": True, **changes},
    )


class Search:
    """A run of the folder with made-up gangs, one trial at a time unless told otherwise."""

    def __init__(self, folder, experiment=None, scheduler=None, num_gangs=1, listeners=()):
        experiment = experiment or make_experiment()
        self.paths = ExperimentPaths(folder)
        state, scheduler = new_state(experiment), scheduler or NoStopping()
        curves = replay(self.paths.decisions, experiment.search, state, scheduler)
        self.searcher = make_searcher(experiment.space, experiment.search, self.paths.journal)
        drawn = catch_up(self.searcher, experiment.search, state, curves)
        left = experiment.search.trials - state.num_suggested - len(drawn)
        self.conductor = Conductor(
            experiment,
            self.paths,
            make_asker(self.searcher, trials=left, num_gangs=num_gangs, drawn=drawn),
            scheduler,
            store_of=lambda data: folder,
            num_gangs=num_gangs,
            listeners=listeners,
            clock=Clock(),
            state=state,
        )
        self.gangs = MadeUpGangs(self.conductor, lambda params: [params["x"]] * FULL, num_gangs)

    def told(self, *commands):
        for command in commands:
            send(self.paths.commands, command)
        return self

    def begin(self):
        """A trial begins, and reports once."""
        assert self.gangs._take_on()
        self.gangs._step(self.gangs._training[-1])
        return self

    def handed(self):
        """What a free gang gets, when it is drawn."""
        while (job := self.conductor.next()) is None:
            time.sleep(0.01)
        return job

    def run(self):
        self.gangs.run()
        self.conductor.close("over")
        return self

    @property
    def rows(self):
        return self.conductor.rows

    def answers(self):
        lines = [line for line in read_decisions(self.paths.decisions) if line["action"] == "COMMAND"]
        return [(line["is_done"], line["reason"]) for line in lines]


def test_a_running_trial_stops_at_its_next_report_and_the_search_goes_on(tmp_path):
    search = Search(tmp_path).begin().told(Command("stop", trial=0)).run()
    assert search.answers() == [(True, "it stops at its next new report")]
    assert [row.state for row in search.rows.values()] == [TrialState.STOPPED, *[TrialState.COMPLETE] * 3]
    assert search.rows[0].reports == 2
    assert search.rows[0].reason == "somebody told it to stop"
    assert search.searcher.observations()[0].state is TrialState.STOPPED


def test_a_paused_trial_is_stopped_at_once(tmp_path):
    search = Search(tmp_path, scheduler=PausesAt(1, resumed=[0, 1, 2, 3])).begin()
    assert search.rows[0].state is TrialState.PAUSED
    search.told(Command("stop", trial=0)).run()
    assert search.answers() == [(True, "it is stopped")]
    assert (search.rows[0].state, search.rows[0].reports) == (TrialState.STOPPED, 1)
    assert all(row.state is TrialState.COMPLETE for row in list(search.rows.values())[1:])


def test_a_trial_that_waits_after_a_fault_is_stopped_at_once(tmp_path):
    search = Search(tmp_path).begin()
    search.conductor.on_fault(0, "lost", "its node is gone")
    search.told(Command("stop", trial=0))
    assert search.conductor.take_cut() == [0]
    assert search.rows[0].state is TrialState.STOPPED


def test_what_was_promised_before_a_crash_is_kept(tmp_path):
    killed = Search(tmp_path).begin()
    killed.told(Command("stop", trial=0), Command("enqueue", params={"x": 0.25})).conductor.take_cut()
    search = Search(tmp_path)
    assert search.rows[0].state is TrialState.STOPPED
    search.run()
    assert [row.params["x"] for row in search.rows.values()].index(0.25) == 1
    assert len(search.answers()) == 2


@pytest.mark.parametrize("num_gangs", [1, 2])
def test_an_enqueued_configuration_is_tried_next(tmp_path, num_gangs):
    search = Search(tmp_path, make_experiment(trials=6), num_gangs=num_gangs)
    search.told(
        Command("enqueue", params={"x": 0.25, "kind": "a", "kind.a.z": 0.5}),
        Command("enqueue", params={"kind": "b"}),
    )
    search.run()
    assert [is_done for is_done, _ in search.answers()] == [True, True]
    params = [row.params for row in search.rows.values()]
    first = params.index({"x": 0.25, "kind": "a", "kind.a.z": 0.5})
    assert first < num_gangs
    assert params[first + 1]["kind"] == "b"
    assert len(params) == 6
    assert search.searcher.num_waiting == 0


def test_a_clone_begins_from_its_donors_checkpoint_and_nobody_learns_from_it(tmp_path):
    scheduler = PausesAt(1, resumed=[0, 2, 3])
    search = Search(tmp_path, scheduler=scheduler).begin().told(Command("clone", trial=0, params={"x": 0.75}))
    search.run()
    reason = "it begins next from the newest checkpoint of trial 0, after what was drawn before"
    assert search.answers() == [(True, reason)]
    clone = search.rows[1]
    assert (clone.state, clone.donor, clone.reports) == (TrialState.COMPLETE, 0, FULL)
    assert clone.params == {**search.rows[0].params, "x": 0.75}
    assert [row.donor for row in read_trials(search.paths.trials_csv)] == [None, 0, None, None]
    lines = list(read_decisions(search.paths.decisions))
    assert [line["report"] for line in lines if line["trial"] == 1 and line.get("metrics")] == [2, 3, 4]
    assert {line["reason"] for line in lines if line["action"] == "CONTINUE" and line["trial"] == 1} == {
        "a clone trains to its end"
    }
    assert 1 not in scheduler.begun
    seen = search.searcher.observations()[1]
    assert (seen.state, seen.curve) == (TrialState.STOPPED, {})


def test_a_donor_that_ends_keeps_its_checkpoint_until_its_clone_has_begun(tmp_path):
    search = Search(tmp_path).begin()
    write_checkpoint(search.paths.trial(0), 1)
    search.told(Command("clone", trial=0)).conductor.take_cut()
    while not search.rows[0].state.is_finished():
        search.gangs._step(0)
    assert newest_sound(search.paths.trial(0)).num_reports == 1
    search.begin()
    assert (search.rows[1].donor, search.rows[1].reports) == (0, 2)
    assert newest_sound(search.paths.trial(0)) is None
    search.run()


def test_when_the_search_ends_nothing_waits_for_a_clone(tmp_path):
    search = Search(tmp_path, make_experiment(stop={"target": 0.0}))
    search.gangs.curve = lambda params: [1.0, 1.0, 0.0, 0.0]
    search.begin()
    write_checkpoint(search.paths.trial(0), 1)
    search.told(Command("clone", trial=0)).run()
    assert search.rows[0].state is TrialState.STOPPED
    assert newest_sound(search.paths.trial(0)) is None


def test_a_clone_whose_donor_has_lost_its_checkpoints_has_failed(tmp_path):
    search = Search(tmp_path).begin()
    write_checkpoint(search.paths.trial(0), 1)
    search.told(Command("clone", trial=0)).conductor.take_cut()
    drop_checkpoints(search.paths.trial(0))
    search.run()
    clone = search.rows[1]
    assert (clone.state, clone.donor) == (TrialState.FAILED, 0)
    assert clone.reason == "a clone begins from a checkpoint, but trial 0 has no sound one any more"
    assert [row.state for row in search.rows.values()].count(TrialState.COMPLETE) == 3


def test_a_clone_that_was_not_begun_before_a_crash_begins_after_it(tmp_path):
    killed = Search(tmp_path).begin()
    write_checkpoint(killed.paths.trial(0), 1)
    killed.told(Command("clone", trial=0)).conductor.take_cut()
    while not killed.rows[0].state.is_finished():
        killed.gangs._step(0)
    assert killed.conductor.next().number == 1
    drop_checkpoints(killed.paths.trial(1))
    write_checkpoint(killed.paths.trial(0), 1)
    search = Search(tmp_path).run()
    assert (search.rows[1].state, search.rows[1].donor) == (TrialState.COMPLETE, 0)
    lines = list(read_decisions(search.paths.decisions))
    assert [line["report"] for line in lines if line["trial"] == 1 and line.get("metrics")] == [2, 3, 4]


def test_a_paused_clone_goes_on(tmp_path):
    search = Search(tmp_path, scheduler=PausesAt(1, resumed=[0, 2, 3], is_patient=True)).begin()
    search.told(Command("clone", trial=0)).begin()
    search.told(Command("pause", trial=1))
    search.gangs.run()
    assert search.rows[1].state is TrialState.PAUSED
    search.told(Command("unpause", trial=1)).run()
    assert (search.rows[1].state, search.rows[1].reports) == (TrialState.COMPLETE, FULL)


MLP = {
    "name": "told",
    "task": "tabular_classification",
    "data": {"source": {"type": "two_class"}},
    "model": {"type": "mlp", "width": {"int": [8, 16]}, "dropout": {"float": [0.0, 0.5]}},
    "train": {
        "epochs": 4,
        "batch_size": {"choice": [8, 16]},
        "optimizer": {
            "choice": [{"type": "adamw", "lr": {"float": [1e-3, 1e-1]}}, {"type": "sgd", "lr": 0.1}]
        },
    },
    "search": {"metric": "val/loss", "trials": 4},
}
PARAMS = {
    "model.width": 8,
    "model.dropout": 0.1,
    "train.batch_size": 8,
    "train.optimizer": "adamw",
    "train.optimizer.adamw.lr": 0.01,
}


def clone_of_an_mlp(changes, *, batch=0, donor=TrialState.PAUSED):
    """The answer, where the checkpoint stands so many batches inside an epoch."""
    experiment = Experiment.from_dict(MLP)
    state = new_state(experiment)
    state.rows[0] = TrialRow(0, donor, PARAMS)
    saved = Checkpoint(Path("checkpoint"), 2, 20, {"batch": batch})
    command = Command("clone", trial=0, params=changes)
    return answer(command, Standing(state, experiment, True, lambda number: saved, 1, 1))


@pytest.mark.parametrize(
    "changes", [{}, {"model.dropout": 0.3, "train.batch_size": 16}, {"train.optimizer.adamw.lr": 0.02}]
)
def test_what_a_checkpoint_goes_on_with(changes):
    found = clone_of_an_mlp(changes)
    assert found["is_done"]
    assert found["params"] == PARAMS | changes


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"model.width": 16},
            "found model.width; from scratch one like it is tried by: tuner enqueue DIR --like 0",
        ),
        ({"train.optimizer": "sgd", "model.width": 16}, "found model.width, train.optimizer."),
        ({"model.dropout": 0.9}, "model.dropout must lie in"),
    ],
)
def test_what_a_checkpoint_cannot_go_on_with(changes, words):
    found = clone_of_an_mlp(changes)
    assert not found["is_done"]
    assert words in found["reason"]


def test_inside_an_epoch_the_batch_size_stays():
    found = clone_of_an_mlp({"train.batch_size": 16}, batch=3)
    assert not found["is_done"]
    assert (
        "inside an epoch goes on with its own batch size alone, and the newest of trial 0" in found["reason"]
    )
    assert clone_of_an_mlp({"model.dropout": 0.2}, batch=3)["is_done"]


def test_the_batch_size_stays_while_the_donor_trains():
    found = clone_of_an_mlp({"train.batch_size": 16}, donor=TrialState.RUNNING)
    assert not found["is_done"]
    assert "trial 0, which trains, may write one before the clone begins; pausing it" in found["reason"]
    assert clone_of_an_mlp({"model.dropout": 0.2}, donor=TrialState.RUNNING)["is_done"]


@pytest.mark.parametrize("batch", [0, 3])
def test_a_clone_whose_donor_is_inside_an_epoch_by_then_has_failed(tmp_path, batch):
    search = Search(tmp_path, Experiment.from_dict(MLP))
    params = {"model.width": 8, "model.dropout": 0.1, "train.batch_size": 8, "train.optimizer": "sgd"}
    search.told(Command("enqueue", params=params)).conductor.take_cut()
    search.conductor.on_start(search.handed().number)
    search.conductor.on_fault(0, "lost", "its node is gone")
    write_checkpoint(search.paths.trial(0), 1, batch=0)
    search.told(Command("clone", trial=0, params={"train.batch_size": 16})).conductor.take_cut()
    assert search.answers()[-1][0]
    write_checkpoint(search.paths.trial(0), 2, batch=batch)
    search.handed()
    assert search.rows[1].donor == 0
    assert search.rows[1].state is (TrialState.FAILED if batch else TrialState.QUEUED)
    assert batch == 0 or search.rows[1].reason.startswith("a checkpoint inside an epoch goes on with its own")


def test_a_search_that_confirms_clones_nothing(tmp_path):
    experiment = make_experiment(confirm={"top": 1, "seeds": 2})
    search = Search(tmp_path, experiment).begin().told(Command("clone", trial=0)).run()
    ((is_done, reason),) = search.answers()
    assert not is_done
    assert "a clone cannot be confirmed" in reason


def test_without_a_trial_to_come_nothing_is_cloned(tmp_path):
    search = Search(tmp_path, make_experiment(trials=1)).begin()
    write_checkpoint(search.paths.trial(0), 1)
    search.told(Command("clone", trial=0)).run()
    ((is_done, reason),) = search.answers()
    assert not is_done
    assert "all are drawn" in reason


def test_one_like_another_trial_with_changes(tmp_path):
    search = Search(tmp_path).told(Command("enqueue", params={"x": 0.25, "kind.a.z": 0.5})).begin()
    search.told(Command("enqueue", trial=0, params={"x": 0.75}))
    search.told(Command("enqueue", trial=0, params={"kind": "b"})).run()
    params = [row.params for row in search.rows.values()]
    assert params[1:3] == [{"x": 0.75, "kind": "a", "kind.a.z": 0.5}, {"x": 0.25, "kind": "b"}]


def test_a_running_trial_pauses_at_its_next_report_and_the_search_waits_for_it(tmp_path):
    search = Search(tmp_path).begin().told(Command("pause", trial=0))
    search.gangs.run()
    assert search.answers() == [(True, "it pauses at its next new report")]
    assert [row.state for row in search.rows.values()] == [TrialState.PAUSED, *[TrialState.COMPLETE] * 3]
    assert search.rows[0].reports == 2
    assert not search.conductor.is_over
    assert search.conductor.waits_for == [0]
    search.told(Command("unpause", trial=0)).run()
    assert search.answers()[1:] == [(True, "it goes on with the next free gang")]
    assert all((row.state, row.reports) == (TrialState.COMPLETE, FULL) for row in search.rows.values())
    assert search.conductor.is_over


def test_a_trial_whose_reports_come_again_pauses_at_the_first_new_one(tmp_path):
    search = Search(tmp_path).begin()
    search.gangs._step(0)
    search.conductor.on_fault(0, "lost", "its node is gone")
    search.conductor._begins_at_s.clear()
    search.conductor.on_start(search.handed().number)
    search.told(Command("pause", trial=0)).conductor.take_cut()
    assert search.answers() == [(True, "it pauses at its next new report")]
    actions = [search.conductor.on_report(0, Report(step, {"loss": 0.0})).action for step in (1, 2, 3)]
    assert actions == [Action.CONTINUE, Action.CONTINUE, Action.PAUSE]


def test_a_paused_trial_stays_so_when_the_search_goes_on_in_another_process(tmp_path):
    search = Search(tmp_path).begin().told(Command("pause", trial=0))
    search.gangs.run()
    search.conductor.close("the driver ended")
    seen = []
    for number in range(2):
        search = Search(tmp_path, listeners=[lambda conductor: seen.append(conductor.waits_for)])
        assert seen == [[0]] * (number + 1), "whoever resumes it sees why nothing happens"
        search.gangs.run()
        assert search.rows[0].state is TrialState.PAUSED
        assert search.conductor.waits_for == [0]
        search.conductor.close("the driver ended")
    search = Search(tmp_path).told(Command("unpause", trial=0)).run()
    assert (search.rows[0].state, search.rows[0].reports) == (TrialState.COMPLETE, FULL)


def test_a_trial_is_unpaused_while_it_is_still_saved(tmp_path):
    search = Search(tmp_path).begin().told(Command("pause", trial=0))
    search.conductor.take_cut()
    decision = search.conductor.on_report(0, Report(2, {"loss": 0.0}), ["node"])
    assert decision == Decision(Action.PAUSE, "somebody told it to pause", value=0.0)
    search.told(Command("unpause", trial=0))
    assert search.conductor.next() is None, "its gang is not free"
    search.conductor.on_saved(0)
    assert search.conductor.next().number == 0


def test_what_the_scheduler_goes_on_with_waits_for_whoever_paused_it(tmp_path):
    search = Search(tmp_path, scheduler=PausesAt(1, resumed=[0, 1, 2, 3])).begin()
    assert search.rows[0].state is TrialState.PAUSED
    search.told(Command("pause", trial=0))
    search.gangs.run()
    assert search.answers() == [(True, "it is paused")]
    assert [row.state for row in search.rows.values()] == [TrialState.PAUSED, *[TrialState.COMPLETE] * 3]
    search.told(Command("unpause", trial=0)).run()
    assert (search.rows[0].state, search.rows[0].reports) == (TrialState.COMPLETE, FULL)


def test_what_the_scheduler_has_not_gone_on_with_waits_for_it_when_it_is_unpaused(tmp_path):
    search = Search(tmp_path, scheduler=PausesAt(1, resumed=[1, 2, 3])).begin()
    search.told(Command("pause", trial=0))
    search.gangs.run()
    assert search.rows[0].state is TrialState.PAUSED
    search.told(Command("unpause", trial=0)).run()
    assert search.answers()[1] == (True, "it goes on when the scheduler says so")
    assert search.rows[0].reason == "paused at report 1 and not among those that went on"


def test_a_paused_trial_is_stopped_by_a_command(tmp_path):
    search = Search(tmp_path).begin().told(Command("pause", trial=0))
    search.gangs.run()
    search.told(Command("stop", trial=0)).run()
    assert (search.rows[0].state, search.rows[0].reason) == (TrialState.STOPPED, "somebody told it to stop")
    assert search.conductor.is_over


def test_a_paused_trial_is_stopped_with_the_search_by_a_rule(tmp_path):
    search = Search(tmp_path, make_experiment(stop={"patience": 2})).begin()
    search.told(Command("pause", trial=0)).run()
    assert search.rows[0].state is TrialState.STOPPED
    assert search.rows[0].reason == search.conductor.end_reason is not None
    assert search.conductor.is_over


def test_a_trial_that_waits_after_a_fault_is_paused_at_once(tmp_path):
    search = Search(tmp_path).begin()
    search.conductor.on_fault(0, "lost", "its node is gone")
    search.told(Command("pause", trial=0))
    assert search.conductor.take_cut() == []
    assert search.answers() == [(True, "it is paused")]
    assert search.rows[0].state is TrialState.PAUSED
    search.gangs._training.clear()
    search.gangs.run()
    assert search.rows[0].reports == 1


def test_a_fault_of_a_trial_that_is_told_to_pause_pauses_it(tmp_path):
    search = Search(tmp_path).begin().told(Command("pause", trial=0))
    search.conductor.take_cut()
    search.conductor.on_fault(0, "lost", "its node is gone")
    assert search.rows[0].state is TrialState.PAUSED
    search.conductor._begins_at_s.clear()
    assert search.conductor.next().number == 1


def test_a_fresh_run_is_paused_like_any_other(tmp_path):
    search = Search(tmp_path, make_experiment(trials=1, confirm={"top": 1, "seeds": 2}))
    while 1 not in search.rows:
        search.gangs._take_on()
        search.gangs._step(search.gangs._training[-1])
    search.told(Command("pause", trial=1))
    search.gangs.run()
    assert [row.state.value for row in search.rows.values()] == ["COMPLETE", "PAUSED", "COMPLETE"]
    assert search.conductor.waits_for == [1]
    search.told(Command("unpause", trial=1)).run()
    assert search.conductor.is_over


REFUSED = [
    (Command("pause", trial=7), "a command must name one of 1 trials; found 7"),
    (Command("gangs", params={"gangs": 0}), "a search can have 1 to 1 gangs on the cluster"),
    (Command("gangs", params={"gangs": 2}), "found 2; on a larger one go on with it by: tuner stop DIR"),
    (Command("gangs", params={"gangs": "many"}), "found 'many'"),
    (Command("gangs"), "found null"),
    (Command("gangs", params={"gangs": 1}), "the search has that many gangs already: 1"),
    (Command("clone", trial=7), "a command must name one of 1 trials; found 7"),
    (Command("clone", trial=0), "a clone begins from a checkpoint, but trial 0 has none yet"),
    (Command("clone", trial=0, params={"x": 7.0}), "x must lie in {'float': [0.0, 1.0]}; found 7.0"),
    (Command("unpause", trial=7), "a command must name one of 1 trials; found 7"),
    (Command("unpause", trial=0), "was told to pause can be told to go on; trial 0 was not, and is RUNNING"),
    (Command("stop", trial=7), "a command must name one of 1 trials; found 7"),
    (Command("stop"), "a command must name one of 1 trials; found None"),
    (Command("enqueue", trial=7), "a command must name one of 1 trials; found 7"),
    (Command("enqueue", params={"y": 1.0}), "'y' is not a parameter of the space"),
    (Command("enqueue", params={"x": 7.0}), "x must lie in {'float': [0.0, 1.0]}; found 7.0"),
    (Command("enqueue", params={"kind": "b", "kind.a.z": 0.1}), "only exists where kind is 'a'"),
    (
        Command("explode"),
        "a search takes the commands stop, pause, unpause, enqueue, clone, gangs; found 'explode'",
    ),
]


@pytest.mark.parametrize(("command", "words"), REFUSED)
def test_what_is_refused(tmp_path, command, words):
    search = Search(tmp_path).begin().told(command).run()
    ((is_done, reason),) = search.answers()
    assert not is_done
    assert words in reason
    assert all(row.state is TrialState.COMPLETE for row in search.rows.values())


@pytest.mark.parametrize(("name", "done"), [("stop", "stopped"), ("pause", "paused")])
def test_an_ended_trial_is_left_as_it_is(tmp_path, name, done):
    search = Search(tmp_path, make_experiment(trials=1)).run()
    search = Search(tmp_path, make_experiment(trials=2)).told(Command(name, trial=0)).run()
    assert search.answers() == [
        (False, f"a trial can be {done} until it has ended, but trial 0 is COMPLETE: trained")
    ]


def test_an_ended_trial_is_not_cloned(tmp_path):
    search = Search(tmp_path, make_experiment(trials=1)).run()
    search = Search(tmp_path, make_experiment(trials=2)).told(Command("clone", trial=0)).run()
    ((is_done, reason),) = search.answers()
    assert not is_done
    assert reason == (
        "a trial can be cloned until it has ended, for then its checkpoints go, but trial 0 is COMPLETE; "
        "from scratch one like it is tried by: tuner enqueue DIR --like 0"
    )


def test_a_trial_is_not_paused_twice(tmp_path):
    search = Search(tmp_path).begin().told(Command("pause", trial=0), Command("pause", trial=0))
    search.gangs.run()
    assert search.answers()[1] == (
        False,
        "a trial is paused until it is told to go on, and trial 0 already is",
    )


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (Command("pause", trial=0), "trials of this search have none (search.checkpoints is false)"),
        (Command("gangs", params={"gangs": 1}), "those of this search have no checkpoints"),
    ],
)
def test_without_checkpoints_nothing_is_saved(tmp_path, command, words):
    search = Search(tmp_path, make_experiment(checkpoints=False), num_gangs=2).begin().told(command).run()
    ((is_done, reason),) = search.answers()
    assert not is_done
    assert words in reason


def test_with_another_number_of_gangs_all_are_saved_and_go_on(tmp_path):
    search = Search(tmp_path, num_gangs=2)
    first, second = search.handed().number, search.handed().number
    search.conductor.on_start(first)
    search.told(Command("gangs", params={"gangs": 1}))
    assert search.conductor.next() is None
    assert search.answers() == [(True, "what trains is saved, and goes on with 1 gang")]
    assert search.paths.give_back.exists()
    assert search.conductor.take_cut() == [second], "it has no gang yet"
    assert not search.conductor.is_over
    search.conductor.on_report(first, Report(0, {}, has_left=True), ["node"])
    assert search.conductor.is_over
    assert search.conductor.regroup()
    assert not search.paths.give_back.exists()
    assert not search.conductor.is_over
    assert search.conductor.next().number == first
    assert search.conductor.next() is None, "there is one gang"
    search.conductor.close("the driver ended")
    search = Search(tmp_path, num_gangs=2)
    assert search.conductor.num_gangs == 1
    search.gangs.run()
    assert all(row.state is TrialState.COMPLETE for row in search.rows.values())
    assert not search.conductor.regroup(), "it has ended"


def test_whoever_stops_a_search_that_changes_its_gangs_stops_it(tmp_path):
    search = Search(tmp_path, num_gangs=2).told(Command("gangs", params={"gangs": 1}))
    assert search.conductor.next() is None
    search.paths.leave.touch()
    search.conductor.take_cut()
    assert search.conductor.leave_reason == "tuner stop"
    assert not search.conductor.regroup()


def test_gangs_have_all_the_time_to_save_before_their_number_changes_but_not_when_the_run_ends(tmp_path):
    search = Search(tmp_path, num_gangs=2).begin().told(Command("gangs", params={"gangs": 1}))
    clock, grace_s = search.conductor._clock, search.conductor.experiment.recovery.grace_seconds
    search.conductor.take_cut()
    clock.now_s += 10 * grace_s
    assert search.conductor.take_cut() == []
    search.conductor.ask_to_leave("SIGTERM")
    assert search.conductor.take_cut() == [], "the grace begins now"
    clock.now_s += grace_s + 1
    assert search.conductor.take_cut() == [0]
    assert search.conductor.is_over


def test_a_fresh_run_cannot_be_stopped(tmp_path):
    experiment = make_experiment(trials=1, confirm={"top": 1, "seeds": 2})
    search = Search(tmp_path, experiment)
    while 1 not in search.rows:
        search.gangs._take_on()
        search.gangs._step(search.gangs._training[-1])
    search.told(Command("stop", trial=1)).run()
    ((is_done, reason),) = search.answers()
    assert not is_done
    assert "a fresh run trains to its end, but trial 1 is one, of trial 0" in reason
    assert search.rows[1].state is TrialState.COMPLETE


@pytest.mark.parametrize("num_gangs", [1, 2])
def test_without_a_trial_to_come_nothing_is_enqueued(tmp_path, num_gangs):
    experiment = make_experiment(trials=3)
    search = Search(tmp_path, experiment, num_gangs=num_gangs)
    search.told(*(Command("enqueue", params={"x": share}) for share in (0.1, 0.2, 0.3, 0.4))).run()
    done = [is_done for is_done, _ in search.answers()]
    assert done == [True, True, True, False]
    assert "all are drawn" in search.answers()[-1][1]
    assert [row.params["x"] for row in search.rows.values()] == [0.1, 0.2, 0.3]


def test_a_command_is_answered_once(tmp_path):
    command = Command("enqueue", params={"x": 0.25})
    search = Search(tmp_path).told(command, command).run()
    assert len(search.answers()) == 1
    assert [row.params["x"] for row in search.rows.values()].count(0.25) == 1
