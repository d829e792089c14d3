"""The searcher: an Optuna study that is asked and told, and that lives in a file or a database.

Everything that matters is in the study: trials, parameters, reports, ends. A new process that opens the
same study goes on where the old one was (`unfinished` lists what that had not ended), and `optuna-
dashboard` and `optuna.load_study` read it. A trial's end is told as what it was: a stopped trial as PRUNED
with its curve, an infeasible one as PRUNED with the constraint that it broke, one that diverged or failed
as FAIL, so that nobody takes an early value for a final one or waits for a trial that is gone. Our own
state and reason are the attributes `tuner_state` and `reason`. Trials of earlier experiments, once read,
are the study's attribute `warm_start`: they are no trials of the study, and it goes on without their
folders.

A database may be away for a while: what it broke off is done again (`tuner.search.outage`), and so each
call may have been done before, wholly or in part, without an answer. A report and an attribute are written
again. An end that was written stays. A trial that is there and was never handed out is the next one;
parameters that it has stay, and the others come out as if nothing had happened.
"""

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import astuple
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import optuna
from optuna.trial import FrozenTrial

from tuner.records.states import TrialState
from tuner.search.constraints import FITS, violations
from tuner.search.distributions import distribution, suggest
from tuner.search.grid import grid_point
from tuner.search.history import (
    METRICS,
    REASON,
    STATE,
    Observation,
    from_plain,
    observations,
    to_plain,
)
from tuner.search.outage import Patience
from tuner.search.samplers import Enqueued, FreshSampler
from tuner.search.searcher import NO_METRICS, Suggestion
from tuner.search.storage import name_of, open_storage, open_study
from tuner.search.warm_start import earlier_trials
from tuner.spec.searcher_rules import GRIDS
from tuner.spec.sections import SearchSpec
from tuner.spec.space import Parameter, Space

_TOLD = {
    TrialState.COMPLETE: optuna.trial.TrialState.COMPLETE,
    TrialState.STOPPED: optuna.trial.TrialState.PRUNED,
    TrialState.DIVERGED: optuna.trial.TrialState.FAIL,
    TrialState.INFEASIBLE: optuna.trial.TrialState.PRUNED,
    TrialState.FAILED: optuna.trial.TrialState.FAIL,
}
_WARM_START, _ENQUEUED = "warm_start", "enqueued"
_Result = TypeVar("_Result")


class OptunaSearcher:
    """Any of the samplers over one Optuna study; see `tuner.search.factory.make_searcher`.

    One process at a time asks; it may ask for many trials before it tells the first. An ask writes 3.4 ms
    (5 parameters, local disk), a report 1.3 ms, each synced to disk.

    Every call raises StorageError where the study's database stays away.
    """

    def __init__(
        self,
        space: Space,
        search: SearchSpec,
        storage: Path | str | None,
        study_name: str,
        max_reports: int | None = None,
        patience: Patience | None = None,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space, self._search = space, search
        self._is_grid = search.sampler in GRIDS or not space.parameters
        self._patience, self._storage_name = patience or Patience(), name_of(storage)
        self._storage = open_storage(storage, self._patience)
        self._study = self._patiently(partial(open_study, self._storage, study_name, space, search))
        self._study_id = self._patiently(partial(self._storage.get_study_id_from_name, study_name))
        self._earlier = self._patiently(self._read_earlier)
        self._enqueued = self._patiently(self._read_enqueued)
        self._study.sampler = FreshSampler(space, search, self._earlier, max_reports, self._enqueued)
        self._num_known = len(self._patiently(self._trials))
        """Trials handed out, or left to `unfinished` by an earlier process; hence the next one's number."""

    def suggest(self) -> Suggestion | None:
        """The next trial; None when a grid has no point left."""
        if self._is_exhausted():
            return None
        self._patiently(self._hand_out)
        suggestion = self._patiently(lambda: self._draw(self._next_trial()))
        self._num_known += 1
        return suggestion

    def enqueue(self, key: str, params: Mapping[str, Any]) -> None:
        """The study remembers it, until a trial has it and ever after."""
        if all(one.key != key for one in self._enqueued):
            self._enqueued.append(Enqueued(key, dict(params)))
            self._patiently(self._write_enqueued)

    @property
    def num_waiting(self) -> int:
        return sum(one.number is None for one in self._enqueued)

    def unfinished(self) -> list[Suggestion]:
        """The trials that were suggested, by this process or an earlier one, and have not ended."""
        return self._patiently(self._unfinished)

    def report(self, number: int, step: int, value: float) -> None:
        """Record a report; a value that is not finite has no place in the study and is left out."""
        if math.isfinite(value):
            self._patiently(lambda: self._storage.set_trial_intermediate_value(self._id(number), step, value))

    def finish(
        self,
        number: int,
        state: TrialState,
        value: float | None,
        reason: str,
        metrics: Mapping[str, float] = NO_METRICS,
    ) -> None:
        """End a trial; a COMPLETE one has a finite `value`, a STOPPED one counts with its last report.

        A further objective that is not finite makes a COMPLETE trial one that cannot be compared: FAIL.
        """
        assert state is not TrialState.COMPLETE or (value is not None and math.isfinite(value)), value
        self._patiently(partial(self._end, number, state, value, reason, metrics))

    def observations(self) -> list[Observation]:
        """All that is known: the trials of `search.warm_start` first, then the study's by number."""
        return [*self._earlier, *self._patiently(partial(observations, self._study))]

    def _patiently(self, call: Callable[[], _Result]) -> _Result:
        return self._patience.run(call, self._storage_name)

    def _end(
        self, number: int, state: TrialState, value: float | None, reason: str, metrics: Mapping[str, float]
    ) -> None:
        found = self._storage.get_trial(self._id(number))
        if found.state.is_finished():
            return
        self._note(found, state, reason, metrics)
        values = [value, *(metrics.get(metric) for metric in self._search.also)]
        is_complete = state is TrialState.COMPLETE
        if is_complete and not all(one is not None and math.isfinite(one) for one in values):
            self._study.tell(number, None, optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(number, values if is_complete else None, _TOLD[state])  # type: ignore[arg-type]

    def _note(self, found: FrozenTrial, state: TrialState, reason: str, metrics: Mapping[str, float]) -> None:
        broken = violations(self._search.constraints, metrics)
        if state is TrialState.INFEASIBLE and not any(violation > 0 for violation in broken.values()):
            broken[FITS] = 1.0
        trial = optuna.Trial(self._study, self._id(found.number))
        for name, violation in broken.items():
            # Optuna warns of one that an earlier attempt has set.
            if name not in found.constraints:
                trial.set_constraint(name, violation)
        searched = (*self._search.also, *self._search.constraints)
        kept = {name: metrics[name] for name in searched if name in metrics}
        if kept:
            trial.set_user_attr(METRICS, kept)
        trial.set_user_attr(STATE, state.value)
        trial.set_user_attr(REASON, reason)

    def _read_earlier(self) -> list[Observation]:
        """The study remembers what it was begun with."""
        if not self._search.warm_start:
            return []
        found: list[dict[str, Any]] | None = self._study.user_attrs.get(_WARM_START)
        if found is None:
            earlier = earlier_trials(self._space, self._search)
            self._study.set_user_attr(_WARM_START, [to_plain(seen) for seen in earlier])
            return earlier
        return [from_plain(plain) for plain in found]

    def _read_enqueued(self) -> list[Enqueued]:
        return [Enqueued(*plain) for plain in self._study.user_attrs.get(_ENQUEUED, [])]

    def _write_enqueued(self) -> None:
        self._study.set_user_attr(_ENQUEUED, [astuple(one) for one in self._enqueued])

    def _hand_out(self) -> None:
        """The next trial is the first enqueued one that has none yet, after the points to try first."""
        numbers = [one.number for one in self._enqueued]
        is_taken = self._num_known in numbers or self._num_known < len(self._search.points)
        if None in numbers and not is_taken:
            self._enqueued[numbers.index(None)].number = self._num_known
            self._write_enqueued()

    def _next_trial(self) -> optuna.Trial:
        """A new trial, or the one that was made by an attempt that heard no answer."""
        if not self._has_trial(self._num_known):
            trial = self._study.ask()
            if trial.number == self._num_known:
                return trial
        return self._trial(self._num_known)

    def _unfinished(self) -> list[Suggestion]:
        running = [trial for trial in self._trials() if trial.state is optuna.trial.TrialState.RUNNING]
        return [self._draw(self._trial(trial.number)) for trial in running]

    def _draw(self, trial: optuna.Trial) -> Suggestion:
        """What the trial has, and for the rest what the sampler draws.

        It also draws what the trial has, in vain: so the rest is what it would have been.
        """
        written = trial.params
        key = next((one.key for one in self._enqueued if one.number == trial.number), None)
        with suppress(KeyError):
            return Suggestion(trial.number, self._space.walk(lambda parameter: written[parameter.name]), key)
        found = self._storage.get_trial(self._id(trial.number))

        def value_of(parameter: Parameter) -> Any:
            if parameter.name not in written:
                return suggest(trial, parameter)
            kind = distribution(parameter.domain)
            if not kind.single():
                self._study.sampler.sample_independent(self._study, found, parameter.name, kind)
            return written[parameter.name]

        return Suggestion(trial.number, self._space.walk(value_of), key)

    def _is_exhausted(self) -> bool:
        if self.num_waiting:
            return False
        number = self._num_known - len(self._search.points) - len(self._enqueued)
        return self._is_grid and number >= 0 and grid_point(self._space, number) is None

    def _trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def _trial(self, number: int) -> optuna.Trial:
        # Optuna writes only to trials that it has made or read.
        self._trials()
        return optuna.Trial(self._study, self._id(number))

    def _has_trial(self, number: int) -> bool:
        try:
            self._id(number)
        except KeyError:
            return False
        return True

    def _id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
