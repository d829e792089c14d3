"""`Result`: an experiment's folder as tables and a best trial.

result = Result.open("results/digits_cnn")
result.trials                 # pandas.DataFrame, one row a trial
result.curves("val/loss")     # trial, step, wall_time_s, value
result.best.params, result.best.value
result.front                  # the trials that no other beats in every objective
result.confirmation           # the best trials ranked by fresh runs; None without `confirm`

Only what needs a trained model loads torch.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from tuner.errors import ResultsError, TunerError
from tuner.records.confirmation import Confirmation, Confirmed, Estimate, confirmation_of
from tuner.records.paths import ExperimentPaths
from tuner.records.rows import TrialRow, best_row, read_trials, search_rows, trials_frame
from tuner.records.states import TrialState
from tuner.results.aggregate import read_tables
from tuner.results.confirmation import run_metrics
from tuner.results.front import front_rows
from tuner.results.standing import end_of, standing_of
from tuner.spec import Experiment
from tuner.spec.domains import show
from tuner.spec.reading import read_file
from tuner.spec.sections import ConfirmSpec

if TYPE_CHECKING:
    from tuner.data import Manifest
    from tuner.results.export import ExportedModel


@dataclass(frozen=True)
class BestTrial:
    """The best trial of an experiment: the confirmed winner, or where none is, the best of the search."""

    number: int
    params: Mapping[str, Any]
    """Name to value, for the active parameters."""
    value: float
    """The best value of the searched metric among the trial's reports; of a winner, its fresh runs' mean."""
    metrics: Mapping[str, float]
    """The best value of every metric of the trial, each in its own direction; of a winner, means too."""
    paths: ExperimentPaths
    confirmed: Confirmed | None = None
    """The fresh runs of a confirmed winner."""
    seed: int | None = None
    """That of the run whose weights are taken, where it is a fresh one."""

    @property
    def kept(self) -> int:
        """Number of the run whose weights are taken: of a winner, the fresh one with the best validation."""
        return self.confirmed.runs[0] if self.confirmed else self.number

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
        from tuner.results.export import export

        return export(self.experiment, self.params, self.paths, self.kept, Path(out), self.seed)

    def load(self, manifest: "Manifest | None" = None) -> "ExportedModel":
        """The trained model, ready to predict; `manifest` is that of its data, where it is known."""
        from tuner.results.export import ExportedModel

        return ExportedModel.of_trial(
            self.experiment, self.params, self.paths, self.kept, self.seed, manifest
        )

    def measure(self, split: str) -> dict[str, float]:
        """Metrics of the kept weights on `train`, `val` or `test`; none where the split has no rows."""
        from tuner.results.export import measure

        return measure(self.experiment, self.params, self.paths, self.kept, split)

    def estimate(self, split: str) -> dict[str, Estimate]:
        """As `measure`, but over all fresh runs of a confirmed winner."""
        from tuner.results.export import measure_runs

        runs = self.confirmed.runs if self.confirmed else (self.number,)
        return measure_runs(self.experiment, self.params, self.paths, runs, split)


class Result:
    """Reads an experiment's folder; nothing is written but a copy of large curves that is faster to read."""

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
        tree, _ = read_file(self.paths.experiment_yaml)
        if not _is_settings(tree):
            raise ResultsError(
                f"an experiment's file must say what it searched by, but {self.paths.experiment_yaml} has no "
                "sound search section with metric and mode; put back a copy of it"
            )
        return dict(tree)

    @property
    def is_function(self) -> bool:
        """Whether a function of one's own trained, and not one of our models."""
        return "function" in self.settings

    @cached_property
    def max_reports(self) -> int | None:
        """Reports of a full training; None where it is not known."""
        if self.is_function:
            found: int | None = self.settings.get("max_reports")
            return found
        return Experiment.load(self.paths.experiment_yaml).max_reports

    @property
    def metric(self) -> str:
        return str(self.settings["search"]["metric"])

    @property
    def mode(self) -> str:
        return str(self.settings["search"]["mode"])

    @cached_property
    def rows(self) -> list[TrialRow]:
        """Of the search, then of the fresh runs that confirm its best trials."""
        return read_trials(self.paths.trials_csv) if self.paths.trials_csv.is_file() else []

    @property
    def search_rows(self) -> list[TrialRow]:
        return search_rows(self.rows)

    @property
    def confirm(self) -> ConfirmSpec | None:
        """How the best trials are confirmed; None: not at all."""
        section = self.settings.get("confirm")
        try:
            return None if section is None else ConfirmSpec.model_validate(section)
        except ValueError as error:
            raise ResultsError(
                f"confirm must have top and seeds; {self.paths.experiment_yaml} has {show(section)}; "
                "put back a copy of it"
            ) from error

    @cached_property
    def confirmation(self) -> Confirmation | None:
        """The best trials ranked by their fresh runs; its winner is None until all of these are there."""
        if self.confirm is None:
            return None
        return confirmation_of(self.rows, self.confirm, self.metric, self.mode)

    @property
    def trials(self) -> pd.DataFrame:
        """One row a trial, columns as in `trials.csv`; absent is missing."""
        return trials_frame(self.rows)

    @property
    def objectives(self) -> dict[str, str]:
        """What is compared: metric -> "min" or "max", the searched metric first."""
        return {self.metric: self.mode, **self.settings["search"].get("also", {})}

    @property
    def end_reason(self) -> str | None:
        """Which condition of `search.stop` ended the search; None where none did."""
        reason = (end_of(self.paths) or {}).get("reason")
        return None if reason is None else str(reason)

    @property
    def standing(self) -> str:
        """`running`, `done`, or `interrupted`: nobody runs it, and `tuner resume` has something to do."""
        return standing_of(self.paths, self.rows, self.settings["search"]["trials"], self.confirmation)

    @property
    def front(self) -> pd.DataFrame:
        """The Pareto front: one row a trial that no other beats in every objective, columns as in `trials`.

        Values are those of `objective/<metric>`: of the report with the best value of the searched metric,
        whose weights are kept. Of a search with one objective it has no rows.
        """
        return trials_frame(self.front_rows)

    @property
    def front_rows(self) -> list[TrialRow]:
        """The rows of `front`, the best in the searched metric first."""
        return front_rows(self.rows, self.objectives)

    def curves(self, tag: str | None = None) -> pd.DataFrame:
        """The event files' scalars: trial, step, wall_time_s, value; and tag, when none is asked for."""
        every = read_tables(self.paths.root).curves
        chosen = every if tag is None else every[every["tag"] == tag].drop(columns="tag")
        curves: pd.DataFrame = chosen.reset_index(drop=True)
        return curves

    @cached_property
    def best(self) -> BestTrial:
        """The confirmed winner; without one the search's best trial that neither failed nor diverged.

        Raises:
            TunerError: no trial has a value.
        """
        if self.confirmation is not None and self.confirmation.winner is not None:
            return self._winner(self.confirmation.winner)
        row = best_row(self.rows, self.metric, self.mode)
        if row is None:
            states = ", ".join(sorted({row.state.value for row in self.rows})) or "none"
            fix = "read the reasons in trials.csv and each trial's log.txt"
            if not any(row.state.is_finished() for row in self.rows):
                is_running = self.standing == "running"
                fix = "wait for it" if is_running else f"go on with: tuner resume {self.paths.root}"
            raise TunerError(
                f"a best trial needs a finite {self.metric}, but no trial of {self.paths.root} has one "
                f"(states: {states}); {fix}."
            )
        return BestTrial(row.number, row.params, row.best[self.metric], row.best, self.paths)

    def _winner(self, winner: Confirmed) -> BestTrial:
        by_number = {row.number: row for row in self.rows}
        metrics = run_metrics([by_number[number] for number in winner.runs])
        params, seed = by_number[winner.number].params, by_number[winner.runs[0]].seed
        return BestTrial(
            winner.number, params, metrics[self.metric], metrics, self.paths, confirmed=winner, seed=seed
        )

    def num_by_state(self) -> dict[TrialState, int]:
        """Of the search's trials; states without any are left out."""
        counts = {state: sum(row.state is state for row in self.search_rows) for state in TrialState}
        return {state: count for state, count in counts.items() if count}

    def saved_share(self, max_reports: int | None) -> float | None:
        """The share of a full search's reports that was not trained, because trials ended early."""
        finished = [row for row in self.search_rows if row.state.is_finished()]
        if not finished or not max_reports:
            return None
        return 1 - sum(row.reports for row in finished) / (len(finished) * max_reports)

    def environment(self) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(self.paths.environment_json.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise ResultsError(
                f"what an experiment ran on is kept in environment.json, but {self.paths.environment_json} "
                f"cannot be read ({error}); put back a copy of it"
            ) from error
        return content


def _is_settings(tree: object) -> bool:
    """Whether it says which metrics are compared; the rest is looked at where it is needed."""
    search = tree.get("search") if isinstance(tree, dict) else None
    if not isinstance(search, dict) or not isinstance(search.get("also", {}), dict):
        return False
    modes = [search.get("mode"), *search.get("also", {}).values()]
    return isinstance(search.get("metric"), str) and all(mode in ("min", "max") for mode in modes)
