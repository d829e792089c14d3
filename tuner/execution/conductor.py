"""The one place that moves trials from state to state. Knows searcher, scheduler and records; no Ray.

    found = conductor.next()                             # a gang is free
    if isinstance(found, TrialJob): ...                  # it begins a trial
    elif found is not None: ...                          # it goes on with the paused trial found.number
    conductor.on_start(number)                           # the gang has it, and for each report:
    decision = conductor.on_report(number, report, nodes)
    if decision.action is Action.PAUSE: ...              # its checkpoint is written, and then:
        conductor.on_saved(number)
    for number in conductor.take_cut(): ...              # ended without a report: stop them, if they run
    conductor.close("the search was interrupted")

Whoever drives it (Ray Tune's bridges, a test with a made-up gang) calls it from one thread.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tuner.errors import ExperimentError, UsageError
from tuner.execution.confirmation import FreshRun, due
from tuner.execution.stopwatch import Stopwatch
from tuner.records.checkpoints import drop_checkpoints, take_over
from tuner.records.confirmation import note
from tuner.records.files import append_line
from tuner.records.paths import ExperimentPaths
from tuner.records.rows import TrialRow, best_row, write_trials
from tuner.records.states import TrialState, advance
from tuner.search.ahead import Asker
from tuner.search.constraints import broken_bound
from tuner.search.scheduler import (
    Action,
    Copies,
    Decision,
    Exploit,
    Resume,
    Scheduler,
    stop_if_not_finite,
)
from tuner.search.searcher import Suggestion
from tuner.search.stopping import Progress, StopRules, Waiting
from tuner.spec import METRICS, Experiment, SearchSpec
from tuner.spec.domains import known, show
from tuner.training.job import TrialJob
from tuner.training.report import Objective, Report

StoreOf = Callable[[Any], Path]
Listener = Callable[["Conductor"], None]

_ON_A_GANG = {TrialState.QUEUED, TrialState.RUNNING}
TABLE_PERIOD_S = 1.0
"""`trials.csv` is rewritten at most this often while trials end, and once at the end."""


class Conductor:
    """Conducts one experiment: hands out trials, hears their reports, decides, and writes it all down.

    Args:
        asker: the searcher, as `tuner.search.ahead.make_asker` makes it.
        store_of: the prepared store's folder for a trial's data section.
        gpus_per_gang: GPUs that a running trial holds.
        clock: seconds; a test passes a made-up one.
    """

    def __init__(
        self,
        experiment: Experiment,
        paths: ExperimentPaths,
        asker: Asker,
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
        self.objective = _objective(experiment.search)
        self.rows: dict[int, TrialRow] = {}
        self.is_search_over = False
        self.end_reason: str | None = None
        """Why the search ended before its trials were spent; None where it did not."""
        self.error: ExperimentError | None = None
        """What was wrong with the experiment, where only a trial's report could tell; it ended the search."""
        self.started_at_s = clock()
        self._asker, self._scheduler = asker, scheduler
        self._rules = StopRules(experiment.search)
        self._store_of = store_of
        self._num_gangs, self._gpus_per_gang = num_gangs, gpus_per_gang
        self._listeners = listeners
        self._clock = clock
        self._num_suggested, self._is_space_exhausted = 0, False
        self._watch = Stopwatch(clock)
        self._pausing: set[int] = set()
        self._going_on: set[int] = set()
        self._copies: set[int] = set()
        self._cut: list[int] = []
        self._waiting = Waiting(experiment.search.mode)
        self._table_written_s = -math.inf
        self._directions = _directions(experiment)

    @property
    def is_exhausted(self) -> bool:
        """Whether no new trial will come."""
        is_spent = self._num_suggested >= self.experiment.search.trials
        return is_spent or self._is_space_exhausted or self.is_search_over

    @property
    def is_over(self) -> bool:
        """Whether `next` will never find anything again, and nothing runs."""
        return self.is_search_over and self._num_busy == 0 and not self._due()

    @property
    def _num_busy(self) -> int:
        """Gangs that have a trial or are promised one. One that pauses keeps its gang until it is saved."""
        return sum(row.state in _ON_A_GANG for row in self.rows.values()) + len(self._going_on)

    def next(self) -> TrialJob | Resume | None:
        """What a free gang does next: begin a trial, go on with a paused one, or (None) wait.

        A paused one that goes on as a copy of another has a new job, whose `num_reports` is above 0.

        None also when no gang is free, and while a suggestion is still drawn. When nothing is left to begin
        or to go on with and nothing runs, the search is over; then come the fresh runs that confirm its best.
        """
        self._check_rules()
        if self._num_busy >= self._num_gangs:
            return None
        if self.is_search_over:
            return self._confirm()
        found = self._resume() or self._begin()
        if found is None and self.is_exhausted:
            # The scheduler has not heard yet that the last trial has begun.
            found = self._resume()
        if found is None and self.is_exhausted and self._num_busy == 0:
            self._end_search()
            return self._confirm()
        return found

    def on_start(self, number: int) -> None:
        """The trial has its gang, for the first time or again."""
        row = self.rows[number]
        if row.state is TrialState.QUEUED and row.confirms is None:
            self._scheduler.on_start(number, row.params)
        row.state = advance(row.state, TrialState.RUNNING)
        self._going_on.discard(number)
        self._watch.start(number)
        self._tell_listeners()

    def on_saved(self, number: int) -> None:
        """The trial's checkpoint is written: where it pauses, its gang is free from here on."""
        if number not in self._pausing:
            return
        self._pausing.remove(number)
        row = self.rows[number]
        row.state = advance(row.state, TrialState.PAUSED)
        self._watch.stop(number)
        self._note_time(row)
        self._note_halt(number)
        if isinstance(self._scheduler, Copies):
            self._scheduler.on_saved(number)
        self._tell_listeners()

    def on_report(self, number: int, report: Report, nodes: Sequence[str] = ()) -> Decision:
        """A report of a running trial: writes it down and decides how the trial goes on."""
        self._note(number, report, nodes)
        value = self.objective.of(report.metrics)
        missing, broken = self._missing(report), self._broken_bound(number, report)
        if missing is not None:
            decision = self._lack(number, report, missing)
        elif broken is not None:
            decision = self._refuse(number, report, value, broken)
        elif report.state is not None:
            decision = self._end_by_itself(number, report, value)
        else:
            assert value is not None, "a report holds the searched metric"
            decision = self._judge(number, report, value)
        self._check_rules()
        if decision.action is not Action.STOP and self.rows[number].state.is_finished():
            return Decision(Action.STOP, self.rows[number].reason, value=value)
        return decision

    def on_failure(self, number: int, reason: str) -> None:
        """The trial ended by an error that no gang survived, perhaps before it had one."""
        if self.rows[number].state in {TrialState.QUEUED, TrialState.PAUSED}:
            self.on_start(number)
        self._finish(number, TrialState.FAILED, reason)

    def take_cut(self) -> list[int]:
        """The trials that ended since the last call without a word of their own."""
        cut, self._cut = self._cut, []
        return cut

    def close(self, reason: str) -> None:
        """Ends what still runs or waits, for `reason`, and writes the last table."""
        self._end_search(reason)
        write_trials(self.paths.trials_csv, list(self.rows.values()))

    def _resume(self) -> TrialJob | Resume | None:
        resume = self._scheduler.resume(is_last=self.is_exhausted)
        if resume is None:
            return None
        self._going_on.add(resume.number)
        if isinstance(resume, Exploit):
            return self._exploit(resume)
        row = self.rows[resume.number]
        self._write_line(row.number, row.reports, {"action": "RESUME", "reason": resume.reason})
        return resume

    def _exploit(self, exploit: Exploit) -> TrialJob:
        """The job with which a paused trial goes on from the donor's state, with its new parameters."""
        row = self.rows[exploit.number]
        donor, receiver = self.paths.trial(exploit.donor), self.paths.trial(row.number)
        take_over(donor, receiver, self.value_of(row.number))
        content = {"reason": exploit.reason, "donor": exploit.donor, "old": row.params, "new": exploit.params}
        self._write_line(row.number, row.reports, {"action": "EXPLOIT", **content})
        self._tell_of_copy(row, exploit.reason)
        row.params = dict(exploit.params)
        return replace(self._job(row.number, row.params), num_reports=row.reports)

    def _tell_of_copy(self, row: TrialRow, reason: str) -> None:
        """For the searcher the trial ends here: what comes is not owed to the parameters that it drew."""
        if row.number not in self._copies:
            self._copies.add(row.number)
            self._asker.finish(row.number, TrialState.STOPPED, self.value_of(row.number), reason, row.last)

    def _begin(self) -> TrialJob | None:
        """The next trial to begin.

        Parameters that break a rule between them (which the checks at the space's corners cannot see) are an
        INFEASIBLE trial, and the next ones are tried.
        """
        while (suggestion := self._suggestion()) is not None:
            number, params = self._add(suggestion)
            try:
                return self._job(number, params)
            except UsageError as error:
                self.on_start(number)
                self._finish(number, TrialState.INFEASIBLE, str(error))
        return None

    def _due(self) -> list[FreshRun]:
        return due(self.rows.values(), self.experiment)

    def _confirm(self) -> TrialJob | None:
        """The next fresh run of one of the search's best trials, as a further trial."""
        run = next(iter(self._due()), None)
        if run is None:
            return None
        number, params = len(self.rows), dict(self.rows[run.confirms].params)
        self.rows[number] = TrialRow(number, TrialState.QUEUED, params, confirms=run.confirms, seed=run.seed)
        self._tell_listeners()
        return self._job(number, params, run.seed)

    def _suggestion(self) -> Suggestion | None:
        # With nothing running there is nothing better to do than to wait for one.
        if self.is_exhausted or (self._num_busy > 0 and not self._asker.is_ready()):
            return None
        suggestion = self._asker.suggest()
        self._is_space_exhausted = suggestion is None
        return suggestion

    def _add(self, suggestion: Suggestion) -> Suggestion:
        number, params = suggestion
        self._num_suggested += 1
        self.rows[number] = TrialRow(number=number, state=TrialState.QUEUED, params=params)
        self._tell_listeners()
        return suggestion

    def _check_rules(self) -> None:
        """Ends the search where a rule of `search.stop` says so."""
        if self.is_search_over or self._rules.is_empty:
            return
        reason = self._rules.check(self._progress())
        if reason is not None:
            self._end_early(reason)

    def _end_early(self, reason: str) -> None:
        self.end_reason = reason
        self._write_line(None, None, {"action": "END", "reason": reason})
        self._end_search(reason)

    def _progress(self) -> Progress:
        metric, best = self.objective.metric, self.best()
        seen = [row for row in self.rows.values() if row.state not in _ON_A_GANG]
        seconds = sum(self._watch.seconds(number) for number in self.rows)
        return Progress(
            hours=(self._clock() - self.started_at_s) / 3600,
            gpu_hours=seconds * self._gpus_per_gang / 3600,
            best=best.best[metric] if best else None,
            waited=self._waiting.num_trials,
            seen=[row.best[metric] for row in seen if row.is_sound and metric in row.best],
        )

    def _note_halt(self, number: int) -> None:
        """The trial has finished or paused: what `search.stop.patience` counts."""
        if self._rules.is_empty:
            return
        best = self.best()
        if best is None:
            self._waiting.note(number, None, None)
        else:
            self._waiting.note(number, best.number, best.best[self.objective.metric])

    def _end_search(self, reason: str | None = None) -> None:
        """No trial begins or goes on any more; what runs or waits is stopped."""
        self.is_search_over = True
        for suggestion in self._asker.close():
            self._add(suggestion)
        for row in list(self.rows.values()):
            if not row.state.is_finished():
                self._cut_off(row, reason or _left_behind(row))

    def _cut_off(self, row: TrialRow, reason: str) -> None:
        if row.state is TrialState.QUEUED:
            self.on_start(row.number)
        self._finish(row.number, TrialState.STOPPED, reason)
        self._cut.append(row.number)

    def _job(self, number: int, params: dict[str, Any], seed: int | None = None) -> TrialJob:
        """`seed`: that of a fresh run; None: the configuration's own."""
        common: dict[str, Any] = {
            "number": number,
            "params": params,
            "objective": self.objective,
            "folder": self.paths.trial(number).root,
            "seed": self.experiment.search.seed if seed is None else seed,
        }
        if self.experiment.function is not None:
            config = self.experiment.config(params)
            most = self.experiment.max_reports
            return TrialJob(**common, function=self.experiment.function, config=config, max_reports=most)
        spec = self.experiment.resolve(params)
        spec = spec if seed is None else spec.with_seed(seed)
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
                if metric == self.objective.metric and self.experiment.search.also:
                    row.objectives = _objectives(self.experiment.search, report.metrics)
        self._note_time(row)

    def _note_time(self, row: TrialRow) -> None:
        row.seconds = self._watch.seconds(row.number)
        row.gpu_seconds = row.seconds * self._gpus_per_gang if self._gpus_per_gang else None

    def _judge(self, number: int, report: Report, value: float) -> Decision:
        decision = self._hear(number, report.step, value)
        self._write_decision(number, report.step, decision)
        if not math.isfinite(value):
            self._finish(number, TrialState.DIVERGED, decision.reason)
        elif decision.action is Action.STOP:
            self._finish(number, TrialState.STOPPED, decision.reason)
        elif decision.action is Action.PAUSE:
            self._pausing.add(number)
        self._tell_listeners()
        return decision

    def _hear(self, number: int, step: int, value: float) -> Decision:
        """The scheduler's decision on a value that the searcher hears too; a fresh run concerns neither."""
        if self.rows[number].confirms is not None:
            go_on = Decision(Action.CONTINUE, "a fresh run trains to its end", value=value)
            return stop_if_not_finite(step, value) or go_on
        decision = self._scheduler.on_report(number, step, value)
        if number not in self._copies:
            self._asker.report(number, step, value)
        return decision

    def _end_by_itself(self, number: int, report: Report, value: float | None) -> Decision:
        assert report.state is not None
        if value is not None and math.isfinite(value):
            # The scheduler hears the last report too: later trials are measured against it.
            self._hear(number, report.step, value)
        state, reason = report.state, report.reason
        if state is TrialState.COMPLETE and self.value_of(number) is None:
            state, reason = TrialState.DIVERGED, f"{self.objective.metric} was never finite"
        self._finish(number, state, reason)
        decision = Decision(Action.STOP, reason)
        self._write_decision(number, report.step, decision)
        return decision

    def _missing(self, report: Report) -> str | None:
        """A metric that is compared or bounded and that the report does not hold; None: it holds all."""
        is_row = bool(report.metrics) or report.state is None
        if report.state not in (None, TrialState.COMPLETE) or not is_row:
            return None
        needed = (self.objective.metric, *self.objective.also)
        return next((metric for metric in needed if metric not in report.metrics), None)

    def _lack(self, number: int, report: Report, metric: str) -> Decision:
        """A function of one's own reports no `metric`: where no trial ever has, none ever will."""
        found = f"found no {show(metric)} in report {report.step} of trial {number}"
        reason = (
            f"{_place(self.experiment.search, metric)} must be in every report of the training function; "
        )
        reason += found + known(metric, sorted(report.metrics))
        self._finish(number, TrialState.FAILED, reason)
        decision = Decision(Action.STOP, reason)
        self._write_decision(number, report.step, decision)
        is_known = any(metric in row.last for row in self.rows.values())
        if not is_known and not self.is_search_over:
            self.error = ExperimentError(reason)
            self._end_early(reason)
        return decision

    def _broken_bound(self, number: int, report: Report) -> str | None:
        """What the report breaks, of a fresh run too; nothing where the trial ended badly anyway."""
        if report.state not in (None, TrialState.COMPLETE):
            return None
        return broken_bound(self.experiment.search.constraints, report.metrics)

    def _refuse(self, number: int, report: Report, value: float | None, reason: str) -> Decision:
        """The report breaks a bound of `search.constraints`; no other trial is measured against it.

        The scheduler hears of a trial that ends badly as of one that diverges.
        """
        if self.rows[number].confirms is None:
            self._scheduler.on_report(number, report.step, math.nan)
            if value is not None and number not in self._copies:
                self._asker.report(number, report.step, value)
        self._finish(number, TrialState.INFEASIBLE, reason)
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
        self._watch.stop(number)
        self._note_time(row)
        self._pausing.discard(number)
        self._going_on.discard(number)
        if row.confirms is None:
            self._note_halt(number)
            self._tell_of_end(row)
            self._scheduler.on_finish(number)
        elif self.experiment.confirm is not None:
            note(self.rows.values(), self.experiment.confirm, self.objective.metric, self.objective.mode)
        self._drop_checkpoint(number)
        self._write_table()
        self._tell_listeners()

    def _tell_of_end(self, row: TrialRow) -> None:
        if row.number in self._copies:
            return
        is_outside = row.state is TrialState.INFEASIBLE
        metrics = row.objectives | row.last if is_outside else row.last | row.objectives
        self._asker.finish(row.number, row.state, self.value_of(row.number), row.reason, metrics)

    def _drop_checkpoint(self, number: int) -> None:
        """A trial that has ended is never resumed; its best weights stay."""
        drop_checkpoints(self.paths.trial(number))

    def _write_decision(self, number: int, step: int, decision: Decision) -> None:
        self._write_line(number, step, asdict(decision) | {"action": decision.action.value})

    def _write_line(self, number: int | None, step: int | None, content: dict[str, Any]) -> None:
        line = {"time_s": self._clock(), "trial": number, "report": step}
        append_line(self.paths.decisions, line | content)

    def _write_table(self) -> None:
        if self._clock() - self._table_written_s >= TABLE_PERIOD_S:
            write_trials(self.paths.trials_csv, list(self.rows.values()))
            self._table_written_s = self._clock()

    def _tell_listeners(self) -> None:
        for listener in self._listeners:
            listener(self)


def _left_behind(row: TrialRow) -> str:
    return f"paused at report {row.reports} and not among those that went on"


def _place(search: SearchSpec, metric: str) -> str:
    """Where the experiment names a metric."""
    if metric == search.metric:
        return "search.metric"
    return f"search.also.{metric}" if metric in search.also else f"search.constraints.{metric}"


def _objective(search: SearchSpec) -> Objective:
    return Objective(search.metric, search.mode, also=(*search.also, *search.constraints))


def _objectives(search: SearchSpec, metrics: Mapping[str, float]) -> dict[str, float]:
    return {metric: metrics[metric] for metric in (search.metric, *search.also) if metric in metrics}


def _directions(experiment: Experiment) -> dict[str, Objective]:
    modes = dict(METRICS[experiment.task]) if experiment.task else {}
    modes |= {experiment.search.metric: experiment.search.mode, **experiment.search.also}
    return {metric: Objective(metric, mode) for metric, mode in modes.items()}
