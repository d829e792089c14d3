"""One warm process: trains one trial after another as one rank of its gang.

Used by the gangs of `tuner/execution` and by `python -m tuner.training`. Only the model, the optimizer and
the engine are rebuilt for a trial; imports, process group and mapped data stay.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from tuner.records.checkpoints import Checkpoint
from tuner.records.event_reader import event_files
from tuner.records.events import EventWriter
from tuner.records.files import atomic_write_json
from tuner.records.lock import Lock, hold
from tuner.records.paths import TrialPaths
from tuner.training.functions import FunctionTraining
from tuner.training.job import TrialJob
from tuner.training.ranks import Ranks
from tuner.training.report import Report
from tuner.training.usage import Usage
from tuner.training.watchdog import watched

LOCK_WAIT_S = 30.0
"""A gang that a killed search left behind is given so long to end."""


class Training(Protocol):
    """One trial in one rank, advanced from report to report."""

    def step(self) -> Report: ...
    def save(self, *, wait: bool = True) -> None: ...
    def load(self, checkpoint: Checkpoint) -> None: ...
    def close(self) -> None: ...


class Worker:
    """Trains trials, one at a time. Rank 0 writes the trial's files, and holds its lock meanwhile.

    A process that hangs in a call is ended by its watchdog. The lock is let go of when the trial may go on
    elsewhere: when it has ended, has raised, or is saved.
    """

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks
        self._training: Training | None = None
        self._writer: EventWriter | None = None
        self._lock: Lock | None = None
        # The half million objects that the imports made need no look at each collection between trials.
        gc.freeze()

    def start(self, job: TrialJob) -> None:
        """Builds the trial; closes the one before it. Raises ResultsError when another process trains it."""
        self._let_go()
        self._job = job
        paths = TrialPaths(job.folder)
        if self._ranks.is_first:
            self._lock = _hold(paths)
        with self._at_work():
            self._close_training()
            if self._ranks.is_first:
                self._writer = _begin_events(job, paths)
            self._training = _build(job, self._ranks)
            self._usage = Usage(self._ranks.device)

    def step(self) -> Report:
        """The next report of the trial, already on disk as events."""
        assert self._training is not None, "start() comes before step()"
        with self._at_work():
            report = self._training.step()
            if self._writer is not None and not report.has_left:
                self._write(self._writer, report)
        if report.state is not None or report.has_left:
            self._let_go()
        return report

    def save(self, *, wait: bool = True) -> None:
        """Writes a checkpoint, from which any gang may go on; without `wait`, beside the next steps."""
        assert self._training is not None, "start() comes before save()"
        with self._at_work():
            self._training.save(wait=wait)
        if wait:
            self._let_go()

    def load(self, checkpoint: Checkpoint) -> None:
        """Before the first step of a trial that was started with the checkpoint's `num_reports`."""
        assert self._training is not None, "start() comes before load()"
        with self._at_work():
            self._training.load(checkpoint)

    def close(self) -> None:
        """Ends the trial and gives its memory back."""
        self._close_training()
        self._let_go()

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        paths = TrialPaths(self._job.folder)
        heartbeat = paths.heartbeat if self._ranks.is_first else None
        try:
            with watched(self._job.recovery.hang_seconds, paths.stacks(self._ranks.rank), heartbeat):
                yield
        except BaseException:
            self._let_go()
            raise

    def _write(self, writer: EventWriter, report: Report) -> None:
        if report.metrics:
            writer.scalars(report.step, self._usage.scalars() | report.metrics)
        if report.state is not None:
            writer.status(report.state)

    def _close_training(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._training is not None:
            training, self._training = self._training, None
            training.close()

    def _let_go(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def _hold(paths: TrialPaths) -> Lock:
    return hold(
        paths.lock,
        rule="a trial is trained by one gang at a time",
        fix="end that process, then go on with the search",
        wait_s=LOCK_WAIT_S,
    )


def _begin_events(job: TrialJob, paths: TrialPaths) -> EventWriter:
    atomic_write_json(paths.params_json, dict(job.params))
    if event_files(paths.root):
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
