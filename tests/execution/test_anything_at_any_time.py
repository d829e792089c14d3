"""Faults, commands, kills and other numbers of gangs, at random and at once: a search ends as it should.

Searcher, scheduler, study and conductor are real. The gangs are made up: they train side by side, take their
time to save, and a trial that was chosen while it is saved waits for that, as those of Ray Tune do.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from execution_fakes import Clock, write_checkpoint

from tuner.execution.conductor import Conductor, new_state
from tuner.execution.decisions import read_decisions
from tuner.execution.population import Population
from tuner.execution.resume import catch_up, replay
from tuner.execution.state import REPORTED
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

TRIALS, FULL, GANGS = 6, 6, 3
EVENTS = 150
"""Until here anything may happen; from then on the search is left alone."""
PATIENCE = 3000
"""Steps in which it must be over then."""
SCHEDULERS = {
    "none": {"scheduler": "none"},
    "promotion": {"scheduler": {"type": "asha", "variant": "promotion", "factor": 2}},
    "hyperband": {"scheduler": {"type": "hyperband", "factor": 2}},
    "pbt": {"scheduler": {"type": "pbt", "interval": 2}},
    "confirm": {"scheduler": {"type": "asha", "variant": "promotion"}, "confirm": {"top": 1, "seeds": 2}},
}


def trains(config, trial):
    yield {"loss": 0.0}


def make_experiment(name):
    return Experiment(
        train=trains,
        name="anything",
        space={"x": Float(0.0, 1.0), "y": Float(0.1, 1.0, log=True)},
        metric="loss",
        trials=TRIALS,
        max_reports=FULL,
        checkpoints=True,
        sampler="random",
        recovery={"retries": 1000, "grace_seconds": 30},
        **SCHEDULERS[name],
    )


@dataclass
class Gang:
    """What one gang is at."""

    number: int
    num_reports: int
    is_saving: bool = False


class Run:
    """A process of the search, with its gangs."""

    def __init__(self, experiment, paths):
        state, scheduler = new_state(experiment), scheduler_of(experiment)
        curves = replay(paths.decisions, experiment.search, state, scheduler)
        searcher = make_searcher(experiment.space, experiment.search, paths.journal, max_reports=FULL)
        drawn = catch_up(searcher, experiment.search, state, curves)
        left = experiment.search.trials - state.num_suggested - len(drawn)
        self.experiment, self.paths, self.clock = experiment, paths, Clock()
        self.conductor = Conductor(
            experiment,
            paths,
            make_asker(searcher, trials=left, num_gangs=1, drawn=drawn),
            scheduler,
            store_of=lambda data: paths.root,
            num_gangs=GANGS,
            clock=self.clock,
            state=state,
        )
        self.waiting, self.gangs = [], []
        """numbers that a gang was promised; what has one"""

    # --- what gangs do by themselves

    def take_on(self):
        self.take_back()
        job = self.conductor.next()
        if job is not None:
            assert job.number not in self.waiting, "promised once"
            assert job.number not in [gang.number for gang in self.gangs if not gang.is_saving]
            self.waiting.append(job.number)

    def begin(self, draws):
        """One that was promised a gang gets it; not before it is saved."""
        self.take_back()
        saving = [gang.number for gang in self.gangs]
        ready = [number for number in self.waiting if number not in saving]
        if ready:
            number = draws.choice(ready)
            self.waiting.remove(number)
            saved = newest_sound(self.paths.trial(number))
            self.gangs.append(Gang(number, saved.num_reports if saved else 0))
            assert len(self.gangs) <= GANGS
            self.conductor.on_start(number)

    def train(self, gang, draws):
        if gang.is_saving:
            write_checkpoint(self.paths.trial(gang.number), gang.num_reports)
            self.gangs.remove(gang)
            self.conductor.on_saved(gang.number)
        elif self.paths.give_back.exists():
            if gang.num_reports:
                write_checkpoint(self.paths.trial(gang.number), gang.num_reports)
            self.gangs.remove(gang)
            self.conductor.on_report(gang.number, Report(gang.num_reports, {}, has_left=True))
        else:
            self.report(gang, draws)

    def report(self, gang, draws):
        gang.num_reports += 1
        step, row = gang.num_reports, self.conductor.rows[gang.number]
        value = abs(row.params["x"] - 0.3) + row.params["y"] / step
        is_last = step == FULL
        report = Report(
            step, {"loss": value}, TrialState.COMPLETE if is_last else None, "trained" if is_last else ""
        )
        decision = self.conductor.on_report(gang.number, report, ["node"])
        if decision.action is Action.STOP:
            self.gangs.remove(gang)
        elif decision.action is Action.PAUSE:
            gang.is_saving = True
        elif draws.random() < 0.3:
            write_checkpoint(self.paths.trial(gang.number), step)

    def take_back(self):
        cut = self.conductor.take_cut()
        self.waiting = [number for number in self.waiting if number not in cut]
        self.gangs = [gang for gang in self.gangs if gang.number not in cut]

    # --- what happens to them

    def fault(self, draws):
        if self.gangs:
            gang = draws.choice(self.gangs)
            self.gangs.remove(gang)
            if gang.number in self.waiting:
                self.waiting.remove(gang.number)
            self.conductor.on_fault(gang.number, "lost", "its node is gone")

    def command(self, draws):
        name = draws.choice(["pause", "pause", "unpause", "unpause", "stop", "clone", "enqueue", "gangs"])
        params = {"gangs": draws.randint(1, GANGS)} if name == "gangs" else {}
        params = {"x": draws.random()} if name in ("clone", "enqueue") else params
        trial = draws.randrange(TRIALS) if name not in ("enqueue", "gangs") else None
        send(self.paths.commands, Command(name, trial=trial, params=params))

    def step(self, draws):
        """Something that happens in any search."""
        self.clock.now_s += 0.5
        doing = [self.take_on, lambda: self.begin(draws)]
        doing += [lambda gang=gang: self.train(gang, draws) for gang in self.gangs]
        draws.choice(doing)()
        if self.conductor.is_over and not self.conductor.is_done:
            self.take_back()
            assert (self.waiting, self.gangs) == ([], [])
        self.check()

    def check(self):
        """Whoever reads the lines stands where the search stands, but for what was promised a gang."""
        state = new_state(self.experiment)
        for line in read_decisions(self.paths.decisions):
            state.apply(line)
        read, known = (rows_of(rows, self.waiting) for rows in (state.rows, self.conductor.rows))
        assert read == known
        assert state.held == self.conductor._state.held
        assert state.answers == self.conductor._state.answers


def rows_of(rows, promised):
    """But for what is written into the table alone, and the states of those that were promised a gang."""
    unknown = {"confirmed": {}, "state": None}
    return {
        number: vars(row) | (unknown if number in promised else {"confirmed": {}})
        for number, row in rows.items()
    }


def scheduler_of(experiment):
    search = experiment.search
    is_population = search.scheduler.type == "pbt"
    return Population(experiment) if is_population else make_scheduler(search, FULL, experiment.space)


class Story:
    """A search through all its runs."""

    def __init__(self, name, folder, seed):
        self.experiment, self.paths = make_experiment(name), ExperimentPaths(folder)
        self.draws = random.Random(seed)
        self.run = Run(self.experiment, self.paths)

    def tell(self):
        for _ in range(EVENTS):
            self.happen()
            self.go_on()
            if self.run.conductor.is_done:
                return
        self.let_go_on()
        for _ in range(PATIENCE):
            if self.run.conductor.is_done:
                return
            self.run.step(self.draws)
            self.go_on()
        raise AssertionError("it never came to an end")

    def happen(self):
        share = self.draws.random()
        if share < 0.06:
            self.run.fault(self.draws)
        elif share < 0.14:
            self.run.command(self.draws)
        elif share < 0.16:
            self.run.conductor.ask_to_leave("SIGTERM")
        elif share < 0.17:
            self.run = Run(self.experiment, self.paths)
        elif share < 0.19:
            self.run.clock.now_s += 40
        else:
            self.run.step(self.draws)

    def go_on(self):
        """With other gangs, or in another process, where this one is over before the search is."""
        conductor = self.run.conductor
        if not conductor.is_over or conductor.is_done:
            return
        self.run.take_back()
        assert (self.run.waiting, self.run.gangs) == ([], [])
        if not conductor.regroup():
            conductor.close("the run ended")
            self.run = Run(self.experiment, self.paths)

    def let_go_on(self):
        self.run.take_back()
        for number in range(TRIALS + 2):
            send(self.paths.commands, Command("unpause", trial=number))


@pytest.mark.parametrize("seeds", [range(6), pytest.param(range(6, 60), marks=pytest.mark.faults)], ids=str)
@pytest.mark.parametrize("name", SCHEDULERS)
def test_the_search_ends_and_every_trial_with_it(tmp_path, name, seeds: Sequence[int]):
    for seed in seeds:
        folder = tmp_path / str(seed)
        folder.mkdir()
        story = Story(name, folder, seed)
        story.tell()
        story.run.conductor.close("over")
        check_end(story, seed)


def check_end(story, seed):
    rows = read_trials(story.paths.trials_csv)
    assert [row.number for row in rows] == list(range(len(rows))), seed
    assert sum(row.confirms is None for row in rows) == TRIALS, seed
    assert all(row.state.is_finished() for row in rows), seed
    assert all(row.reports == FULL for row in rows if row.state is TrialState.COMPLETE), seed
    lines = [line for line in read_decisions(story.paths.decisions) if line["action"] in REPORTED]
    heard = [(line["trial"], line["report"]) for line in lines]
    assert len(heard) == len(set(heard)), seed
    names = {path.name for path in story.paths.trials.glob("*/checkpoints/*")}
    assert names <= {"best"}, seed
