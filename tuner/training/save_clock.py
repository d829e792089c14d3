"""When a running trial is saved, and when it leaves: all ranks look at the same steps and see the same.

Ranks look before the first step and after each report, and in between after 1, 2, 4, 8 ... steps, until the
steps between two looks take `LOOK_S`. A look is one all-reduce of four numbers; with one rank it is none.
"""

import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path

import torch
import torch.distributed

from tuner.training.job import TrialJob
from tuner.training.ranks import Ranks

LOOK_S = 2.0


class Wish(Enum):
    NOTHING = "nothing"
    SAVE = "save"
    LEAVE = "leave"


class SaveClock:
    """Of one trial in one rank."""

    def __init__(self, job: TrialJob, ranks: Ranks, now_s: Callable[[], float] = time.monotonic) -> None:
        self._period_s = job.recovery.checkpoint_seconds
        self._is_saved = job.is_saved
        self._leave: Path | None = job.leave
        self._ranks = ranks
        self._now_s = now_s
        self._gap, self._num_steps = 1, 0
        self._looked_s = self._saved_s = now_s()

    def saved(self) -> None:
        """From here on the next period counts."""
        self._saved_s = self._now_s()

    def tick(self) -> bool:
        """Counts a step; whether the ranks look after it."""
        self._num_steps += 1
        return self._is_looking and self._num_steps >= self._gap

    def look(self, *, is_busy: bool, at_report: bool) -> Wish:
        """What is due now. Collective, where there are several ranks.

        Args:
            is_busy: this rank still writes the last checkpoint; there is no new one before all have written.
        """
        if not self._is_looking:
            return Wish.NOTHING
        now_s = self._now_s()
        is_told = self._leave is not None and self._leave.exists()
        since_s, step_s, leaves, waits = self._largest(
            [now_s - self._saved_s, self._step_s(now_s), float(is_told), float(is_busy)]
        )
        self._plan(step_s)
        if leaves:
            return Wish.LEAVE
        is_due = at_report if self._period_s == 0 else since_s >= self._period_s
        return Wish.SAVE if self._is_saved and is_due and not waits else Wish.NOTHING

    @property
    def _is_looking(self) -> bool:
        return self._is_saved or self._leave is not None

    def _step_s(self, now_s: float) -> float:
        return (now_s - self._looked_s) / max(1, self._num_steps)

    def _plan(self, step_s: float) -> None:
        """The next look is at most twice as many steps away as this one was: one odd step misleads little."""
        in_time = int(LOOK_S / step_s) if step_s > 0 else self._gap * 2
        self._gap = max(1, min(self._gap * 2, in_time))
        self._num_steps = 0
        self._looked_s = self._now_s()

    def _largest(self, values: list[float]) -> list[float]:
        if self._ranks.num_ranks == 1:
            return values
        largest = torch.tensor(values, dtype=torch.float64, device=self._ranks.device)
        torch.distributed.all_reduce(largest, op=torch.distributed.ReduceOp.MAX)
        found: list[float] = largest.tolist()
        return found
