"""A user's own training function as a trial: a generator that yields one report at a time."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuner.errors import TunerError
from tuner.records.states import TrialState
from tuner.training.job import TrainFunction
from tuner.training.report import Objective, Report, Trial


class FunctionTraining:
    """Advances `function(config, trial)` from `yield` to `yield`.

    On a gang of several ranks every rank runs the function inside one `torch.distributed` process group;
    what rank 0 yields is the report.

    A trial that was paused calls the function anew, with `trial.num_reports` above 0.
    """

    def __init__(
        self, function: TrainFunction, config: Mapping[str, Any], trial: Trial, objective: Objective
    ) -> None:
        self._objective = objective
        self._reports = iter(function(dict(config), trial))
        self._num_reports = trial.num_reports

    def step(self) -> Report:
        """The next report.

        Raises:
            TunerError: a report without a metric that the search compares or bounds, or no report at all.
        """
        metrics = next(self._reports, None)
        if metrics is None:
            return self._finished()
        self._num_reports += 1
        for metric in (self._objective.metric, *self._objective.also):
            if metric not in metrics:
                raise TunerError(
                    f"every report must hold the searched metric '{metric}', but report "
                    f"{self._num_reports} holds {sorted(metrics)}; yield it, or search another metric."
                )
        return Report(self._num_reports, {name: float(value) for name, value in metrics.items()})

    def save(self, folder: Path) -> None:
        """A generator cannot be saved; a function keeps what it needs in `trial.folder`."""

    def load(self, folder: Path) -> None:
        """See `save`."""

    def close(self) -> None:
        self._reports = iter(())

    def _finished(self) -> Report:
        if self._num_reports == 0:
            raise TunerError("a training function must yield at least one report, but it ended without any.")
        return Report(
            self._num_reports,
            {},
            TrialState.COMPLETE,
            f"the function ended after {self._num_reports} reports",
        )
