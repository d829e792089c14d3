"""A trial's curves, read on as its event files grow.

    grown = curves.grown()                        # files with something new
    for file, points in read_on(grown, tags): file.take(points)
    new, cut = curves.settle()                    # what that changes

A file that is read has its points kept, so that one that is begun later may take away from them.
"""

import os
import stat
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from tuner.records.event_reader import EventFile, Points, in_order, join, overlay

Place = tuple[Path, str]
"""A folder with event files, and what stands before their tags."""

_RACY_NS = 2 * 10**9
"""A folder that changed so recently may change once more without another time of change."""


def stamp_of(folder: Path) -> int | None:
    """When the folder's list of files changed last; None where it may just change, or is gone."""
    try:
        changed_ns = folder.stat().st_mtime_ns
    except OSError:
        return None
    return changed_ns if time.time_ns() - changed_ns > _RACY_NS else None


def is_event_file(name: str) -> bool:
    """As TensorBoard tells them."""
    return "tfevents" in name and not name.startswith(".")


class CurveFile(EventFile):
    """An event file with the points that it has held so far."""

    def __init__(self, path: Path, prefix: str) -> None:
        super().__init__(path, prefix)
        self.size, self.changed_ns = -1, -1
        """As it was when it was last looked at."""
        self.points = Points.none()

    def take(self, points: Points) -> None:
        self.points = join([self.points, points]) if len(self.points) else points

    def look(self) -> bool:
        """Whether it has changed since the last look; FileNotFoundError where it is gone."""
        found = self.path.stat()
        if not stat.S_ISREG(found.st_mode):
            return False
        before, now = (self.size, self.changed_ns), (found.st_size, found.st_mtime_ns)
        self.size, self.changed_ns = now
        return now != before

    def forget(self) -> None:
        """It is another file now, under the same name."""
        self.offset, self.sessions, self.points = 0, [], Points.none()


class TrialCurves:
    """The curves of one trial, from the event files in its places."""

    def __init__(self, places: Iterable[Place]) -> None:
        self._places = list(places)
        self._stamps: dict[Path, int | None] = {}
        self._files: dict[Path, CurveFile] = {}
        self.points = Points.none()
        """All points that hold."""

    @property
    def sessions(self) -> list[bytes]:
        """What the files say to the HParams tab."""
        return [said for file in self._files.values() for said in file.sessions]

    def move(self, places: Iterable[Place]) -> None:
        """Its event files lie there by now."""
        self._places = list(places)

    def grown(self) -> list[CurveFile]:
        """The files that have changed since the last call."""
        for folder, prefix in self._places:
            stamp = stamp_of(folder)
            if stamp is None or stamp != self._stamps.get(folder):
                self._find(folder, prefix)
                self._stamps[folder] = stamp
        return [file for file in list(self._files.values()) if self._look(file)]

    def settle(self) -> tuple[Points, Mapping[int, int]]:
        """The points that are new after the files were read, and tag -> the step from which on old ones went.

        The new points include those that hold from that step on.
        """
        before = self.points
        written = [path for path, file in self._files.items() if len(file.points)]
        self.points = overlay([self._files[path].points for path in in_order(written)])
        return _difference(before, self.points)

    def _find(self, folder: Path, prefix: str) -> None:
        try:
            names = sorted(filter(is_event_file, os.listdir(folder)))
        except OSError:
            return
        for path in (folder / name for name in names):
            if path not in self._files:
                self._files[path] = CurveFile(path, prefix)

    def _look(self, file: CurveFile) -> bool:
        try:
            has_changed = file.look()
        except OSError:
            del self._files[file.path]
            return False
        if file.size < file.offset:
            file.forget()
        return has_changed


def _difference(before: Points, now: Points) -> tuple[Points, dict[int, int]]:
    if not len(before):
        return now, {}
    cut: dict[int, int] = {}
    new = np.ones(len(now), bool)
    for tag in np.unique(before.tag).tolist():
        place = now.span(tag)
        old, kept, begin = before.of(tag), now.at(place), place.start
        num_same = _num_same(old, kept)
        if num_same < len(old):
            steps = [int(points.step[num_same]) for points in (old, kept) if num_same < len(points)]
            cut[tag] = min(steps)
            num_same = int(np.searchsorted(kept.step, cut[tag]))
        new[begin : begin + num_same] = False
    return now.at(new), cut


def _num_same(old: Points, now: Points) -> int:
    """How many points at the beginning are the same."""
    size = min(len(old), len(now))
    is_same = old.step[:size] == now.step[:size]
    is_same &= old.wall_time[:size] == now.wall_time[:size]
    is_same &= old.value[:size].view(np.int64) == now.value[:size].view(np.int64)
    return size if is_same.all() else int(np.argmin(is_same))
