"""Ray Tune's searcher and scheduler interfaces as calls of the conductor. What Tune wants stays here.

Tune keeps its own trial ids; the trial's number travels in its configuration.
"""

from collections import deque
from pathlib import Path
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from tuner.execution.conductor import Conductor
from tuner.execution.placement import GangSize
from tuner.execution.trainable import NODES, REPORT
from tuner.search.scheduler import Resume
from tuner.training.job import TrialJob

GoingOn = deque[TrialJob | Resume]
"""Paused trials that the conductor has chosen to go on with; a job where the trial's own has changed."""


class TuneSearcher(Searcher):  # type: ignore[misc]
    """Hands the conductor's next trial to Tune; the paused ones that go on are left to `TuneScheduler`.

    It says itself when there is nothing to start: Tune's own limiter counts paused trials as running.
    """

    def __init__(self, conductor: Conductor, size: GangSize, going_on: GoingOn) -> None:
        super().__init__()
        self._conductor, self._size, self._going_on = conductor, size, going_on

    def suggest(self, trial_id: str) -> Any:
        found = self._conductor.next()
        if isinstance(found, TrialJob) and found.num_reports == 0:
            return {"job": found, "size": self._size}
        if found is not None:
            self._going_on.append(found)
        # Said earlier, Tune would let go of gangs for which there will be no new trial, but a paused one.
        return self.FINISHED if self._conductor.is_over else None

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """The scheduler's side has told the conductor already."""

    def save(self, checkpoint_path: str) -> None:
        """The truth is the experiment's folder, not Tune's snapshot."""

    def restore(self, checkpoint_path: str) -> None:
        """See `save`."""


class TuneScheduler(TrialScheduler):  # type: ignore[misc]
    """Hands reports to the conductor and its decisions to Tune."""

    def __init__(self, conductor: Conductor, gangs: int, going_on: GoingOn) -> None:
        super().__init__()
        self._conductor, self._gangs, self._going_on = conductor, gangs, going_on
        self._trials: dict[int, Trial] = {}

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        return self._conductor.on_report(_number(trial), result[REPORT], result[NODES]).action.value

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """The trial ended: by itself, which the conductor hears here first, or by its decision."""
        number = _number(trial)
        if not self._conductor.rows[number].state.is_finished():
            self._conductor.on_report(number, result[REPORT], result[NODES])

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        self._conductor.on_failure(_number(trial), _reason_of(trial))

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        if not self._trials:
            _keep_warm(tune_controller, trial, self._gangs)
        self._trials[_number(trial)] = trial

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        """Nothing to do: the conductor has ended the trial."""

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """The paused trial that goes on next; new ones Tune starts by itself, in their order."""
        # What was asked ahead and never began has a row, but is no trial of Tune's.
        for number in self._trials.keys() & self._conductor.take_cut():
            tune_controller.stop_trial(self._trials[number])
        if not self._going_on:
            return None
        found = self._going_on[0]
        trial = self._trials[found.number]
        # It may have been chosen while its checkpoint is written, and that may fail.
        if trial.status == Trial.PAUSED or trial.is_finished():
            self._going_on.popleft()
        if isinstance(found, TrialJob):
            trial.set_config({**trial.config, "job": found})
        return trial if trial.status == Trial.PAUSED else None

    def debug_string(self) -> str:
        return "tuner"


class Gangs(Callback):  # type: ignore[misc]
    """Tells the conductor when a trial got its gang, and when its checkpoint is written."""

    def __init__(self, conductor: Conductor) -> None:
        self._conductor = conductor

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._conductor.on_start(_number(trial))

    def on_trial_save(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._conductor.on_saved(_number(trial))


def trial_name(trial: Trial) -> str:
    return f"{_number(trial):05d}"


def _keep_warm(tune_controller: Any, trial: Trial, gangs: int) -> None:
    """Tune keeps one idle actor and ends the others; all gangs may wait at once for a trial that goes on.

    Tune has no option for it (2.60): the controller's cache of actors is told that so many are wanted.
    """
    controller = tune_controller._tune_controller
    controller._actor_cache.increase_max(trial.placement_group_factory, gangs)


def _number(trial: Trial) -> int:
    number: int = trial.config["job"].number
    return number


def _reason_of(trial: Trial) -> str:
    """The last line of what Tune wrote down about the trial's end."""
    lines = [line.strip() for line in Path(trial.error_file).read_text().splitlines() if line.strip()]
    return f"the gang's process ended: {lines[-1]}"
