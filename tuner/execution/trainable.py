"""Ray Tune's view of a gang: a class Trainable that trains one trial after another on the same gang."""

from dataclasses import replace
from typing import Any

from ray import tune

from tuner.execution.gangs import Gang, GangLost, TrialRaised, log_error, log_line, make_gang
from tuner.execution.placement import GangSize
from tuner.records.checkpoints import sound_checkpoints
from tuner.records.paths import TrialPaths
from tuner.records.states import TrialState
from tuner.training.job import TrialJob
from tuner.training.report import Report

REPORT, NODES = "report", "nodes"


class TrialRunner(tune.Trainable):  # type: ignore[misc]
    """Owns a gang; its `config` holds the trial's job and the size of the gang.

    With `reuse_actors=True` Tune hands the next trial to `reset_config`, and the gang stays.
    """

    def setup(self, config: dict[str, Any]) -> None:
        self._size: GangSize = config["size"]
        self._gang: Gang = make_gang(self._size)
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._job: TrialJob = new_config["job"]
        self._is_started = False
        return True

    def step(self) -> dict[str, Any]:
        gang = self._gang
        report = self._next_report()
        return {REPORT: report, NODES: gang.nodes, "done": report.state is not None}

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        """Tune keeps only a token; the checkpoint itself is in the trial's own folder."""
        self._gang.save()
        return {"folder": str(self._job.folder)}

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """The gang begins every trial from its newest checkpoint, with its next step."""
        self._is_started = False

    def cleanup(self) -> None:
        self._gang.close()

    def _next_report(self) -> Report:
        try:
            self._start()
            return self._gang.step()
        except TrialRaised as error:
            return self._failed(error)
        except GangLost as error:
            self._gang.close()
            self._gang = make_gang(self._size)
            return self._failed(error)

    def _start(self) -> None:
        if self._is_started:
            return
        self._begin()
        self._is_started = True

    def _begin(self) -> None:
        """From the newest checkpoint that all ranks can load, else from scratch."""
        for found in sound_checkpoints(TrialPaths(self._job.folder)):
            self._gang.start(replace(self._job, num_reports=found.num_reports))
            try:
                self._gang.load(found)
            except TrialRaised as error:
                log_error(self._job, error)
                log_line(self._job, f"{found.folder.name} cannot be loaded; what came before it is used")
            else:
                return
        self._gang.start(replace(self._job, num_reports=0))

    def _failed(self, error: Exception) -> Report:
        log_error(self._job, error)
        return Report(self.iteration, {}, TrialState.FAILED, str(error))
