"""Which gang a trial got: the numbers that Tune's actors get, and what the log has of them."""

from types import SimpleNamespace

import pytest
from execution_fakes import ListedSearcher, conduct

from tuner.execution.bridge import Gangs
from tuner.execution.conductor import Conductor
from tuner.execution.decisions import read_decisions
from tuner.execution.state import REPORTED
from tuner.records.paths import ExperimentPaths
from tuner.search.none import NoStopping
from tuner.spec import Experiment, Float


class Told:
    """A conductor that only remembers the gangs of the trials that start."""

    def __init__(self, num_gangs: int) -> None:
        self.num_gangs = num_gangs
        self.gangs: list[int] = []

    def noting_trouble(self):
        return pytest.MonkeyPatch.context()

    def on_start(self, number, gang):
        self.gangs.append(gang)


def on(actor):
    """A trial of Tune's on this actor; None: on none."""
    handle = None if actor is None else SimpleNamespace(_actor_id=actor)
    job = SimpleNamespace(number=0)
    return SimpleNamespace(temporary_state=SimpleNamespace(ray_actor=handle), config={"job": job})


def numbers(num_gangs, *starts):
    """Of the gangs that trials get; a start is its actor, and those on which others train then."""
    told = Told(num_gangs)
    gangs = Gangs(told)
    for actor, *others in starts:
        trial = on(actor)
        gangs.on_trial_start(0, [on(None), trial, *map(on, others)], trial)
    return told.gangs


def test_a_gang_keeps_its_number():
    assert numbers(2, "a", "ba", "a", "ba", "b") == [0, 1, 0, 1, 1]


def test_a_new_gang_gets_the_number_of_one_that_is_gone():
    assert numbers(2, "a", "ba", "cb") == [0, 1, 0]
    assert numbers(2, "a", "ba", "ca", "dc") == [0, 1, 1, 0]


def test_a_gang_that_waited_while_another_was_replaced_has_a_number_again():
    """b is gone and a waits: c gets 0, and a comes back as 1."""
    assert numbers(2, "a", "ba", "c", "ac") == [0, 1, 0, 1]


def test_no_two_gangs_at_work_have_the_same_number():
    assert numbers(3, "a", "ba", "cab", "dac", "edac") == [0, 1, 2, 1, 3]


def trains(config, trial):
    yield {"loss": 0.0}


def test_the_log_says_which_gang_has_a_trial_and_where_it_is(tmp_path):
    params = [{"x": float(x)} for x in range(3)]
    experiment = Experiment(
        train=trains, space={"x": Float(0.0, 9.0)}, metric="loss", trials=3, max_reports=2
    )
    conductor = Conductor(
        experiment,
        ExperimentPaths(tmp_path),
        ListedSearcher(params),
        NoStopping(),
        store_of=lambda data: tmp_path,
        num_gangs=2,
    )
    conduct(conductor, lambda params: [1.0, 1.0], num_gangs=2)
    lines = list(read_decisions(conductor.paths.decisions))
    assert [(line["trial"], line["gang"]) for line in lines if line["action"] == "START"] == [
        (0, 0),
        (1, 1),
        (2, 0),
    ]
    found = {
        (line["trial"], *line["nodes"], *line["devices"]) for line in lines if line["action"] in REPORTED
    }
    assert found == {(0, "node", "0"), (1, "node", "1"), (2, "node", "0")}


def test_a_trial_that_ends_before_it_has_a_gang_has_none(tmp_path):
    experiment = Experiment(train=trains, space={"x": Float(0.0, 9.0)}, metric="loss", trials=1)
    conductor = Conductor(
        experiment,
        ExperimentPaths(tmp_path),
        ListedSearcher([{"x": 1.0}]),
        NoStopping(),
        store_of=lambda data: tmp_path,
        num_gangs=1,
    )
    number = conductor.next().number
    conductor.on_fault(number, "memory", "out of memory")
    (line,) = [line for line in read_decisions(conductor.paths.decisions) if line["action"] == "START"]
    assert line["gang"] is None
