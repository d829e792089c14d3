"""Hyperband: brackets of successive halving, from many trials with little to few trials with all.

Li et al., "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization" (JMLR 2018,
arXiv:1603.06560, Algorithm 1), spread over asynchronous gangs. BOHB (Falkner et al., 2018) is this scheduler
with the sampler `bohb`. Synchronous rungs promote the right trials, where ASHA promotes early ones, but a
straggler holds its rung up; gangs do not wait for it, they begin trials of the next bracket.

The rule, exactly, with R = `max_reports`, eta = `factor` and s_max = floor(log_eta(R / grace)):

- Bracket s = s_max, s_max - 1, ..., 0, and then again from s_max, takes the next trials, as many as
  n = ceil((s_max + 1) / (s + 1) * eta^s). Its rungs stand at R * eta^-s, R * eta^(1 - s), ..., R / eta
  reports, rounded. R = 27, eta = 3: 27 trials with rungs at 1, 3, 9; 12 at 3, 9; 6 at 9; 4 trained in full
  at once.
- A trial pauses at each rung. A rung is complete when all that will come there have reported there or ended;
  its best floor(m / eta) of m, ended ones counted in m, are then resumed, the best first.
- When a gang is free: the oldest bracket and its highest rung first. Nobody to resume: a new trial.
- When no new trial will come, the last bracket goes on with the trials that it has, and a rung need not be
  complete: of k that have come, floor(k / eta) are resumed. At least one trial of each complete rung goes
  on, so that each bracket trains one in full.
- A tie goes to the earlier trial.
"""

from collections.abc import Mapping
from typing import Any, Literal

from tuner.errors import ExperimentError
from tuner.search.pausing import Next, Pausing
from tuner.search.rungs import Rung


def halvings(grace: int, factor: int, max_reports: int) -> int:
    """s_max: how often the trials of the largest bracket are halved."""
    count = 0
    while grace * factor ** (count + 1) <= max_reports:
        count += 1
    return count


class Hyperband(Pausing):
    """Hyperband over reports.

    `max_reports`: reports of a full training. `grace`: the least that a rung has. `factor`: one in `factor`
    trials goes on, and rungs are `factor` times apart.
    """

    def __init__(
        self, *, mode: Literal["min", "max"], max_reports: int | None, grace: int = 1, factor: int = 3
    ) -> None:
        if max_reports is None:
            raise ExperimentError(
                "hyperband plans its brackets by the reports of a full training; found max_reports None; "
                "give max_reports, or use the scheduler asha"
            )
        super().__init__(mode, max_reports)
        self._factor = factor
        self._full = max_reports
        self._halvings = halvings(grace, factor, max_reports)
        self._brackets: list[_Bracket] = []
        self._bracket_of: dict[int, _Bracket] = {}

    def on_start(self, number: int, params: Mapping[str, Any]) -> None:
        """The trial takes the next place in the bracket that is being filled."""
        self._join(number)
        super().on_start(number, params)

    def on_finish(self, number: int) -> None:
        """Its rung no longer waits for the trial; what it reported stays."""
        self._join(number).ended.add(number)
        super().on_finish(number)

    def _join(self, number: int) -> "_Bracket":
        if number not in self._bracket_of:
            if not self._brackets or self._brackets[-1].is_full:
                s = self._halvings - len(self._brackets) % (self._halvings + 1)
                self._brackets.append(_Bracket(self._full, s, self._halvings, self._factor))
            self._brackets[-1].trials.add(number)
            self._bracket_of[number] = self._brackets[-1]
        return self._bracket_of[number]

    def _rung_at(self, number: int, step: int) -> Rung | None:
        stages = self._join(number).stages
        return next((stage for stage in stages if stage.level == step), None)

    def _num_kept(self, rung: Rung) -> int:
        assert isinstance(rung, _Stage)
        return rung.size // self._factor

    def _rule(self, rung: Rung) -> str:
        assert isinstance(rung, _Stage)
        kept = f"the best {self._num_kept(rung)} of {rung.size} go on"
        return f"{kept} when all have come; {len(rung)} have"

    def _next(self, *, is_last: bool) -> Next | None:
        stages = (stage for bracket in self._brackets for stage in reversed(bracket.stages))
        for stage in stages:
            kept = stage.num_kept(is_last) if stage.waiting and not stage.is_spent else 0
            number = stage.best_waiting(among=len(stage))
            if number is not None and len(stage.gone_on) < kept:
                return Next(stage, number, f"the best {kept} of {stage.num_counted(is_last)} go on")
        return None


class _Bracket:
    """Bracket s: its trials, those of them that have ended, and its rungs, the lowest first."""

    def __init__(self, full: int, s: int, s_max: int, factor: int) -> None:
        self.size: int = -(-(s_max + 1) * factor**s // (s + 1))
        self.trials: set[int] = set()
        self.ended: set[int] = set()
        self.stages: list[_Stage] = []
        for i in range(s):
            below = self.stages[-1] if self.stages else None
            level = _rounded(full, factor ** (s - i))
            self.stages.append(_Stage(level, self.size // factor**i, factor, self, below))

    @property
    def is_full(self) -> bool:
        return len(self.trials) >= self.size


class _Stage(Rung):
    """A rung that knows who will come: the bracket's trials, or who goes on from the rung `below`."""

    def __init__(self, level: int, size: int, factor: int, bracket: _Bracket, below: "_Stage | None") -> None:
        super().__init__(level)
        self.size = size
        """trials that come here when the bracket is full"""
        self._factor, self._bracket, self._below = factor, bracket, below

    @property
    def is_spent(self) -> bool:
        """Whether nobody can go on from here any more."""
        return len(self.gone_on) >= self.size // self._factor

    def num_kept(self, is_last: bool) -> int:
        """How many may go on by now."""
        kept = self.num_counted(is_last) // self._factor
        return max(1, kept) if self._is_complete(is_last) else kept

    def num_counted(self, is_last: bool) -> int:
        """The trials of which the best go on: all of a complete rung; those that have come, of another."""
        if self._is_complete(is_last):
            return len(self._members())
        return len(self) if is_last else 0

    def _members(self) -> set[int]:
        return self._bracket.trials if self._below is None else self._below.gone_on

    def _is_complete(self, is_last: bool) -> bool:
        has_all_come: bool = all(
            number in self or number in self._bracket.ended for number in self._members()
        )
        return has_all_come and not self._may_grow(is_last)

    def _may_grow(self, is_last: bool) -> bool:
        if self._below is None:
            return not self._bracket.is_full and not is_last
        is_spent = not self._below.waiting or len(self._below.gone_on) >= self._below.num_kept(is_last)
        return not (is_spent and self._below._is_complete(is_last))


def _rounded(numerator: int, denominator: int) -> int:
    """The quotient to the nearest whole number, a half up."""
    return (2 * numerator + denominator) // (2 * denominator)
