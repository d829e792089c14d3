"""What becomes of a report: the scheduler decides, it breaks a bound, or the trial ends by itself.

    verdict = judge.verdict(number, report)
    verdict.decision, verdict.end, verdict.heard

Nothing is written and no state but the scheduler's own changes.
"""

import math
from dataclasses import dataclass

from tuner.errors import ExperimentError
from tuner.execution.state import SearchState
from tuner.records.states import TOLD_TO_STOP, TrialState
from tuner.search.constraints import broken_bound
from tuner.search.scheduler import Action, Decision, Scheduler, stop_if_not_finite
from tuner.spec.domains import known, show
from tuner.spec.sections import SearchSpec
from tuner.training.report import Objective, Report

TOLD_TO_PAUSE = "somebody told it to pause"


@dataclass(frozen=True)
class Verdict:
    """What becomes of a report."""

    decision: Decision
    end: TrialState | None = None
    """The state in which the trial ends with it."""
    heard: float | None = None
    """What the scheduler was told; None: nothing."""


class Judge:
    """Judges the reports of one search. `state`: where the search stands before the report."""

    def __init__(
        self, search: SearchSpec, objective: Objective, scheduler: Scheduler, state: SearchState
    ) -> None:
        self.error: ExperimentError | None = None
        """What is wrong with the experiment, where only a trial's report could tell."""
        self._search, self._objective = search, objective
        self._scheduler, self._state = scheduler, state

    def verdict(self, number: int, report: Report) -> Verdict:
        value = self._objective.of(report.metrics)
        missing, broken = self._missing(report), self._broken_bound(number, report)
        if missing is not None:
            return self._lack(number, report, missing)
        if broken is not None:
            return self._refuse(number, report, broken)
        if report.state is not None:
            return self._end_by_itself(number, report, value)
        assert value is not None, "a report holds the searched metric"
        return self._judge(number, report.step, value)

    def _judge(self, number: int, step: int, value: float) -> Verdict:
        row = self._state.rows[number]
        if not row.is_judged:
            reason = "a fresh run trains to its end" if row.donor is None else "a clone trains to its end"
            go_on = Decision(Action.CONTINUE, reason, value=value)
            decision, heard = stop_if_not_finite(step, value) or go_on, None
        else:
            decision, heard = self._scheduler.on_report(number, step, value), value
        if number in self._state.told_to_stop:
            decision = Decision(Action.STOP, TOLD_TO_STOP, value=decision.value)
        if not math.isfinite(value):
            return Verdict(decision, TrialState.DIVERGED, heard)
        is_stopped = decision.action is Action.STOP
        return Verdict(decision, TrialState.STOPPED if is_stopped else None, heard)

    def _end_by_itself(self, number: int, report: Report, value: float | None) -> Verdict:
        assert report.state is not None
        is_finite = value is not None and math.isfinite(value)
        heard = value if is_finite and self._state.rows[number].is_judged else None
        if heard is not None:
            # The scheduler hears the last report too: later trials are measured against it.
            self._scheduler.on_report(number, report.step, heard)
        state, reason = report.state, report.reason
        has_value = is_finite or self._objective.metric in self._state.rows[number].best
        if state is TrialState.COMPLETE and not has_value:
            state, reason = TrialState.DIVERGED, f"{self._objective.metric} was never finite"
        return Verdict(Decision(Action.STOP, reason), state, heard)

    def _missing(self, report: Report) -> str | None:
        """A metric that is compared or bounded and that the report does not hold; None: it holds all."""
        is_row = bool(report.metrics) or report.state is None
        if report.state not in (None, TrialState.COMPLETE) or not is_row:
            return None
        needed = (self._objective.metric, *self._objective.also)
        return next((metric for metric in needed if metric not in report.metrics), None)

    def _lack(self, number: int, report: Report, metric: str) -> Verdict:
        """A function of one's own reports no `metric`: where no trial ever has, none ever will."""
        found = f"found no {show(metric)} in report {report.step} of trial {number}"
        reason = f"{_place(self._search, metric)} must be in every report of the training function; "
        reason += found + known(metric, sorted(report.metrics))
        is_known = any(metric in row.last for row in self._state.rows.values())
        if not is_known and not self._state.is_over:
            self.error = ExperimentError(reason)
        return Verdict(Decision(Action.STOP, reason), TrialState.FAILED)

    def _broken_bound(self, number: int, report: Report) -> str | None:
        """What the report breaks, of a fresh run too; nothing where the trial ended badly anyway."""
        if report.state not in (None, TrialState.COMPLETE):
            return None
        return broken_bound(self._search.constraints, report.metrics)

    def _refuse(self, number: int, report: Report, reason: str) -> Verdict:
        """The report breaks a bound of `search.constraints`; no other trial is measured against it.

        The scheduler hears of a trial that ends badly as of one that diverges.
        """
        heard = math.nan if self._state.rows[number].is_judged else None
        if heard is not None:
            self._scheduler.on_report(number, report.step, heard)
        return Verdict(Decision(Action.STOP, reason), TrialState.INFEASIBLE, heard)


def _place(search: SearchSpec, metric: str) -> str:
    """Where the experiment names a metric."""
    if metric == search.metric:
        return "search.metric"
    return f"search.also.{metric}" if metric in search.also else f"search.constraints.{metric}"
