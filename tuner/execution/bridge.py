"""Ray Tune's searcher and scheduler interfaces as calls of the conductor. What Tune wants stays here.

Tune keeps its own trials. One of them carries a trial of ours for as long as its gang lasts and while it is
paused; after a fault, or when the search goes on in another process, another one carries it on. The trial's
number travels in its configuration.

What the disk or the study's database raises is kept by the conductor, for Tune logs what some of its calls
raise and goes on; it is raised again by the next `suggest`, which ends the run.
"""

import time
from collections import deque
from pathlib import Path
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from tuner.execution.conductor import Conductor
from tuner.execution.placement import GangSize
from tuner.execution.trainable import DEVICES, NODES, REPORT
from tuner.training.job import TrialJob
from tuner.training.report import Report

WAIT_S = 0.2


class Carriers:
    """Which trial of Tune's carries which trial of ours, and the paused ones that are to go on."""

    def __init__(self) -> None:
        self._by_number: dict[int, Trial] = {}
        self.going_on: deque[TrialJob] = deque()

    def take(self, trial: Trial) -> None:
        self._by_number[number_of(trial)] = trial

    def drop(self, number: int) -> None:
        """The trial of ours has ended, or waits for another carrier."""
        self._by_number.pop(number, None)

    def of(self, number: int) -> Trial | None:
        return self._by_number.get(number)

    def has(self, trial: Trial) -> bool:
        """Whether it carries a trial now, and not only did so before."""
        return self._by_number.get(number_of(trial)) is trial


class TuneSearcher(Searcher):  # type: ignore[misc]
    """Hands the conductor's next trial to Tune; those that Tune keeps as paused are left to `TuneScheduler`.

    It says itself when there is nothing to start: Tune's own limiter counts paused trials as running.
    """

    def __init__(self, conductor: Conductor, size: GangSize, carriers: Carriers) -> None:
        super().__init__()
        self._conductor, self._size, self._carriers = conductor, size, carriers

    def suggest(self, trial_id: str) -> Any:
        with self._conductor.noting_trouble():
            job = self._conductor.next()
        if job is not None and self._carriers.of(job.number) is None:
            return {"job": job, "size": self._size}
        if job is not None:
            self._carriers.going_on.append(job)
        elif self._conductor.waits_for:
            # Where nothing runs Tune asks again at once, all the time.
            time.sleep(WAIT_S)
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

    def __init__(self, conductor: Conductor, gangs: int, carriers: Carriers) -> None:
        super().__init__()
        self._conductor, self._gangs, self._carriers = conductor, gangs, carriers
        self._is_warm = False

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        return self._hear(trial, result)

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """The trial ended: by itself, which the conductor hears here first, or by its decision."""
        if self._carriers.has(trial):
            self._hear(trial, result)

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        if self._carriers.has(trial):
            self._carriers.drop(number_of(trial))
            with self._conductor.noting_trouble():
                self._conductor.on_fault(number_of(trial), "lost", _reason_of(trial))

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        if not self._is_warm:
            _keep_warm(tune_controller, trial, self._gangs)
            self._is_warm = True
        self._carriers.take(trial)

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        """Nothing to do: the conductor has ended the trial."""

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """The paused trial that goes on next; new ones Tune starts by itself, in their order."""
        self._stop_cut(tune_controller)
        going_on = self._carriers.going_on
        if not going_on:
            return None
        job = going_on[0]
        trial = self._carriers.of(job.number)
        # It may have been chosen while its checkpoint is written, and that may fail.
        if trial is None or trial.status == Trial.PAUSED or trial.is_finished():
            going_on.popleft()
        if trial is None or trial.status != Trial.PAUSED:
            return None
        trial.set_config({**trial.config, "job": job})
        return trial

    def debug_string(self) -> str:
        return "tuner"

    def _hear(self, trial: Trial, result: dict[str, Any]) -> str:
        number = number_of(trial)
        report: Report = result[REPORT]
        with self._conductor.noting_trouble():
            decision = self._conductor.on_report(number, report, result[NODES], result[DEVICES])
        action: str = decision.action.value
        if action == self.STOP:
            self._carriers.drop(number)
        return action

    def _stop_cut(self, tune_controller: Any) -> None:
        """Ends what the conductor has ended without a report; at the end also what Tune keeps as paused."""
        with self._conductor.noting_trouble():
            cut = self._conductor.take_cut()
        for number in cut:
            trial = self._carriers.of(number)
            # What was asked ahead and never began has a row, but is no trial of Tune's.
            if trial is not None:
                self._carriers.drop(number)
                tune_controller.stop_trial(trial)
        if self._conductor.is_over:
            for trial in list(tune_controller.get_live_trials()):
                tune_controller.stop_trial(trial)


class Gangs(Callback):  # type: ignore[misc]
    """Tells the conductor when a trial got its gang and which, and when its checkpoint is written."""

    def __init__(self, conductor: Conductor) -> None:
        self._conductor = conductor
        self._numbers: dict[Any, int] = {}
        """id of Tune's actor, which owns a gang, -> the gang's number"""

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        with self._conductor.noting_trouble():
            self._conductor.on_start(number_of(trial), self._gang_of(trial, trials))

    def on_trial_save(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        with self._conductor.noting_trouble():
            self._conductor.on_saved(number_of(trial))

    def _gang_of(self, trial: Trial, trials: list[Trial]) -> int:
        """The number of its gang; a new one gets the lowest that is free.

        Tune does not say which gangs are gone. But where all numbers are taken, one is, and has no trial:
        then those of all without a trial are free.
        """
        actor = _actor_of(trial)
        if actor not in self._numbers:
            if len(self._numbers) >= self._conductor.num_gangs:
                busy = {_actor_of(each) for each in trials}
                self._numbers = {each: gang for each, gang in self._numbers.items() if each in busy}
            taken = set(self._numbers.values())
            self._numbers[actor] = next(gang for gang in range(len(taken) + 1) if gang not in taken)
        return self._numbers[actor]


def number_of(trial: Trial) -> int:
    """The number of the trial of ours that this one carries, or carried."""
    number: int = trial.config["job"].number
    return number


def _actor_of(trial: Trial) -> Any:
    """The id of the actor that it is on; None where it is on none. A handle would keep the actor alive."""
    actor = trial.temporary_state.ray_actor
    return None if actor is None else actor._actor_id


def trial_name(trial: Trial) -> str:
    """Also names its folder, of which each trial of Tune's needs its own."""
    return f"{number_of(trial):05d}_{trial.trial_id}"


def _keep_warm(tune_controller: Any, trial: Trial, gangs: int) -> None:
    """Tune keeps one idle actor and ends the others; all gangs may wait at once for a trial that goes on.

    Tune has no option for it (2.60): the controller's cache of actors is told that so many are wanted.
    """
    controller = tune_controller._tune_controller
    controller._actor_cache.increase_max(trial.placement_group_factory, gangs)


def _reason_of(trial: Trial) -> str:
    """The last line of what Tune wrote down about the trial's end."""
    lines = [line.strip() for line in Path(trial.error_file).read_text().splitlines() if line.strip()]
    return f"the gang's process ended: {lines[-1]}"
