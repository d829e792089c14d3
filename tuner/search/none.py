"""No early stopping: every trial trains to its full budget, unless its metric stops being finite."""

from collections.abc import Mapping
from typing import Any, Literal

from tuner.search.scheduler import Action, Decision, Resume, stop_if_not_finite


class NeverPauses:
    """What a scheduler answers that neither looks at parameters nor pauses a trial."""

    def on_start(self, number: int, params: Mapping[str, Any]) -> None:
        """The first report is early enough to hear of a trial."""

    def on_finish(self, number: int) -> None:
        """What an ended trial reported stays: it is what the others are measured by."""

    def resume(self, *, is_last: bool) -> Resume | None:
        """Nothing is paused."""
        return None


class NoStopping(NeverPauses):
    """Lets every trial go on; the baseline that early stopping has to beat.

    Takes what every scheduler takes, and needs none of it.
    """

    def __init__(self, *, mode: Literal["min", "max"] = "min", max_reports: int | None = None) -> None:
        """Nothing is compared, so neither matters."""

    def on_report(self, number: int, step: int, value: float) -> Decision:
        """Continue, or stop on a value that is not finite."""
        go_on = Decision(Action.CONTINUE, "no early stopping", value=value)
        return stop_if_not_finite(step, value) or go_on
