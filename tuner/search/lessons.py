"""What is known of a search in the form in which Optuna's samplers learn from it.

Every model-based sampler is asked in a copy of the study that holds these trials, so that it can learn from
what Optuna would ignore, and from earlier experiments, while the study keeps the plain truth.

- COMPLETE: its value, or values.
- STOPPED: its last value. One that is still in training, or paused, counts as stopped where there is early
  stopping; else it is pending.
- DIVERGED: the worst value known. For TPE, which prefers any complete trial to a stopped one, stopped before
  its first report.
- INFEASIBLE: the worst value known, and for those that read constraints the violation. (With a neutral value
  GP kept going where trials could not run: 13 of 15 late trials in a test, with the worst one 0 to 4.)
- FAILED: nothing, for an error says nothing of the configuration.
"""

import statistics
from collections.abc import Sequence
from dataclasses import replace

import optuna
from optuna.trial import FrozenTrial

from tuner.records.states import TrialState
from tuner.search.constraints import FITS
from tuner.search.distributions import distribution
from tuner.search.history import Observation, last_of
from tuner.spec.sections import SearchSpec
from tuner.spec.space import Space

Told = optuna.trial.TrialState
_CUT = (TrialState.STOPPED, TrialState.RUNNING)


def stops_early(search: SearchSpec) -> bool:
    """Whether trials end before their full budget, so that values of different length meet."""
    return search.scheduler.type != "none" and not search.also


def lessons(
    space: Space,
    search: SearchSpec,
    seen: Sequence[Observation],
    *,
    keeps_stopped: bool = False,
    knows_constraints: bool = True,
) -> list[FrozenTrial]:
    """One trial for each observation that teaches something, in their order.

    Args:
        keeps_stopped: stopped trials as PRUNED ones with their curve, and not as complete.
        knows_constraints: whether the sampler reads constraints.
    """
    teacher = _Teacher(space, search, seen, keeps_stopped, knows_constraints)
    trials = (teacher.lesson(one) for one in seen)
    return [trial for trial in trials if trial is not None]


def at_rung(seen: Sequence[Observation], least: int) -> list[Observation]:
    """The trials as if the highest report that `least` of them have reached were the last; else nothing.

    Those that ended before it are left out, unless they ended badly. It is the rule of BOHB (Falkner et al.,
    2018), whose model learns from the largest budget with enough trials.
    """
    bad = (TrialState.DIVERGED, TrialState.INFEASIBLE)
    sound = [one for one in seen if one.state not in bad]
    steps = sorted({step for one in sound for step in one.curve}, reverse=True)
    enough = (step for step in steps if sum(step in one.curve for one in sound) >= least)
    rung = next(enough, None)
    if rung is None:
        return []
    reached = [
        replace(one, state=TrialState.COMPLETE, value=one.curve[rung])
        if one.state not in bad and rung in one.curve
        else replace(one, curve={})
        for one in seen
    ]
    return [one for one in reached if one.state in (*bad, TrialState.RUNNING) or rung in one.curve]


class _Teacher:
    """How one sampler wants to be told."""

    def __init__(
        self,
        space: Space,
        search: SearchSpec,
        seen: Sequence[Observation],
        keeps_stopped: bool,
        knows_constraints: bool,
    ) -> None:
        self._search, self._keeps_stopped = search, keeps_stopped
        self._distributions = {one.name: distribution(one.domain) for one in space.parameters}
        self._worst = self._worst_of(seen)
        self._usual = _usual_violations(seen) if knows_constraints else {}

    def lesson(self, seen: Observation) -> FrozenTrial | None:
        """The trial to learn from, if there is one."""
        if seen.state is TrialState.DIVERGED:
            return self._diverged(seen)
        if seen.state is TrialState.INFEASIBLE:
            return self._ended(seen, self._worst or [0.0] * (1 + len(self._search.also)))
        values = self._values(seen)
        if values is not None:
            return self._ended(seen, values)
        return self._trial(seen, Told.RUNNING) if seen.state is TrialState.RUNNING else None

    def _diverged(self, seen: Observation) -> FrozenTrial | None:
        if self._keeps_stopped:
            return self._constrained(seen, self._trial(replace(seen, curve={}), Told.PRUNED))
        return self._ended(seen, self._worst) if self._worst else None

    def _ended(self, seen: Observation, values: list[float]) -> FrozenTrial:
        is_pruned = seen.state in _CUT and self._keeps_stopped
        return self._constrained(seen, self._trial(seen, Told.PRUNED if is_pruned else Told.COMPLETE, values))

    def _trial(self, seen: Observation, state: Told, values: list[float] | None = None) -> FrozenTrial:
        return optuna.create_trial(
            state=state,
            values=values,
            params=seen.params,
            distributions={name: self._distributions[name] for name in seen.params},
            intermediate_values=seen.curve if state is Told.PRUNED else None,
            system_attrs=dict(seen.notes),
        )

    def _constrained(self, seen: Observation, trial: FrozenTrial) -> FrozenTrial:
        """With the same constraints as all others, which GP asks for: what is not known is as usual."""
        for name, usual in self._usual.items():
            trial.set_constraint(name, seen.constraints.get(name, usual))
        return trial

    def _values(self, seen: Observation) -> list[float] | None:
        """The objectives of a trial that counts; None where it lacks one of them."""
        if seen.state is TrialState.COMPLETE:
            values = [seen.value, *(seen.metrics.get(metric) for metric in self._search.also)]
            known = [value for value in values if value is not None]
            return known if len(known) == len(values) else None
        is_underway = seen.state is TrialState.RUNNING and stops_early(self._search)
        last = last_of(seen.curve)
        is_cut = seen.state is TrialState.STOPPED or is_underway
        return [last] if is_cut and last is not None and not self._search.also else None

    def _worst_of(self, seen: Sequence[Observation]) -> list[float]:
        """The worst known value of each objective; empty where nothing is known."""
        modes = (self._search.mode, *self._search.also.values())
        rows = [values for values in map(self._values, seen) if values is not None]
        columns = zip(*rows, strict=True)
        return [
            max(column) if mode == "min" else min(column)
            for mode, column in zip(modes, columns, strict=False)
        ]


def _usual_violations(seen: Sequence[Observation]) -> dict[str, float]:
    """The median of each constraint where it is known; that a trial can run is met unless it is said."""
    names = sorted({name for one in seen for name in one.constraints})
    known = {name: [one.constraints[name] for one in seen if name in one.constraints] for name in names}
    return {name: -1.0 if name == FITS else statistics.median(known[name]) for name in names}
