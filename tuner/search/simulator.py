"""Replays learning curves through a searcher and a scheduler, on a virtual clock with several workers.

    settings = Settings(workers=4, budget=20)
    replay = simulate(curves, make_searcher(...), make_scheduler(...), settings, "min")
    replay.values                                      # best value at settings.budgets
    replays = replay_seeds(curves, search, settings, seeds=range(10))

The objects are the ones of a real run, called in the order in which the conductor calls them. A worker stands
for a gang. A report costs `report_seconds` of virtual time, and one of `budget * num_steps` reports over
all workers; pausing and resuming are free, as they nearly are with warm gangs. Reports come in
the order of virtual time, ties by worker number, so a replay is exactly repeatable.

Asking is free by default. With `ask_seconds` one asker at a time works on the virtual clock, beside the
workers, and up to `ahead` suggestions are drawn before a worker needs them. A suggestion that was
asked for earlier knows less; that price is in the values.
"""

import heapq
import math
import time
from bisect import bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tuner.errors import UsageError
from tuner.records.states import TrialState, advance
from tuner.search.curves import Curve, Curves, Reference
from tuner.search.factory import make_scheduler, make_searcher
from tuner.search.scheduler import Action, Scheduler
from tuner.search.searcher import Searcher, Suggestion
from tuner.spec.sections import SearchSpec
from tuner.tasks.metrics import Mode

_ASKER = -1
"""The asker's place among the workers: a suggestion that is ready now can be had now."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is simulated besides searcher and scheduler. Raises UsageError when it contradicts itself."""

    workers: int = 4
    """gangs that train at once"""
    budget: float = 20.0
    """compute of all workers together, in full trainings"""
    budgets: tuple[float, ...] = ()
    """where the best value is read off, in full trainings; empty: 1, 2, 5, 10, 20 ... and `budget`"""
    trials: int | None = None
    """at most so many new trials; None: as many as the budget holds"""
    report_seconds: float = 1.0
    """virtual time between two reports of a trial"""
    ask_seconds: float | Literal["measured"] | None = None
    """virtual time of an ask; measured: what it really took; None: asking is free"""
    ahead: int = 0
    """suggestions that are drawn while all workers are busy"""

    def __post_init__(self) -> None:
        for option in ("workers", "budget", "report_seconds"):
            _check_positive(option, getattr(self, option))
        for budget in self.budgets:
            _check_positive("budgets", budget)
        if self.trials is not None:
            _check_positive("trials", self.trials)
        if self.ahead < 0:
            raise UsageError(f"--ahead must be 0 or more; found {self.ahead}; drop it")
        if not self.budgets:
            object.__setattr__(self, "budgets", default_budgets(self.budget))
        if max(self.budgets) > self.budget:
            raise UsageError(
                f"budgets must not exceed the whole budget; found {max(self.budgets):g} with budget "
                f"{self.budget:g}; raise --budget or drop it"
            )


def _check_positive(name: str, value: float) -> None:
    if not (value > 0 and math.isfinite(value)):
        option = name.replace("_", "-")
        raise UsageError(f"--{option} must be a number above 0; found {value:g}; raise it")


def default_budgets(budget: float) -> tuple[float, ...]:
    """1, 2, 5, 10, 20, 50 ... below `budget`, and `budget` itself."""
    steps = [base * 10.0**power for power in range(7) for base in (1, 2, 5)]
    return (*(step for step in steps if step < budget), float(budget))


@dataclass(frozen=True)
class Replay:
    """What one search came to."""

    values: tuple[float | None, ...]
    """the best finite value at each of the budgets; None: none yet"""
    states: dict[str, int]
    """trial state -> number of trials when the budget was spent"""
    rungs: dict[int, int]
    """rung, in reports -> number of trials that were judged there"""
    trials: int
    reports: int
    """spent"""
    best_params: dict[str, Any] | None
    ask_seconds: float
    """real time in `suggest`"""
    seconds: float
    """virtual time"""
    idle: float
    """share of the workers' virtual time in which they had no trial"""


@dataclass
class _Trial:
    number: int
    params: dict[str, Any]
    curve: Curve
    state: TrialState = TrialState.QUEUED
    step: int = 0
    best: float | None = None


def simulate(
    curves: Curves, searcher: Searcher, scheduler: Scheduler, settings: Settings, mode: Mode
) -> Replay:
    """Runs the search until its budget is spent or nothing is left to train."""
    return _Simulation(curves, searcher, scheduler, settings, mode).run()


@dataclass
class _Workers:
    """Who is free since when; the virtual clock."""

    num: int
    now: float = 0.0
    idle_time: float = 0.0
    free_since: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.free_since = dict.fromkeys(range(self.num), 0.0)

    def take(self) -> int:
        """The free worker with the lowest number begins to work."""
        worker = min(self.free_since)
        self.idle_time += self.now - self.free_since.pop(worker)
        return worker

    def idle_share(self) -> float:
        waiting = sum(self.now - since for since in self.free_since.values())
        return (self.idle_time + waiting) / (self.num * self.now) if self.now else 0.0


class _Simulation:
    def __init__(
        self, curves: Curves, searcher: Searcher, scheduler: Scheduler, settings: Settings, mode: Mode
    ) -> None:
        self._curves, self._searcher, self._scheduler = curves, searcher, scheduler
        self._settings = settings
        self._sign = 1.0 if mode == "min" else -1.0
        self._events: list[tuple[float, int]] = []
        self._workers = _Workers(settings.workers)
        self._trials: dict[int, _Trial] = {}
        self._at: dict[int, _Trial] = {}
        self._ready: deque[Suggestion] = deque()
        self._asked: Suggestion | None = None
        self._num_asked, self._is_exhausted = 0, False
        self._ask_seconds = 0.0
        self._reports = 0
        self._trace: list[tuple[int, _Trial, float]] = []
        self._rungs: defaultdict[int, set[int]] = defaultdict(set)

    def run(self) -> Replay:
        limit = _num_reports(self._settings.budget, self._curves)
        self._give_work()
        while self._events and self._reports < limit:
            self._workers.now, worker = heapq.heappop(self._events)
            if worker == _ASKER:
                self._receive()
            else:
                self._report(worker)
            if self._reports < limit:
                self._give_work()
        return self._replay()

    # --- handing out ---

    def _give_work(self) -> None:
        while self._workers.free_since and (trial := self._next_trial()) is not None:
            trial.state = advance(trial.state, TrialState.RUNNING)
            worker = self._workers.take()
            self._at[worker] = trial
            self._push(self._settings.report_seconds, worker)
        self._ask_ahead()

    def _next_trial(self) -> _Trial | None:
        resumed = self._resumed()
        if resumed is not None:
            return resumed
        if not self._ready and self._settings.ask_seconds is None and self._may_ask():
            self._ask()
            if not self._ready:
                return self._resumed()
        return self._begun(self._ready.popleft()) if self._ready else None

    def _resumed(self) -> _Trial | None:
        is_last = not (self._ready or self._asked or self._may_ask())
        resume = self._scheduler.resume(is_last=is_last)
        return self._trials[resume.number] if resume else None

    def _begun(self, suggestion: Suggestion) -> _Trial:
        number, params = suggestion.number, suggestion.params
        trial = self._trials[number] = _Trial(number, params, self._curves.curve(params))
        self._scheduler.on_start(number, params)
        return trial

    # --- asking ---

    def _may_ask(self) -> bool:
        is_spent = self._settings.trials is not None and self._num_asked >= self._settings.trials
        return not (self._is_exhausted or is_spent)

    def _ask_ahead(self) -> None:
        """Draws what the workers that wait need, and `ahead` more, one after the other."""
        if self._settings.ask_seconds is None and not self._settings.ahead:
            return
        wanted = len(self._workers.free_since) + self._settings.ahead
        while len(self._ready) < wanted and self._asked is None and self._may_ask():
            self._ask()

    def _ask(self) -> None:
        began_s = time.perf_counter()
        suggestion = self._searcher.suggest()
        took_s = time.perf_counter() - began_s
        self._ask_seconds += took_s
        self._is_exhausted = suggestion is None
        if suggestion is None:
            return
        self._num_asked += 1
        if self._settings.ask_seconds is None:
            self._ready.append(suggestion)
        else:
            charged = self._settings.ask_seconds
            self._asked = suggestion
            self._push(took_s if charged == "measured" else charged, _ASKER)

    def _receive(self) -> None:
        assert self._asked is not None
        self._ready.append(self._asked)
        self._asked = None

    def _push(self, delay: float, worker: int) -> None:
        heapq.heappush(self._events, (self._workers.now + delay, worker))

    # --- reports ---

    def _report(self, worker: int) -> None:
        """One report; scheduler first, then searcher, then the end, as the conductor does it."""
        trial = self._at[worker]
        trial.step += 1
        self._reports += 1
        value = float(trial.curve[trial.step - 1])
        self._note(trial, value)
        decision = self._scheduler.on_report(trial.number, trial.step, value)
        self._searcher.report(trial.number, trial.step, value)
        if decision.rung is not None:
            self._rungs[decision.rung].add(trial.number)
        if not math.isfinite(value):
            self._finish(trial, TrialState.DIVERGED, decision.reason)
        elif trial.step == self._curves.num_steps:
            self._finish(trial, TrialState.COMPLETE, f"trained {trial.step} reports")
        elif decision.action is Action.STOP:
            self._finish(trial, TrialState.STOPPED, decision.reason)
        elif decision.action is Action.PAUSE:
            trial.state = advance(trial.state, TrialState.PAUSED)
        if trial.state is TrialState.RUNNING:
            self._push(self._settings.report_seconds, worker)
        else:
            del self._at[worker]
            self._workers.free_since[worker] = self._workers.now

    def _note(self, trial: _Trial, value: float) -> None:
        if not math.isfinite(value):
            return
        if trial.best is None or self._sign * value < self._sign * trial.best:
            trial.best = value
        if not self._trace or self._sign * value < self._sign * self._trace[-1][2]:
            self._trace.append((self._reports, trial, value))

    def _finish(self, trial: _Trial, state: TrialState, reason: str) -> None:
        if state is TrialState.COMPLETE:
            assert trial.best is not None, "a trial without a finite report has diverged"
        trial.state = advance(trial.state, state)
        self._searcher.finish(trial.number, state, trial.best, reason)
        self._scheduler.on_finish(trial.number)

    def _replay(self) -> Replay:
        return Replay(
            values=tuple(self._value_at(budget) for budget in self._settings.budgets),
            states=dict(Counter(trial.state.value for trial in self._trials.values())),
            rungs={rung: len(self._rungs[rung]) for rung in sorted(self._rungs)},
            trials=len(self._trials),
            reports=self._reports,
            best_params=self._trace[-1][1].params if self._trace else None,
            ask_seconds=self._ask_seconds,
            seconds=self._workers.now,
            idle=self._workers.idle_share(),
        )

    def _value_at(self, budget: float) -> float | None:
        limit = _num_reports(budget, self._curves)
        place = bisect_right(self._trace, limit, key=lambda improvement: improvement[0])
        return self._trace[place - 1][2] if place else None


def _num_reports(budget: float, curves: Curves) -> int:
    return math.floor(budget * curves.num_steps + 1e-9)


# --- many seeds ---


def regret(value: float | None, reference: Reference) -> float:
    """(best known - value) / (best known - median final), in [0, 1]; without a value 1."""
    if value is None:
        return 1.0
    span = reference.best - reference.median
    # In this order, for 0 over a negative span is -0.0.
    return min(max(0.0, (reference.best - value) / span), 1.0) if span else float(value != reference.best)


def best_known(reference: Reference, replays: Iterable[Replay], mode: Mode) -> Reference:
    """The reference with a best value that is no worse than what any of the replays saw."""
    seen = [value for replay in replays for value in replay.values if value is not None]
    return reference._replace(best=(min if mode == "min" else max)([reference.best, *seen]))


def replay_seeds(
    curves: Curves, search: SearchSpec, settings: Settings, seeds: Sequence[int]
) -> list[Replay]:
    """One replay of `search` for each of `seeds`, with the objects of a real run and a study in memory.

    The search's number of trials is the settings' (the samplers and schedulers look at it), or where they
    have none the most that the budget can hold.
    Raises UsageError when sampler, scheduler and space do not fit, or the budget holds no report.
    """
    num_reports = _num_reports(settings.budget, curves)
    if num_reports < 1:
        raise UsageError(
            f"--budget must hold a report, of which a full training has {curves.num_steps}; found "
            f"{settings.budget:g} full trainings; raise it to 1/{curves.num_steps} or more"
        )
    trials = settings.trials or num_reports
    searches = [search.model_copy(update={"seed": seed, "trials": trials}) for seed in seeds]
    return [_replay_seed(curves, of_seed, settings) for of_seed in searches]


def _replay_seed(curves: Curves, search: SearchSpec, settings: Settings) -> Replay:
    searcher = make_searcher(curves.space, search, storage=None, max_reports=curves.num_steps)
    scheduler = make_scheduler(search, curves.num_steps, curves.space)
    return simulate(curves, searcher, scheduler, settings, search.mode)


def mean_and_error(values: Sequence[float]) -> tuple[float, float | None]:
    """The mean and its standard error; None with fewer than two values."""
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return mean, None
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return mean, math.sqrt(variance / len(values))
