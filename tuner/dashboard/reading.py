"""One experiment of ours, kept up to date while it is trained.

    with Reading(folder).now() as now:
        now.rows, now.standing, now.log.columns

Rows come from `trials.csv` or `decisions.jsonl`, whichever is newer; curves from the event files.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from tuner.dashboard.decision_log import FollowedLog
from tuner.dashboard.following import POLL_S, Followed, stamp_of
from tuner.errors import ResultsError, TunerError
from tuner.records.confirmation import Confirmation, confirmation_of
from tuner.records.lock import holder_of
from tuner.records.notes import Note
from tuner.records.paths import ExperimentPaths
from tuner.records.rows import TrialRow
from tuner.results.aggregate import Follower
from tuner.results.experiment_trials import ExperimentTrials
from tuner.results.result import Result
from tuner.results.standing import is_done
from tuner.spec import Experiment
from tuner.spec.domains import is_whole, show
from tuner.tasks import RULES
from tuner.tasks.metrics import Mode


class Reading(Followed):
    """Raises TunerError where the folder is damaged."""

    def __init__(self, folder: Path, poll_s: float = POLL_S) -> None:
        super().__init__(folder, poll_s)
        self.paths = ExperimentPaths(folder)
        self._stamps: list[tuple[int, int] | None] = []
        self._trouble: TunerError | None = None
        """Why the files cannot be read, as they stand."""
        self._forget()

    def _forget(self) -> None:
        self._result = Result(self.paths)
        self._trials = ExperimentTrials(self.paths)
        self._experiment: Experiment | None = None
        self._log: FollowedLog | None = None
        self._is_done: bool | None = None
        """As the files stand; None: not looked at since they changed."""

    @property
    def numbers(self) -> list[int]:
        return list(self.rows)

    @property
    def rows(self) -> Mapping[int, TrialRow]:
        return self._trials.rows

    @property
    def notes(self) -> Mapping[int, Note]:
        return self._trials.notes

    @property
    def result(self) -> Result:
        """For what the experiment's file says."""
        return self._result

    @property
    def experiment(self) -> Experiment:
        """Of one that trains by a function of its own, the function cannot be called."""
        if self._experiment is None:
            load = _with_any_function if self._result.is_function else Experiment.load
            self._experiment = load(self.paths.experiment_yaml)
        return self._experiment

    @property
    def log(self) -> FollowedLog:
        """All that was decided."""
        log = self._log
        if log is None or log.is_cut:
            log = FollowedLog(self.paths.decisions)
        self._log = None  # Where a line is damaged there is none.
        log.poll()
        self._log = log
        return log

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
            rows = list(self.rows.values())
            self._is_done = is_done(self.paths, rows, self.num_planned, self.confirmation)
        return "done" if self._is_done else "interrupted"

    @property
    def num_planned(self) -> int:
        """Trials that the search was asked for."""
        found = self._result.settings["search"].get("trials")
        if not is_whole(found):
            raise ResultsError(
                f"an experiment's file says how many trials it searches by, but {self.paths.experiment_yaml} "
                f"has {show(found)}; put back a copy of it"
            )
        return found

    def mode_of(self, metric: str) -> Mode:
        """Which direction of the metric is the better one; `min` where nobody says."""
        task = self._result.settings.get("task")
        modes = RULES[task].metrics if isinstance(task, str) and task in RULES else {}
        found = {**modes, **self._result.objectives}.get(metric)
        return "max" if found == "max" else "min"

    def _poll_rows(self) -> set[int]:
        paths = self.paths
        files = (paths.experiment_yaml, paths.trials_csv, paths.decisions, paths.notes)
        stamps = [stamp_of(file) for file in files]
        if stamps == self._stamps:
            if self._trouble is not None:
                raise self._trouble
            return set()
        if stamps[:1] != self._stamps[:1]:
            self._forget()
            self._start_over()
        self._stamps, self._is_done, self._trouble = stamps, None, None
        try:
            return self._trials.poll()
        except TunerError as error:
            self._trouble = error
            raise

    def _new_follower(self) -> Follower:
        return Follower(self.root, self._trials)


def _with_any_function(file: Path) -> Experiment:
    return Experiment.load_with(file, _no_function)


def _no_function(config: dict[str, object], trial: object) -> Iterator[dict[str, float]]:
    raise AssertionError("a dashboard trains nothing")
