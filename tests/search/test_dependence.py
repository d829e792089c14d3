"""Partial dependence: the shape of a made-up function is found, with conditions, and where that is unsure."""

import math
import random

import numpy as np
import pytest

from tuner.search.dependence import MOST_TRIALS, NUM_VALUES, Forest, fitted
from tuner.search.importance import MIN_TRIALS, Tried
from tuner.spec import Choice, Float, Int, Parameter, Space

SPACE = Space(
    (
        Parameter("rate", Float(1e-4, 1.0, log=True)),
        Parameter("depth", Int(1, 5)),
        Parameter("kind", Choice(["a", "b", "never"])),
        Parameter("kind.a.x", Float(0.0, 1.0), (("kind", "a"),)),
        Parameter("kind.b.x", Float(0.0, 1.0), (("kind", "b"),)),
    )
)


def value_of(params: dict[str, float | str]) -> float:
    """A valley over the rate's logarithm, a slope over b's x, and a is better than b by 2."""
    rate = float(params["rate"])
    return (math.log10(rate) + 2) ** 2 + 4 * float(params.get("kind.b.x", 0.0)) - 2 * (params["kind"] == "a")


def tried(num_trials: int = 300, low: float = -4.0) -> list[Tried]:
    draw = random.Random(1)

    def one() -> Tried:
        kind = draw.choice("ab")
        params = {"rate": 10 ** draw.uniform(low, 0), "depth": draw.randint(1, 5), "kind": kind}
        params[f"kind.{kind}.x"] = draw.random()
        return params, value_of(params)

    return [one() for _ in range(num_trials)]


@pytest.fixture(scope="module")
def forest() -> Forest:
    found = fitted(SPACE, tried())
    assert found is not None
    return found


def test_a_valley_on_a_log_range_is_found(forest: Forest) -> None:
    found = forest.dependence(["rate"])
    assert found is not None
    (rates,) = found.values
    assert (len(rates), rates[0], rates[-1]) == (NUM_VALUES[1], pytest.approx(1e-4), 1.0)
    steps = np.diff(np.log(rates))
    assert steps == pytest.approx(steps[0])
    assert rates[found.mean.argmin()] == pytest.approx(1e-2, rel=0.5)
    shape = [(math.log10(rate) + 2) ** 2 for rate in rates]
    assert np.corrcoef(shape, found.mean)[0, 1] > 0.98
    assert found.num_trials == 300


def test_whole_numbers_are_taken_as_they_are(forest: Forest) -> None:
    found = forest.dependence(["depth"])
    assert found is not None
    assert found.values == ((1, 2, 3, 4, 5),)
    assert np.ptp(found.mean) < 0.3


def test_it_is_unsure_where_there_are_few_trials() -> None:
    crowded = tried(300, low=-1.0) + tried(12)
    forest = fitted(SPACE, crowded)
    assert forest is not None
    found = forest.dependence(["rate"])
    assert found is not None
    is_crowded = np.array(found.values[0]) > 0.1
    assert found.spread[~is_crowded].mean() > 2 * found.spread[is_crowded].mean()


def test_a_conditional_parameter_is_averaged_over_the_trials_that_have_it(forest: Forest) -> None:
    matters, idle = forest.dependence(["kind.b.x"]), forest.dependence(["kind.a.x"])
    assert matters is not None
    assert idle is not None
    assert matters.num_trials + idle.num_trials == 300
    assert matters.mean[-1] - matters.mean[0] == pytest.approx(4, abs=1)
    assert np.ptp(idle.mean) < 0.3
    assert matters.mean[0] > idle.mean.mean()


def test_an_option_is_averaged_over_the_trials_that_took_it(forest: Forest) -> None:
    found = forest.dependence(["kind"])
    assert found is not None
    assert found.values == (("a", "b"),)
    means = [np.mean([value for params, value in tried() if params["kind"] == kind]) for kind in "ab"]
    assert found.mean == pytest.approx(means, abs=0.2)


def test_two_parameters_have_a_grid(forest: Forest) -> None:
    found = forest.dependence(["rate", "kind.b.x"])
    assert found is not None
    assert found.mean.shape == found.spread.shape == (NUM_VALUES[2], NUM_VALUES[2])
    assert not np.isnan(found.mean).any()
    i, j = np.unravel_index(found.mean.argmin(), found.mean.shape)
    assert found.values[0][i] == pytest.approx(1e-2, rel=0.9)
    assert found.values[1][j] < 0.2


def test_a_choice_and_what_only_one_option_has(forest: Forest) -> None:
    found = forest.dependence(["kind", "kind.b.x"])
    assert found is not None
    assert found.values[0] == ("b",)


def test_of_what_no_trial_has_nothing_is_told(forest: Forest) -> None:
    assert forest.dependence(["kind.a.x", "kind.b.x"]) is None
    assert forest.dependence(["unknown"]) is None


def test_a_pair_that_no_trial_could_have_is_not_a_number() -> None:
    space = Space(
        (
            Parameter("one", Choice(["a", "b"])),
            Parameter("one.a.x", Float(0.0, 1.0), (("one", "a"),)),
            Parameter("two", Choice(["c", "d"])),
            Parameter("two.c.x", Float(0.0, 1.0), (("two", "c"),)),
        )
    )
    pairs = [("a", "d"), ("b", "c")] * MIN_TRIALS
    forest = fitted(space, [({"one": one, "two": two}, float(k)) for k, (one, two) in enumerate(pairs)])
    assert forest is not None
    found = forest.dependence(["one", "two"])
    assert found is not None
    assert np.isnan(found.mean).tolist() == np.isnan(found.spread).tolist() == [[True, False], [False, True]]


@pytest.mark.parametrize("trials", [tried(MIN_TRIALS - 1), tried(1), [({"rate": 0.5}, 1.0)] * 30, []])
def test_few_trials_or_equal_values_tell_nothing(trials: list[Tried]) -> None:
    assert fitted(SPACE, trials) is None


def test_a_value_outside_of_the_space_counts_as_absent() -> None:
    forest = fitted(SPACE, [({**params, "depth": 70}, value) for params, value in tried(40)])
    assert forest is not None
    assert forest.dependence(["depth"]) is None


def test_of_many_trials_some_are_taken() -> None:
    forest = fitted(SPACE, tried(2 * MOST_TRIALS))
    assert forest is not None
    found = forest.dependence(["kind.a.x"])
    assert found is not None
    assert found.num_trials == sum("kind.a.x" in params for params, _ in tried(2 * MOST_TRIALS))
    assert len(forest._rows) == MOST_TRIALS


def test_the_same_trials_give_the_same() -> None:
    one, other = (fitted(SPACE, tried(40)) for _ in range(2))
    assert one is not None
    assert other is not None
    first, second = one.dependence(["rate"]), other.dependence(["rate"])
    assert first is not None
    assert second is not None
    assert first.mean.tolist() == second.mean.tolist()
