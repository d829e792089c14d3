"""The searcher: an Optuna study that is asked and told, and that lives in a file or a database.

Everything that matters is in the study: trials, parameters, reports, ends. A new process that opens the same
study goes on where the old one was (`unfinished` lists what that had not ended), and `optuna-dashboard` and
`optuna.load_study` read it. A trial's end is told as what it was: a stopped trial as PRUNED with its curve,
one that diverged, failed or did not fit as FAIL, so that no sampler takes an early value for a final one or
waits for a trial that is gone. Our own state and reason are the attributes `tuner_state` and `reason`.
"""

import math
from functools import partial
from pathlib import Path

import optuna

from tuner.records.states import TrialState
from tuner.search.distributions import suggest
from tuner.search.grid import check_grid, grid_point
from tuner.search.samplers import FreshSampler
from tuner.search.searcher import Suggestion
from tuner.search.storage import open_storage, open_study
from tuner.spec.sections import SearchSpec
from tuner.spec.space import Space

_TOLD = {
    TrialState.COMPLETE: optuna.trial.TrialState.COMPLETE,
    TrialState.STOPPED: optuna.trial.TrialState.PRUNED,
    TrialState.DIVERGED: optuna.trial.TrialState.FAIL,
    TrialState.INFEASIBLE: optuna.trial.TrialState.FAIL,
    TrialState.FAILED: optuna.trial.TrialState.FAIL,
}


class OptunaSearcher:
    """Any of the samplers over one Optuna study; see `tuner.search.factory.make_searcher`.

    One process at a time asks; it may ask for many trials before it tells the first. An ask writes 3.4 ms
    (5 parameters, local disk), a report 1.3 ms, each synced to disk.
    """

    def __init__(self, space: Space, search: SearchSpec, storage: Path | str, study_name: str) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        if search.sampler == "grid":
            check_grid(space)
        self._space = space
        self._is_grid = search.sampler == "grid" or not space.parameters
        self._storage = open_storage(storage)
        self._study = open_study(self._storage, study_name, space, search, FreshSampler(space, search))
        self._study_id = self._storage.get_study_id_from_name(study_name)

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

    def finish(self, number: int, state: TrialState, value: float | None, reason: str) -> None:
        """End a trial; a COMPLETE one has a finite `value`, a STOPPED one counts with its last report."""
        told = _TOLD[state]
        is_complete = state is TrialState.COMPLETE
        assert not is_complete or (value is not None and math.isfinite(value)), value
        self._storage.set_trial_user_attr(self._id(number), "tuner_state", state.value)
        self._storage.set_trial_user_attr(self._id(number), "reason", reason)
        self._study.tell(number, value if is_complete else None, told)

    def _draw(self, trial: optuna.Trial) -> Suggestion:
        return Suggestion(trial.number, self._space.walk(partial(suggest, trial)))

    def _is_exhausted(self) -> bool:
        number = len(self._study.get_trials(deepcopy=False))
        return self._is_grid and grid_point(self._space, number) is None

    def _id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
