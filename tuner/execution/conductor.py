"""The one place that moves trials from state to state. Knows searcher, scheduler and records; no Ray.

    while (job := conductor.next_job()) is not None:
        ...                                          # a gang trains it, and for each report:
        conductor.on_report(job.number, report, nodes)
    conductor.close("the search was interrupted")

Whoever drives it (Ray Tune's bridges, a test with a made-up gang) calls it from one thread.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tuner.errors import UsageError
from tuner.records.files import append_line
from tuner.records.paths import ExperimentPaths
from tuner.records.rows import TrialRow, best_row, write_trials
from tuner.records.states import TrialState, advance
from tuner.search.scheduler import Action, Decision, Scheduler
from tuner.search.searcher import Searcher, Suggestion
from tuner.spec import METRICS, Experiment
from tuner.training.job import TrialJob
from tuner.training.report import Objective, Report

StoreOf = Callable[[Any], Path]
Listener = Callable[["Conductor"], None]

TABLE_PERIOD_S = 1.0
"""`trials.csv` is rewritten at most this often while trials end, and once at the end."""


class Conductor:
    """Conducts one experiment: hands out trials, hears their reports, decides, and writes it all down.

    Args:
        store_of: the prepared store's folder for a trial's data section.
        gpus_per_gang: GPUs that a running trial holds.
        clock: seconds; a test passes a made-up one.
    """

    def __init__(
        self,
        experiment: Experiment,
        paths: ExperimentPaths,
        searcher: Searcher,
        scheduler: Scheduler,
        *,
        store_of: StoreOf,
        num_gangs: int,
        gpus_per_gang: float = 0.0,
        listeners: Sequence[Listener] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.experiment = experiment
        self.paths = paths
        self.objective = Objective(experiment.search.metric, experiment.search.mode)
        self.rows: dict[int, TrialRow] = {}
        self.is_exhausted = False
        self.started_at_s = clock()
        self._searcher, self._scheduler = searcher, scheduler
        self._store_of = store_of
        self._num_gangs, self._gpus_per_gang = num_gangs, gpus_per_gang
        self._listeners = listeners
        self._clock = clock
        self._started_s: dict[int, float] = {}
        self._table_written_s = -math.inf
        self._directions = _directions(experiment)

    @property
    def num_unfinished(self) -> int:
        return sum(not row.state.is_finished() for row in self.rows.values())

    def next_job(self) -> TrialJob | None:
        """The next trial to start; None when every gang has one or nothing is left to start.

        Parameters that break a rule between them (which the checks at the space's corners cannot see) are an
        INFEASIBLE trial, and the next ones are tried.
        """
        while not self.is_exhausted and self.num_unfinished < self._num_gangs:
            suggestion = self._next_suggestion()
            if suggestion is None:
                return None
            number, params = suggestion
            self.rows[number] = TrialRow(number=number, state=TrialState.QUEUED, params=params)
            self._tell_listeners()
            try:
                return self._job(number, params)
            except UsageError as error:
                self.on_start(number)
                self._finish(number, TrialState.INFEASIBLE, str(error))
        return None

    def on_start(self, number: int) -> None:
        """The trial has its gang."""
        row = self.rows[number]
        row.state = advance(row.state, TrialState.RUNNING)
        self._started_s[number] = self._clock()
        self._tell_listeners()

    def on_report(self, number: int, report: Report, nodes: Sequence[str] = ()) -> Decision:
        """A report of a running trial: writes it down and decides how the trial goes on."""
        self._note(number, report, nodes)
        value = self.objective.of(report.metrics)
        if report.state is not None:
            return self._end_by_itself(number, report, value)
        assert value is not None, "a report holds the searched metric"
        decision = self._scheduler.on_report(number, report.step, value)
        self._searcher.report(number, report.step, value)
        self._write_decision(number, report.step, decision)
        if not math.isfinite(value):
            self._finish(number, TrialState.DIVERGED, decision.reason)
        elif decision.action is Action.STOP:
            self._finish(number, TrialState.STOPPED, decision.reason)
        else:
            self._tell_listeners()
        return decision

    def on_failure(self, number: int, reason: str) -> None:
        """The trial ended by an error that no gang survived, perhaps before it had one."""
        if self.rows[number].state is TrialState.QUEUED:
            self.on_start(number)
        self._finish(number, TrialState.FAILED, reason)

    def close(self, reason: str) -> None:
        """Ends what still runs, for `reason`, and writes the last table."""
        for row in list(self.rows.values()):
            if row.state is TrialState.QUEUED:
                self.on_start(row.number)
            if not row.state.is_finished():
                self._finish(row.number, TrialState.STOPPED, reason)
        write_trials(self.paths.trials_csv, list(self.rows.values()))

    def _next_suggestion(self) -> Suggestion | None:
        is_spent = len(self.rows) >= self.experiment.search.trials
        suggestion = None if is_spent else self._searcher.suggest()
        self.is_exhausted = suggestion is None
        return suggestion

    def _job(self, number: int, params: dict[str, Any]) -> TrialJob:
        common: dict[str, Any] = {
            "number": number,
            "params": params,
            "objective": self.objective,
            "folder": self.paths.trial(number).root,
        }
        if self.experiment.function is not None:
            config = self.experiment.config(params)
            return TrialJob(**common, function=self.experiment.function, config=config)
        spec = self.experiment.resolve(params)
        return TrialJob(**common, spec=spec, store=self._store_of(spec.data))

    def _note(self, number: int, report: Report, nodes: Sequence[str]) -> None:
        row = self.rows[number]
        row.nodes = tuple(nodes)
        row.reports, row.steps = report.step, report.num_steps
        row.last.update(report.metrics)
        for metric, direction in self._directions.items():
            value = report.metrics.get(metric)
            if value is not None and direction.is_better(value, row.best.get(metric)):
                row.best[metric] = value
        self._note_time(row)

    def _note_time(self, row: TrialRow) -> None:
        row.seconds = self._clock() - self._started_s[row.number]
        row.gpu_seconds = row.seconds * self._gpus_per_gang if self._gpus_per_gang else None

    def _end_by_itself(self, number: int, report: Report, value: float | None) -> Decision:
        assert report.state is not None
        if value is not None and math.isfinite(value):
            # The scheduler hears the last report too: later trials are measured against it.
            self._scheduler.on_report(number, report.step, value)
            self._searcher.report(number, report.step, value)
        state, reason = report.state, report.reason
        if state is TrialState.COMPLETE and self.value_of(number) is None:
            state, reason = TrialState.DIVERGED, f"{self.objective.metric} was never finite"
        self._finish(number, state, reason)
        decision = Decision(Action.STOP, reason)
        self._write_decision(number, report.step, decision)
        return decision

    def value_of(self, number: int) -> float | None:
        """A trial's value: the best finite one of its reports, the one whose weights are kept."""
        return self.rows[number].best.get(self.objective.metric)

    def best(self) -> TrialRow | None:
        """The best trial so far among those that did not fail or diverge."""
        return best_row(self.rows.values(), self.objective.metric, self.objective.mode)

    def _finish(self, number: int, state: TrialState, reason: str) -> None:
        row = self.rows[number]
        row.state = advance(row.state, state)
        row.reason = reason
        self._note_time(row)
        self._searcher.finish(number, state, self.value_of(number), reason)
        self._scheduler.on_finish(number)
        self._write_table()
        self._tell_listeners()

    def _write_decision(self, number: int, step: int, decision: Decision) -> None:
        line = {"time_s": self._clock(), "trial": number, "report": step} | asdict(decision)
        append_line(self.paths.decisions, line | {"action": decision.action.value})

    def _write_table(self) -> None:
        if self._clock() - self._table_written_s >= TABLE_PERIOD_S:
            write_trials(self.paths.trials_csv, list(self.rows.values()))
            self._table_written_s = self._clock()

    def _tell_listeners(self) -> None:
        for listener in self._listeners:
            listener(self)


def _directions(experiment: Experiment) -> dict[str, Objective]:
    modes = dict(METRICS[experiment.task]) if experiment.task else {}
    modes[experiment.search.metric] = experiment.search.mode
    return {metric: Objective(metric, mode) for metric, mode in modes.items()}
