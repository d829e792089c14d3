"""What breaks a bound, in words and as a number."""

import math

import pytest

from tuner.search.constraints import broken_bound, violations
from tuner.spec.sections import Bound

BOUNDS = {"memory": Bound(max=4e9), "rate": Bound(min=10, max=20), "zero": Bound(max=0)}


@pytest.mark.parametrize(
    ("metrics", "reason"),
    [
        ({}, None),
        ({"memory": 4e9, "rate": 10, "zero": 0, "other": 1e99}, None),
        ({"memory": 5e9}, "memory is 5e+09, but must be at most 4e+09"),
        ({"rate": 9}, "rate is 9, but must be at least 10"),
        ({"rate": 21}, "rate is 21, but must be at most 20"),
        ({"memory": math.nan}, "memory is nan, but must be at most 4e+09"),
        ({"rate": -math.inf}, "rate is -inf, but must be at least 10"),
    ],
)
def test_the_first_broken_bound(metrics: dict[str, float], reason: str | None) -> None:
    assert broken_bound(BOUNDS, metrics) == reason


def test_violations_are_relative_to_the_bound() -> None:
    assert violations(BOUNDS, {"memory": 6e9, "rate": 15, "zero": 0.5}) == {
        "memory max": 0.5,
        "rate max": -0.25,
        "rate min": -0.5,
        "zero max": 0.5,
    }


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_a_violation(value: float) -> None:
    assert violations(BOUNDS, {"memory": value}) == {"memory max": 1.0}
