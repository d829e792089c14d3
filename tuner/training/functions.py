"""A user's own training function as a trial: a generator that yields one report at a time."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from tuner.errors import TunerError
from tuner.records.checkpoints import Checkpoint
from tuner.records.states import TrialState
from tuner.training.job import TrialJob
from tuner.training.keeper import Keeper
from tuner.training.kept import kept_files, kept_tree, put_back
from tuner.training.ranks import Ranks, end_alike
from tuner.training.report import Report, Trial
from tuner.training.saver import Snapshot


class FunctionTraining:
    """Advances `function(config, trial)` from `yield` to `yield`.

    On a gang of several ranks every rank runs the function inside one `torch.distributed` process group;
    what rank 0 yields is the report.

    A generator cannot be saved. What the function keeps in its trial's folder can: between two reports it is
    copied into a checkpoint, and from there put back before the function is called anew, with
    `trial.num_reports` above 0.

    With the report `max_reports` (None: as many as it likes) the trial is COMPLETE, whatever the function
    would still yield: it is closed at that `yield`, as generators are.
    """

    def __init__(self, job: TrialJob, ranks: Ranks) -> None:
        assert job.function is not None, job
        self._job, self._ranks = job, ranks
        self._num_reports = job.num_reports
        self._reports: Iterator[Mapping[str, float]] | None = None
        self._keeper = Keeper(job, ranks, lambda: (self._num_reports, 0), self._snapshot, beside=False)

    def step(self) -> Report:
        """The next report, of whatever metrics the function yields. Raises TunerError when it yields none."""
        if self._keeper.has_left(at_report=True):
            return Report(self._num_reports, {}, has_left=True)
        if self._reports is None:
            self._reports = self._call()
        metrics = next(self._reports, None)
        if metrics is None:
            return self._finished()
        self._num_reports += 1
        return self._report({name: float(value) for name, value in metrics.items()})

    def save(self, *, wait: bool = True) -> None:
        """Copies what the function keeps; that takes all the time it needs, whatever `wait` says."""
        if self._job.is_saved:
            self._keeper.save(wait=True)

    def load(self, checkpoint: Checkpoint) -> None:
        """Before the first step; the job's `num_reports` is the checkpoint's."""
        assert self._reports is None, "load() comes before step()"
        with end_alike(self._ranks):
            if self._ranks.is_first:
                put_back(self._job.folder, checkpoint)
        self._keeper.go_on_from(checkpoint)

    def close(self) -> None:
        self._reports = iter(())
        self._keeper.close()

    def _call(self) -> Iterator[Mapping[str, float]]:
        job, ranks = self._job, self._ranks
        assert job.function is not None, job
        trial = Trial(
            number=job.number,
            folder=str(job.folder),
            rank=ranks.rank,
            num_ranks=ranks.num_ranks,
            device=str(ranks.device),
            seed=job.seed,
            num_reports=job.num_reports,
        )
        return iter(job.function(dict(job.config or {}), trial))

    def _snapshot(self) -> Snapshot:
        root = Path(self._job.folder)
        position = {"num_reports": self._num_reports, **kept_tree(root)}
        return Snapshot(position, kept_files(root) if self._ranks.is_first else {})

    def _report(self, metrics: dict[str, float]) -> Report:
        step, value, last = self._num_reports, self._job.objective.of(metrics), self._job.max_reports
        is_finite = value is not None and math.isfinite(value)  # else the trial has diverged
        if last is None or step < last or not is_finite:
            return Report(step, metrics)
        return Report(step, metrics, TrialState.COMPLETE, f"trained max_reports = {last} reports")

    def _finished(self) -> Report:
        if self._num_reports == 0:
            raise TunerError("a training function must yield at least one report, but it ended without any.")
        return Report(
            self._num_reports,
            {},
            TrialState.COMPLETE,
            f"the function ended after {self._num_reports} reports",
        )
