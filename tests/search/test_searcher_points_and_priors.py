"""Points that are tried first, and priors that are trusted less and less."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from search_cases import SAMPLERS, SPACES, drive, make_search, open_searcher

from tuner.records.states import TrialState
from tuner.search import priors
from tuner.search.factory import make_searcher
from tuner.spec.domains import Domain, Float, Int
from tuner.spec.sections import Prior
from tuner.spec.space import Parameter, Space

POINTS = [{"opt.sgd.momentum": 0.3, "depth": 2}, {"opt": "adam"}, {}]
CONTINUOUS = [name for name in SAMPLERS if name not in ("grid", "brute_force")]


def bowl(sampler: str, optimum: float, seed: int, believed: dict[str, Any] | None = None) -> list[float]:
    """The losses of 30 trials, one after the other."""
    search = make_search(
        sampler, trials=30, seed=seed, scheduler={"type": "none"}, priors={} if believed is None else believed
    )
    searcher = make_searcher(SPACES["square"], search, None)
    losses = []
    for number in range(30):
        suggestion = searcher.suggest()
        assert suggestion is not None
        losses.append(sum((value - optimum) ** 2 for value in suggestion.params.values()))
        searcher.finish(number, TrialState.COMPLETE, losses[-1], "")
    return losses


@pytest.mark.parametrize("sampler", CONTINUOUS)
def test_points_come_first_and_are_completed_by_the_sampler(sampler: str) -> None:
    search = make_search(sampler, points=POINTS)
    searcher = make_searcher(SPACES["conditional"], search, None)
    first, second, third, *others = [suggestion.params for suggestion in drive(searcher, 0, 16)]
    assert first["opt"] == "sgd"
    assert first["opt.sgd.momentum"] == 0.3
    assert first["depth"] == 2
    assert second["opt"] == "adam"
    for params in (first, second, third, *others):
        SPACES["conditional"].check(params)


@pytest.mark.parametrize("sampler", ["grid", "brute_force"])
def test_a_grid_follows_whole_after_its_points(sampler: str) -> None:
    space = Space((Parameter("a", Int(1, 3)), Parameter("b", Int(1, 2))))
    searcher = make_searcher(space, make_search(sampler, points=[{"a": 3, "b": 1}, {"b": 2}]), None)
    params = [suggestion.params for suggestion in drive(searcher, 0, 20)]
    assert params[0] == {"a": 3, "b": 1}
    assert params[1]["b"] == 2
    assert params[2:] == [{"a": a, "b": b} for a in (1, 2, 3) for b in (1, 2)]
    assert searcher.suggest() is None


@pytest.mark.parametrize("sampler", ["tpe", "gp", "nsgaii"])
def test_a_sampler_learns_from_points(sampler: str, tmp_path: Path) -> None:
    searcher = open_searcher(sampler, "one", tmp_path / "journal", points=[{"x": 0.5}, {"x": -0.5}])
    first = searcher.suggest()
    assert (first.number, first.params) == (0, {"x": 0.5})
    searcher.finish(0, TrialState.COMPLETE, 1.0, "")
    assert [seen.params for seen in searcher.observations()] == [{"x": 0.5}]


def test_points_and_priors_are_the_same_in_another_process(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"points": POINTS, "priors": {"depth": 3, "opt.adam.lr": 1e-2}}
    whole = drive(open_searcher("tpe", "conditional", tmp_path / "whole", **changes), 0, 15)
    cut = drive(open_searcher("tpe", "conditional", tmp_path / "cut", **changes), 0, 6)
    cut += drive(open_searcher("tpe", "conditional", tmp_path / "cut", **changes), 6, 15)
    assert cut == whole


@pytest.mark.parametrize(
    ("domain", "at"),
    [
        (Float(1e-5, 1e-1, log=True), 1e-3),
        (Float(-1.0, 1.0), 1.0),
        (Float(0.0, 1.0, step=0.25), 0.5),
        (Int(1, 100), 30),
        (Int(1, 1000, log=True), 1),
    ],
)
def test_draws_lie_in_the_domain_and_around_the_belief(domain: Domain, at: float) -> None:
    space = Space((Parameter("x", domain),))
    rng = np.random.default_rng(0)
    drawn = [priors.draw(space, {"x": Prior(at=at)}, rng)["x"] for _ in range(400)]
    assert all(domain.contains(value) for value in drawn)
    near = [value for value in drawn if priors.log_density(space, {"x": Prior(at=at)}, {"x": value}) > -2.0]
    assert len(near) > 360  # two standard deviations: 95%


def test_the_likeliest_option_leaves_the_others_their_share() -> None:
    space = SPACES["conditional"]
    rng = np.random.default_rng(0)
    believed = {"opt": Prior(at="sgd", spread=0.25)}
    drawn = Counter(priors.draw(space, believed, rng)["opt"] for _ in range(1000))
    assert drawn["adam"] == pytest.approx(250, abs=50)
    assert priors.log_density(space, believed, {"opt": "adam"}) == pytest.approx(np.log(0.25))


def test_a_parameter_that_is_not_active_has_no_density() -> None:
    believed = {"opt.adam.lr": Prior(at=1e-2)}
    params = {"opt": "sgd", "opt.sgd.momentum": 0.3, "opt.sgd.nesterov": True, "depth": 1}
    assert priors.log_density(SPACES["conditional"], believed, params) == 0


def test_the_weight_of_a_prior_decays() -> None:
    search = make_search(trials=40)
    assert [priors.weight(search, num) for num in (0, 4, 36)] == [1.0, 0.5, 0.1]


@pytest.mark.parametrize("sampler", ["random", "tpe", "cmaes", "nsgaii", "qmc"])
def test_a_right_prior_pays_from_the_first_trials(sampler: str) -> None:
    def best_of_eight(believed: dict[str, Any] | None) -> float:
        return sum(min(bowl(sampler, 0.8, seed, believed)[:8]) for seed in range(4)) / 4

    assert best_of_eight({"x": 0.8, "y": {"at": 0.8, "spread": 0.1}}) < 0.7 * best_of_eight(None)


@pytest.mark.parametrize("sampler", ["random", "tpe", pytest.param("gp", marks=pytest.mark.slow)])
def test_a_wrong_prior_does_not_ruin_the_search(sampler: str) -> None:
    """The optimum is 12 standard deviations away; without the sampler's own draws the loss would be 3."""

    def best(believed: dict[str, Any] | None) -> float:
        return sum(min(bowl(sampler, 0.6, seed, believed)) for seed in range(4)) / 4

    wrong = best({"x": {"at": -0.6, "spread": 0.05}, "y": {"at": -0.6, "spread": 0.05}})
    assert wrong < 2.5 * best(None) + 0.02
