"""The Sobol sequence: inside the space, even, with a stable place for every trial."""

from collections import Counter

import pytest
from search_cases import SPACES

from tuner.search.qmc import qmc_point, value_at
from tuner.spec.domains import Choice, Domain, Float, Int

ALMOST_ONE = 1 - 2**-53


@pytest.mark.parametrize("space", SPACES)
def test_points_are_inside_the_space(space: str) -> None:
    for number in range(32):
        SPACES[space].check(qmc_point(SPACES[space], 0, number))


def test_every_option_has_its_equal_share() -> None:
    points = [qmc_point(SPACES["conditional"], 3, number) for number in range(64)]
    assert Counter(point["opt"] for point in points) == {"adam": 32, "sgd": 32}


def test_every_half_of_an_axis_has_half_of_the_points() -> None:
    points = [qmc_point(SPACES["square"], 3, number) for number in range(16)]
    quarters = Counter((point["x"] < 0, point["y"] < 0) for point in points)
    assert set(quarters.values()) == {4}


@pytest.mark.parametrize(
    ("domain", "u", "value"),
    [
        (Float(-1.0, 3.0), 0.25, 0.0),
        (Float(1e-4, 1e-2, log=True), 0.5, 1e-3),
        (Float(1e-4, 1e-2, log=True), 0.0, 1e-4),
        (Float(0.0, 0.3, step=0.1), 0.75, 0.3),
        (Int(1, 4), 0.0, 1),
        (Int(1, 4), ALMOST_ONE, 4),
        (Int(1, 1000, log=True), 0.0, 1),
        (Int(1, 1000, log=True), ALMOST_ONE, 1000),
        (Int(1, 9, step=2), 0.5, 5),
        (Choice(["a", "b", "c"]), ALMOST_ONE, "c"),
    ],
)
def test_value_at(domain: Domain, u: float, value: object) -> None:
    assert value_at(domain, u) == pytest.approx(value)
    assert domain.contains(value_at(domain, u))
