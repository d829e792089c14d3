"""Trials and curves of a folder as two tables: the one way in which everything else gets at results.

    tables = read_tables("results/digits_cnn")   # an experiment's folder
    tables.trials                                # one row a trial
    tables.curves                                # one row a point: trial, tag, step, wall_time_s, value

    follower = Follower("results/digits_cnn")    # while it is trained
    changes = follower.poll()                    # the first time all there is, then only what is new
    changes.trials, changes.cut, changes.curves

Whoever keeps what the polls gave forgets, for each (trial, tag) in `cut`, the points from that step on, and
adds those in `curves`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tuner.errors import ResultsError
from tuner.records.event_reader import read_scalars
from tuner.records.paths import ExperimentPaths
from tuner.records.rows import read_trials, trials_frame

CURVE_COLUMNS = ["trial", "tag", "step", "wall_time_s", "value"]


@dataclass(frozen=True)
class Tables:
    """What is known of all trials of a folder."""

    trials: pd.DataFrame
    """One row a trial, by number: `number`, `name` (its folder, relative to the tables'), then the columns of
    `trials.csv` with their types: `state`, `reason`, `param/<name>`, `best/<metric>`, `last/<metric>`, ...,
    `reports`, `steps`, `seconds`, `gpu_seconds`, ...; and `min/<tag>`, `max/<tag>`, over the finite points of
    the curves. Absent is missing."""
    curves: pd.DataFrame
    """One row a point, by trial, tag and step: `trial` (int64, the number), `tag` (categorical), `step`
    (int64; of our experiments the report), `wall_time_s` (float64, since 1970), `value` (float64; NaN and
    infinity as they were written)."""


@dataclass(frozen=True)
class Changes:
    """What is new since the last poll."""

    trials: pd.DataFrame
    """The rows that are new or other than before, as in `Tables.trials`."""
    curves: pd.DataFrame
    """The new points, as in `Tables.curves`."""
    cut: Mapping[tuple[int, str], int]
    """(trial, tag) -> the step from which on all points that were told before no longer hold: the trial began
    again from a checkpoint. Those that hold now are in `curves`."""

    def __bool__(self) -> bool:
        return bool(len(self.trials) or len(self.curves) or self.cut)


def read_tables(folder: str | Path) -> Tables:
    """The tables of an experiment's folder, or of any folder of TensorBoard logs.

    Raises:
        ResultsError: there are neither, or the table of trials is damaged.
    """
    follower = Follower(folder)
    follower.poll()
    return follower.tables


class Follower:
    """Reads a folder again and again, each time only what is new.

    Raises:
        ResultsError: as `read_tables`.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._paths = ExperimentPaths(self.folder)
        if not self._paths.experiment_yaml.is_file():
            raise ResultsError(
                f"results are an experiment's folder, which holds experiment.yaml, but {folder} does not; "
                f"name the folder that `tuner run` printed, e.g. results/digits_cnn."
            )
        self.tables = Tables(pd.DataFrame(), pd.DataFrame(columns=CURVE_COLUMNS))
        """All that the polls have found so far."""

    def poll(self) -> Changes:
        before, now = self.tables, self._read()
        self.tables = now
        known = {tuple(map(repr, row)) for row in before.trials.itertuples(index=False)}
        is_new = [tuple(map(repr, row)) not in known for row in now.trials.itertuples(index=False)]
        told = {tuple(map(repr, row)) for row in before.curves.itertuples(index=False)}
        is_told = [tuple(map(repr, row)) in told for row in now.curves.itertuples(index=False)]
        points = now.curves[[not old for old in is_told]]
        return Changes(now.trials[is_new], points.reset_index(drop=True), {})

    def _read(self) -> Tables:
        rows = read_trials(self._paths.trials_csv) if self._paths.trials_csv.is_file() else []
        trials = trials_frame(rows)
        trials.insert(1, "name", [f"trials/{row.number:05d}" for row in rows])
        frames = [read_scalars(self._paths.trial(row.number).root).assign(trial=row.number) for row in rows]
        curves = pd.concat(frames) if frames else pd.DataFrame(columns=CURVE_COLUMNS)
        curves = curves.rename(columns={"wall_time": "wall_time_s"})[CURVE_COLUMNS].reset_index(drop=True)
        finite = curves[curves["value"].abs() < float("inf")]
        for name in ("min", "max"):
            extremes = finite.groupby(["trial", "tag"])["value"].agg(name).unstack().add_prefix(f"{name}/")
            trials = trials.join(extremes, on="number")
        return Tables(trials, curves.astype({"trial": "int64", "tag": "category"}))
