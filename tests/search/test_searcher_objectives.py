"""Several objectives and constraints: what the study holds, and that samplers learn from it."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from search_cases import FITTING, SAMPLERS, SPACES, make_search

from tuner.records.states import TrialState
from tuner.search.factory import make_searcher
from tuner.search.optuna_searcher import OptunaSearcher
from tuner.search.searcher import Suggestion

BOUND = {"size": {"max": 0.5}}
ALSO = {"also": {"size": "min"}, "scheduler": {"type": "none"}}


def suggest(searcher: OptunaSearcher) -> Suggestion:
    suggestion = searcher.suggest()
    assert suggestion is not None
    return suggestion


def test_a_study_of_several_objectives_holds_them_in_order(tmp_path: Path) -> None:
    search = make_search(mode="max", **ALSO)
    searcher = make_searcher(SPACES["one"], search, tmp_path / "journal")
    suggest(searcher)
    searcher.report(0, 1, 0.25)
    searcher.finish(0, TrialState.COMPLETE, 0.25, "", {"size": 3.0, "other": 1.0})
    (seen,) = searcher.observations()
    assert (seen.value, seen.metrics, seen.curve) == (0.25, {"size": 3.0}, {1: 0.25})
    (summary,) = optuna.get_all_study_summaries(searcher._storage)
    assert [direction.name for direction in summary.directions] == ["MAXIMIZE", "MINIMIZE"]


@pytest.mark.parametrize("sampler", ["auto", "gp"])
@pytest.mark.parametrize("size", [{}, {"size": float("nan")}])
def test_a_trial_without_a_further_objective_cannot_be_compared(size: dict[str, float], sampler: str) -> None:
    searcher = make_searcher(SPACES["one"], make_search(sampler, **ALSO), None)
    for number in range(12):
        suggest(searcher)
        searcher.finish(number, TrialState.COMPLETE, 0.25, "", size)
    assert suggest(searcher)[0] == 12


@pytest.mark.parametrize("sampler", ["auto", "tpe", "gp", "nsgaii"])
def test_a_model_finds_more_of_the_front_than_random_search(sampler: str) -> None:
    """Of |x - .3| + |y| and |x + .3| + |y| the front is y = 0 between the two."""

    def mean_y(name: str) -> float:
        search = make_search(name, trials=60, **ALSO)
        searcher = make_searcher(SPACES["square"], search, None)
        last = []
        for number in range(40):
            x, y = suggest(searcher)[1].values()
            sizes = abs(x - 0.3) + abs(y), abs(x + 0.3) + abs(y)
            searcher.finish(number, TrialState.COMPLETE, sizes[0], "", {"size": sizes[1]})
            last.append(abs(y))
        return sum(last[-15:]) / 15

    assert mean_y(sampler) < 0.8 * mean_y("random")


@pytest.mark.parametrize(
    ("state", "metrics", "constraints"),
    [
        (TrialState.COMPLETE, {"size": 0.25}, {"size max": -0.5}),
        (TrialState.INFEASIBLE, {"size": 0.75}, {"size max": 0.5}),
        (TrialState.INFEASIBLE, {}, {"fits": 1.0}),
        (TrialState.INFEASIBLE, {"size": 0.25}, {"size max": -0.5, "fits": 1.0}),
        (TrialState.FAILED, {}, {}),
    ],
)
def test_the_study_holds_what_was_broken(
    state: TrialState, metrics: dict[str, float], constraints: dict[str, float]
) -> None:
    searcher = make_searcher(SPACES["one"], make_search(constraints=BOUND), None)
    suggest(searcher)
    searcher.finish(0, state, 0.25, "made up", metrics)
    (seen,) = searcher.observations()
    assert (seen.state, seen.constraints) == (state, constraints)


def mean_excess(sampler: str, *, is_told: bool = True, **changes: Any) -> float:
    """How far beyond x = -0.2 the last 15 trials lie, where the loss wants x large."""
    searcher = make_searcher(SPACES["square"], make_search(sampler, trials=60, **changes), None)
    excess = []
    for number in range(45):
        x, y = suggest(searcher)[1].values()
        excess.append(max(0.0, x + 0.2))
        loss, size = (1 - x) ** 2 + y**2, {"size": x + 0.7}
        searcher.report(number, 1, loss)
        state = TrialState.INFEASIBLE if excess[-1] else TrialState.COMPLETE
        searcher.finish(number, state, loss, "", size if is_told else {})
    return sum(excess[-15:]) / 15


@pytest.mark.parametrize("sampler", ["auto", "tpe", "bohb", "gp", "curve_gp", "nsgaii"])
def test_a_model_learns_where_it_does_not_fit(sampler: str) -> None:
    """A model that heard nothing would go where the loss is small: outside, by 1.2."""
    assert mean_excess(sampler, constraints=BOUND) < 0.3
    assert mean_excess("random", constraints=BOUND) > 0.4


@pytest.mark.parametrize("sampler", ["auto", "tpe", "bohb", "gp", "curve_gp", "cmaes", "nsgaii"])
def test_a_model_learns_from_trials_that_could_not_run(sampler: str) -> None:
    assert mean_excess(sampler, is_told=False) < 0.3


def test_gp_lives_with_trials_whose_constraints_are_partly_known() -> None:
    searcher = make_searcher(SPACES["square"], make_search("gp", constraints=BOUND), None)
    for number in range(14):
        suggest(searcher)
        if number % 3 == 0:
            searcher.finish(number, TrialState.INFEASIBLE, None, "out of memory")
        else:
            searcher.report(number, 1, 0.5)
            searcher.finish(number, TrialState.COMPLETE, 0.5, "", {"size": number / 20})
    assert suggest(searcher)[0] == 14


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("state", [TrialState.DIVERGED, TrialState.INFEASIBLE, TrialState.FAILED])
@pytest.mark.parametrize("num_reports", [0, 1])
def test_nothing_but_bad_ends_harms_no_sampler(sampler: str, state: TrialState, num_reports: int) -> None:
    space = SPACES[FITTING.get(sampler, ["mixed"])[0]]
    searcher = make_searcher(space, make_search(sampler), None)
    for number in range(13):
        space.check(suggest(searcher).params)
        for step in range(1, num_reports + 1):
            searcher.report(number, step, number / 7)
        searcher.finish(number, state, None, "made up")


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes"])
def test_a_model_avoids_where_trials_diverge(sampler: str) -> None:
    searcher = make_searcher(SPACES["one"], make_search(sampler, trials=60), None)
    diverged = []
    for number in range(45):
        x = suggest(searcher)[1]["x"]
        diverged.append(x > 0)
        if diverged[-1]:
            searcher.finish(number, TrialState.DIVERGED, None, "")
        else:
            searcher.report(number, 1, -x)
            searcher.finish(number, TrialState.COMPLETE, -x, "")
    assert sum(diverged[-15:]) <= 7
