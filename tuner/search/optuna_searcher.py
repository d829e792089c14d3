"""The searcher: an Optuna study that is asked and told, and that lives in a file or a database.

Everything that matters is in the study: trials, parameters, reports, ends. A new process that opens the
same study goes on where the old one was (`unfinished` lists what that had not ended), and `optuna-
dashboard` and `optuna.load_study` read it. A trial's end is told as what it was: a stopped trial as PRUNED
with its curve, an infeasible one as PRUNED with the constraint that it broke, one that diverged or failed
as FAIL, so that nobody takes an early value for a final one or waits for a trial that is gone. Our own
state and reason are the attributes `tuner_state` and `reason`. Trials of earlier experiments, once read,
are the study's attribute `warm_start`: they are no trials of the study, and it goes on without their
folders.
"""

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import optuna

from tuner.records.states import TrialState
from tuner.search.constraints import FITS, violations
from tuner.search.distributions import suggest
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
from tuner.search.samplers import FreshSampler
from tuner.search.searcher import NO_METRICS, Suggestion
from tuner.search.storage import open_storage, open_study
from tuner.search.warm_start import earlier_trials
from tuner.spec.searcher_rules import GRIDS
from tuner.spec.sections import SearchSpec
from tuner.spec.space import Space

_TOLD = {
    TrialState.COMPLETE: optuna.trial.TrialState.COMPLETE,
    TrialState.STOPPED: optuna.trial.TrialState.PRUNED,
    TrialState.DIVERGED: optuna.trial.TrialState.FAIL,
    TrialState.INFEASIBLE: optuna.trial.TrialState.PRUNED,
    TrialState.FAILED: optuna.trial.TrialState.FAIL,
}
_WARM_START = "warm_start"


class OptunaSearcher:
    """Any of the samplers over one Optuna study; see `tuner.search.factory.make_searcher`.

    One process at a time asks; it may ask for many trials before it tells the first. An ask writes 3.4 ms
    (5 parameters, local disk), a report 1.3 ms, each synced to disk.
    """

    def __init__(
        self,
        space: Space,
        search: SearchSpec,
        storage: Path | str | None,
        study_name: str,
        max_reports: int | None = None,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space, self._search = space, search
        self._is_grid = search.sampler in GRIDS or not space.parameters
        self._storage = open_storage(storage)
        self._study = open_study(self._storage, study_name, space, search)
        self._study_id = self._storage.get_study_id_from_name(study_name)
        self._earlier = self._read_earlier()
        self._study.sampler = FreshSampler(space, search, self._earlier, max_reports)

    def suggest(self) -> Suggestion | None:
        """The next trial; None when a grid has no point left."""
        if self._is_exhausted():
            return None
        return self._draw(self._study.ask())

    def unfinished(self) -> list[Suggestion]:
        """The trials that were suggested, by this process or an earlier one, and have not ended."""
        running = self._study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,))
        return [self._draw(optuna.Trial(self._study, self._id(trial.number))) for trial in running]

    def report(self, number: int, step: int, value: float) -> None:
        """Record a report; a value that is not finite has no place in the study and is left out."""
        if math.isfinite(value):
            self._storage.set_trial_intermediate_value(self._id(number), step, value)

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
        values = [value, *(metrics.get(metric) for metric in self._search.also)]
        is_complete = state is TrialState.COMPLETE
        assert not is_complete or (value is not None and math.isfinite(value)), value
        self._note(number, state, reason, metrics)
        if is_complete and not all(one is not None and math.isfinite(one) for one in values):
            self._study.tell(number, None, optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(number, values if is_complete else None, _TOLD[state])  # type: ignore[arg-type]

    def observations(self) -> list[Observation]:
        """All that is known: the trials of `search.warm_start` first, then the study's by number."""
        return [*self._earlier, *observations(self._study)]

    def _note(self, number: int, state: TrialState, reason: str, metrics: Mapping[str, float]) -> None:
        broken = violations(self._search.constraints, metrics)
        if state is TrialState.INFEASIBLE and not any(violation > 0 for violation in broken.values()):
            broken[FITS] = 1.0
        trial = optuna.Trial(self._study, self._id(number))
        for name, violation in broken.items():
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

    def _draw(self, trial: optuna.Trial) -> Suggestion:
        return Suggestion(trial.number, self._space.walk(partial(suggest, trial)))

    def _is_exhausted(self) -> bool:
        if not self._is_grid:
            return False
        number = len(self._study.get_trials(deepcopy=False)) - len(self._search.points)
        return number >= 0 and grid_point(self._space, number) is None

    def _id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
