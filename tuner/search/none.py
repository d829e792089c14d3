"""No early stopping: every trial trains to its full budget, unless its metric stops being finite."""

from tuner.search.scheduler import Action, Decision, stop_if_not_finite


class NoStopping:
    """Lets every trial go on; the baseline that early stopping has to beat."""

    def on_report(self, number: int, step: int, value: float) -> Decision:
        """Continue, or stop on a value that is not finite."""
        go_on = Decision(Action.CONTINUE, "no early stopping", value=value)
        return stop_if_not_finite(step, value) or go_on

    def on_finish(self, number: int) -> None:
        """Nothing is kept, so nothing is forgotten."""
