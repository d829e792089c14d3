"""One experiment, kept up to date while it is trained: rows, curves, decisions, and what is new since when.

    reading = Reading(folder)
    with reading.now() as now:                # at most a second old; nothing changes it meanwhile
        now.rows, now.standing, now.log
    with reading.now(curves=True) as now:
        now.curves

Rows come from `trials.csv` while that is as new as `decisions.jsonl`, else from the latter: the table lacks
what running trials have reported since a trial last ended. Curves come from the event files. Nothing is read
before it is asked for, and then only what is new.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pandas as pd

from tuner.dashboard.decision_log import FollowedLog
from tuner.errors import TunerError
from tuner.execution.conductor import new_state
from tuner.records.confirmation import Confirmation, confirmation_of, note
from tuner.records.lock import holder_of
from tuner.records.paths import ExperimentPaths
from tuner.records.rows import TrialRow, read_trials
from tuner.results.aggregate import Changes, Follower
from tuner.results.result import Result
from tuner.results.standing import is_done
from tuner.spec import METRICS, Experiment, Mode

POLL_S = 1.0
"""How old what is shown may be."""
MOST_POLLS = 120
"""Polls that found something and are remembered, for those who ask what is new."""
_PROCESS = uuid4().hex[:8]
"""Begins the versions of this process; those of another one say nothing here."""


@dataclass(frozen=True)
class News:
    """What is new since a version."""

    version: str
    is_all: bool
    """Whether the version is unknown or long past: everything counts as new."""
    trials: set[int] = field(default_factory=set)
    """Those with another row than then."""
    curves: list[Changes] = field(default_factory=list)
    """In their order."""


@dataclass(frozen=True)
class _Poll:
    count: int
    trials: set[int]
    curves: Changes | None


class Reading:
    """Reads the experiment's folder; nothing is written. Raises TunerError where it is damaged."""

    def __init__(self, folder: Path, poll_s: float = POLL_S) -> None:
        self.paths = ExperimentPaths(folder)
        self.rows: Mapping[int, TrialRow] = {}
        self._guard = threading.RLock()
        self._poll_s, self._polled_s = poll_s, float("-inf")
        self._polls: deque[_Poll] = deque(maxlen=MOST_POLLS)
        self._count = 0
        self._result = Result(self.paths)
        self._experiment: Experiment | None = None
        self._log: FollowedLog | None = None
        self._follower: Follower | None = None
        self._stamps: list[tuple[int, int] | None] = []
        self._is_done: bool | None = None
        """As the files stand; None: not looked at since they changed."""
        self._trouble: TunerError | None = None

    @contextmanager
    def now(self, *, curves: bool = False) -> Iterator["Reading"]:
        """The experiment as it stands; for `curves` the event files are read as well, from then on."""
        with self._guard:
            if curves and self._follower is None:
                self._follower = Follower(self.paths.root)
                self._follower.poll()
                self._polls.clear()
            self._poll()
            yield self

    @property
    def result(self) -> Result:
        """For what the experiment's file says; its rows are those of the last table."""
        return self._result

    @property
    def experiment(self) -> Experiment:
        """Of one that trains by a function of its own, the function cannot be called."""
        if self._experiment is None:
            yaml = self.paths.experiment_yaml
            load = Experiment.load if not self._result.is_function else _with_any_function
            self._experiment = load(yaml)
        return self._experiment

    @property
    def log(self) -> FollowedLog:
        """All that was decided."""
        if self._log is None:
            self._log = FollowedLog(self.paths.decisions, new_state(self.experiment))
            self._log.poll()
        return self._log

    @property
    def curves(self) -> pd.DataFrame:
        """As `Tables.curves`; asked for by `now(curves=True)`."""
        assert self._follower is not None
        return self._follower.tables.curves

    @property
    def confirmation(self) -> Confirmation | None:
        confirm, result = self._result.confirm, self._result
        if confirm is None:
            return None
        return confirmation_of(self.rows.values(), confirm, result.metric, result.mode)

    @property
    def standing(self) -> str:
        """`running`, `done`, `interrupted`."""
        if holder_of(self.paths.lock) is not None:
            return "running"
        if self._is_done is None:
            num_trials = self._result.settings["search"]["trials"]
            self._is_done = is_done(self.paths, list(self.rows.values()), num_trials, self.confirmation)
        return "done" if self._is_done else "interrupted"

    def mode_of(self, metric: str) -> Mode:
        """Which direction of the metric is the better one; `min` where nobody says."""
        task = self._result.settings.get("task")
        modes: dict[str, Mode] = dict(METRICS.get(task, {})) if isinstance(task, str) else {}
        return {**modes, **self._result.objectives}.get(metric, "min")  # type: ignore[return-value]

    @property
    def version(self) -> str:
        """Names what there is now; see `since`."""
        return f"{_PROCESS}-{self._count}"

    def since(self, version: str | None) -> News:
        """What has changed since `version`, which was the experiment's some time."""
        process, _, count = (version or "").partition("-")
        first = self._polls[0].count if self._polls else self._count + 1
        if process != _PROCESS or not count.isdecimal() or int(count) < first - 1:
            return News(self.version, is_all=True)
        polls = [poll for poll in self._polls if poll.count > int(count)]
        trials = {number for poll in polls for number in poll.trials}
        return News(self.version, False, trials, [poll.curves for poll in polls if poll.curves is not None])

    def _poll(self) -> None:
        now_s = time.monotonic()
        if now_s - self._polled_s < self._poll_s and self._trouble is None:
            return
        self._polled_s = now_s
        try:
            trials = self._poll_rows()
            self._trouble = None
        except TunerError as error:
            self._trouble = error
            raise
        curves = self._follower.poll() if self._follower is not None else None
        if trials or curves:
            self._count += 1
            self._polls.append(_Poll(self._count, trials, curves or None))

    def _poll_rows(self) -> set[int]:
        """The trials with another row than before."""
        paths = self.paths
        stamps = [_stamp(file) for file in (paths.experiment_yaml, paths.trials_csv, paths.decisions)]
        if stamps == self._stamps:
            if self._trouble is not None:
                raise self._trouble
            return set()
        if stamps[:1] != self._stamps[:1] or (self._log is not None and self._log.is_cut):
            self._result, self._experiment, self._log = Result(paths), None, None
        self._stamps, self._is_done = stamps, None
        if self._log is None and _is_as_new(paths.trials_csv, paths.decisions):
            return self._take_table()
        return self._take_log()

    def _take_table(self) -> set[int]:
        before = self.rows
        self.rows = {row.number: row for row in read_trials(self.paths.trials_csv)}
        return {number for number, row in self.rows.items() if before.get(number) != row}

    def _take_log(self) -> set[int]:
        is_first = self._log is None
        try:
            touched = self.log.poll()
        except TunerError:
            self._log = None  # It stands before a line that never will be read.
            raise
        self.rows = self.log.state.rows
        if is_first:
            touched = set(self.rows)
        if any(self.rows[number].confirms is not None for number in touched):
            touched |= self._note_confirmation()
        return touched

    def _note_confirmation(self) -> set[int]:
        confirm, result = self._result.confirm, self._result
        if confirm is None:
            return set()
        note(self.rows.values(), confirm, result.metric, result.mode)
        return {number for number, row in self.rows.items() if row.confirmed}


def _stamp(file: Path) -> tuple[int, int] | None:
    """Size and time of change; None where there is none."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _is_as_new(table: Path, log: Path) -> bool:
    """Whether nothing was decided since the table was written."""
    try:
        return table.stat().st_mtime_ns >= log.stat().st_mtime_ns
    except FileNotFoundError:
        return table.is_file()


def _with_any_function(file: Path) -> Experiment:
    return Experiment.load_with(file, _no_function)


def _no_function(config: dict[str, object], trial: object) -> Iterator[dict[str, float]]:
    raise AssertionError("a dashboard trains nothing")
