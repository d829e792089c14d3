"""Made-up parts to conduct without Ray: a clock, a searcher that lists its trials, a gang of numbers."""

from collections.abc import Callable, Sequence
from typing import Any

from tuner.execution.conductor import Conductor
from tuner.records.states import TrialState
from tuner.search.searcher import Suggestion
from tuner.training.report import Report


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

    def suggest(self) -> Suggestion | None:
        if self.num_suggested == len(self._params):
            return None
        self.num_suggested += 1
        return Suggestion(self.num_suggested - 1, self._params[self.num_suggested - 1])

    def report(self, number: int, step: int, value: float) -> None:
        self.reports.append((number, step, value))

    def finish(self, number: int, state: TrialState, value: float | None, reason: str) -> None:
        assert number not in self.ends, "a trial is told once"
        self.ends[number] = (state, value, reason)


def conduct(conductor: Conductor, curve: Callable[[dict[str, Any]], Sequence[float]]) -> None:
    """One gang that trains trial after trial; `curve` gives a trial's values of the searched metric."""
    while (job := conductor.next_job()) is not None:
        conductor.on_start(job.number)
        values = curve(dict(job.params))
        for step, value in enumerate(values, start=1):
            is_last = step == len(values)
            report = Report(
                step,
                {conductor.objective.metric: value},
                TrialState.COMPLETE if is_last else None,
                "trained" if is_last else "",
            )
            conductor.on_report(job.number, report, ["node"])
            if conductor.rows[job.number].state.is_finished():
                break
