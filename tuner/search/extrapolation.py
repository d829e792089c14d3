"""Stops a trial whose extrapolated learning curve hardly reaches the best value of the study.

The predictive termination criterion of Domhan et al. (IJCAI 2015), at every report instead of now and then,
and with the study's other curves as a prior (`tuner.search.curve_model`). It keeps a slow starter that
halving cuts, and ends a good trial that has stopped getting better.

The rule, exactly: from report `grace` on, below the full budget, a trial is stopped if the probability that
any of its reports to come is better than the best report of the study so far, its own ones included, is below
`probability`. Where `max_reports` is not known, the longest trial so far stands for a full training. The
scale of curves is the median, over the trials, of the range of their values.

How honest it is: replayed on TaskSet (8 tasks) and the LCBench surrogate (6 tasks), 2 searches of 30 random
trials each, one trial after another, `probability` .05 and `grace` 4. How often a better report came, by the
predicted probability:

| predicted | TaskSet | LCBench |
|---|---|---|
| 0 to .02 | .01 of 330 | .02 of 216 |
| .02 to .05 | .01 of 82 | .05 of 107 |
| .05 to .1 | .06 of 180 | .05 of 153 |
| .1 to .2 | .10 of 290 | .09 of 205 |
| .2 to .4 | .23 of 483 | .13 of 260 |
| .4 to .6 | .24 of 448 | .24 of 213 |
| .6 to .8 | .40 of 740 | .38 of 240 |
| .8 to .95 | .63 of 910 | .80 of 607 |
| .95 to 1 | .89 of 888 | .92 of 1141 |

So what it stops is hopeless in 97-99 of 100 cases, and what it is undecided about it rates too high: it errs
on the side of going on. The 30 trials cost 7 full trainings, and their best value was worse than without any
stopping by .005 (TaskSet) and .010 (LCBench) of the distance from the median to the best.
"""

from statistics import median
from typing import Literal

from tuner.search.curve_model import CurveModel, Forecast
from tuner.search.none import NeverPauses
from tuner.search.rungs import go_on, sign_of
from tuner.search.scheduler import Action, Decision, stop_if_not_finite


class Extrapolation(NeverPauses):
    """`max_reports`: reports of a full training; None: the longest trial so far stands for it."""

    def __init__(
        self,
        *,
        mode: Literal["min", "max"],
        max_reports: int | None,
        grace: int = 4,
        probability: float = 0.05,
    ) -> None:
        self._sign = sign_of(mode)
        self._max_reports = max_reports
        self._grace, self._probability = grace, probability
        self._model = CurveModel()
        self._losses: dict[int, dict[int, float]] = {}
        """trial -> report -> loss"""
        self._best: dict[int, float] = {}
        self._ranges: dict[int, float] = {}

    def on_report(self, number: int, step: int, value: float) -> Decision:
        """Extrapolate, and stop what hardly reaches the best."""
        stopped = stop_if_not_finite(step, value)
        if stopped is not None:
            return stopped
        self._note(number, step, self._sign * value)
        last_step = self._last_step()
        if step < self._grace:
            return go_on(f"no decision before report {self._grace}", value)
        if step == self._max_reports:
            return go_on(f"report {step} is the full budget", value)
        if step >= last_step:
            return go_on(f"no trial has come further than report {step}", value)
        scale = self._scale()
        if scale is None:
            return go_on("no trial's value has changed so far", value)
        return self._decide(value, last_step, self._extrapolate(number, step, last_step, scale))

    def _note(self, number: int, step: int, loss: float) -> None:
        losses = self._losses.setdefault(number, {})
        losses[step] = loss
        self._best[number] = min(losses.values())
        self._ranges[number] = max(losses.values()) - min(losses.values())

    def _last_step(self) -> int:
        return self._max_reports or max(max(losses) for losses in self._losses.values())

    def _scale(self) -> float | None:
        """A typical change of a curve; None where none has changed."""
        ranges = [size for size in self._ranges.values() if 0 < size < float("inf")]
        return median(ranges) if ranges else None

    def _extrapolate(self, number: int, step: int, last_step: int, scale: float) -> Forecast:
        curve = sorted((at, loss) for at, loss in self._losses[number].items() if at <= step)
        steps, losses = zip(*curve, strict=True)
        best = min(self._best.values())
        return self._model.extrapolate(number, steps, losses, last_step=last_step, target=best, scale=scale)

    def _decide(self, value: float, last_step: int, forecast: Forecast) -> Decision:
        is_hopeless = forecast.probability < self._probability
        best = self._sign * min(self._best.values())
        comparison = "below" if is_hopeless else "not below"
        final = f"{self._sign * forecast.final:.6g} +- {forecast.final_sd:.2g}"
        reason = (
            f"beats the best so far, {best:.6g}, with probability {forecast.probability:.3f}, {comparison} "
            f"{self._probability:g}: {final} is expected at report {last_step}"
        )
        return Decision(Action.STOP if is_hopeless else Action.CONTINUE, reason, value=value)
