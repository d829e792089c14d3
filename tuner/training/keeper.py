"""What both kinds of training share: a trial is saved when it is due, and when it is told to leave."""

from collections.abc import Callable

from tuner.errors import TunerError
from tuner.records.checkpoints import Checkpoint
from tuner.records.paths import TrialPaths
from tuner.training.job import TrialJob
from tuner.training.logged import say
from tuner.training.ranks import Ranks
from tuner.training.save_clock import SaveClock, Wish
from tuner.training.saver import Saver, Snapshot


class Keeper:
    """Saves one trial in one rank.

    Args:
        progress: reports and steps so far.
        snapshot: copies the state of the training; collective.
        beside: whether the training may go on while its snapshot is written.
    """

    def __init__(
        self,
        job: TrialJob,
        ranks: Ranks,
        progress: Callable[[], tuple[int, int]],
        snapshot: Callable[[], Snapshot],
        *,
        beside: bool,
    ) -> None:
        self._saver = Saver(TrialPaths(job.folder), ranks, job.recovery.keep_last)
        self._clock = SaveClock(job, ranks)
        self._is_saved = job.is_saved
        self._progress, self._snapshot, self._beside = progress, snapshot, beside

    def save(self, *, wait: bool) -> None:
        """Collective. Raises TunerError, with `wait`, when the checkpoint could not be written."""
        self._saver.save(*self._progress(), self._snapshot, wait=wait)
        self._clock.saved()

    def go_on_from(self, checkpoint: Checkpoint) -> None:
        self._saver.go_on_from(checkpoint)
        self._clock.saved()

    def is_due_after_step(self) -> bool:
        """Counts a step; whether `has_left` must be asked after it."""
        return self._clock.tick()

    def has_left(self, *, at_report: bool) -> bool:
        """Saves where a period is over or the trial is told to leave; whether it is told to. Collective."""
        wish = self._clock.look(is_busy=self._saver.is_busy, at_report=at_report)
        if wish is not Wish.NOTHING and self._is_saved and any(self._progress()):
            self._try_to_save(wait=wish is Wish.LEAVE or not self._beside)
        return wish is Wish.LEAVE

    def close(self) -> None:
        """Waits until what this rank has saved is written."""
        self._saver.close()

    def _try_to_save(self, *, wait: bool) -> None:
        """Where it cannot be, the training goes on or leaves all the same, with an earlier checkpoint."""
        try:
            self.save(wait=wait)
        except TunerError as error:
            self._clock.saved()
            say(str(error))
