"""One warm process: trains one trial after another as one rank of its gang.

Used by the gangs of `tuner/execution` and by `python -m tuner.training`. Only the model, the optimizer and
the engine are rebuilt for a trial; imports, process group and mapped data stay.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from tuner.records.checkpoints import Checkpoint
from tuner.records.events import EventWriter
from tuner.records.files import atomic_write_json, holding
from tuner.records.paths import TrialPaths
from tuner.training.functions import FunctionTraining
from tuner.training.job import TrialJob
from tuner.training.ranks import Ranks
from tuner.training.report import Report

LOCK_S = 60.0
"""So long a gang waits for another one, left behind by a killed search, to let go of the trial."""


class Training(Protocol):
    """One trial in one rank, advanced from report to report."""

    def step(self) -> Report: ...
    def save(self, *, wait: bool = True) -> None: ...
    def load(self, checkpoint: Checkpoint) -> None: ...
    def close(self) -> None: ...


class Worker:
    """Trains trials, one at a time. Rank 0 writes the trial's files."""

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks
        self._training: Training | None = None
        self._writer: EventWriter | None = None
        self._paths: TrialPaths | None = None
        # The half million objects that the imports made need no look at each collection between trials.
        gc.freeze()

    def start(self, job: TrialJob) -> None:
        """Builds the trial; closes the one before it."""
        self.close()
        self._paths = TrialPaths(job.folder)
        with self._at_work():
            if self._ranks.is_first:
                self._writer = _begin_events(job, self._paths)
            self._training = _build(job, self._ranks)

    def step(self) -> Report:
        """The next report of the trial, already on disk as events."""
        assert self._training is not None, "start() comes before step()"
        with self._at_work():
            report = self._training.step()
            if self._writer is not None and not report.has_left:
                self._writer.scalars(report.step, report.metrics)
                if report.state is not None:
                    self._writer.status(report.state)
        return report

    def save(self, *, wait: bool = True) -> None:
        """Writes a checkpoint into the trial's folder; without `wait`, beside the next steps."""
        assert self._training is not None, "start() comes before save()"
        with self._at_work():
            self._training.save(wait=wait)

    def load(self, checkpoint: Checkpoint) -> None:
        """Before the first step of a trial that was started with the checkpoint's `num_reports`."""
        assert self._training is not None, "start() comes before load()"
        with self._at_work():
            self._training.load(checkpoint)

    def close(self) -> None:
        """Ends the trial and gives its memory back."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._training is not None:
            training, self._training = self._training, None
            training.close()

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """Nobody else works on the trial meanwhile. Not longer: a paused trial goes on in another gang."""
        assert self._paths is not None
        if not self._ranks.is_first:
            yield
            return
        with holding(self._paths.lock, LOCK_S):
            yield


def _begin_events(job: TrialJob, paths: TrialPaths) -> EventWriter:
    atomic_write_json(paths.params_json, dict(job.params))
    if job.num_reports > 0:
        return EventWriter(job.folder, purge_step=job.num_reports + 1)
    writer = EventWriter(job.folder)
    writer.hparams(job.params)
    return writer


def _build(job: TrialJob, ranks: Ranks) -> Training:
    if job.function is not None:
        return FunctionTraining(job, ranks)
    # DeepSpeed takes five seconds to import; a user's own function may do without it.
    from tuner.training.deepspeed_training import DeepSpeedTraining

    return DeepSpeedTraining(job, ranks)
