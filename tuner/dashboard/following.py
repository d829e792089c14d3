"""A folder that is looked at again and again: versions of what there is, and what is new since when.

    with followed.now(curves=True) as now:    # at most a second old; nothing changes it meanwhile
        now.curves.of_tag("val/loss"), now.version
        now.since(version).trials

Nothing is read before it is asked for, and then only what is new. `Answering` is an
experiment of ours, `Logs` any TensorBoard logs.
"""

import gzip
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar
from uuid import uuid4

from tuner.errors import TunerError
from tuner.results.aggregate import Changes, Follower

POLL_S = 1.0
"""How old what is shown may be."""
GZIP_LEVEL = 1
"""Of 1.2 MB of curves: 15 ms for half the bytes; level 9 takes ten times as long for a few per cent more."""
MOST_POLLS = 120
"""Polls that found something and are remembered, for those who ask what is new."""
_PROCESS = uuid4().hex[:8]
"""Begins the versions of this process; those of another one say nothing here."""

SUMMARY = (
    *("name", "task", "state", "metric", "mode", "best", "best_trial", "finished", "trials", "running"),
    *("failed", "seconds", "trial_seconds", "gpu_seconds", "started_s", "event_age_s", "error"),
)
Method = Literal["ped_anova", "fanova"]

Self = TypeVar("Self", bound="Followed")


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


class Followed(ABC):
    """Raises TunerError where the folder is damaged. What it tells are plain trees for JSON."""

    def __init__(self, root: Path, poll_s: float = POLL_S) -> None:
        self.root, self.name = root, root.name
        self._guard = threading.Lock()
        self._first_read = threading.Lock()
        """Of the curves, which takes longest: who asks for rows need not wait for it."""
        self._poll_s, self._polled_s = poll_s, float("-inf")
        self._polls: deque[_Poll] = deque(maxlen=MOST_POLLS)
        self._count = 0
        self._kept: dict[str, bytes] = {}
        self._kept_count = 0
        self._follower: Follower | None = None
        self._unread: set[int] = set()
        """Trials that have changed since their curves were read."""

    @contextmanager
    def now(self: Self, *, curves: bool = False) -> Iterator[Self]:
        """The folder as it stands; for `curves` the event files are read as well, from then on."""
        if curves:
            self._follow_curves()
        with self._guard:
            self._poll()
            yield self

    @property
    def curves(self) -> Follower:
        """Asked for by `now(curves=True)`."""
        assert self._follower is not None
        return self._follower

    def kept(self, key: str, make: Callable[[], bytes]) -> bytes:
        """What `make` gives, compressed by gzip; made once as long as nothing changes."""
        if self._kept_count != self._count:
            self._kept, self._kept_count = {}, self._count
        if key not in self._kept:
            self._kept[key] = gzip.compress(make(), GZIP_LEVEL)
        return self._kept[key]

    def line(self) -> dict[str, Any]:
        """Its `summary`; of a folder that cannot be read why."""
        try:
            with self.now() as now:
                return now.summary()
        except TunerError as error:
            unknown = dict.fromkeys(SUMMARY)
            return unknown | {"name": self.name, "state": "unreadable", "error": str(error)}

    @property
    @abstractmethod
    def numbers(self) -> list[int]:
        """Of all trials."""

    @property
    @abstractmethod
    def first_tag(self) -> str:
        """Whose curves the page shows first; empty where there are none."""

    @abstractmethod
    def summary(self) -> dict[str, Any]:
        """Its line in the overview: what is in `SUMMARY`."""

    @abstractmethod
    def details(self) -> dict[str, Any]:
        """What it is: its file, its axes, its metrics, how it goes on."""

    @abstractmethod
    def trials(self, numbers: Sequence[int]) -> dict[str, Any]:
        """A table with a row for each of these trials, columns as in `trials.csv`."""

    @abstractmethod
    def table(self) -> bytes:
        """All trials as CSV."""

    @abstractmethod
    def decisions(self) -> dict[str, Any]:
        """A table of all lines of `decisions.jsonl`, without the metrics of the reports."""

    @abstractmethod
    def timeline(self) -> dict[str, Any]:
        """A table of who had which gang, from when to when, in seconds of searching."""

    @abstractmethod
    def trial(self, number: int) -> dict[str, Any]:
        """All that is known of one trial, and what the best one has instead."""

    @abstractmethod
    def importance(self, metric: str | None, method: Method) -> dict[str, Any]:
        """The parameters that a metric (None: the searched one) depends on, or why nobody can tell.

        To be called outside of `now`: it takes long.
        """

    @abstractmethod
    def dependence(self, metric: str | None, names: Sequence[str]) -> dict[str, Any]:
        """How a metric depends on one parameter or on two, or why nobody can tell. As `importance`."""

    @property
    def version(self) -> str:
        """Names what there is now; see `since`."""
        return f"{_PROCESS}-{self._count}"

    def since(self, version: str | None) -> News:
        """What has changed since `version`, which was the folder's some time."""
        process, _, count = (version or "").partition("-")
        first = self._polls[0].count if self._polls else self._count + 1
        if process != _PROCESS or not count.isdecimal() or int(count) < first - 1:
            return News(self.version, is_all=True)
        polls = [poll for poll in self._polls if poll.count > int(count)]
        trials = {number for poll in polls for number in poll.trials}
        return News(self.version, False, trials, [poll.curves for poll in polls if poll.curves is not None])

    @abstractmethod
    def _poll_rows(self) -> set[int]:
        """The trials with another row than before."""

    def _rows_in(self, curves: Changes) -> set[int]:
        """The trials whose rows change with their curves."""
        return set()

    @abstractmethod
    def _new_follower(self) -> Follower:
        """Of its trials, before anything is read."""

    def _follow_curves(self) -> None:
        with self._first_read:
            if self._follower is not None:
                return
            with self._guard:
                self._poll()
                follower, numbers, self._unread = self._new_follower(), set(self.numbers), set()
            follower.read_on(numbers)
            with self._guard:
                self._follower = follower
                # Who knows an earlier version knows no curve.
                self._polls.clear()

    def _start_over(self) -> None:
        """It is another folder by now: whoever knows an earlier version knows nothing."""
        self._count += 1
        self._polls.clear()
        if self._follower is not None:
            self._follower = self._new_follower()

    def _poll(self) -> None:
        now_s = time.monotonic()
        if now_s - self._polled_s < self._poll_s:
            return
        trials = self._poll_rows()
        self._unread |= trials
        curves = None
        if self._follower is not None:
            curves, self._unread = self._follower.read_on(self._unread), set()
        # After an error it is looked at again at once.
        self._polled_s = now_s
        if curves is not None:
            trials = trials | self._rows_in(curves)
        if trials or curves:
            self._count += 1
            self._polls.append(_Poll(self._count, trials, curves or None))


def stamp_of(file: Path) -> tuple[int, int] | None:
    """Size and time of change; None where there is none."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
