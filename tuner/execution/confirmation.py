"""Which trials are trained again with fresh seeds, and with which: pure functions of the rows.

    for run in due(rows, experiment): ...   # once nothing of the search is left to start, resume or run

A fresh run changes the training seed alone, hence initial weights, order and dropout; the data's split stays,
and so does the configuration's own `early_stop`. No scheduler judges it and no searcher hears of it.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass

from tuner.records.confirmation import candidates, fresh_rows
from tuner.records.rows import TrialRow
from tuner.spec import Experiment

SEED_BITS = 31


@dataclass(frozen=True)
class FreshRun:
    """A run to come."""

    confirms: int
    """Number of the trial that it repeats."""
    seed: int


def due(rows: Iterable[TrialRow], experiment: Experiment) -> list[FreshRun]:
    """The fresh runs that `rows` lack, in the order in which they are best begun; none without `confirm`.

    Every candidate's first run comes before any second one, so that an interruption leaves all alike.
    """
    confirm, search = experiment.confirm, experiment.search
    if confirm is None:
        return []
    rows = list(rows)
    best = candidates(rows, confirm, search.metric, search.mode)
    seeds = [fresh_seeds(search.seed, row.number, _own_seed(row, experiment), confirm.seeds) for row in best]
    planned = [
        FreshRun(row.number, each[k])
        for k in range(confirm.seeds)
        for row, each in zip(best, seeds, strict=True)
    ]
    begun = {(run.confirms, run.seed) for row in best for run in fresh_rows(rows, row.number)}
    return [run for run in planned if (run.confirms, run.seed) not in begun]


def num_planned(experiment: Experiment) -> int:
    """Fresh runs of a search whose trials are all sound."""
    confirm = experiment.confirm
    return min(confirm.top, experiment.search.trials) * confirm.seeds if confirm else 0


def fresh_seeds(search_seed: int, number: int, own_seed: int, num_seeds: int) -> list[int]:
    """Seeds for the fresh runs of trial `number`: distinct, and none of them `own_seed`.

    Every trial has its own, so that no luck of a seed is common to two of them.
    """
    draws = random.Random(f"{search_seed}/{number}")
    seeds: list[int] = []
    while len(seeds) < num_seeds:
        seed = draws.getrandbits(SEED_BITS)
        if seed not in (own_seed, *seeds):
            seeds.append(seed)
    return seeds


def _own_seed(row: TrialRow, experiment: Experiment) -> int:
    """What the search trained the trial with; a function is told the search's seed."""
    return experiment.search.seed if experiment.task is None else experiment.resolve(row.params).train.seed
