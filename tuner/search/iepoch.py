"""i-epoch: a few reports for all, then the best few are finished.

The baseline that multi-fidelity methods have to beat (Egele et al., "The Unreasonable Effectiveness of Early
Discarding after One Epoch in Neural Network Hyperparameter Optimization", arXiv:2404.04111). Replayed, one
epoch and the best 3 finished gave a mean regret after 5 / 10 / 20 full trainings of .236/.184/.211 (TaskSet)
and .327/.259/.235 (LCBench); three epochs .298/.170/.119 and .319/.198/.154.

The rule, exactly:

- Every trial pauses at `reports`.
- Once `first` trials have come that far, the best `keep` of all that have are resumed, the best first, and
  trained to their end. Later trials are compared as they come: one that is among the best `keep` so far is
  finished as well (it goes on without a pause where it would be resumed at once), the others wait. Those that
  are already being finished are not stopped, so that in all more than `keep` may be finished.
- `first` None: nobody is resumed before no new trial will come and all have come that far or ended; then
  exactly the best `keep` are finished.
- When no new trial will come, fewer than `first` are enough.
- A tie goes to the earlier trial. An ended trial keeps its place.
"""

from collections.abc import Mapping
from typing import Any, Literal

from tuner.search.pausing import Next, Pausing
from tuner.search.rungs import Rung
from tuner.search.scheduler import Decision


class IEpoch(Pausing):
    """Pauses all at `reports`, finishes the best `keep`.

    `max_reports`: reports of a full training, at which nothing pauses; None where it is not known.
    `first`: trials that must have come that far; None: all.
    """

    def __init__(
        self,
        *,
        mode: Literal["min", "max"],
        max_reports: int | None,
        reports: int = 1,
        keep: int = 3,
        first: int | None = None,
    ) -> None:
        super().__init__(mode, max_reports)
        self._keep, self._first = keep, first
        self._rung = Rung(reports)
        self._on_the_way: set[int] = set()

    def on_start(self, number: int, params: Mapping[str, Any]) -> None:
        """The trial runs, and is on its way to its pause."""
        super().on_start(number, params)
        if number not in self._rung:
            self._on_the_way.add(number)

    def on_report(self, number: int, step: int, value: float) -> Decision:
        """Pause at `reports`, unless `resume` would name this trial."""
        if step >= self._rung.level:
            self._on_the_way.discard(number)
        return super().on_report(number, step, value)

    def on_finish(self, number: int) -> None:
        """Nobody waits for the trial any longer; its value stays."""
        self._on_the_way.discard(number)
        super().on_finish(number)

    def _rung_at(self, number: int, step: int) -> Rung | None:
        return self._rung if step == self._rung.level else None

    def _num_kept(self, rung: Rung) -> int:
        return self._keep

    def _next(self, *, is_last: bool) -> Next | None:
        has_all = is_last and not self._on_the_way
        has_first = self._first is not None and len(self._rung) >= self._first
        number = self._rung.best_waiting(among=self._keep) if has_all or has_first else None
        return None if number is None else Next(self._rung, number, self._rule(self._rung))
