"""What all schedulers promise, of populations: legal answers, the same run again, also from its middle."""

import math
import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from tuner.execution.population import Population
from tuner.search.scheduler import Action, Decision, Exploit
from tuner.spec import Experiment, Float

FULL = 9
NUM_TRIALS = 10
SPACE = {"lr": Float(1e-4, 1e-1, log=True), "momentum": Float(0.0, 0.99)}
NOT_FINITE = [math.nan, math.inf, -math.inf]
SCHEDULERS: list[dict[str, Any]] = [
    {"type": "pbt", "interval": 2},
    {"type": "pbt", "interval": 1, "quantile": 0.5, "resample": 0.5},
    {"type": "pb2", "interval": 2},
]


def trains(config, trial):
    yield {"loss": 0.0}


def experiment_of(scheduler, **changes):
    options = {"trials": NUM_TRIALS, "max_reports": FULL, "scheduler": scheduler}
    return Experiment(train=trains, space=SPACE, metric="loss", checkpoints=True, **options | changes)


def params_of(number):
    return {"lr": 10 ** (-4 + 3 * (number * 0.618034 % 1)), "momentum": number * 0.414214 % 0.99}


def loss(params, step):
    """Best at a rate of 0.01."""
    return abs(math.log10(params["lr"]) + 2) + 0.1 * params["momentum"] + 1 / step


@dataclass
class Run:
    """A population under way, driven as the conductor does it; `calls`: what it was told and answered."""

    experiment: Experiment
    failing: float = 0.0
    """probability that a running trial fails instead of reporting"""
    num_workers: int = 3
    population: Population = None
    sign: int = 1
    params: dict[int, dict[str, Any]] = field(default_factory=dict)
    steps: dict[int, int] = field(default_factory=dict)
    running: list[int] = field(default_factory=list)
    saving: list[int] = field(default_factory=list)
    paused: set[int] = field(default_factory=set)
    ended: dict[int, str] = field(default_factory=dict)
    calls: list[tuple[Any, ...]] = field(default_factory=list)

    def __post_init__(self):
        self.population = Population(self.experiment)
        self._draw = random.Random(0)

    def go(self, num_events=None):
        """On to the end, or for so many events; asserts that each answer is legal."""
        while num_events is None or num_events > 0:
            self._give_work()
            busy = self.running + self.saving
            if not busy:
                break
            self._event(self._draw.choice(busy))
            num_events = None if num_events is None else num_events - 1
        return self

    def _give_work(self):
        while (
            len(self.running) + len(self.saving) < self.num_workers and (number := self._next()) is not None
        ):
            self.running.append(number)

    def _next(self):
        is_last = len(self.steps) >= NUM_TRIALS
        resume = self.population.resume(is_last=is_last)
        if resume is not None:
            self._check(resume)
            self.paused.remove(resume.number)
            self.params[resume.number] = getattr(resume, "params", self.params[resume.number])
            self.steps[resume.number] = self.steps[getattr(resume, "donor", resume.number)]
            self.calls.append(("resume", resume.number, dict(self.params[resume.number]), resume))
            return resume.number
        if is_last:
            return None
        number = len(self.steps)
        self.params[number], self.steps[number] = params_of(number), 0
        self.calls.append(("start", number, params_of(number)))
        self.population.on_start(number, params_of(number))
        return number

    def _check(self, resume):
        """Only what is paused and saved goes on; a donor stands still, as far as its copy."""
        assert resume.reason
        assert resume.number in self.paused
        if isinstance(resume, Exploit):
            assert resume.donor in self.paused
            assert resume.donor != resume.number
            assert self.steps[resume.donor] == self.steps[resume.number]
            self.experiment.space.check(resume.params)

    def _event(self, number):
        if number in self.saving:
            self.saving.remove(number)
            self.paused.add(number)
            self.calls.append(("save", number))
            self.population.on_saved(number)
        elif self._draw.random() < self.failing:
            self._end(number, "FAILED")
        else:
            self._report(number)

    def _report(self, number):
        self.steps[number] += 1
        step = self.steps[number]
        diverges = self.failing and number == 4 and step == 3
        value = math.nan if diverges else self.sign * loss(self.params[number], step)
        decision = self.population.on_report(number, step, value)
        assert decision.reason
        self.calls.append(("report", number, step, value, decision))
        if diverges:
            assert decision.action is Action.STOP
            self._end(number, "DIVERGED")
        elif step == FULL:
            assert decision.action is Action.CONTINUE
            self._end(number, "COMPLETE")
        elif decision.action is Action.PAUSE:
            self.running.remove(number)
            self.saving.append(number)
        else:
            assert decision.action is Action.CONTINUE

    def _end(self, number, state):
        self.running.remove(number)
        self.ended[number] = state
        self.calls.append(("finish", number))
        self.population.on_finish(number)


def replay(population, calls):
    """Tells a fresh population what another one was told, a resume as a start; returns its decisions."""
    decisions = []
    for what, number, *rest in calls:
        if what in ("start", "resume"):
            population.on_start(number, rest[0])
        elif what == "report":
            decisions.append(population.on_report(number, *rest[:2]))
        elif what == "save":
            population.on_saved(number)
        else:
            population.on_finish(number)
    return decisions


def plain(calls):
    """With NaN as text, which is equal to itself."""
    return [tuple("nan" if part != part else part for part in call) for call in calls]


@pytest.mark.parametrize("num_workers", [1, 3, 20])
@pytest.mark.parametrize("failing", [0.0, 0.03])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_every_answer_is_legal_and_all_trials_end(scheduler, failing, num_workers):
    run = Run(experiment_of(scheduler), failing, num_workers).go()
    assert sorted(run.ended) == list(range(NUM_TRIALS))
    assert "COMPLETE" in run.ended.values()
    assert ("DIVERGED" in run.ended.values()) == bool(failing) or run.ended[4] == "FAILED"
    assert any(call[0] == "resume" and isinstance(call[3], Exploit) for call in run.calls)
    assert run.population.resume(is_last=True) is None


@pytest.mark.parametrize("step", [1, 2, 4, FULL])
@pytest.mark.parametrize("value", NOT_FINITE)
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_value_that_is_not_finite_stops_at_once(scheduler, value, step):
    population = Population(experiment_of(scheduler))
    population.on_start(0, params_of(0))
    decision = population.on_report(0, step, value)
    assert decision == Decision(Action.STOP, f"{value} at report {step} is not finite")


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_the_same_search_twice_is_the_same(scheduler):
    first, second = (Run(experiment_of(scheduler), 0.03).go() for _ in range(2))
    assert plain(first.calls) == plain(second.calls)
    other = Run(experiment_of(scheduler, seed=1), 0.03).go()
    assert plain(other.calls) != plain(first.calls)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_max_is_min_with_the_sign_turned(scheduler):
    small = Run(experiment_of(scheduler)).go()
    large = Run(experiment_of(scheduler, mode="max"), sign=-1).go()
    assert [call[:3] for call in small.calls] == [call[:3] for call in large.calls]


@pytest.mark.parametrize("num_events", [1, 20, 50, 80])
@pytest.mark.parametrize("failing", [0.0, 0.03])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_telling_it_all_again_rebuilds_its_state(scheduler, failing, num_events):
    whole = Run(experiment_of(scheduler), failing).go()
    halved = Run(experiment_of(scheduler), failing).go(num_events)
    fresh = Population(halved.experiment)
    decisions = replay(fresh, halved.calls)
    assert decisions == [call[4] for call in halved.calls if call[0] == "report"]
    halved.population = fresh
    assert plain(halved.go().calls) == plain(whole.calls)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_it_can_be_taken_up_at_any_call(scheduler):
    """Also while some of a round have gone on and others have not."""
    calls = Run(experiment_of(scheduler), 0.03).go().calls
    places = [i for i, call in enumerate(calls) if call[0] == "resume"]
    for place in places[:: max(1, len(places) // 8)]:
        fresh = Population(experiment_of(scheduler))
        replay(fresh, calls[:place])
        assert fresh.resume(is_last=True) == calls[place][3]


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_who_ends_while_it_waits_is_never_resumed(scheduler):
    population = Population(experiment_of(scheduler))
    step = scheduler["interval"]
    for number in range(NUM_TRIALS):
        population.on_start(number, params_of(number))
        population.on_report(number, step, float(number))
        population.on_saved(number)
    first = population.resume(is_last=True)
    for number in range(NUM_TRIALS):
        population.on_finish(number)
    assert first is not None
    assert population.resume(is_last=True) is None


def test_an_end_without_a_start_is_fine():
    population = Population(experiment_of(SCHEDULERS[0]))
    population.on_finish(0)
    assert population.resume(is_last=True) is None
