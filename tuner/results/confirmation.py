"""A confirmed winner's figures over its fresh runs, and the confirmation in words and for programs."""

from collections.abc import Sequence
from typing import Any

from tuner.records.confirmation import Confirmation, Confirmed, Estimate
from tuner.records.rows import TrialRow

CLEAR_GAP = 2.0
"""Standard errors by which a winner must lead to be called the better one."""


def run_metrics(runs: Sequence[TrialRow]) -> dict[str, float]:
    """The mean over the runs of each metric's best value, for the metrics that all of them have."""
    shared = [name for name in runs[0].best if all(name in run.best for run in runs)]
    return {name: Estimate.of(run.best[name] for run in runs).mean for name in shared}


def in_words(confirmation: Confirmation) -> str:
    """Who is confirmed and how clearly, and how far the search was off; or why nobody is."""
    if confirmation.num_missing or not confirmation.ranking:
        there = confirmation.num_planned - confirmation.num_missing
        return (
            f"not confirmed: {there} of {confirmation.num_planned} fresh runs are there; the best trial is "
            f"the search's, whose value is too good, and the test split stays untouched"
        )
    if confirmation.winner is None:
        return "not confirmed: every fresh run failed; the best trial is the search's, and may fail again"
    return _lead(confirmation, *confirmation.ranking[:2]) + _optimism(confirmation)


def as_json(confirmation: Confirmation) -> dict[str, Any]:
    """For programs; absent is null. `optimism` is that of the trial that the search ranks first."""
    best = confirmation.search_best
    return {
        "winner": confirmation.winner and confirmation.winner.number,
        "gap": confirmation.gap,
        "search_best": best and best.number,
        "optimism": best and best.optimism,
        "runs_planned": confirmation.num_planned,
        "runs_missing": confirmation.num_missing,
        "runs_failed": confirmation.num_failed,
        "ranking": [_trial_json(trial) for trial in confirmation.ranking],
    }


def _lead(confirmation: Confirmation, winner: Confirmed, *others: Confirmed) -> str:
    if not others:
        return f"trial {winner.number} is confirmed; there was no other to compare it with"
    pair = f"trial {winner.number} is confirmed; trial {others[0].number} is the runner-up"
    if winner.num_failed < others[0].num_failed:
        return f"{pair}, for its failed runs"
    if confirmation.gap is None:
        return f"{pair}, at a distance that these runs cannot measure"
    lead = f"{pair}, {abs(confirmation.gap):.2g} standard errors behind"
    is_clear = confirmation.gap >= CLEAR_GAP
    return lead if is_clear else f"{lead}, less than {CLEAR_GAP:g}: either may be the better one"


def _optimism(confirmation: Confirmation) -> str:
    best = confirmation.search_best
    if best is None or best.optimism is None:
        return ""
    off = f"{abs(best.optimism):.2g} too {'good' if best.optimism >= 0 else 'bad'}"
    return f"; the search's best value, {best.search_value:.4g} of trial {best.number}, was {off}"


def _trial_json(trial: Confirmed) -> dict[str, Any]:
    return {
        "trial": trial.number,
        "search_value": trial.search_value,
        "mean": trial.score and trial.score.mean,
        "standard_error": trial.score and trial.score.standard_error,
        "optimism": trial.optimism,
        "runs": list(trial.runs),
        "values": list(trial.values),
        "failed": trial.num_failed,
        "missing": trial.num_missing,
    }
