"""Ray Tune's searcher and scheduler interfaces as calls of the conductor. What Tune wants stays here.

Tune keeps its own trial ids; the trial's number travels in its configuration.
"""

from pathlib import Path
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from tuner.execution.conductor import Conductor
from tuner.execution.placement import GangSize
from tuner.execution.trainable import NODES, REPORT


class TuneSearcher(Searcher):  # type: ignore[misc]
    """Hands the conductor's next trial to Tune.

    It says itself when there is nothing to start: Tune's own limiter counts paused trials as running.
    """

    def __init__(self, conductor: Conductor, size: GangSize) -> None:
        super().__init__()
        self._conductor, self._size = conductor, size

    def suggest(self, trial_id: str) -> Any:
        job = self._conductor.next_job()
        if job is not None:
            return {"job": job, "size": self._size}
        return self.FINISHED if self._conductor.is_exhausted else None

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """The scheduler's side has told the conductor already."""

    def save(self, checkpoint_path: str) -> None:
        """The truth is the experiment's folder, not Tune's snapshot."""

    def restore(self, checkpoint_path: str) -> None:
        """See `save`."""


class TuneScheduler(TrialScheduler):  # type: ignore[misc]
    """Hands reports to the conductor and its decisions to Tune."""

    def __init__(self, conductor: Conductor) -> None:
        super().__init__()
        self._conductor = conductor

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
        """Nothing to do: the conductor made the trial."""

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        """Nothing to do: the conductor ends what never ran when the search closes."""

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """Tune starts pending trials by itself, in their order."""
        return None

    def debug_string(self) -> str:
        return "tuner"


class StartOfTrials(Callback):  # type: ignore[misc]
    """Tells the conductor when a trial got its gang."""

    def __init__(self, conductor: Conductor) -> None:
        self._conductor = conductor

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._conductor.on_start(_number(trial))


def trial_name(trial: Trial) -> str:
    return f"{_number(trial):05d}"


def _number(trial: Trial) -> int:
    number: int = trial.config["job"].number
    return number


def _reason_of(trial: Trial) -> str:
    """The last line of what Tune wrote down about the trial's end."""
    lines = [line.strip() for line in Path(trial.error_file).read_text().splitlines() if line.strip()]
    return f"the gang's process ended: {lines[-1]}"
