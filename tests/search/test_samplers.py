"""What `auto` picks, and how each trial gets a sampler of its own."""

from pathlib import Path

import optuna
import pytest
from search_cases import SPACES, make_search

from tuner.records.states import TrialState
from tuner.search import samplers
from tuner.search.factory import make_searcher
from tuner.search.samplers import Ask, CopySampler, choose_sampler, make_sampler
from tuner.spec.space import Space


@pytest.mark.parametrize(
    ("space", "trials", "num_finished", "name"),
    [
        (SPACES["square"], 10, 0, "qmc"),
        (SPACES["conditional"], 10, 0, "qmc"),
        (SPACES["square"], 11, 0, "gp"),
        (SPACES["steps"], 1000, 249, "gp"),
        (SPACES["steps"], 1000, 250, "cmaes"),
        (SPACES["mixed"], 1000, 0, "tpe"),
        (SPACES["conditional"], 1000, 999, "tpe"),
        (Space(()), 1000, 0, "grid"),
    ],
)
def test_auto(space: Space, trials: int, num_finished: int, name: str) -> None:
    assert choose_sampler(space, trials, num_finished) == name


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


def test_gp_learns_from_stopped_trials(tmp_path: Path) -> None:
    searcher = make_searcher(SPACES["one"], make_search("gp"), tmp_path / "journal")
    for number in range(30):
        suggestion = searcher.suggest()
        assert suggestion is not None
        loss = (suggestion.params["x"] - 0.3) ** 2
        searcher.report(number, 1, loss)
        searcher.finish(number, TrialState.STOPPED, loss, "every trial is stopped")
    last = searcher.suggest()
    assert last is not None
    assert last.params["x"] == pytest.approx(0.3, abs=0.05)


def test_auto_goes_on_with_cmaes_from_what_gp_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samplers, "GP_LIMIT", 20)
    searcher = make_searcher(SPACES["square"], make_search("auto", trials=100), tmp_path / "journal")
    points = []
    for number in range(40):
        suggestion = searcher.suggest()
        assert suggestion is not None
        x, y = suggestion.params["x"], suggestion.params["y"]
        searcher.finish(number, TrialState.COMPLETE, (x - 0.5) ** 2 + (y + 0.5) ** 2, "")
        points.append((x, y))
    late = points[25:]
    assert sum(abs(x - 0.5) + abs(y + 0.5) for x, y in late) / len(late) < 0.4  # 1.25 at random
