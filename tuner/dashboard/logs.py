"""Any folder of TensorBoard logs as an experiment that searched for nothing: a run is a trial.

What they do not tell is null.
"""

import re
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tuner.dashboard.decision_log import COLUMNS as DECISION_COLUMNS
from tuner.dashboard.dependences import no_dependence
from tuner.dashboard.following import POLL_S, Followed, Method
from tuner.dashboard.laps import COLUMNS as LAP_COLUMNS
from tuner.dashboard.tables import nothing, of_frame, plain
from tuner.records.states import TrialState
from tuner.results.aggregate import Changes, Follower
from tuner.results.log_runs import LogRuns

NO_SEARCH = "needs a search of ours, whose parameters and values are known; found other logs."


class Logs(Followed):
    """Raises ResultsError where there are no event files."""

    def __init__(self, root: Path, poll_s: float = POLL_S) -> None:
        super().__init__(root, poll_s)
        self._trials = LogRuns(root)
        self._follow_curves()

    @property
    def numbers(self) -> list[int]:
        return self._trials.numbers

    @property
    def runs(self) -> pd.DataFrame:
        """As `Tables.trials`."""
        return self.curves.tables.trials

    @property
    def tags(self) -> list[str]:
        return sorted(self.curves.tags)

    @property
    def first_tag(self) -> str:
        usual = (tag for tag in self.tags if re.search(r"^val|loss", tag))
        return next(usual, next(iter(self.tags), ""))

    def some(self, numbers: Iterable[int]) -> pd.DataFrame:
        """The rows of these runs."""
        runs: pd.DataFrame = self.runs[self.runs["number"].isin(list(numbers))]
        return runs

    def _poll_rows(self) -> set[int]:
        return self._trials.poll()

    def _new_follower(self) -> Follower:
        return Follower(self.root, self._trials)

    def _rows_in(self, curves: Changes) -> set[int]:
        return set(curves.numbers)

    def summary(self) -> dict[str, Any]:
        runs, times = self.runs, self.curves.tables.curves["wall_time_s"]
        states = runs["state"]
        return {
            "name": self.name,
            "task": None,
            "state": "ended",
            "metric": None,
            "mode": None,
            "best": None,
            "best_trial": None,
            "finished": len(runs),
            "trials": len(runs),
            "running": int((states == TrialState.RUNNING.value).sum()),
            "failed": int((states == TrialState.FAILED.value).sum()),
            "seconds": plain(float(runs["seconds"].sum())),
            "trial_seconds": plain(float(runs["seconds"].sum())),
            "gpu_seconds": None,
            "started_s": plain(float(times.min())),
            "event_age_s": plain(max(0.0, time.time() - float(times.max()))) if len(times) else None,
            "error": None,
        }

    def details(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "task": None,
            "metric": None,
            "mode": None,
            "state": "ended",
            "settings": {},
            "axes": [
                _axis(self.runs[column]) for column in map(str, self.runs) if column.startswith("param/")
            ],
            "metrics": self.tags,
            "system": [],
            "objectives": {},
            "max_reports": None,
            "environment": None,
            "confirmation": None,
            "hints": [f"tensorboard --logdir {self.root}"],
        }

    def trials(self, numbers: Sequence[int]) -> dict[str, Any]:
        return of_frame(self.some(numbers))

    def decisions(self) -> dict[str, Any]:
        return nothing(DECISION_COLUMNS)

    def timeline(self) -> dict[str, Any]:
        return nothing(LAP_COLUMNS) | {"num_gangs": 0, "began_s": None}

    def trial(self, number: int) -> dict[str, Any]:
        data = of_frame(self.some([number]))["data"]
        row = {column: values[0] for column, values in data.items()}
        return {
            "row": row,
            "params": {column.removeprefix("param/"): row[column] for column in _params(self.runs)},
            "best": None,
            "checkpoints": [],
            "faults": [],
            "decisions": nothing(DECISION_COLUMNS),
            "timeline": nothing(LAP_COLUMNS),
        }

    def importance(self, metric: str | None, method: Method) -> dict[str, Any]:
        return {"importances": [], "n": 0, "note": f"importance {NO_SEARCH}"}

    def dependence(self, metric: str | None, names: Sequence[str]) -> dict[str, Any]:
        return no_dependence(names, 0, f"partial dependence {NO_SEARCH}")

    def table(self) -> bytes:
        return self.runs.to_csv(index=False).encode()


def _params(runs: pd.DataFrame) -> list[str]:
    return [column for column in map(str, runs.columns) if column.startswith("param/")]


def _axis(column: "pd.Series[Any]") -> dict[str, Any]:
    """As wide as the values that there are."""
    values = column.dropna()
    axis = {"name": str(column.name).removeprefix("param/"), "when": {}}
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        low, high = float(values.min()), float(values.max())
        is_log = low > 0 and high >= 100 * low
        return axis | {"kind": "float", "low": plain(low), "high": plain(high), "log": is_log, "step": None}
    return axis | {"kind": "choice", "choices": sorted(set(values), key=str)}
