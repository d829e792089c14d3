"""Importances: what a made-up value depends on is found, with conditions and in both directions."""

import random

import pytest

from tuner.search.importance import MIN_TRIALS, Method, Tried, importances
from tuner.spec import Choice, Float, Parameter, Space

SPACE = Space(
    (
        Parameter("much", Float(1e-4, 1.0, log=True)),
        Parameter("nothing", Float(0.0, 1.0)),
        Parameter("kind", Choice(["a", "b"])),
        Parameter("kind.b.little", Float(0.0, 1.0), (("kind", "b"),)),
    )
)


def tried(num_trials: int = 60, sign: int = 1) -> list[Tried]:
    draw = random.Random(1)

    def one() -> Tried:
        params = {"much": 10 ** draw.uniform(-4, 0), "nothing": draw.random(), "kind": draw.choice("ab")}
        if params["kind"] == "b":
            params["kind.b.little"] = draw.random()
        return params, sign * (params["much"] + 0.01 * params.get("kind.b.little", 0.0))

    return [one() for _ in range(num_trials)]


@pytest.mark.parametrize("method", ["ped_anova", "fanova"])
@pytest.mark.parametrize(("mode", "sign"), [("min", 1), ("max", -1)])
def test_what_matters_comes_first(method: Method, mode: str, sign: int) -> None:
    found = importances(SPACE, tried(sign=sign), mode, method)
    assert found[0].name == "much"
    assert sum(each.share for each in found) == pytest.approx(1.0)
    assert [each.share for each in found] == sorted((each.share for each in found), reverse=True)


def test_a_condition_is_seen_by_ped_anova_only() -> None:
    names = {method: {each.name for each in importances(SPACE, tried(), "min", method)} for method in METHODS}
    assert names["ped_anova"] == {parameter.name for parameter in SPACE.parameters}
    assert names["fanova"] == {"much", "nothing", "kind"}


METHODS: tuple[Method, ...] = ("ped_anova", "fanova")


def test_the_spread_shrinks_with_more_trials() -> None:
    few, many = (importances(SPACE, tried(number), "min")[0] for number in (30, 600))
    assert 0 < many.spread < few.spread


def test_trees_differ_more_over_fewer_trials() -> None:
    few, many = (importances(SPACE, tried(number), "min", "fanova") for number in (25, 300))
    assert all(each.spread >= 0 for each in few)
    assert 0 < many[0].spread < few[0].spread


def test_one_trial_that_differs_is_enough_for_some_trees() -> None:
    found = importances(
        SPACE, [(params, float(k == 0)) for k, (params, _) in enumerate(tried(30))], "min", "fanova"
    )
    assert sum(each.share for each in found) == pytest.approx(1.0)


@pytest.mark.parametrize("trials", [tried(MIN_TRIALS - 1), [({"much": 0.5}, 1.0)] * 30, []])
def test_where_nothing_can_be_told_nothing_is(trials: list[Tried]) -> None:
    assert importances(SPACE, trials, "min") == []


def test_a_value_outside_of_the_space_is_left_out() -> None:
    found = importances(SPACE, [({**params, "nothing": 7.0}, value) for params, value in tried()], "min")
    assert "nothing" not in {each.name for each in found}


def test_the_same_trials_give_the_same() -> None:
    assert importances(SPACE, tried(), "min") == importances(SPACE, tried(), "min")
