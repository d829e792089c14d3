"""What `auto` picks, and how each trial gets a sampler of its own."""

import statistics
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from search_cases import SPACES, make_search, objective

from tuner.records.states import TrialState
from tuner.search.distributions import distribution
from tuner.search.factory import make_searcher
from tuner.search.optuna_searcher import OptunaSearcher
from tuner.search.samplers import Ask, CopySampler, choose_sampler, make_sampler
from tuner.spec.sections import SearchSpec
from tuner.spec.space import Space

SEVERAL = {"also": {"seconds": "min"}, "scheduler": {"type": "none"}}


@pytest.mark.parametrize(
    ("space", "changes", "num_finished", "name"),
    [
        (SPACES["square"], {"trials": 10}, 0, "qmc"),
        (SPACES["conditional"], {"trials": 10}, 0, "qmc"),
        (SPACES["square"], {"trials": 11}, 0, "curve_gp"),
        (SPACES["conditional"], {"trials": 1000}, 999, "curve_gp"),
        (SPACES["steps"], {"trials": 1000, **SEVERAL}, 249, "gp"),
        (SPACES["steps"], {"trials": 1000, **SEVERAL}, 250, "nsgaii"),
        (SPACES["mixed"], {"trials": 1000, **SEVERAL}, 0, "tpe"),
        (SPACES["conditional"], {"trials": 1000, **SEVERAL}, 999, "tpe"),
        (Space(()), {"trials": 1000}, 0, "grid"),
    ],
)
def test_auto(space: Space, changes: dict[str, Any], num_finished: int, name: str) -> None:
    assert choose_sampler(space, make_search("auto", **changes), num_finished) == name


def make_ask(sampler: str, number: int = 0, seed: int = 0, scheduler: str = "asha") -> Ask:
    search = make_search(sampler, seed=seed, scheduler={"type": scheduler})
    return Ask(SPACES["square"], search, optuna.create_study(), number)


def test_seeds_differ_by_seed_and_by_number() -> None:
    seeds = {make_ask("random", number, seed).seed for number in range(50) for seed in range(4)}
    assert len(seeds) == 200


@pytest.mark.parametrize(("scheduler", "is_multivariate"), [("asha", False), ("none", True)])
def test_tpe_is_univariate_only_under_early_stopping(scheduler: str, is_multivariate: bool) -> None:
    sampler = make_sampler(make_ask("tpe", scheduler=scheduler))
    assert isinstance(sampler, CopySampler)
    assert isinstance(sampler.copy.sampler, optuna.samplers.TPESampler)
    assert sampler.copy.sampler._multivariate is is_multivariate


SEARCH = {"metric": "loss", "mode": "min", "scheduler": "asha"}
SWITCHED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"type": "tpe", "startup": 3}, {"_n_startup_trials": 3, "_multivariate": False}),
    ({"type": "tpe", "multivariate": True}, {"_multivariate": True, "_group": False, "_constant_liar": True}),
    ({"type": "tpe", "multivariate": True, "group": True}, {"_group": True}),
    ({"type": "tpe", "constant_liar": False}, {"_constant_liar": False, "_n_startup_trials": 10}),
    ({"type": "gp", "startup": 4}, {"_n_startup_trials": 4}),
    ({"type": "cmaes", "startup": 5}, {"_n_startup_trials": 5, "_popsize": None}),
    ({"type": "cmaes", "population": 4}, {"_n_startup_trials": 1, "_popsize": 4}),
    ({"type": "nsgaii", "population": 2}, {"_population_size": 2}),
]


def tell(searcher: OptunaSearcher, space: Space, num_trials: int) -> None:
    for _ in range(num_trials):
        suggestion = searcher.suggest()
        assert suggestion is not None
        space.check(suggestion.params)
        loss = objective(suggestion.params)
        searcher.report(suggestion.number, 1, loss)
        searcher.finish(suggestion.number, TrialState.COMPLETE, loss, "")


@pytest.mark.parametrize(("sampler", "attributes"), SWITCHED)
def test_switches_reach_the_sampler_which_draws_with_them(
    sampler: dict[str, Any], attributes: dict[str, Any]
) -> None:
    space = SPACES["conditional"]
    search = SearchSpec.model_validate({**SEARCH, "sampler": sampler})
    searcher = make_searcher(space, search, None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tell(searcher, space, 16)
    made = make_sampler(Ask(space, search, searcher._study, 16))
    assert isinstance(made, CopySampler)
    assert {name: getattr(made.copy.sampler, name) for name in attributes} == attributes


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes", "nsgaii"])
def test_a_startup_or_population_changes_what_is_drawn(sampler: str) -> None:
    switch = "population" if sampler == "nsgaii" else "startup"
    drawn = []
    for switched in (sampler, {"type": sampler, switch: 5}):
        search = SearchSpec.model_validate({**SEARCH, "sampler": switched})
        searcher = make_searcher(SPACES["square"], search, None)
        tell(searcher, SPACES["square"], 12)
        drawn.append([seen.params for seen in searcher.observations()])
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize("sampler", ["gp", "curve_gp"])
def test_learns_from_stopped_trials(tmp_path: Path, sampler: str) -> None:
    searcher = make_searcher(SPACES["one"], make_search(sampler), tmp_path / "journal")
    xs = []
    for number in range(40):
        suggestion = searcher.suggest()
        assert suggestion is not None
        loss = (suggestion.params["x"] - 0.3) ** 2
        searcher.report(number, 1, loss)
        searcher.finish(number, TrialState.STOPPED, loss, "every trial is stopped")
        xs.append(suggestion.params["x"])
    assert statistics.median(xs[30:]) == pytest.approx(0.3, abs=0.1)


def test_a_process_without_skill_is_not_asked() -> None:
    noise = np.random.default_rng(0)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(30):
        trial = study.ask({one.name: distribution(one.domain) for one in SPACES["square"].parameters})
        trial.report(noise.random(), 1)
        study.tell(trial, noise.random())
    samplers = [make_sampler(replace(make_ask("curve_gp", number), study=study)) for number in range(30, 50)]
    assert all(isinstance(sampler, optuna.samplers.RandomSampler) for sampler in samplers)


def test_auto_finds_what_is_best_in_two_dimensions(tmp_path: Path) -> None:
    searcher = make_searcher(SPACES["square"], make_search("auto", trials=100), tmp_path / "journal")
    away = []
    for number in range(40):
        suggestion = searcher.suggest()
        assert suggestion is not None
        x, y = suggestion.params["x"], suggestion.params["y"]
        loss = (x - 0.5) ** 2 + (y + 0.5) ** 2
        searcher.report(number, 1, loss)
        searcher.finish(number, TrialState.COMPLETE, loss, "")
        away.append(abs(x - 0.5) + abs(y + 0.5))
    assert statistics.median(away[25:]) < 0.3  # 1.25 at random
