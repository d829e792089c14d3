"""ASHA, the stopping variant: at each rung only the best of the trials that have come so far go on.

Asynchronous successive halving (Li et al., "A System for Massively Parallel Hyperparameter Tuning",
MLSys 2020, arXiv:1810.05934), in the variant that Ray Tune and Syne Tune run: a trial is judged once, when
it reaches a rung, against whoever reached that rung before it; it either trains on or is stopped for good.
Nobody waits and nothing is resumed. The price: the first trials at a rung have few rivals and go on too
easily. On 46 replayed tasks (one worker, random configurations, factor 3) the mean regret after 5 / 10 / 20
full trainings fell from .719/.699/.363 to .550/.245/.145 (TaskSet) and from .513/.424/.314 to
.362/.214/.146 (LCBench); factor 4 and grace 3 differed by less than two standard errors.

The rule, exactly. The paper's minimum resource r is `grace`, its reduction factor eta is `factor`, its
early-stopping rate s is the trial's bracket, below `brackets` (more than one bracket did not pay off in
asynchronous runs). The unit of resource is one report.

- The rungs of bracket s stand at r*eta^s, r*eta^(s+1), ... reports, all below `max_reports`: at the full
  budget there is nothing left to save, so there is no rung. Each bracket has its own rungs; which bracket a
  trial belongs to follows from its number (`tuner.search.rungs.Brackets`).
- A trial at a rung is recorded there. With n trials recorded, itself included, it goes on if its value is
  at least as good as the k-th best, k = ceil(n / eta). That k-th best is the cut-off.
- A tie with the cut-off goes on. The first trial at a rung goes on.
- A trial that reports a rung a second time (it was restarted from an older checkpoint) replaces its value.
- What a trial reported stays recorded after it has ended, however it ended.

Ray's rule differs in one thing: it takes the 1/eta quantile of the *other* trials and interpolates, so that
the cut-off is a number that no trial reported. Counting is easier to explain and never rounds.
"""

from typing import Literal

from tuner.search.none import NeverPauses
from tuner.search.rungs import Brackets, Rung, go_on, is_rung, sign_of
from tuner.search.scheduler import Action, Decision, stop_if_not_finite


class Asha(NeverPauses):
    """Stopping ASHA over reports.

    `mode`: whether the metric is to be small ("min") or large ("max"). `max_reports`: reports of a full
    training; None where it is not known, then the rungs never end. `grace`: the first rung, in reports.
    `factor`: one in `factor` trials goes on, and rungs are `factor` times apart. `brackets`: sets of rungs,
    each of which begins `factor` times as late as the one before.
    """

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
        self._sign = sign_of(mode)
        self._max_reports = max_reports
        self._factor = factor
        self._brackets = Brackets(brackets, grace, factor, max_reports)
        self._rungs: dict[tuple[int, int], Rung] = {}

    def on_report(self, number: int, step: int, value: float) -> Decision:
        """Decide at a rung, continue everywhere else."""
        stopped = stop_if_not_finite(step, value)
        if stopped is not None:
            return stopped
        bracket = self._brackets.of(number)
        if not is_rung(step, self._brackets.firsts[bracket], self._factor, self._max_reports):
            return go_on(f"no rung at report {step}", value)
        rung = self._rungs.setdefault((bracket, step), Rung(step))
        rung.record(number, self._sign * value)
        return self._decide(rung, value)

    def _decide(self, rung: Rung, value: float) -> Decision:
        num_kept = -(-len(rung) // self._factor)
        cutoff = self._sign * rung.loss_at(num_kept)
        goes_on = self._sign * value <= rung.loss_at(num_kept)
        return Decision(
            Action.CONTINUE if goes_on else Action.STOP,
            self._reason(rung.level, value, cutoff, goes_on, f"the best {num_kept} of {len(rung)}"),
            rung=rung.level,
            value=value,
            cutoff=cutoff,
        )

    def _reason(self, rung: int, value: float, cutoff: float, goes_on: bool, kept: str) -> str:
        missed = "above" if self._sign > 0 else "below"
        verb = "reaches" if goes_on else f"is {missed}"
        return f"{value:.6g} at report {rung} {verb} the cut-off {cutoff:.6g}: {kept} trials go on"
