"""Where rungs stand, who came there with which loss, who waits there and who went on.

Shared by the schedulers that compare trials at rungs. Losses are small when good: a metric that is to be
large comes in with its sign turned (`sign_of`), so that nothing here knows of a direction.
"""

from bisect import insort
from typing import Literal

from tuner.search.scheduler import Action, Decision


def sign_of(mode: Literal["min", "max"]) -> float:
    """What makes a loss of a metric: 1 or -1."""
    return 1.0 if mode == "min" else -1.0


def is_rung(step: int, first: int, factor: int, max_reports: int | None) -> bool:
    """Whether `step` is one of first, first * factor, first * factor^2, ... below `max_reports`.

    At the full budget there is nothing left to save, so there is no rung.
    """
    if max_reports is not None and step >= max_reports:
        return False
    while first < step:
        first *= factor
    return first == step


def num_rungs(first: int, factor: int, max_reports: int) -> int:
    """How many rungs there are below `max_reports`."""
    count = 0
    while first < max_reports:
        first, count = first * factor, count + 1
    return count


class Brackets:
    """Deals trials out to brackets: each gets its share, as evenly as can be, by the trial's number alone.

    The shares are those of Hyperband (Li et al., 2018): with K levels in bracket 0 (its rungs and the full
    budget), bracket s gets K / (K - s) * factor^-s, so that all brackets cost about the same. Where the full
    budget is not known, K is taken as infinite. Each trial goes to the bracket furthest behind its share.
    """

    def __init__(self, count: int, first: int, factor: int, max_reports: int | None) -> None:
        levels = None if max_reports is None else 1 + num_rungs(first, factor, max_reports)
        self.firsts = [first * factor**bracket for bracket in range(count)]
        """the first rung of each bracket, in reports"""
        costs = [levels / max(1, levels - s) if levels else 1.0 for s in range(count)]
        self._shares = [cost * factor**-s for s, cost in enumerate(costs)]
        self._counts = [0] * count
        self._dealt: list[int] = []

    def of(self, number: int) -> int:
        """The bracket of trial `number`."""
        while len(self._dealt) <= number:
            behind = [(taken + 1) / share for taken, share in zip(self._counts, self._shares, strict=True)]
            bracket = behind.index(min(behind))
            self._counts[bracket] += 1
            self._dealt.append(bracket)
        return self._dealt[number]


class Rung:
    """The trials that came to `level` reports: their losses, who waits here, and who went on from here."""

    def __init__(self, level: int) -> None:
        self.level = level
        self.ranked: list[tuple[float, int]] = []
        """(loss, number), the best first; a tie goes to the earlier trial"""
        self.waiting: set[int] = set()
        self.gone_on: set[int] = set()
        self._losses: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self.ranked)

    def __contains__(self, number: int) -> bool:
        return number in self._losses

    def record(self, number: int, loss: float) -> None:
        """Notes the loss of a trial, in place of an earlier one."""
        if number in self._losses:
            self.ranked.remove((self._losses[number], number))
        self._losses[number] = loss
        insort(self.ranked, (loss, number))

    def loss_at(self, rank: int) -> float:
        """The `rank`-th best loss; the first is 1."""
        return self.ranked[rank - 1][0]

    def loss_of(self, number: int) -> float:
        return self._losses[number]

    def best_waiting(self, among: int) -> int | None:
        """The best trial that waits and is among the best `among` of all that came here."""
        best = self.ranked[:among]
        return next((number for _, number in best if number in self.waiting), None)


def go_on(reason: str, value: float) -> Decision:
    """CONTINUE where nothing is compared."""
    return Decision(Action.CONTINUE, reason, value=value)
