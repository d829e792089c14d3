"""ASHA, the promotion variant: every trial pauses at its rung, and the best of a rung are resumed.

Asynchronous successive halving as its paper has it (Li et al., "A System for Massively Parallel
Hyperparameter Tuning", MLSys 2020, arXiv:1810.05934, Algorithm 2). Against the stopping variant: no trial
goes on merely because it came first, and a trial that was overtaken too early gets its turn later. The
price is a checkpoint a pause. Replayed (see `tuner.search.asha`; same tasks, factor 3), the mean regret after
5 / 10 / 20 full trainings was .289/.196/.124 (TaskSet) and .222/.175/.129 (LCBench), against
.550/.245/.145 and .362/.214/.146 of the stopping variant.

The rule, exactly, with r = `grace`, eta = `factor` and rungs as in the stopping variant:

- A trial at a rung is recorded there and pauses. The full budget is no rung: there a trial just ends.
- When a gang is free: from the highest rung down, of the best floor(n / eta) of the n trials that have come
  to the rung, the best that still waits there is resumed. None in any rung: a new trial begins.
- A trial that would be resumed at once goes on without the pause (see `tuner.search.pausing`).
- When no new trial will come, nothing runs, nothing is promotable, and no trial has come to the full budget:
  the best trial of the highest rung at which any waits is resumed, and again at its next rungs, so that a
  search ends with one winner trained in full. (The paper's search never ends.)
- A tie goes to the earlier trial. An ended trial stays recorded, and its place is not given to another.
"""

from collections.abc import Iterator
from typing import Literal

from tuner.search.pausing import Next, Pausing
from tuner.search.rungs import Brackets, Rung, is_rung
from tuner.search.scheduler import Decision, Resume


class AshaPromotion(Pausing):
    """Promotion ASHA over reports; the arguments are those of `tuner.search.asha.Asha`."""

    def __init__(
        self,
        *,
        mode: Literal["min", "max"],
        max_reports: int | None,
        grace: int = 1,
        factor: int = 3,
        brackets: int = 1,
    ) -> None:
        assert grace >= 1
        assert factor >= 2
        super().__init__(mode, max_reports)
        self._factor = factor
        self._brackets = Brackets(brackets, grace, factor, max_reports)
        self._rungs: dict[tuple[int, int], Rung] = {}
        self._has_full = False
        self._winner: int | None = None

    def on_report(self, number: int, step: int, value: float) -> Decision:
        """Pause at a rung, or go on where `resume` would name this trial."""
        self._has_full |= step == self._max_reports
        return super().on_report(number, step, value)

    def on_finish(self, number: int) -> None:
        """The trial neither runs nor waits; what it reported stays."""
        self._has_full |= number == self._winner
        super().on_finish(number)

    def resume(self, *, is_last: bool) -> Resume | None:
        """Who goes on next; it runs from then on."""
        may_win = is_last and not self._running and self._promotable() is None
        resumed = super().resume(is_last=is_last)
        if may_win and resumed is not None:
            self._winner = resumed.number
        return resumed

    def _rung_at(self, number: int, step: int) -> Rung | None:
        bracket = self._brackets.of(number)
        if not is_rung(step, self._brackets.firsts[bracket], self._factor, self._max_reports):
            return None
        return self._rungs.setdefault((step, bracket), Rung(step))

    def _num_kept(self, rung: Rung) -> int:
        return len(rung) // self._factor

    def _next(self, *, is_last: bool) -> Next | None:
        is_over = is_last and not self._running
        return self._promotable() or (self._best_of_all() if is_over and not self._has_full else None)

    def _promotable(self) -> Next | None:
        for rung in self._from_the_top():
            number = rung.best_waiting(among=self._num_kept(rung))
            if number is not None:
                return Next(rung, number, self._rule(rung))
        return None

    def _best_of_all(self) -> Next | None:
        """The best of the highest rung, where else the search would end without a trial trained in full."""
        for rung in self._from_the_top():
            number = rung.best_waiting(among=len(rung))
            if number is not None:
                return Next(rung, number, "the best that waits, and no trial has come to the full budget")
        return None

    def _from_the_top(self) -> Iterator[Rung]:
        for key in sorted(self._rungs, key=lambda key: (-key[0], key[1])):
            yield self._rungs[key]
