"""Which fresh runs are due, with which seeds; and that confirming chooses better than the best single run."""

import random
import statistics

import pytest

from tuner.execution.confirmation import FreshRun, due, fresh_seeds, num_planned
from tuner.records.confirmation import confirmation_of
from tuner.records.rows import TrialRow, best_row
from tuner.records.states import TrialState
from tuner.spec import Experiment, Float

TASK = {
    "name": "seeded",
    "task": "tabular_classification",
    "data": {"source": {"type": "two_class"}},
    "model": {"type": "mlp"},
    "train": {"epochs": 1, "seed": {"int": [0, 2**31 - 1]}},
    "search": {"metric": "val/loss"},
    "confirm": {"top": 1, "seeds": 2},
}


def trains(config, trial):
    yield {"score": 0.0}


def experiment(*, top=2, seeds=2, seed=0, confirm=True):
    section = {"top": top, "seeds": seeds} if confirm else None
    space = {"x": Float(0.0, 1.0)}
    return Experiment(train=trains, space=space, metric="score", mode="max", seed=seed, confirm=section)


def searched(*values):
    return [TrialRow(n, TrialState.STOPPED, {"x": 0.5}, best={"score": v}) for n, v in enumerate(values)]


def run(rows, fresh, value, state="COMPLETE"):
    """The row of a fresh run that is over."""
    best = {"score": value}
    return TrialRow(len(rows), TrialState(state), {}, best=best, confirms=fresh.confirms, seed=fresh.seed)


def test_every_candidate_gets_its_first_run_before_any_gets_a_second():
    runs = due(searched(0.1, 0.9, 0.5), experiment())
    assert [each.confirms for each in runs] == [1, 2, 1, 2]
    assert len({each.seed for each in runs}) == 4


def test_the_same_search_seed_gives_the_same_runs_and_another_one_others():
    rows = searched(0.1, 0.9)
    assert due(rows, experiment()) == due(rows, experiment())
    seeds, others = ({each.seed for each in due(rows, experiment(seed=seed))} for seed in (0, 1))
    assert not seeds & others


@pytest.mark.parametrize("state", ["QUEUED", "RUNNING", "COMPLETE", "DIVERGED", "FAILED", "INFEASIBLE"])
def test_a_run_that_was_begun_is_not_due_again(state):
    rows = searched(0.1, 0.9)
    first, *rest = due(rows, experiment())
    assert due([*rows, run(rows, first, 0.3, state)], experiment()) == rest


def test_an_interrupted_run_is_due_again_with_its_seed():
    rows = searched(0.1, 0.9)
    first, *rest = due(rows, experiment())
    assert due([*rows, run(rows, first, 0.3, "STOPPED")], experiment()) == [first, *rest]


def test_fresh_values_do_not_change_who_is_confirmed():
    rows = searched(0.1, 0.9, 0.5)
    while runs := due(rows, experiment()):
        rows.append(run(rows, runs[0], 99.0))
    assert [row.confirms for row in rows[3:]] == [1, 2, 1, 2]


def test_nothing_is_due_without_confirm_or_without_a_sound_trial():
    assert due(searched(0.9), experiment(confirm=False)) == []
    assert due([], experiment()) == []
    assert (num_planned(experiment()), num_planned(experiment(confirm=False))) == (4, 0)


def test_seeds_are_fresh():
    first, second, third = fresh_seeds(7, 3, own_seed=-1, num_seeds=3)
    assert fresh_seeds(7, 3, own_seed=second, num_seeds=2) == [first, third]
    assert len({*fresh_seeds(7, 3, 0, 50), *fresh_seeds(7, 4, 0, 50), *fresh_seeds(8, 3, 0, 50)}) == 150
    assert all(0 <= seed < 2**31 for seed in fresh_seeds(7, 3, 0, 50))


def test_a_searched_seed_is_not_used_again():
    searches_seed = Experiment.from_dict(TASK)
    row = TrialRow(0, TrialState.COMPLETE, {"train.seed": 0}, best={"val/loss": 1.0})
    first, second = due([row], searches_seed)
    row.params = {"train.seed": first.seed}
    assert due([row], searches_seed)[0] == FreshRun(0, second.seed)


def test_only_the_training_seed_of_a_configuration_changes():
    spec = Experiment.from_dict(TASK).resolve({"train.seed": 5})
    again = spec.with_seed(9)
    assert (spec.train.seed, again.train.seed) == (5, 9)
    assert again.with_seed(5) == spec


# --- whether it helps ---

TRIALS, NOISE, REPEATS = 64, 0.5, 200
"""Standard deviation of a run's noise in units of the true spread; searches that are averaged over."""


def regrets(seed, chosen):
    """True regret of the best single run and of the confirmed winner, and the optimism gap of the search."""
    draw = random.Random(seed)
    truth = [draw.gauss(0, 1) for _ in range(TRIALS)]
    rows = searched(*(value + NOISE * draw.gauss(0, 1) for value in truth))
    single = best_row(rows, "score", "max")
    for fresh in due(rows, chosen):
        rows.append(run(rows, fresh, truth[fresh.confirms] + NOISE * draw.gauss(0, 1)))
    found = confirmation_of(rows, chosen.confirm, "score", "max")
    regret = [max(truth) - truth[number] for number in (single.number, found.winner.number)]
    return *regret, found.search_best.optimism


@pytest.mark.parametrize(("top", "at_most"), [(3, 0.14), (5, 0.12)])
def test_the_confirmed_winner_is_truly_better_than_the_best_single_run(top, at_most):
    chosen = experiment(top=top, seeds=3)
    searches = [regrets(seed, chosen) for seed in range(REPEATS)]
    single, confirmed, optimism = (statistics.fmean(each) for each in zip(*searches, strict=True))
    assert single > 0.2
    assert confirmed < at_most
    assert confirmed < 0.6 * single
    assert optimism == pytest.approx(0.52, abs=0.1), "what the search shows is too good by as much"
