"""Commands to a search that runs: what is done, what is refused, and what a crash between the two leaves."""

import pytest
from execution_fakes import Clock, MadeUpGangs, PausesAt

from tuner.execution.conductor import Conductor, new_state
from tuner.execution.decisions import read_decisions
from tuner.execution.resume import catch_up, replay
from tuner.records.commands import Command, send
from tuner.records.paths import ExperimentPaths
from tuner.records.states import TrialState
from tuner.search.ahead import make_asker
from tuner.search.factory import make_searcher
from tuner.search.none import NoStopping
from tuner.spec import Choice, Experiment, Float

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
        checkpoints=True,
        sampler="random",
        **{"trials": 4, **changes},
    )


class Search:
    """A run of the folder with made-up gangs, one trial at a time unless told otherwise."""

    def __init__(self, folder, experiment=None, scheduler=None, num_gangs=1):
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
    assert search.answers() == [(True, "it stops at its next report")]
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


def test_one_like_another_trial_with_changes(tmp_path):
    search = Search(tmp_path).told(Command("enqueue", params={"x": 0.25, "kind.a.z": 0.5})).begin()
    search.told(Command("enqueue", trial=0, params={"x": 0.75}))
    search.told(Command("enqueue", trial=0, params={"kind": "b"})).run()
    params = [row.params for row in search.rows.values()]
    assert params[1:3] == [{"x": 0.75, "kind": "a", "kind.a.z": 0.5}, {"x": 0.25, "kind": "b"}]


REFUSED = [
    (Command("stop", trial=7), "a command must name one of 1 trials; found 7"),
    (Command("stop"), "a command must name one of 1 trials; found None"),
    (Command("enqueue", trial=7), "a command must name one of 1 trials; found 7"),
    (Command("enqueue", params={"y": 1.0}), "'y' is not a parameter of the space"),
    (Command("enqueue", params={"x": 7.0}), "x must lie in {'float': [0.0, 1.0]}; found 7.0"),
    (Command("enqueue", params={"kind": "b", "kind.a.z": 0.1}), "only exists where kind is 'a'"),
    (Command("explode"), "a search can be told to stop or enqueue a trial; found 'explode'"),
]


@pytest.mark.parametrize(("command", "words"), REFUSED)
def test_what_is_refused(tmp_path, command, words):
    search = Search(tmp_path).begin().told(command).run()
    ((is_done, reason),) = search.answers()
    assert not is_done
    assert words in reason
    assert all(row.state is TrialState.COMPLETE for row in search.rows.values())


def test_an_ended_trial_cannot_be_stopped(tmp_path):
    search = Search(tmp_path, make_experiment(trials=1)).run()
    search = Search(tmp_path, make_experiment(trials=2)).told(Command("stop", trial=0)).run()
    assert search.answers() == [
        (False, "a trial can be stopped until it has ended, but trial 0 is COMPLETE: trained")
    ]


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
