"""Freeze-thaw: a free gang goes to whatever is expected to gain most, a new configuration or a paused trial.

Swersky, Snoek and Adams, "Freeze-thaw Bayesian optimization" (2014, arXiv:1406.3896), with the surrogate
of `tuner.search.surrogate` and the simplest of decisions: the expected improvement at the end of training,
divided by the square root of the reports that are left to train.

At every landmark (1, 2, 3, 5, 8, 13 ... reports, from `grace` on) a trial is compared with all others. It
goes on where it gains most; else it is paused, and its gang goes to the one that does. Beside the model
stand three rules.

- Until `NUM_FIRST` trials have reported, new ones begin.
- New trials take at most one report in three (`NEW_SHARE`) while others wait: a model that has seen first
  reports only does not know how curves go on, and would look at new ones for ever.
- A tenth of the decisions (`RANK_SHARE`) goes by rank, as promotion ASHA's do: the paused trial of the latest
  landmark that is among the best quarter of all that came so far. It insures against a model that is wrong.
  What was measured stands in `docs/decisions/freeze-thaw.md`.

Measured against promotion ASHA with random configurations, 4 workers: `results/benchmarks/search.md`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from tuner.search.scheduler import Action, Decision, Resume, stop_if_not_finite
from tuner.search.surrogate import Belief, Seen, Surrogate
from tuner.spec.space import Space

NEW_SHARE = 1 / 3
NUM_FIRST = 10
RANK_SHARE, RANK_FACTOR = 0.1, 4
MAX_PAUSED = 100
"""Paused trials that are compared: those with the best values."""
WORTHWHILE = 0.01
"""The least gain for which a last trial is trained on, as a share of the spread between trials."""


@dataclass
class _Trial:
    params: Mapping[str, Any]
    curve: dict[int, float] = field(default_factory=dict)
    is_running: bool = True
    is_paused: bool = False
    is_bad: bool = False


class FreezeThaw:
    """Freeze-thaw over reports; configurations are drawn from `space`, and there will be so many `trials`."""

    def __init__(
        self,
        *,
        mode: Literal["min", "max"],
        max_reports: int,
        grace: int,
        space: Space,
        trials: int,
        seed: int,
    ) -> None:
        self._mode, self._max_reports, self._grace = mode, max_reports, grace
        self._surrogate = Surrogate(space, mode=mode, max_reports=max_reports, seed=seed)
        self._num_planned, self._seed = trials, seed
        self._trials: dict[int, _Trial] = {}
        self._next: Resume | None = None
        self._is_next_known = False

    def on_start(self, number: int, params: Mapping[str, Any]) -> None:
        """The trial runs; one that had paused goes on."""
        self._is_next_known = False
        trial = self._trials.setdefault(number, _Trial(params))
        trial.is_running, trial.is_paused = True, False

    def on_report(self, number: int, step: int, value: float) -> Decision:
        """Decide at a landmark, continue everywhere else."""
        self._is_next_known = False
        trial = self._trials[number]
        trial.is_running, trial.is_paused = True, False
        stopped = stop_if_not_finite(step, value)
        if stopped is not None:
            trial.is_bad = True
            return stopped
        trial.curve[step] = value
        if step >= self._max_reports or step < self._grace or step not in self._surrogate.steps:
            return Decision(Action.CONTINUE, f"no comparison at report {step}", value=value)
        trial.is_running, trial.is_paused = False, True
        is_last = len(self._trials) >= self._num_planned
        self._next = chosen = self._choose(is_last=is_last, remembers=True)
        self._is_next_known = True
        if chosen is not None and chosen.number == number:
            self._run(number)
            return Decision(Action.CONTINUE, chosen.reason, rung=step, value=value)
        return Decision(
            Action.PAUSE, f"{value:.6g} at report {step}: {_who(chosen, is_last)}", rung=step, value=value
        )

    def on_finish(self, number: int) -> None:
        """The curve stays."""
        self._is_next_known = False
        trial = self._trials.get(number)
        if trial is not None:
            trial.is_running = trial.is_paused = False

    def resume(self, *, is_last: bool) -> Resume | None:
        """The paused trial that gains more than all others and than a new one."""
        known = self._is_next_known and not is_last
        chosen = self._next if known else self._choose(is_last=is_last, remembers=False)
        self._is_next_known = False
        if chosen is not None:
            self._run(chosen.number)
        return chosen

    def _run(self, number: int) -> None:
        self._is_next_known = False
        trial = self._trials[number]
        trial.is_running, trial.is_paused = True, False

    def _choose(self, *, is_last: bool, remembers: bool) -> Resume | None:
        """Who gets a gang.

        What is drawn and what the surrogate remembers depend on the reports alone, not on how often a free
        gang asked: telling a new scheduler the reports again gives the same decisions.
        """
        paused = self._paused()
        num_reported = sum(bool(trial.curve) for trial in self._trials.values())
        if not paused or (num_reported < NUM_FIRST and not is_last):
            return None
        numbers = list(self._trials)
        rng = np.random.default_rng([self._seed, self._num_reports()])
        if not is_last and rng.random() < RANK_SHARE:
            ranked = self._by_rank(paused)
            if ranked is not None:
                return ranked
        belief = self._learn(remembers)
        positions = np.array([numbers.index(number) for number in paused])
        gains = belief.gain_of_known(positions)
        left = np.array([self._max_reports - len(self._trials[number].curve) for number in paused])
        rates = gains / np.sqrt(np.maximum(left, 1))
        best = int(np.argmax(rates))
        if is_last:
            return self._finish_up(paused[best], gains[best] * belief.spread)
        words = f"expected gain {gains[best]:.3g} over {left[best]} reports"
        if self._has_enough_new():
            return Resume(paused[best], f"{words}, the largest of {len(paused)} paused trials")
        new = self._gain_of_new(belief, rng)
        if rates[best] < new / np.sqrt(self._max_reports):
            return None
        return Resume(paused[best], f"{words}, {new:.3g} of a new trial")

    def _by_rank(self, paused: Sequence[int]) -> Resume | None:
        """The paused trial of the latest landmark that is among the best quarter that came so far."""
        for step in reversed(self._surrogate.steps):
            came = [number for number, trial in self._trials.items() if step in trial.curve]
            ranked = sorted(came, key=lambda number: self._best_loss(number, step))[
                : len(came) // RANK_FACTOR
            ]
            for place, number in enumerate(ranked, start=1):
                if number in paused and max(self._trials[number].curve) == step:
                    return Resume(number, f"number {place} of {len(came)} at report {step}")
        return None

    def _best_loss(self, number: int, step: int) -> float:
        sign = 1 if self._mode == "min" else -1
        return min(sign * value for at, value in self._trials[number].curve.items() if at <= step)

    def _finish_up(self, number: int, gain: float) -> Resume | None:
        """With no new trial to come: the most promising, until one is trained in full and none gains much."""
        is_any_complete = any(len(trial.curve) >= self._max_reports for trial in self._trials.values())
        if is_any_complete and gain < WORTHWHILE:
            return None
        return Resume(number, f"expected gain {gain:.3g} of the spread between trials, no new trial to come")

    def _paused(self) -> list[int]:
        sign = 1 if self._mode == "min" else -1
        paused = [number for number, trial in self._trials.items() if trial.is_paused]
        return sorted(paused, key=lambda number: min(sign * v for v in self._trials[number].curve.values()))[
            :MAX_PAUSED
        ]

    def _has_enough_new(self) -> bool:
        has_some = len(self._trials) >= 2 * NUM_FIRST
        return has_some and len(self._trials) > NEW_SHARE * self._num_reports()

    def _num_reports(self) -> int:
        return sum(len(trial.curve) for trial in self._trials.values())

    def _learn(self, remembers: bool) -> Belief:
        trials = self._trials.values()
        seen = [Seen(trial.params, trial.curve, trial.is_bad, trial.is_running) for trial in trials]
        return self._surrogate.learn(seen, remembers=remembers)

    def _gain_of_new(self, belief: Belief, rng: np.random.Generator) -> float:
        return belief.propose(rng)[1]


def _who(chosen: Resume | None, is_last: bool) -> str:
    """Whom a paused trial makes way for."""
    if chosen is not None:
        return f"trial {chosen.number} comes first"
    return "nobody's expected gain is worth going on for" if is_last else "a new trial comes first"
