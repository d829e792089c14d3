"""What every scheduler promises: a report goes in, a decision with its reason comes out.

A scheduler is a plain object. It never sees a process, a clock or a file, so that it can be tested by a
table of numbers and replayed: giving it the reports of a study again, in their order, rebuilds its state.

    scheduler = make_scheduler(search, max_reports=27)
    decision = scheduler.on_report(number=3, step=1, value=0.91)
    if decision.action is Action.STOP: ...  # decision.reason says why, in words
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, runtime_checkable


class Action(str, Enum):
    """What happens to the trial that reported."""

    CONTINUE = "CONTINUE"
    PAUSE = "PAUSE"
    STOP = "STOP"


@dataclass(frozen=True)
class Decision:
    """An action and why it was taken, in words and in numbers."""

    action: Action
    reason: str
    """One sentence with the numbers that decided; never empty."""
    rung: int | None = None
    """The rung, in reports, at which this was decided; None where there is no rung."""
    value: float | None = None
    """The metric as reported; None where it was not finite (JSON has no NaN, the reason names it)."""
    cutoff: float | None = None
    """The worst value that still goes on at this rung; None where nothing was compared."""


@dataclass(frozen=True)
class Resume:
    """A paused trial that goes on, and why."""

    number: int
    reason: str


@dataclass(frozen=True)
class Exploit(Resume):
    """A paused trial that goes on as a copy of another paused one, with parameters of its own."""

    donor: int
    """Number of the trial whose state it takes over."""
    params: Mapping[str, Any]
    """All its parameters from here on."""


class Scheduler(Protocol):
    """Decides at every report whether a trial goes on, and whenever a gang is free who gets it."""

    def on_start(self, number: int, params: Mapping[str, Any]) -> None:
        """Trial `number` begins with `params`; comes before its first report."""

    def on_report(self, number: int, step: int, value: float) -> Decision:
        """Decide for trial `number`, whose `step`-th report (the first is 1) has the metric `value`.

        A value that is not finite stops the trial at once, whatever the scheduler. A PAUSE keeps the trial
        until `resume` names it, or until the search ends and it is stopped.
        """

    def on_finish(self, number: int) -> None:
        """Trial `number` has ended and will report no more."""

    def resume(self, *, is_last: bool) -> Resume | None:
        """A gang is free: the paused trial that it goes on with; None: it begins a new trial.

        `is_last`: no new trial will come, so nothing is worth waiting for. When then nothing runs either,
        None ends the search, and what is still paused is stopped.
        The named trial runs from then on.
        """


@runtime_checkable
class Copies(Protocol):
    """A scheduler that answers with `Exploit`, and so must know from when on a trial can be copied."""

    def on_saved(self, number: int) -> None:
        """The checkpoint of trial `number`, for which it was paused, is written."""


def stop_if_not_finite(step: int, value: float) -> Decision | None:
    """The decision on a value that is NaN or infinite, which no scheduler may compare; None when finite."""
    if math.isfinite(value):
        return None
    return Decision(Action.STOP, f"{value} at report {step} is not finite")
