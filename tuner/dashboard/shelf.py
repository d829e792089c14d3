"""Which experiments a folder holds, by name. A name is looked up in the list, never made into a path.

shelf = Shelf(Path("results"))       # one of experiments, an experiment's own, or one of TensorBoard logs
shelf.names(), shelf.open("digits_cnn")
"""

import threading
from pathlib import Path

from tuner.dashboard.reading import POLL_S, Reading
from tuner.errors import ResultsError
from tuner.records.paths import ExperimentPaths, list_experiments


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
        self._readings: dict[str, Reading] = {}
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        return list(self._folders())

    def open(self, name: str) -> Reading:
        """Raises NoSuchName."""
        folder = self._folders().get(name)
        if folder is None:
            raise NoSuchName(f"an experiment is asked for by its name, but {self.root} has no {name!r}.")
        with self._lock:
            return self._readings.setdefault(name, Reading(folder, self._poll_s))

    def trial(self, now: Reading, number: int) -> int:
        """`number`, if there is such a trial; raises NoSuchName."""
        if number not in now.rows:
            raise NoSuchName(f"a trial is asked for by its number, but {now.paths.root} has no {number}.")
        return number

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
        return {folder.name: folder for folder in folders if self._is_own(ExperimentPaths(folder))}

    def _is_own(self, paths: ExperimentPaths) -> bool:
        files = (
            paths.experiment_yaml,
            paths.environment_json,
            paths.trials_csv,
            paths.decisions,
            paths.trials,
        )
        return all(is_inside(file, self.root) for file in files)


def is_inside(path: Path, root: Path) -> bool:
    """Whether `path`, with all links followed, lies in `root`, which is resolved."""
    return path.resolve().is_relative_to(root)
