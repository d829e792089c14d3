"""What fresh runs say about the best trials of a search: figures from rows, nothing else.

    confirmation = confirmation_of(rows, confirm, metric="val/accuracy", mode="max")
    confirmation.winner, confirmation.gap        # None until every run is there

The best of many noisy values is too good: with noise half the true spread, the best of 64 single runs has a
mean regret of .25 true standard deviations, and shows itself .53 better than it is. Training the five best
again with three fresh seeds each brings the regret to .09, for 15 more runs. So only the fresh runs rank; the
value that the search saw is shown beside them, and their difference is the optimism gap.

What stays optimistic: a run's value is the best of its reports, as in the search, alike for all; and the
winner is chosen by its fresh mean, which in that example is .11 (three trials) to .14 (five) too good, where
the search's value was .52. The search's own best trial is not chosen by its fresh runs, so its gap says
without bias how far the search's best value is off; the winner's own gap may even be negative.
"""

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from tuner.records.rows import TrialRow, ranked_rows
from tuner.records.states import TrialState
from tuner.spec.sections import ConfirmSpec


@dataclass(frozen=True)
class Estimate:
    """A mean over fresh runs."""

    mean: float
    standard_error: float | None
    """Sample standard deviation / sqrt(runs); None for a single run."""

    @classmethod
    def of(cls, values: Iterable[float]) -> "Estimate":
        """The estimate from at least one value."""
        values = list(values)
        error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
        return cls(statistics.fmean(values), error)


@dataclass(frozen=True)
class Confirmed:
    """One of the search's best trials, and its fresh runs."""

    number: int
    search_value: float
    """What the search saw."""
    runs: tuple[int, ...]
    """Numbers of the fresh runs that trained to their end, the best first."""
    values: tuple[float, ...]
    """The metric of each of `runs`."""
    num_failed: int
    """Fresh runs that diverged, failed or broke a constraint."""
    num_missing: int
    """Fresh runs that are still to come, or were interrupted."""
    score: Estimate | None
    """Over `values`; None while there are none."""
    optimism: float | None
    """How much better the search's value is than the fresh mean; negative: it was too modest."""


@dataclass(frozen=True)
class Confirmation:
    """The search's best trials, ranked by their fresh runs alone."""

    ranking: tuple[Confirmed, ...]
    """Fewer failed runs first, then the better fresh mean; provisional while runs are missing."""
    num_planned: int
    """Fresh runs of all of them."""
    winner: Confirmed | None
    """None while runs are missing, or when every fresh run failed."""
    search_best: Confirmed | None
    """The trial that the search ranks first; its `optimism` tells how far the search's best value is off."""
    gap: float | None
    """From the runner-up's mean to the winner's, in standard errors of that difference; negative when the
    runner-up is better but had failures. None without a winner, a runner-up, or a spread to measure it by."""

    @property
    def num_missing(self) -> int:
        return sum(trial.num_missing for trial in self.ranking)

    @property
    def num_failed(self) -> int:
        return sum(trial.num_failed for trial in self.ranking)


def candidates(rows: Iterable[TrialRow], confirm: ConfirmSpec, metric: str, mode: str) -> list[TrialRow]:
    """The search's trials that are confirmed: its best `confirm.top`, the best first."""
    return ranked_rows(rows, metric, mode)[: confirm.top]


def fresh_rows(rows: Iterable[TrialRow], number: int) -> list[TrialRow]:
    """The fresh runs of trial `number`, without interrupted ones, which count as never begun."""
    return [row for row in rows if row.confirms == number and row.state is not TrialState.STOPPED]


def confirmation_of(rows: Iterable[TrialRow], confirm: ConfirmSpec, metric: str, mode: str) -> Confirmation:
    """Ranks the best trials by what is there of their fresh runs."""
    rows = list(rows)
    sign = -1 if mode == "max" else 1
    best = candidates(rows, confirm, metric, mode)
    found = [_confirmed(row, fresh_rows(rows, row.number), confirm.seeds, metric, sign) for row in best]
    search_best = found[0] if found else None
    ranking = sorted(found, key=lambda trial: _rank(trial, sign))
    is_over = bool(ranking) and not any(trial.num_missing for trial in ranking)
    winner = ranking[0] if is_over and ranking[0].score else None
    gap = _gap(ranking[0], ranking[1], sign) if winner and len(ranking) > 1 else None
    return Confirmation(tuple(ranking), len(best) * confirm.seeds, winner, search_best, gap)


def note(rows: Iterable[TrialRow], confirm: ConfirmSpec, metric: str, mode: str) -> None:
    """Writes to each confirmed trial's row what its fresh runs say.

    runs, failed; mean, standard_error, optimism where there are values; rank when all runs of all trials are
    there, and gap on the winner's row.
    """
    rows = list(rows)
    confirmation = confirmation_of(rows, confirm, metric, mode)
    noted = {trial.number: _figures(trial) for trial in confirmation.ranking}
    if confirmation.winner is not None:
        for rank, trial in enumerate(confirmation.ranking, start=1):
            noted[trial.number]["rank"] = rank
        noted[confirmation.winner.number] |= _present(gap=confirmation.gap)
    for row in rows:
        row.confirmed = noted.get(row.number, {})


def _confirmed(row: TrialRow, fresh: list[TrialRow], num_seeds: int, metric: str, sign: int) -> Confirmed:
    trained = [run for run in fresh if run.state is TrialState.COMPLETE]
    trained.sort(key=lambda run: sign * run.best[metric])
    values = tuple(run.best[metric] for run in trained)
    num_failed = sum(not run.is_sound for run in fresh)
    score = Estimate.of(values) if values else None
    return Confirmed(
        number=row.number,
        search_value=row.best[metric],
        runs=tuple(run.number for run in trained),
        values=values,
        num_failed=num_failed,
        num_missing=num_seeds - len(trained) - num_failed,
        score=score,
        optimism=sign * (score.mean - row.best[metric]) if score else None,
    )


def _rank(trial: Confirmed, sign: int) -> tuple[int, float]:
    return trial.num_failed, sign * trial.score.mean if trial.score else math.inf


def _gap(winner: Confirmed, other: Confirmed, sign: int) -> float | None:
    """Difference of the means / sqrt(se1^2 + se2^2): the runs of two trials have different seeds."""
    if winner.score is None or other.score is None:
        return None
    errors = [winner.score.standard_error, other.score.standard_error]
    if None in errors or not any(errors):
        return None
    return sign * (other.score.mean - winner.score.mean) / math.hypot(*(error or 0.0 for error in errors))


def _figures(trial: Confirmed) -> dict[str, float]:
    mean, error = (trial.score.mean, trial.score.standard_error) if trial.score else (None, None)
    return _present(
        runs=len(trial.runs),
        failed=trial.num_failed,
        mean=mean,
        standard_error=error,
        optimism=trial.optimism,
    )


def _present(**figures: float | None) -> dict[str, float]:
    return {name: value for name, value in figures.items() if value is not None}
