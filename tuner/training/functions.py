"""A user's own training function as a trial: a generator that yields one report at a time."""

import math
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

    A trial that was paused calls the function anew, with `trial.num_reports` above 0. With the report
    `max_reports` (None: as many as it likes) the trial is COMPLETE, whatever the function would still yield:
    it is closed at that `yield`, as generators are.
    """

    def __init__(
        self,
        function: TrainFunction,
        config: Mapping[str, Any],
        trial: Trial,
        objective: Objective,
        max_reports: int | None = None,
    ) -> None:
        self._objective = objective
        self._max_reports = max_reports
        self._reports = iter(function(dict(config), trial))
        self._num_reports = trial.num_reports

    def step(self) -> Report:
        """The next report, of whatever metrics the function yields. Raises TunerError when it yields none."""
        metrics = next(self._reports, None)
        if metrics is None:
            return self._finished()
        self._num_reports += 1
        return self._report({name: float(value) for name, value in metrics.items()})

    def save(self, folder: Path) -> None:
        """A generator cannot be saved; a function keeps what it needs in `trial.folder`."""

    def load(self, folder: Path) -> None:
        """See `save`."""

    def close(self) -> None:
        self._reports = iter(())

    def _report(self, metrics: dict[str, float]) -> Report:
        step, value = self._num_reports, self._objective.of(metrics)
        is_finite = value is not None and math.isfinite(value)  # else the trial has diverged
        if self._max_reports is None or step < self._max_reports or not is_finite:
            return Report(step, metrics)
        return Report(
            step, metrics, TrialState.COMPLETE, f"trained max_reports = {self._max_reports} reports"
        )

    def _finished(self) -> Report:
        if self._num_reports == 0:
            raise TunerError("a training function must yield at least one report, but it ended without any.")
        return Report(
            self._num_reports,
            {},
            TrialState.COMPLETE,
            f"the function ended after {self._num_reports} reports",
        )
