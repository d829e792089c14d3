"""Which experiments a folder holds, by name. A name is looked up in the list, never made into a path.

shelf = Shelf(Path("results"))       # one of experiments, an experiment's own, or one of TensorBoard logs
shelf.names(), shelf.open("digits_cnn")
"""

import os
import threading
from contextlib import suppress
from pathlib import Path

from tuner.dashboard.answers import Answering
from tuner.dashboard.following import POLL_S, Followed
from tuner.dashboard.logs import Logs
from tuner.errors import ResultsError, TunerError
from tuner.records.paths import ExperimentPaths, TrialPaths, list_experiments
from tuner.results.curves import is_event_file


class NoSuchName(ResultsError):
    """Nothing has the name that was asked for."""


class Shelf:
    """The experiments in `root`; each is opened once.

    Args:
        poll_s: how old what is shown of them may be.

    Raises:
        ResultsError: there is no such folder.
    """

    def __init__(self, root: Path, poll_s: float = POLL_S) -> None:
        if not root.is_dir():
            raise ResultsError(
                f"the dashboard shows a folder of results, but {root} is none; name the one that "
                f"`tuner run` writes to, or any folder of TensorBoard logs."
            )
        self.root = root.resolve()
        self._poll_s = poll_s
        self._opened: dict[str, Followed] = {}
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        return list(self._folders())

    def open(self, name: str) -> Followed:
        """Raises NoSuchName."""
        folder = self._folders().get(name)
        if folder is None:
            raise NoSuchName(f"an experiment is asked for by its name, but {self.root} has no {name!r}.")
        with self._lock:
            if name not in self._opened:
                self._opened[name] = self._follow(folder)
            return self._opened[name]

    def read_ahead(self) -> None:
        """Reads an experiment that is the only one, so that it is read when somebody asks for it."""
        names = self.names()
        if len(names) == 1:
            # Whatever is wrong with it is told when somebody asks.
            with suppress(TunerError), self.open(names[0]).now(curves=True):
                pass

    def trial(self, now: Followed, number: int) -> TrialPaths:
        """Its files, if there is such a trial; raises NoSuchName."""
        if number not in now.numbers:
            raise NoSuchName(f"a trial is asked for by its number, but {now.root} has no {number}.")
        return ExperimentPaths(now.root).trial(number)

    def inside(self, path: Path) -> Path:
        """`path`; raises NoSuchName where a link leads out of the root."""
        if not is_inside(path, self.root):
            raise NoSuchName(f"the dashboard shows what lies in {self.root}, but {path} leads out of it.")
        return path

    def _folders(self) -> dict[str, Path]:
        """Name to folder; what a link leads out of the root is left out."""
        if ExperimentPaths(self.root).experiment_yaml.is_file():
            return {self.root.name: self.root}
        folders = [paths.root for paths in list_experiments(self.root)]
        if not folders and _has_logs(self.root):
            return {self.root.name: self.root}
        return {folder.name: folder for folder in folders if self._is_own(ExperimentPaths(folder))}

    def _follow(self, folder: Path) -> Followed:
        is_ours = ExperimentPaths(folder).experiment_yaml.is_file()
        return (Answering if is_ours else Logs)(folder, self._poll_s)

    def _is_own(self, paths: ExperimentPaths) -> bool:
        files = (
            paths.experiment_yaml,
            paths.environment_json,
            paths.trials_csv,
            paths.decisions,
            paths.notes,
            paths.trials,
        )
        return all(is_inside(file, self.root) for file in files)


def is_inside(path: Path, root: Path) -> bool:
    """Whether `path`, with all links followed, lies in `root`, which is resolved."""
    return path.resolve().is_relative_to(root)


def _has_logs(root: Path) -> bool:
    return any(is_event_file(name) for _, _, names in os.walk(root) for name in names)
