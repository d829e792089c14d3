"""A search that is killed at any moment, and goes on: it ends as if nothing had happened.

The search is real (samplers, schedulers, study on disk), the gang is made up: it trains from its newest
checkpoint, as real ones do. A kill is an exception before or after a call that changes something on disk.
"""

import math
from dataclasses import dataclass

import pytest
from execution_fakes import write_checkpoint

from tuner.errors import ResultsError
from tuner.execution.conductor import Conductor, new_state
from tuner.execution.decisions import DecisionLog, read_decisions
from tuner.execution.population import Population
from tuner.execution.resume import catch_up, check_changes, replay
from tuner.records.checkpoints import newest_sound
from tuner.records.commands import Command, send
from tuner.records.paths import ExperimentPaths
from tuner.records.rows import read_trials
from tuner.records.states import TrialState
from tuner.search.ahead import make_asker
from tuner.search.factory import make_scheduler, make_searcher
from tuner.search.scheduler import Action
from tuner.spec import Experiment, Float
from tuner.training.report import Report

FULL = 9
SEARCHES = {
    "none": {"scheduler": "none"},
    "asha": {"scheduler": "asha"},
    "promotion": {"scheduler": {"type": "asha", "variant": "promotion"}},
    "hyperband": {"scheduler": "hyperband", "sampler": "bohb"},
    "freeze_thaw": {"scheduler": "freeze_thaw", "sampler": "curve_gp"},
    "iepoch": {"scheduler": {"type": "iepoch", "keep": 2}, "sampler": "tpe"},
    "pbt": {"scheduler": {"type": "pbt", "interval": 2}},
    "confirm": {"scheduler": "asha", "confirm": {"top": 2, "seeds": 2}},
    "target": {"scheduler": {"type": "asha", "variant": "promotion"}, "stop": {"target": 0.02}},
    "enqueued": {"scheduler": "freeze_thaw", "sampler": "curve_gp"},
    "patience": {"scheduler": {"type": "asha", "variant": "promotion"}, "stop": {"patience": 4}},
    "paused": {"scheduler": "none", "sampler": "random"},
    "paused_twice": {"scheduler": {"type": "asha", "variant": "promotion"}},
    "paused_population": {"scheduler": {"type": "pbt", "interval": 2}},
    "cloned": {"scheduler": {"type": "asha", "variant": "promotion"}, "sampler": "tpe"},
}


TOLD = {
    "paused": {
        1: Command("pause", trial=1, key="a"),
        3: Command("unpause", trial=1, key="b"),
        6: Command("pause", trial=6, key="c"),
        7: Command("unpause", trial=6, key="d"),
    },
    "paused_twice": {2: Command("pause", trial=0, key="a"), 6: Command("unpause", trial=0, key="b")},
    "paused_population": {
        1: Command("pause", trial=1, key="a"),
        6: Command("unpause", trial=1, key="b"),
    },
    "cloned": {
        1: Command("clone", trial=0, params={"x": 0.35}, key="a"),
        2: Command("pause", trial=0, key="b"),
        4: Command("clone", trial=0, params={"y": 0.2}, key="c"),
        6: Command("unpause", trial=0, key="d"),
    },
}
"""When a gang gets that trial, the search is told this."""

ENQUEUED = """\
{"name": "enqueue", "key": "a", "params": {"x": 0.5, "y": 0.2}}
{"name": "enqueue", "key": "b", "params": {"x": 0.4}}
"""


class Killed(Exception):
    """The process ended here."""


def trains(config, trial):
    yield {"loss": 0.0}


def loss(params, step):
    """Falls with the reports; not finite where x is large."""
    if params["x"] > 0.9 and step > 2:
        return math.nan
    return abs(params["x"] - 0.3) + params["y"] / step


def make_experiment(**search):
    return Experiment(
        train=trains,
        name="killed",
        space={"x": Float(0.0, 1.0), "y": Float(0.1, 1.0, log=True)},
        metric="loss",
        trials=8,
        max_reports=FULL,
        checkpoints=True,
        **search,
    )


@dataclass
class Fuse:
    """Kills at the n-th event."""

    num_left: float = math.inf
    num_seen: int = 0

    def burn(self):
        self.num_left -= 1
        self.num_seen += 1
        if self.num_left < 0:
            raise Killed


class Fused:
    """Passes calls on; before and after each of the named ones the fuse burns."""

    def __init__(self, inner, fuse, names):
        self._inner, self._fuse, self._names = inner, fuse, names

    def __getattr__(self, name):
        found = getattr(self._inner, name)
        if name not in self._names:
            return found

        def call(*arguments, **options):
            self._fuse.burn()
            result = found(*arguments, **options)
            self._fuse.burn()
            return result

        return call


def run(experiment, paths, fuse, told=None):
    """A process: from where the folder is to the end, or to the kill."""
    state, search = new_state(experiment), experiment.search
    is_population = search.scheduler.type == "pbt"
    scheduler = Population(experiment) if is_population else make_scheduler(search, FULL, experiment.space)
    curves = replay(paths.decisions, search, state, scheduler)
    searcher = make_searcher(experiment.space, search, paths.journal, max_reports=FULL)
    drawn = catch_up(searcher, search, state, curves)
    fused = Fused(searcher, fuse, ("suggest", "report", "finish", "enqueue"))
    num_left = search.trials - state.num_suggested - len(drawn)
    asker = make_asker(fused, trials=num_left, num_gangs=1, drawn=drawn)
    conductor = Conductor(
        experiment, paths, asker, scheduler, store_of=lambda data: paths.root, num_gangs=1, state=state
    )
    conductor._log = Fused(conductor._log, fuse, ("write",))
    while not conductor.is_over:
        job = conductor.next()
        if job is not None:
            tell(conductor, (told or {}).get(job.number))
            train(conductor, job, fuse)
    conductor.close("over")
    return conductor


def tell(conductor, command):
    if command is not None:
        send(conductor.paths.commands, command)
        conductor.take_cut()


def train(conductor, job, fuse):
    number, trial = job.number, conductor.paths.trial(job.number)
    conductor.on_start(number)
    saved = newest_sound(trial)
    for step in range(saved.num_reports + 1 if saved else 1, FULL + 1):
        is_last = step == FULL
        value = loss(job.params, step) + (
            0.0 if job.seed == conductor.experiment.search.seed else job.seed * 1e-12
        )
        state, reason = (TrialState.COMPLETE, "trained") if is_last and math.isfinite(value) else (None, "")
        decision = conductor.on_report(number, Report(step, {"loss": value}, state, reason), ["node"])
        if decision.action is Action.STOP:
            return
        if decision.action is Action.PAUSE or step % 4 == 0:
            fuse.burn()
            write_checkpoint(trial, step)
            fuse.burn()
        if decision.action is Action.PAUSE:
            conductor.on_saved(number)
            return
    raise AssertionError("the last report ends a trial")


def outcome(conductor):
    rows = read_trials(conductor.paths.trials_csv)
    return [
        (
            row.number,
            row.state,
            row.reason,
            row.params,
            row.best,
            row.reports,
            row.confirms,
            row.seed,
            row.donor,
        )
        for row in rows
    ]


def study_of(experiment, paths):
    searcher = make_searcher(experiment.space, experiment.search, paths.journal, max_reports=FULL)
    return [(seen.number, seen.params, seen.curve, seen.state) for seen in searcher.observations()]


@pytest.mark.parametrize("num_kills", [6, pytest.param(24, marks=pytest.mark.faults)])
@pytest.mark.parametrize("name", SEARCHES)
def test_killed_at_any_moment_it_ends_as_if_nothing_had_happened(tmp_path, name, num_kills):
    experiment = make_experiment(**SEARCHES[name])
    enqueued, told = ENQUEUED if name == "enqueued" else "", TOLD.get(name)
    whole, fuse = folder(tmp_path / "whole", enqueued), Fuse()
    expected = outcome(run(experiment, whole, fuse, told))
    study = study_of(experiment, whole)
    for num_events in range(num_kills // 2, fuse.num_seen, max(1, fuse.num_seen // num_kills)):
        paths = folder(tmp_path / str(num_events), enqueued)
        with pytest.raises(Killed):
            run(experiment, paths, Fuse(num_events), told)
        assert outcome(run(experiment, paths, Fuse(), told)) == expected, num_events
        assert study_of(experiment, paths) == study, num_events


def test_killed_again_and_again(tmp_path):
    experiment = make_experiment(**SEARCHES["confirm"])
    expected = outcome(run(experiment, folder(tmp_path / "whole"), Fuse()))
    paths = folder(tmp_path / "again")
    for _ in range(200):
        try:
            conductor = run(experiment, paths, Fuse(47))
        except Killed:
            continue
        assert outcome(conductor) == expected
        return
    raise AssertionError("it never came to an end")


def folder(path, commands=""):
    path.mkdir()
    (path / "commands.jsonl").write_text(commands)
    return ExperimentPaths(path)


def test_a_search_that_is_done_goes_on_with_more_trials(tmp_path):
    paths = folder(tmp_path / "longer")
    first = outcome(run(make_experiment(scheduler="asha"), paths, Fuse()))
    longer = make_experiment(scheduler="asha").replace(trials=12)
    check_changes(paths.decisions, make_experiment(scheduler="asha").search, longer.search)
    found = outcome(run(longer, paths, Fuse()))
    assert found[: len(first)] == first
    assert [row[0] for row in found] == list(range(12))
    assert outcome(run(longer, paths, Fuse())) == found


@pytest.mark.parametrize(
    ("name", "trials", "words"),
    [
        ("pbt", 9, "not that of a population"),
        ("asha", 3, "8 have begun; found 3 instead of 8; ask for at least 8"),
        ("confirm", 9, "not when its best trials have been trained again"),
    ],
)
def test_numbers_of_trials_that_cannot_be(tmp_path, name, trials, words):
    experiment, paths = make_experiment(**SEARCHES[name]), folder(tmp_path / "changed")
    run(experiment, paths, Fuse())
    with pytest.raises(ResultsError, match=words):
        check_changes(paths.decisions, experiment.search, experiment.replace(trials=trials).search)


@pytest.mark.parametrize("bad", [b"garbage", b"[]", b"{}", b'{"action": "START", "trial": 99, "spent_s": 1}'])
def test_a_damaged_line_is_one_clear_error(tmp_path, bad):
    experiment, paths = make_experiment(scheduler="asha"), folder(tmp_path / "damaged")
    with pytest.raises(Killed):
        run(experiment, paths, Fuse(40))
    lines = paths.decisions.read_bytes().split(b"\n")
    lines[3] = bad
    paths.decisions.write_bytes(b"\n".join(lines))
    with pytest.raises(ResultsError, match=r"each line of .*decisions.jsonl .* but line [45] is not"):
        run(experiment, paths, Fuse())


def test_half_a_line_never_happened(tmp_path):
    log = DecisionLog(tmp_path / "decisions.jsonl")
    log.write({"action": "END", "value": math.nan})
    log.close()
    whole = (tmp_path / "decisions.jsonl").read_bytes()
    with (tmp_path / "decisions.jsonl").open("ab") as file:
        file.write(whole[: len(whole) // 2])
    assert [line["action"] for line in read_decisions(tmp_path / "decisions.jsonl")] == ["END"]
    DecisionLog(tmp_path / "decisions.jsonl").write({"action": "LEAVE"})
    assert [line["action"] for line in read_decisions(tmp_path / "decisions.jsonl")] == ["END", "LEAVE"]
