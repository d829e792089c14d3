"""What the schedulers share that pause every trial at its rungs and resume the best of those that wait.

A subclass says which rung a trial has come to, and who goes on next. Everything else follows. A trial that
would be resumed at once goes on without the pause, which changes no other decision. A trial that reports a
rung a second time (it was restarted from an older checkpoint) replaces its value, and goes on again if it
went on from there before. A trial that waits and starts or reports was resumed: the calls of `on_start`,
`on_report` and `on_finish` rebuild all state, if `on_start` comes in the place of each `resume`.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from tuner.search.rungs import Rung, sign_of
from tuner.search.scheduler import Action, Decision, Resume, stop_if_not_finite


class Next(NamedTuple):
    """A waiting trial that goes on."""

    rung: Rung
    number: int
    rule: str
    """why, in words and numbers"""


class Pausing:
    """Base of the schedulers that pause; `max_reports`: reports of a full training, None: not known."""

    def __init__(self, mode: Literal["min", "max"], max_reports: int | None) -> None:
        self._sign = sign_of(mode)
        self._max_reports = max_reports
        self._running: set[int] = set()
        self._waits_at: dict[int, Rung] = {}

    def _rung_at(self, number: int, step: int) -> Rung | None:
        """The rung to which trial `number` has come with report `step`; None where there is none."""
        raise NotImplementedError

    def _next(self, *, is_last: bool) -> Next | None:
        """Who goes on next, of those that wait."""
        raise NotImplementedError

    def _num_kept(self, rung: Rung) -> int:
        """How many of the rung go on, as things stand."""
        raise NotImplementedError

    def _rule(self, rung: Rung) -> str:
        """Who goes on from the rung, as things stand: "the best 2 of 7 go on"."""
        return f"the best {self._num_kept(rung)} of {len(rung)} go on"

    def on_start(self, number: int, params: Mapping[str, Any]) -> None:
        """The trial runs: it is new, or was resumed."""
        rung = self._waits_at.get(number)
        self._runs(number, step=rung.level + 1 if rung else 0)

    def on_report(self, number: int, step: int, value: float) -> Decision:
        """Pause at a rung, or go on where `resume` would name this trial."""
        stopped = stop_if_not_finite(step, value)
        if stopped is not None:
            self.on_finish(number)
            return stopped
        self._runs(number, step)
        rung = None if step == self._max_reports else self._rung_at(number, step)
        if rung is None:
            return Decision(Action.CONTINUE, f"no rung at report {step}", value=value)
        rung.record(number, self._sign * value)
        return self._decide(number, rung, value)

    def on_finish(self, number: int) -> None:
        """The trial neither runs nor waits; what it reported stays."""
        self._running.discard(number)
        rung = self._waits_at.pop(number, None)
        if rung is not None:
            rung.waiting.discard(number)

    def resume(self, *, is_last: bool) -> Resume | None:
        """Who goes on next; it runs from then on."""
        chosen = self._next(is_last=is_last)
        if chosen is None:
            return None
        self._goes_on(chosen.number, chosen.rung)
        value = self._sign * chosen.rung.loss_of(chosen.number)
        return Resume(chosen.number, f"{value:.6g} at report {chosen.rung.level} goes on: {chosen.rule}")

    def _decide(self, number: int, rung: Rung, value: float) -> Decision:
        num_kept = self._num_kept(rung)
        cutoff = self._sign * rung.loss_at(num_kept) if 0 < num_kept <= len(rung) else None
        action, reason = self._action(number, rung)
        return Decision(action, f"{value:.6g} at report {rung.level} {reason}", rung.level, value, cutoff)

    def _action(self, number: int, rung: Rung) -> tuple[Action, str]:
        if number in rung.gone_on:
            return Action.CONTINUE, "goes on, as it did from this rung before"
        self._waits(number, rung)
        chosen = self._next(is_last=False)
        if chosen is not None and chosen.number == number:
            self._goes_on(number, rung)
            return Action.CONTINUE, f"goes on: {chosen.rule}"
        return Action.PAUSE, f"waits: {self._rule(rung)}"

    def _runs(self, number: int, step: int) -> None:
        """The trial runs and has come to `step`: beyond the rung at which it waited, it was resumed there."""
        self._running.add(number)
        rung = self._waits_at.pop(number, None)
        if rung is not None:
            rung.waiting.discard(number)
            if step > rung.level:
                rung.gone_on.add(number)

    def _waits(self, number: int, rung: Rung) -> None:
        self._running.discard(number)
        rung.waiting.add(number)
        self._waits_at[number] = rung

    def _goes_on(self, number: int, rung: Rung) -> None:
        self._running.add(number)
        self._waits_at.pop(number, None)
        rung.waiting.discard(number)
        rung.gone_on.add(number)
