"""Made-up parts to conduct without Ray: clock, searcher, scheduler and gangs that do as they are told."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tuner.execution.conductor import Conductor
from tuner.execution.decisions import read_decisions
from tuner.execution.state import REPORTED
from tuner.records.checkpoints import begin, complete, name_of, newest_sound, write_file, write_manifest
from tuner.records.paths import POSITION, TrialPaths
from tuner.records.states import TrialState
from tuner.search.scheduler import Action, Decision, Resume
from tuner.search.searcher import NO_METRICS, Suggestion
from tuner.training.report import Report

Curve = Callable[[dict[str, Any]], Sequence[float]]


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class ListedSearcher:
    """Suggests the given parameters in their order, and remembers what it is told."""

    def __init__(self, params: Sequence[dict[str, Any]]) -> None:
        self._params = params
        self.num_suggested = 0
        self.reports: list[tuple[int, int, float]] = []
        self.ends: dict[int, tuple[TrialState, float | None, str]] = {}
        self.metrics: dict[int, Mapping[str, float]] = {}
        self.is_slow = False
        """Whether nothing is ready when it is asked."""
        self.leftover: list[Suggestion] = []

    def suggest(self) -> Suggestion | None:
        if self.num_suggested == len(self._params):
            return None
        self.num_suggested += 1
        return Suggestion(self.num_suggested - 1, self._params[self.num_suggested - 1])

    def report(self, number: int, step: int, value: float) -> None:
        self.reports.append((number, step, value))

    def finish(
        self,
        number: int,
        state: TrialState,
        value: float | None,
        reason: str,
        metrics: Mapping[str, float] = NO_METRICS,
    ) -> None:
        assert number not in self.ends, "a trial is told once"
        self.ends[number] = (state, value, reason)
        self.metrics[number] = metrics

    def is_ready(self) -> bool:
        return not self.is_slow

    def close(self) -> list[Suggestion]:
        leftover, self.leftover = self.leftover, []
        return leftover


class PausesAt:
    """Pauses every trial at one report; resumes those that it is told to, the earliest first.

    `is_patient`: it resumes only when no new trial will come.
    """

    def __init__(self, step: int, resumed: Sequence[int] = (), *, is_patient: bool = False) -> None:
        self._step, self._to_resume, self._is_patient = step, list(resumed), is_patient
        self._waiting: set[int] = set()
        self.begun: dict[int, Mapping[str, Any]] = {}

    def on_start(self, number: int, params: Mapping[str, Any]) -> None:
        assert number not in self.begun, "a trial begins once"
        self.begun[number] = params

    def on_report(self, number: int, step: int, value: float) -> Decision:
        if step != self._step:
            return Decision(Action.CONTINUE, "no rung", value=value)
        self._waiting.add(number)
        return Decision(Action.PAUSE, "a rung", rung=step, value=value)

    def on_finish(self, number: int) -> None:
        self._waiting.discard(number)

    def resume(self, *, is_last: bool) -> Resume | None:
        found = [number for number in self._to_resume if number in self._waiting]
        if not found or (self._is_patient and not is_last):
            return None
        self._to_resume.remove(found[0])
        self._waiting.remove(found[0])
        return Resume(found[0], "it was told to")


@dataclass
class MadeUpGangs:
    """Gangs that train side by side, a report each in turn; `curve` gives a trial's values of the metric.

    A trial begins from its newest checkpoint, which here only a pause writes.
    """

    conductor: Conductor
    curve: Curve
    num_gangs: int = 1
    clock: Clock = field(default_factory=Clock)
    seconds: float = 0.0
    """How long a report takes."""

    def __post_init__(self) -> None:
        self._training: list[int] = []
        self._gang_of: dict[int, int] = {}
        self._num_reports: dict[int, int] = {}

    def run(self) -> None:
        """Until nothing is left to do."""
        while self._take_on() or self._training:
            for number in list(self._training):
                self._step(number)

    def _take_on(self) -> bool:
        cut = self.conductor.take_cut()
        self._training = [number for number in self._training if number not in cut]
        found = self.conductor.next() if len(self._training) < self.num_gangs else None
        if found is None:
            return False
        taken = {self._gang_of[number] for number in self._training}
        gang = next(gang for gang in range(self.num_gangs) if gang not in taken)
        self._gang_of[found.number] = gang
        self.conductor.on_start(found.number, gang)
        saved = newest_sound(self.conductor.paths.trial(found.number))
        self._num_reports[found.number] = saved.num_reports if saved else 0
        self._training.append(found.number)
        return self._take_on() or True

    def _step(self, number: int) -> None:
        row = self.conductor.rows[number]
        if row.state.is_finished():
            return
        self.clock.now_s += self.seconds
        values = self.curve(row.params)
        self._num_reports[number] += 1
        step = self._num_reports[number]
        is_last = step == len(values)
        report = Report(
            step,
            {self.conductor.objective.metric: values[step - 1]},
            TrialState.COMPLETE if is_last else None,
            "trained" if is_last else "",
        )
        decision = self.conductor.on_report(number, report, ["node"], [str(self._gang_of[number])])
        if decision.action is Action.PAUSE:
            write_checkpoint(self.conductor.paths.trial(number), report.step)
            self.conductor.on_saved(number)
        if self.conductor.rows[number].state is not TrialState.RUNNING:
            self._training.remove(number)


def write_checkpoint(
    trial: TrialPaths, num_reports: int, keep_last: int = 2, batch: int = 0, num_steps: int = 0
) -> None:
    """A sound one with nothing in it but its position."""
    name = name_of(num_reports, num_steps)
    position = {"num_reports": num_reports, "num_ranks": 1, "batch": batch}
    folder = begin(trial, name)
    entry = write_file(folder, POSITION, json.dumps(position).encode())
    write_manifest(folder, 0, 1, {POSITION: entry})
    complete(trial, name, keep_last)


def reported(conductor: Conductor) -> list[dict[str, Any]]:
    """The lines of reports in `decisions.jsonl`."""
    lines = read_decisions(conductor.paths.decisions)
    return [line for line in lines if line["action"] in REPORTED]


def conduct(conductor: Conductor, curve: Curve, **gangs: Any) -> None:
    """The whole search on made-up gangs, by default one."""
    MadeUpGangs(conductor, curve, **gangs).run()
