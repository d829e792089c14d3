"""Which trials are kept where a model cannot learn from all."""

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState
from search_cases import SPACES, make_search

from tuner.search.distributions import distribution
from tuner.search.thinning import thinned
from tuner.spec.sections import SearchSpec

SPACE = SPACES["square"]
DISTRIBUTIONS = {parameter.name: distribution(parameter.domain) for parameter in SPACE.parameters}
SEARCH = make_search()


def trial_at(x: float, y: float, *values: float) -> FrozenTrial:
    """Pending without values."""
    state = TrialState.COMPLETE if values else TrialState.RUNNING
    params = {"x": x, "y": y}
    return optuna.create_trial(state=state, values=values or None, params=params, distributions=DISTRIBUTIONS)


def scattered(num: int, seed: int = 0) -> list[FrozenTrial]:
    return [trial_at(*row) for row in np.random.default_rng(seed).uniform(-1, 1, (num, 3)).tolist()]


def places(trials: list[FrozenTrial], search: SearchSpec, most: int) -> list[int]:
    """Where in `trials` the kept ones stand."""
    kept = {id(trial) for trial in thinned(SPACE, search, trials, most)}
    return [at for at, trial in enumerate(trials) if id(trial) in kept]


@pytest.mark.parametrize("num", [0, 1, 29, 30])
def test_few_are_all_kept(num: int) -> None:
    trials = scattered(num)
    assert thinned(SPACE, SEARCH, trials, 30) == trials


@pytest.mark.parametrize("most", [1, 2, 3, 30, 99])
def test_of_many_so_many_are_kept_in_their_order_and_always_the_same(most: int) -> None:
    trials = scattered(100)
    kept = places(trials, SEARCH, most)
    assert len(kept) == most
    assert kept == places(scattered(100), SEARCH, most)
    assert [trials[at] for at in kept] == thinned(SPACE, SEARCH, trials, most)


@pytest.mark.parametrize("mode", ["min", "max"])
def test_the_best_third_is_kept(mode: str) -> None:
    trials = scattered(100)
    ranked = sorted(range(100), key=lambda at: trials[at].value or 0.0, reverse=mode == "max")
    assert set(ranked[:10]) <= set(places(trials, make_search(mode=mode), 30))


def test_nowhere_is_forgotten() -> None:
    """Of a cluster and four that stand alone and are bad, the four are kept."""
    cluster = [trial_at(at / 1000, -at / 1000, at / 1000) for at in range(100)]
    corners = [trial_at(x, y, 9.0) for x in (-1.0, 1.0) for y in (-1.0, 1.0)]
    assert {50, 51, 52, 53} <= set(places([*cluster[:50], *corners, *cluster[50:]], SEARCH, 12))


def test_the_front_counts_as_the_best() -> None:
    """In nothing but the front a trial is better than it in one objective and in none worse."""
    search = make_search(also={"size": "max"}, scheduler={"type": "none"})
    front = [trial_at(0.0, 0.0, float(at), float(at)) for at in range(10)]
    behind = [trial_at(at / 100, 0.5, float(at % 10) + 1, float(at % 10) - 1) for at in range(90)]
    assert set(range(90, 100)) <= set(places([*behind, *front], search, 30))


def test_pending_trials_are_all_kept() -> None:
    trials = [*scattered(40), *(trial_at(0.1, 0.1) for _ in range(20))]
    kept = places(trials, SEARCH, 10)
    assert len(kept) == 30
    assert set(range(40, 60)) <= set(kept)


def test_equal_trials_are_no_trouble() -> None:
    assert len(places([trial_at(0.5, 0.5, 1.0) for _ in range(50)], SEARCH, 20)) == 20
