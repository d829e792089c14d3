"""Grids: every point once, in order, only active parameters."""

import pytest
from search_cases import NESTED

from tuner.search.grid import grid_point, grid_points, grid_values
from tuner.spec.domains import Choice, Float, Int
from tuner.spec.space import Parameter, Space


def test_points_of_a_conditional_space() -> None:
    assert list(grid_points(NESTED)) == [
        {"opt": "adam", "opt.adam.amsgrad": True, "depth": 1},
        {"opt": "adam", "opt.adam.amsgrad": True, "depth": 2},
        {"opt": "adam", "opt.adam.amsgrad": False, "depth": 1},
        {"opt": "adam", "opt.adam.amsgrad": False, "depth": 2},
        {"opt": "sgd", "opt.sgd.momentum": 0.0, "depth": 1},
        {"opt": "sgd", "opt.sgd.momentum": 0.0, "depth": 2},
        {"opt": "sgd", "opt.sgd.momentum": 0.45, "depth": 1},
        {"opt": "sgd", "opt.sgd.momentum": 0.45, "depth": 2},
        {"opt": "sgd", "opt.sgd.momentum": 0.9, "depth": 1},
        {"opt": "sgd", "opt.sgd.momentum": 0.9, "depth": 2},
    ]


def test_a_point_by_its_number() -> None:
    assert [grid_point(NESTED, number) for number in range(10)] == list(grid_points(NESTED))
    assert grid_point(NESTED, 10) is None


def test_a_space_without_parameters_is_one_point() -> None:
    assert list(grid_points(Space(()))) == [{}]


@pytest.mark.parametrize(
    ("domain", "values"),
    [
        (Float(0.1, 0.4, step=0.1), [0.1, 0.2, 0.3, 0.4]),
        (Float(0.0, 1.0, step=1 / 3), [0.0, 1 / 3, 2 / 3, 1.0]),
        (Int(1, 7, step=3), [1, 4, 7]),
        (Int(1, 3, log=True), [1, 2, 3]),
        (Choice([[64, 64], None, 3]), ["[64, 64]", None, 3]),
    ],
)
def test_values_of_a_domain(domain: Float | Int | Choice, values: list[object]) -> None:
    assert grid_values(Parameter("x", domain)) == pytest.approx(values)
    assert all(domain.contains(value) for value in grid_values(Parameter("x", domain)))
