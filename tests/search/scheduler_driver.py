"""Drives a scheduler as the conductor does: some workers, trials that begin, pause, go on, end and fail."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from search_cases import make_search

from tuner.search import Action, Decision, Scheduler
from tuner.search.factory import make_scheduler
from tuner.spec.domains import Float
from tuner.spec.space import Parameter, Space

Curve = Callable[[int, int], float]
"""(trial, report) -> value"""

SCHEDULERS: list[dict[str, Any]] = [
    {"type": "auto"},
    {"type": "none"},
    {"type": "asha"},
    {"type": "asha", "grace": 2, "factor": 2},
    {"type": "asha", "brackets": 3},
    {"type": "asha", "variant": "promotion"},
    {"type": "asha", "variant": "promotion", "grace": 2, "factor": 2},
    {"type": "asha", "variant": "promotion", "brackets": 2},
    {"type": "hyperband"},
    {"type": "hyperband", "grace": 2, "factor": 2},
    {"type": "median"},
    {"type": "median", "grace": 3, "min_trials": 1},
    {"type": "iepoch"},
    {"type": "iepoch", "reports": 2, "keep": 2, "first": 6},
    {"type": "extrapolation"},
    {"type": "extrapolation", "grace": 1, "probability": 0.5},
    {"type": "freeze_thaw"},
    {"type": "freeze_thaw", "grace": 2},
]
SPACE = Space((Parameter("x", Float(0.0, 1.0)),))


def make(scheduler: dict[str, Any], mode: str = "min", max_reports: int | None = 27) -> Scheduler:
    return make_scheduler(make_search(scheduler=scheduler, mode=mode), max_reports, SPACE)


def params_of(number: int) -> dict[str, float]:
    """Those of a trial: spread over the space, in the order of a golden ratio's multiples."""
    return {"x": number * 0.618034 % 1}


def falling(seed: int = 0) -> Curve:
    """Noisy power laws that end at different levels."""

    def curve(number: int, step: int) -> float:
        draw = random.Random(f"{seed}/{number}")
        level, size, power = draw.random(), draw.random(), 0.3 + draw.random()
        noise = 0.01 * random.Random(f"{seed}/{number}/{step}").gauss(0, 1)
        return level + size * step**-power + noise

    return curve


@dataclass
class Run:
    """A search under way; `calls` is all that the scheduler was told or asked, with its answers."""

    scheduler: Scheduler
    curve: Curve
    max_reports: int
    num_trials: int = 30
    num_workers: int = 4
    failing: float = 0.0
    """probability that a running trial fails instead of reporting"""
    seed: int = 0
    steps: dict[int, int] = field(default_factory=dict)
    running: list[int] = field(default_factory=list)
    paused: set[int] = field(default_factory=set)
    ended: dict[int, str] = field(default_factory=dict)
    calls: list[tuple[Any, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._draw = random.Random(self.seed)

    def go(self, num_events: int | None = None) -> "Run":
        """On to the end, or for so many events; asserts that each answer is legal."""
        while num_events is None or num_events > 0:
            self._give_work()
            if not self.running:
                self._end_paused()
                break
            self._event(self._draw.choice(self.running))
            num_events = None if num_events is None else num_events - 1
        return self

    def num_reports(self) -> int:
        return sum(self.steps.values())

    def _give_work(self) -> None:
        while len(self.running) < self.num_workers and (number := self._next()) is not None:
            self.running.append(number)

    def _next(self) -> int | None:
        is_last = len(self.steps) >= self.num_trials
        resume = self.scheduler.resume(is_last=is_last)
        self.calls.append(("resume", is_last, resume))
        if resume is not None:
            assert resume.reason
            self.paused.remove(resume.number)  # only what is paused can be named
            return resume.number
        if is_last:
            return None
        number = len(self.steps)
        self.steps[number] = 0
        self.scheduler.on_start(number, params_of(number))
        self.calls.append(("start", number))
        return number

    def _event(self, number: int) -> None:
        if self._draw.random() < self.failing:
            self._end(number, "FAILED")
            return
        self.steps[number] += 1
        step = self.steps[number]
        value = self.curve(number, step)
        decision = self.scheduler.on_report(number, step, value)
        self.calls.append(("report", number, step, value, decision))
        self._obey(number, step, value, decision)

    def _obey(self, number: int, step: int, value: float, decision: Decision) -> None:
        assert decision.reason
        if not math.isfinite(value):
            assert decision.action is Action.STOP
            self._end(number, "DIVERGED")
        elif step == self.max_reports:
            assert decision.action is Action.CONTINUE
            self._end(number, "COMPLETE")
        elif decision.action is Action.STOP:
            self._end(number, "STOPPED")
        elif decision.action is Action.PAUSE:
            self.running.remove(number)
            self.paused.add(number)

    def _end(self, number: int, state: str) -> None:
        self.running.remove(number)
        self._finish(number, state)

    def _finish(self, number: int, state: str) -> None:
        self.ended[number] = state
        self.scheduler.on_finish(number)
        self.calls.append(("finish", number))

    def _end_paused(self) -> None:
        for number in sorted(self.paused):
            self._finish(number, "STOPPED")
        self.paused.clear()


def replay(scheduler: Scheduler, calls: list[tuple[Any, ...]]) -> list[Decision]:
    """Tells a fresh scheduler what another one was told; a resume as a start. Returns its decisions."""
    decisions = []
    for call in calls:
        if call[0] == "start":
            scheduler.on_start(call[1], params_of(call[1]))
        elif call[0] == "report":
            decisions.append(scheduler.on_report(*call[1:4]))
        elif call[0] == "finish":
            scheduler.on_finish(call[1])
        elif call[2] is not None:
            scheduler.on_start(call[2].number, params_of(call[2].number))
    return decisions
