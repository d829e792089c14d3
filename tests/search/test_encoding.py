"""Configurations as points: values, fractions, and the vectors that distances are measured in."""

import itertools

import numpy as np
import pytest
from search_cases import NESTED, SPACES

from tuner.search.distributions import num_values, step_value, value_at
from tuner.search.encoding import OPTION, Encoding, fractions_of, nearby
from tuner.spec.domains import Choice, Domain, Float, Int
from tuner.spec.space import Parameter, Space

COUNTABLE: list[Domain] = [
    Int(0, 1),
    Int(1, 64),
    Int(-5, 7),
    Int(1, 9, step=2),
    Int(1, 2, log=True),
    Int(1, 1000, log=True),
    Float(0.0, 0.5, step=0.1),
    Float(-1.0, 1.0, step=0.25),
    Choice(["only"]),
    Choice(["relu", None, True, 3, 0.5, [64, 64]]),
    Choice([{"type": "adam"}, {"type": "sgd"}]),
]
REAL: list[Float] = [
    Float(-1.0, 1.0),
    Float(1e-5, 1e-1, log=True),
    Float(1e-300, 1e300, log=True),
    Float(-1e300, 1e300 / 2),
    Float(1.0, 1.0 + 1e-15),
]
ALL_SPACES = {**SPACES, "nested": NESTED}


def values_of(domain: Domain) -> list[object]:
    if isinstance(domain, Choice):
        return list(domain.labels)
    return [step_value(domain, k) for k in range(num_values(domain))]


@pytest.mark.parametrize("domain", COUNTABLE, ids=str)
def test_each_value_comes_back_from_its_fraction(domain: Domain) -> None:
    fractions = fractions_of(domain, values_of(domain))
    assert [value_at(domain, u) for u in fractions] == values_of(domain)
    assert all(0 < u < 1 for u in fractions)
    assert (np.diff(fractions) > 0).all()


@pytest.mark.parametrize("domain", REAL, ids=str)
def test_real_values_come_back_to_the_last_digits(domain: Float) -> None:
    for u in [0.0, 1e-9, 0.25, 0.5, 0.999, float(np.nextafter(1.0, 0.0))]:
        value = value_at(domain, u)
        assert domain.contains(value)
        [fraction] = fractions_of(domain, [value])
        assert value_at(domain, fraction) == pytest.approx(value, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("domain", REAL, ids=str)
def test_both_ends_have_fractions_below_1(domain: Float) -> None:
    low, high = fractions_of(domain, [domain.low, domain.high])
    assert 0 == low < high < 1


@pytest.mark.parametrize("space", ALL_SPACES)
def test_a_configuration_comes_back(space: str) -> None:
    encoding = Encoding(ALL_SPACES[space])
    for row in np.random.default_rng(0).random((50, len(encoding.space.parameters))):
        params = encoding.configuration(row)
        encoding.space.check(params)
        again = encoding.configuration(encoding.fractions([params])[0])
        assert list(again) == list(params)
        for name, value in again.items():
            assert value == (pytest.approx(params[name]) if isinstance(value, float) else params[name])


@pytest.mark.parametrize("space", ALL_SPACES)
def test_fractions_that_give_one_configuration_have_one_vector(space: str) -> None:
    """A proposal is compared by its drawn fractions, a trial by those of its values."""
    encoding = Encoding(ALL_SPACES[space])
    drawn = np.random.default_rng(1).random((300, len(encoding.space.parameters)))
    of_values = encoding.fractions([encoding.configuration(row) for row in drawn])
    np.testing.assert_allclose(encoding.vectors(drawn), encoding.vectors(of_values), atol=1e-12)


def test_different_configurations_have_different_vectors() -> None:
    encoding = Encoding(NESTED)
    fractions = np.random.default_rng(0).random((200, 4))
    configurations = {str(encoding.configuration(row)) for row in fractions}
    assert len(configurations) == 10
    assert len(np.unique(encoding.vectors(fractions), axis=0)) == 10


@pytest.mark.parametrize("space", ALL_SPACES)
def test_vectors_lie_in_the_unit_cube(space: str) -> None:
    encoding = Encoding(ALL_SPACES[space])
    fractions = np.random.default_rng(2).random((200, len(encoding.space.parameters)))
    fractions[0], fractions[1] = 0.0, np.nextafter(1.0, 0.0)
    vectors = encoding.vectors(fractions)
    assert vectors.shape == (200, encoding.width)
    assert vectors.min() >= 0
    assert vectors.max() <= 1


def test_two_options_are_one_apart() -> None:
    encoding = Encoding(Space((Parameter("act", Choice(["relu", "gelu", "tanh"])),)))
    vectors = encoding.vectors(encoding.fractions([{"act": act} for act in ("relu", "gelu", "tanh")]))
    np.testing.assert_array_equal(vectors, OPTION * np.eye(3))
    for one, other in itertools.combinations(vectors, 2):
        assert np.linalg.norm(one - other) == pytest.approx(1)


def test_a_log_range_is_even_in_the_logarithm() -> None:
    encoding = Encoding(Space((Parameter("lr", Float(1e-4, 1.0, log=True)), Parameter("n", Int(1, 8)))))
    vectors = encoding.vectors(encoding.fractions([{"lr": 10.0**-k, "n": 8 - k} for k in range(5)]))
    np.testing.assert_allclose(np.diff(vectors[:, 0]), -0.25, atol=1e-9)
    np.testing.assert_allclose(np.diff(vectors[:, 1]), -1 / 8)


def test_what_is_not_active_stands_in_the_middle() -> None:
    encoding = Encoding(SPACES["conditional"])
    adam = {"opt": "adam", "opt.adam.lr": 1e-4, "depth": 1}
    sgd = {"opt": "sgd", "opt.sgd.momentum": 0.9, "opt.sgd.nesterov": True, "depth": 1}
    of_adam, of_sgd = encoding.vectors(encoding.fractions([adam, sgd]))
    assert of_adam.tolist() == pytest.approx([OPTION, 0, 0.0, 0.5, 0.5, 0.5, 1 / 6])
    assert of_sgd.tolist() == pytest.approx([0, OPTION, 0.5, 7 / 8, OPTION, 0, 1 / 6])


def test_a_condition_on_what_is_not_active_does_not_hold() -> None:
    pair = Choice(["a", "b"])
    chain = Encoding(
        Space(
            (
                Parameter("first", pair),
                Parameter("second", pair, (("first", "a"),)),
                Parameter("third", Float(0.0, 1.0), (("second", "a"),)),
            )
        )
    )
    on, off = chain.vectors(np.array([[0.1, 0.1, 0.9], [0.9, 0.1, 0.9]]))
    assert on[-1] == 0.9
    assert off[2:].tolist() == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("num_columns", [1, 2, 8, 40])
def test_nearby_changes_a_few_columns_and_at_least_one(num_columns: int) -> None:
    rows = np.full((400, num_columns), 0.5)
    near = nearby(rows, 0.05, np.random.default_rng(0))
    num_changed = (near != rows).sum(1)
    assert num_changed.min() >= 1
    assert num_changed.mean() <= max(3, 0.4 * num_columns)
    assert np.abs(near - rows).max() < 0.3


def test_nearby_stays_inside() -> None:
    rows = np.array([[0.0, 1.0], [0.5, 0.5]] * 200)
    near = nearby(rows, 1.0, np.random.default_rng(0))
    assert near.min() >= 0
    assert near.max() < 1  # else the value of an option would lie behind the last


def test_a_space_of_nothing_has_points_of_nothing() -> None:
    encoding = Encoding(Space(()))
    fractions = encoding.fractions([{}, {}])
    assert encoding.vectors(fractions).shape == (2, 0)
    assert nearby(fractions, 0.1, np.random.default_rng(0)).shape == (2, 0)
    assert encoding.configuration(fractions[0]) == {}
