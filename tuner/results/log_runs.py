"""The runs in any folder of TensorBoard logs: a run is a folder with event files.

What belongs together is one run: `train/` and `validation/` (`val`, `test`, `eval`) below it, as Keras
writes them, whose names then stand before their tags; and the folder named by a time that torch's
`add_hparams` makes.
Parameters are those of the HParams tab and of Lightning's `hparams.yaml`.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from tuner.errors import ExperimentError, ResultsError
from tuner.records.hparams import Session
from tuner.records.states import TrialState
from tuner.results.curves import Place, TrialCurves, is_event_file, stamp_of
from tuner.spec.reading import read_file

SPLITS = {"train", "validation", "val", "test", "eval"}
HPARAMS_FILE = "hparams.yaml"
_TIME = re.compile(r"\d{9,}\.\d+")
_STATES = {"success": TrialState.COMPLETE, "failure": TrialState.FAILED, "running": TrialState.RUNNING}


@dataclass
class _Folder:
    """What was in a folder when it was looked at."""

    stamp: int | None = field(compare=False)
    has_events: bool = False
    has_hparams: bool = False
    below: list[Path] = field(default_factory=list)


@dataclass
class _Run:
    name: str
    places: list[Place] = field(default_factory=list)
    hparams: Path | None = None
    hparams_stamp: tuple[int, int] | None = None
    params: dict[str, Any] = field(default_factory=dict)
    trouble: str = ""
    """Why its `hparams.yaml` could not be read."""

    def read_hparams(self) -> bool:
        """Reads `hparams.yaml` where there is another one; nothing in it is run."""
        stamp = _stamp(self.hparams) if self.hparams else None
        if self.hparams is None or stamp == self.hparams_stamp:
            return False
        self.hparams_stamp, self.params, self.trouble = stamp, {}, ""
        try:
            tree, _ = read_file(self.hparams)
            self.params = dict(_flat(tree, ""))
        except ExperimentError as error:
            self.trouble = f"no parameters from {HPARAMS_FILE}: {error}"
        return True


class LogRuns:
    """Finds runs again and again; each keeps its number.

    Raises:
        ResultsError: at first there are none.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders: dict[Path, _Folder] = {}
        self._runs: list[_Run] = []
        self._find()
        if not any(folder.has_events for folder in self._folders.values()):
            raise ResultsError(
                f"results are an experiment's folder, with experiment.yaml, or TensorBoard logs, files with "
                f"tfevents in their names somewhere below it, but {root} has neither; name the folder that "
                f"`tuner run` printed, e.g. results/digits_cnn, or what you give to `tensorboard --logdir`."
            )

    def poll(self) -> set[int]:
        """The runs that are new, have new places, or another `hparams.yaml`."""
        moved = self._regroup() if self._find() or not self._runs else set()
        return moved | {number for number, run in enumerate(self._runs) if run.read_hparams()}

    @property
    def numbers(self) -> list[int]:
        return list(range(len(self._runs)))

    def places(self, number: int) -> list[Place]:
        return self._runs[number].places

    def is_settled(self, number: int, curves: TrialCurves) -> bool:
        """Nobody knows when a run of somebody else has ended."""
        return False

    def frame(self, numbers: Sequence[int], curves: Mapping[int, TrialCurves]) -> pd.DataFrame:
        """Columns `number`, `name`, `state`, `reason`, `param/<name>`, `steps`, `seconds`."""
        records = [{"number": number} | _row(self._runs[number], curves[number]) for number in numbers]
        names = dict.fromkeys(name for record in records for name in record if name.startswith("param/"))
        columns = ["number", "name", "state", "reason", *names, "steps", "seconds"]
        types = {"number": "int64", "name": "str", "state": "str", "reason": "str"}
        frame: pd.DataFrame = pd.DataFrame(records, columns=columns).astype(
            {**types, "steps": "Int64", "seconds": "float64"}
        )
        return frame

    def _find(self) -> bool:
        """Looks into the folders that are new or have changed, from the root down; whether anything did."""
        found: dict[Path, _Folder] = {}
        waiting = [self._root]
        while waiting:
            path = waiting.pop()
            known, stamp = self._folders.get(path), stamp_of(path)
            is_known = known is not None and stamp is not None and known.stamp == stamp
            found[path] = known if known is not None and is_known else _looked_into(path, stamp)
            waiting += found[path].below
        has_changed = found != self._folders
        self._folders = found
        return has_changed

    def _regroup(self) -> set[int]:
        """Brings the runs to where the folders are now; those that are new or have other places."""
        numbers = {run.name: number for number, run in enumerate(self._runs)}
        moved: set[int] = set()
        for name, now in sorted(self._grouped().items(), key=lambda item: _natural(item[0])):
            number = numbers.get(name)
            if number is None:
                moved.add(len(self._runs))
                self._runs.append(now)
            elif (now.places, now.hparams) != (self._runs[number].places, self._runs[number].hparams):
                moved.add(number)
                self._runs[number].places, self._runs[number].hparams = now.places, now.hparams
        return moved

    def _grouped(self) -> dict[str, _Run]:
        """The runs by name, as the folders are now."""
        runs: dict[str, _Run] = {}
        for path, folder in sorted(self._folders.items()):
            if folder.has_events:
                home, prefix = self._home(path)
                name = str(home.relative_to(self._root))
                run = runs.setdefault(name, _Run(name))
                run.places.append((path, prefix))
                run.hparams = path / HPARAMS_FILE if folder.has_hparams else run.hparams
        return runs

    def _home(self, path: Path) -> Place:
        """The folder of the run to which a folder belongs, and what stands before its tags."""
        if path == self._root:
            return path, ""
        if path.name in SPLITS:
            return path.parent, f"{path.name}/"
        if _TIME.fullmatch(path.name) and self._folders[path.parent].has_events:
            return path.parent, ""
        return path, ""


def _looked_into(path: Path, stamp: int | None) -> _Folder:
    folder = _Folder(stamp)
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folder.below += [] if entry.name.startswith(".") else [path / entry.name]
                elif is_event_file(entry.name):
                    folder.has_events = True
                elif entry.name == HPARAMS_FILE:
                    folder.has_hparams = True
    except OSError:
        # It is gone, or not ours to read: nothing of it can be shown.
        return folder
    return folder


def _row(run: _Run, curves: TrialCurves) -> dict[str, Any]:
    session = Session()
    for content in curves.sessions:
        session.note(content)
    state = _STATES.get(session.status or "")
    points = curves.points
    return {
        "name": run.name,
        "state": state and state.value,
        "reason": run.trouble,
        **{f"param/{name}": value for name, value in (session.params | run.params).items()},
        "steps": int(points.step.max()) if len(points) else None,
        "seconds": float(points.wall_time.max() - points.wall_time.min()) if len(points) else None,
    }


def _flat(tree: Any, name: str) -> list[tuple[str, Any]]:
    """Each leaf with its path."""
    if isinstance(tree, dict):
        path = f"{name}." if name else ""
        return [leaf for key, value in tree.items() for leaf in _flat(value, path + key)]
    if not name:
        return []
    return [(name, str(tree) if isinstance(tree, list) else tree)]


def _natural(name: str) -> list[Any]:
    """`version_10` comes after `version_9`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", name)]


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
