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

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from tuner.errors import ResultsError
from tuner.records.event_reader import Points, Tags, concatenate, read_on, sorted_tags
from tuner.records.event_scalars import Floats
from tuner.records.paths import ExperimentPaths
from tuner.records.wire import Ints
from tuner.results import curve_cache
from tuner.results.curves import CurveFile, Place, TrialCurves
from tuner.results.experiment_trials import ExperimentTrials
from tuner.results.log_runs import LogRuns

_UNKNOWN = -1
"""The number of no tag."""
_PART_POINTS = 1 << 16
"""So many are put in order at once; more is no faster and takes more memory."""


@dataclass(frozen=True)
class Tables:
    """What is known of all trials of a folder."""

    trials: pd.DataFrame
    """One row a trial, by number: `number`, `name` (its folder, relative to the tables'), then the columns of
    `trials.csv` with their types: `state`, `reason`, `param/<name>`, `best/<metric>`, `last/<metric>`, ...,
    `reports`, `steps`, `seconds`, `gpu_seconds`, ...; and `min/<tag>`, `max/<tag>`, over the finite points of
    the curves. Absent is missing. Of somebody else's logs: `state` where it was said, `reason`,
    `param/<name>`, `steps` (the largest), `seconds` (between first and last point), `last/<tag>`, and `min`
    and `max` too."""
    curves: pd.DataFrame
    """One row a point, by trial, tag and step: `trial` (int64, the number), `tag` (categorical), `step`
    (int64; of our experiments the report), `wall_time_s` (float64, since 1970), `value` (float64; NaN and
    infinity as they were written)."""


@dataclass(frozen=True)
class Changes:
    """What is new since the last poll. Its tables are made when they are first asked for."""

    numbers: Sequence[int]
    """Trials whose rows are new or other than before, or whose files have changed."""
    points: Mapping[int, Points]
    """Trial to its new points."""
    cut: Mapping[tuple[int, str], int]
    """(trial, tag) -> the step from which on all points that were told before no longer hold: the trial began
    again from a checkpoint. Those that hold now are in `points`."""
    follower: "Follower" = field(repr=False)

    def __bool__(self) -> bool:
        return bool(self.numbers)

    @cached_property
    def trials(self) -> pd.DataFrame:
        """The rows of `numbers`, as in `Tables.trials`."""
        return self.follower.rows(self.numbers)

    @cached_property
    def curves(self) -> pd.DataFrame:
        """The new points, as in `Tables.curves`."""
        return _curves_frame(self.points, self.follower.tags)

    def first_steps(self, tag: str) -> dict[int, int]:
        """Trial to the step from which on its points of the tag are new, or no longer hold."""
        first = {number: step for (number, each), step in self.cut.items() if each == tag}
        for number, points in self.points.items():
            new = points.of(self.follower.tags.get(tag, _UNKNOWN))
            if len(new):
                first[number] = min(int(new.step[0]), first.get(number, sys.maxsize))
        return first


def read_tables(folder: str | Path) -> Tables:
    """The tables of an experiment's folder, or of any folder of TensorBoard logs.

    Raises:
        ResultsError: there are neither, or the table of trials is damaged.
    """
    follower = Follower(folder)
    follower.poll()
    return follower.tables


class Trials(Protocol):
    """Whose trials they are: ours, or runs in somebody else's logs."""

    def poll(self) -> set[int]: ...
    def places(self, number: int) -> list[Place]: ...
    def is_settled(self, number: int, curves: TrialCurves) -> bool: ...
    def frame(self, numbers: Sequence[int], curves: Mapping[int, TrialCurves]) -> pd.DataFrame: ...


def _trials_in(folder: Path) -> Trials:
    paths = ExperimentPaths(folder)
    return ExperimentTrials(paths) if paths.experiment_yaml.is_file() else LogRuns(folder)


class Follower:
    """Reads a folder again and again, each time only what is new.

    Files of trials that have ended are not looked at again. 2,000 trials of which few have changed take some
    milliseconds; of logs that are not ours, where any file may grow, some 50.

    Args:
        trials: those of the folder, where somebody follows them already; he polls them and calls `read_on`.

    Raises:
        ResultsError: as `read_tables`.
    """

    def __init__(self, folder: str | Path, trials: Trials | None = None) -> None:
        self.folder = Path(folder)
        self.tags: Tags = {}
        self._trials = _trials_in(self.folder) if trials is None else trials
        self._curves: dict[int, TrialCurves] = {}
        self._watched: set[int] = set()
        self._has_read = False
        self._tables: Tables | None = None

    def poll(self) -> Changes:
        """What is new since the last call; the first time all there is."""
        return self.read_on(self._trials.poll())

    def read_on(self, changed: AbstractSet[int]) -> Changes:
        """As `poll`, where these are the trials that are new or have changed."""
        for number in sorted(changed):
            known = self._curves.get(number)
            if known is None:
                self._curves[number] = TrialCurves(self._trials.places(number))
            else:
                known.move(self._trials.places(number))
        watched = sorted(self._watched | changed)
        touched = self._read({number: self._curves[number].grown() for number in watched})
        settled = {number: self._curves[number].settle() for number in sorted(touched)}
        self._watched = {
            number for number in watched if not self._trials.is_settled(number, self._curves[number])
        }
        names = list(self.tags)
        changes = Changes(
            numbers=sorted(changed | touched),
            points={number: new for number, (new, _) in settled.items()},
            cut={
                (number, names[tag]): step
                for number, (_, cut) in settled.items()
                for tag, step in cut.items()
            },
            follower=self,
        )
        if changes:
            self._tables = None
        return changes

    @property
    def tables(self) -> Tables:
        """All that the polls have found so far."""
        if self._tables is None:
            points = {number: self._curves[number].points for number in sorted(self._curves)}
            self._tables = Tables(self.rows(list(points)), _curves_frame(points, self.tags))
        return self._tables

    def of_trial(self, number: int, tag: str) -> Points:
        """A trial's points of one tag."""
        known = self._curves.get(number)
        return Points.none() if known is None else known.points.of(self.tags.get(tag, _UNKNOWN))

    def of_tag(self, tag: str, numbers: Iterable[int] | None = None) -> pd.DataFrame:
        """The points of one tag, of some trials only: columns of `Tables.curves` without `tag`."""
        chosen = sorted(self._curves if numbers is None else set(numbers))
        points = [self.of_trial(number, tag) for number in chosen]
        sizes = np.fromiter(map(len, points), np.int64, len(points))
        trial, every = np.repeat(np.array(chosen, np.int64), sizes), concatenate(points)
        frame: pd.DataFrame = pd.DataFrame(
            {"trial": trial, "step": every.step, "wall_time_s": every.wall_time, "value": every.value}
        )
        return frame

    def extremes(self, tag: str, numbers: Iterable[int] | None = None) -> pd.DataFrame:
        """`min` and `max` over the finite points of one tag, by trial; those without any are left out."""
        points = self.of_tag(tag, numbers)
        finite = points[np.isfinite(points["value"])]
        frame: pd.DataFrame = finite.groupby("trial")["value"].agg(["min", "max"])
        return frame

    def rows(self, numbers: Sequence[int]) -> pd.DataFrame:
        """The rows of these trials, as in `Tables.trials`."""
        frame = self._trials.frame(numbers, self._curves)
        points = {number: self._curves[number].points for number in numbers}
        summaries = _summaries(points, self.tags, has_last="reports" not in frame)
        whole: pd.DataFrame = pd.concat([frame, *summaries], axis=1)
        return whole

    def _read(self, grown: Mapping[int, Sequence[CurveFile]]) -> set[int]:
        """Reads what is new in the files; the trials that have files that changed."""
        touched = {number for number, files in grown.items() if files}
        files = [file for number in grown for file in grown[number]]
        waiting = curve_cache.restore(self.folder, files, self.tags) if not self._has_read else files
        try:
            for file, points in read_on(waiting, self.tags):
                file.take(points)
        except OSError as error:
            raise ResultsError(
                f"event files must be readable, but {error.filename} is not ({error.strerror}); "
                f"correct its rights, or move it away."
            ) from error
        if not self._has_read:
            curve_cache.keep(self.folder, files, waiting, self.tags)
        self._has_read = True
        return touched


def _curves_frame(points: Mapping[int, Points], tags: Tags) -> pd.DataFrame:
    """Columns as in `Tables.curves`."""
    names, rank = sorted_tags(tags)
    numbers = np.fromiter(points, np.int64, len(points))
    size = sum(map(len, points.values()))
    trial, step = np.empty(size, np.int64), np.empty(size, np.int64)
    place = np.empty(size, rank.dtype)
    wall_time, value = np.empty(size), np.empty(size)
    start = 0
    for row, every in _in_parts(list(points.values())):
        here = slice(start, start + len(every))
        of_tag = rank[every.tag]
        order = np.lexsort((of_tag, row))
        trial[here], place[here] = numbers[row], of_tag[order]
        step[here], wall_time[here], value[here] = (
            column[order] for column in (every.step, every.wall_time, every.value)
        )
        start = here.stop
    frame: pd.DataFrame = pd.DataFrame(
        {
            "trial": trial,
            "tag": pd.Categorical.from_codes(place, pd.Index(names, dtype="str")),
            "step": step,
            "wall_time_s": wall_time,
            "value": value,
        },
        copy=False,
    )
    return frame


def _summaries(points: Mapping[int, Points], tags: Tags, *, has_last: bool) -> list[pd.DataFrame]:
    """One row a trial, in their order: `last/<tag>`; `min/<tag>` and `max/<tag>` of finite values."""
    names, rank = sorted_tags(tags)
    cells = {prefix: np.full(len(points) * len(names), np.nan) for prefix in ("last", "min", "max")}
    for row, every in _in_parts(list(points.values())):
        key = row * len(names) + rank[every.tag]
        order = np.argsort(key, kind="stable")
        key, value = key[order], every.value[order]
        first = np.flatnonzero(np.diff(key, prepend=-1))
        cells["last"][key[first]] = value[np.append(first, len(value))[1:] - 1]
        is_finite = np.isfinite(value)
        cells["min"][key[first]] = _reduced(np.minimum, np.where(is_finite, value, np.inf), first)
        cells["max"][key[first]] = _reduced(np.maximum, np.where(is_finite, value, -np.inf), first)
    frames = [
        pd.DataFrame(found.reshape(len(points), len(names)), columns=[f"{prefix}/{name}" for name in names])
        for prefix, found in cells.items()
        if prefix != "last" or has_last
    ]
    return [frame.dropna(axis="columns", how="all") for frame in frames]


def _reduced(function: np.ufunc, values: Floats, first: Ints) -> Floats:
    if not len(values):
        return values
    reduced: Floats = function.reduceat(values, first)
    return np.where(np.isfinite(reduced), reduced, np.nan)


def _in_parts(trials: Sequence[Points]) -> Iterator[tuple[Ints, Points]]:
    """All points in their order, those of some trials at a time; and of each point the place of its trial."""
    ends = np.cumsum([0, *map(len, trials)])
    first = 0
    while first < len(trials):
        fitting = int(np.searchsorted(ends, ends[first] + _PART_POINTS, side="right")) - 1
        last = max(first + 1, fitting)
        row = np.repeat(np.arange(first, last), np.diff(ends[first : last + 1]))
        yield row, concatenate(trials[first:last])
        first = last
