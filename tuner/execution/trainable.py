"""Ray Tune's view of a gang: a class Trainable that trains one trial after another on the same gang."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from ray import tune

from tuner.execution.faults import GangError
from tuner.execution.gangs import Gang, log_fault
from tuner.execution.placement import GangSize
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
        self._gang = Gang(self._size)
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._job: TrialJob = new_config["job"]
        self._num_reports = self._job.num_reports
        self._checkpoint: Path | None = None
        self._is_started = False
        return True

    def step(self) -> dict[str, Any]:
        gang = self._gang
        report = self._next_report()
        is_done = report.state is not None or report.fault is not None or report.has_left
        return {REPORT: report, NODES: gang.nodes, "done": is_done}

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        """Tune keeps only the place; the checkpoint itself is in the trial's own folder."""
        folder = TrialPaths(self._job.folder).last_checkpoint
        self._gang.save(folder)
        return {"folder": str(folder)}

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Only noted: the gang loads it with its next step, where a failure is the trial's."""
        assert checkpoint is not None
        self._checkpoint = Path(checkpoint["folder"])
        self._is_started = False

    def cleanup(self) -> None:
        self._gang.close()

    def _next_report(self) -> Report:
        try:
            self._start()
            report = self._gang.step()
        except GangError as error:
            return self._failed(error)
        self._num_reports = report.step
        return report

    def _start(self) -> None:
        if self._is_started:
            return
        if self._checkpoint is None:
            self._gang.start(self._job)
        else:
            # Tune counts the reports of a restored trial on.
            self._num_reports = self.iteration
            self._gang.start(replace(self._job, num_reports=self.iteration))
            self._gang.load(self._checkpoint)
        self._is_started = True

    def _failed(self, error: GangError) -> Report:
        """A report without metrics; a gang that is not sound any more is replaced."""
        log_fault(self._job, error)
        if error.fault != "error":
            self._gang.close()
            self._gang = Gang(self._size)
        return Report(self._num_reports, {}, TrialState.FAILED, str(error), fault=error.fault)
