"""Ray Tune's view of a gang: a class Trainable that trains one trial after another on the same gang."""

from dataclasses import replace
from typing import Any

from ray import tune

from tuner.execution.faults import GangError, TrialRaised
from tuner.execution.gangs import Gang, log_fault, log_line
from tuner.execution.placement import GangSize
from tuner.records.checkpoints import sound_checkpoints
from tuner.records.paths import TrialPaths
from tuner.records.states import TrialState
from tuner.training.job import TrialJob
from tuner.training.report import Report

REPORT, NODES, DEVICES = "report", "nodes", "devices"


class _NoBeginning(Exception):
    """A clone has no checkpoint that can be loaded."""


class TrialRunner(tune.Trainable):  # type: ignore[misc]
    """Owns a gang; its `config` holds the trial's job and the size of the gang.

    With `reuse_actors=True` Tune hands the next trial to `reset_config`, and the gang stays.
    """

    def setup(self, config: dict[str, Any]) -> None:
        self._size: GangSize = config["size"]
        self._gang = Gang(self._size)
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._job: TrialJob = new_config["job"]
        self._num_reports = self._job.num_reports
        self._is_started = False
        return True

    def step(self) -> dict[str, Any]:
        gang = self._gang
        report = self._next_report()
        is_done = report.state is not None or report.fault is not None or report.has_left
        return {REPORT: report, NODES: gang.nodes, DEVICES: gang.devices, "done": is_done}

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
            report = self._gang.step()
        except GangError as error:
            return self._failed(error)
        except _NoBeginning as error:
            log_line(self._job, f"tuner: {error}")
            return Report(self._num_reports, {}, TrialState.FAILED, str(error))
        self._num_reports = report.step
        return report

    def _start(self) -> None:
        if self._is_started:
            return
        self._begin()
        self._is_started = True

    def _begin(self) -> None:
        """From the newest checkpoint that all ranks can load, else from scratch, if it is not a clone."""
        why = "none of its checkpoints is sound any more"
        for found in sound_checkpoints(TrialPaths(self._job.folder)):
            self._num_reports = found.num_reports
            self._gang.start(replace(self._job, num_reports=found.num_reports))
            try:
                self._gang.load(found)
            except TrialRaised as error:
                log_fault(self._job, error)
                log_line(self._job, f"{found.folder.name} cannot be loaded; what came before it is used")
                why = str(error)
            else:
                return
        if self._job.donor is not None:
            raise _NoBeginning(
                f"a clone goes on from a checkpoint, here of trial {self._job.donor}, but it cannot: {why}"
            )
        self._num_reports = 0
        self._gang.start(replace(self._job, num_reports=0))

    def _failed(self, error: GangError) -> Report:
        """A report without metrics; a gang that is not sound any more is replaced."""
        log_fault(self._job, error)
        if error.fault != "error":
            self._gang.close()
            self._gang = Gang(self._size)
        return Report(self._num_reports, {}, TrialState.FAILED, str(error), fault=error.fault)
