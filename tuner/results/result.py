"""`Result`: an experiment's folder as tables and a best trial.

result = Result.open("results/digits_cnn")
result.trials                 # pandas.DataFrame, one row a trial
result.curves("val/loss")     # trial, step, wall_time_s, value
result.best.params, result.best.value
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from tuner.errors import ResultsError, TunerError
from tuner.records.event_reader import read_scalars
from tuner.records.paths import ExperimentPaths
from tuner.records.rows import TrialRow, best_row, read_trials, trials_frame
from tuner.records.states import TrialState
from tuner.results.export import ExportedModel, export, measure
from tuner.spec import Experiment


@dataclass(frozen=True)
class BestTrial:
    """The best trial of an experiment."""

    number: int
    params: Mapping[str, Any]
    """Name to value, for the active parameters."""
    value: float
    """The best value of the searched metric among the trial's reports."""
    metrics: Mapping[str, float]
    """The best value of every metric of the trial, each in its own direction."""
    paths: ExperimentPaths

    @property
    def experiment(self) -> Experiment:
        """Read from the folder; ResultsError where a function of one's own trained."""
        if Result(self.paths).is_function:
            raise ResultsError(
                "a model can be loaded, measured or exported where one of ours was trained, but this "
                "experiment trains by a function of its own; keep what you need in trial.folder."
            )
        return Experiment.load(self.paths.experiment_yaml)

    def export(self, out: str | Path) -> Path:
        """Writes weights, configuration and preprocessing to the folder `out`; see `tuner predict`."""
        return export(self.experiment, self.params, self.paths, self.number, Path(out))

    def load(self) -> ExportedModel:
        """The trained model, ready to predict."""
        return ExportedModel.of_trial(self.experiment, self.params, self.paths, self.number)

    def measure(self, split: str) -> dict[str, float]:
        """Metrics of the kept weights on `train`, `val` or `test`; none where the split has no rows."""
        return measure(self.experiment, self.params, self.paths, self.number, split)


class Result:
    """Reads an experiment's folder; nothing is written."""

    def __init__(self, paths: ExperimentPaths) -> None:
        self.paths = paths

    @classmethod
    def open(cls, folder: str | Path) -> "Result":
        """The result in an experiment's folder.

        Raises:
            ResultsError: there is no experiment.
        """
        paths = ExperimentPaths(Path(folder))
        if not paths.experiment_yaml.is_file():
            raise ResultsError(
                f"an experiment's folder holds experiment.yaml, but {folder} does not; "
                f"name the folder that `tuner run` printed, e.g. results/digits_cnn."
            )
        return cls(paths)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The experiment file as a plain tree; also of an experiment that trains by a function."""
        tree: dict[str, Any] = yaml.safe_load(self.paths.experiment_yaml.read_text())
        return tree

    @property
    def is_function(self) -> bool:
        """Whether a function of one's own trained, and not one of our models."""
        return "function" in self.settings

    @property
    def metric(self) -> str:
        return str(self.settings["search"]["metric"])

    @property
    def mode(self) -> str:
        return str(self.settings["search"]["mode"])

    @cached_property
    def rows(self) -> list[TrialRow]:
        return read_trials(self.paths.trials_csv) if self.paths.trials_csv.is_file() else []

    @property
    def trials(self) -> pd.DataFrame:
        """One row a trial, columns as in `trials.csv`; absent is missing."""
        return trials_frame(self.rows)

    def curves(self, tag: str | None = None) -> pd.DataFrame:
        """The event files' scalars: trial, step, wall_time_s, value; and tag, when none is asked for."""
        frames = [self._scalars(row.number) for row in self.rows]
        frames = [frame for frame in frames if len(frame)] or [self._scalars(0)]
        every = pd.concat(frames)
        chosen = every if tag is None else every[every["tag"] == tag].drop(columns="tag")
        curves: pd.DataFrame = chosen.reset_index(drop=True)
        return curves

    def _scalars(self, number: int) -> pd.DataFrame:
        frame = read_scalars(self.paths.trial(number).root)
        frame.insert(0, "trial", number)
        renamed: pd.DataFrame = frame.rename(columns={"wall_time": "wall_time_s"})
        return renamed

    @cached_property
    def best(self) -> BestTrial:
        """The best trial that neither failed nor diverged.

        Raises:
            TunerError: no trial has a value.
        """
        row = best_row(self.rows, self.metric, self.mode)
        if row is None:
            states = ", ".join(sorted({row.state.value for row in self.rows})) or "none"
            raise TunerError(
                f"a best trial needs a finite {self.metric}, but no trial of {self.paths.root} has one "
                f"(states: {states}); read the reasons in trials.csv and each trial's log.txt."
            )
        return BestTrial(row.number, row.params, row.best[self.metric], row.best, self.paths)

    def num_by_state(self) -> dict[TrialState, int]:
        counts = {state: sum(row.state is state for row in self.rows) for state in TrialState}
        return {state: count for state, count in counts.items() if count}

    def saved_share(self, max_reports: int | None) -> float | None:
        """The share of a full search's reports that was not trained, because trials ended early."""
        finished = [row for row in self.rows if row.state.is_finished()]
        if not finished or not max_reports:
            return None
        return 1 - sum(row.reports for row in finished) / (len(finished) * max_reports)

    def environment(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.paths.environment_json.read_text())
        return content
