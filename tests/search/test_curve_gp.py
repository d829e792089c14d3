"""The Gaussian process over curves, against finite differences and against the formulas written out."""

from dataclasses import replace

import numpy as np
import pytest

from tuner.search.curve_gp import (
    _JITTER,
    Array,
    CurveGP,
    Hyperparameters,
    Points,
    _Posterior,
    fit,
    prior_of,
)


def some_points(num: int, num_axes: int = 3, seed: int = 0, num_trials: int | None = None) -> Points:
    """Random places on the curves of `num_trials` trials, each of which has one configuration."""
    rng = np.random.default_rng(seed)
    trial = np.sort(rng.integers(num_trials or num, size=num))
    x = rng.random((num_trials or num, num_axes))[trial]
    return Points(x, rng.choice([0.2, 0.4, 0.7, 1.0], num), trial.astype(np.int64))


def new_points(num: int, num_axes: int = 3, seed: int = 9) -> Points:
    return replace(some_points(num, num_axes, seed), trial=np.full(num, -1))


def without_noise(given: Hyperparameters) -> Hyperparameters:
    theta = given.theta.copy()
    theta[-2] = -30.0
    return Hyperparameters(theta)


def kernel(given: Hyperparameters, one: Points, other: Points) -> Array:
    """The covariance, one pair at a time, as the module's docstring writes it."""
    m, a, b, c, e = given.variances
    found = np.empty((len(one), len(other)))
    for i, j in np.ndindex(found.shape):
        distance = np.sqrt(5) * np.linalg.norm((one.x[i] - other.x[j]) / given.lengths)
        kx = (1 + distance + distance**2 / 3) * np.exp(-distance)
        ratio = np.sqrt(3) * abs(one.s[i] - other.s[j]) / given.time_length
        kt = (1 + ratio) * np.exp(-ratio)
        grown = np.exp(given.growth * (one.s[i] - 1)) * np.exp(given.growth * (other.s[j] - 1))
        is_same = one.trial[i] == other.trial[j]
        found[i, j] = m * kt + kx * (a * grown + b * kt) + is_same * (c * kt + e * grown)
    return found


@pytest.mark.parametrize("num_axes", [0, 1, 5])
@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_is_that_of_finite_differences(num_axes: int, seed: int) -> None:
    points = some_points(12, num_axes, seed, num_trials=5)
    rng = np.random.default_rng(seed)
    prior = prior_of(num_axes).theta
    posterior = _Posterior(points, rng.normal(size=12), prior)
    theta = prior + rng.normal(0, 0.5, len(prior))
    _, gradient = posterior.cost_and_gradient(theta)
    steps = 1e-5 * np.eye(len(theta))
    cost = [[posterior.cost_and_gradient(theta + sign * step)[0] for sign in (1, -1)] for step in steps]
    np.testing.assert_allclose(gradient, np.diff(cost)[:, 0] / -2e-5, rtol=1e-4, atol=1e-4)


def test_the_cost_is_the_negative_log_posterior() -> None:
    points, y = some_points(8, num_trials=4), np.linspace(-1, 1, 8)
    prior = prior_of(3)
    covariance = kernel(prior, points, points) + (prior.noise + _JITTER) * np.eye(8)
    expected = 0.5 * y @ np.linalg.solve(covariance, y) + 0.5 * np.linalg.slogdet(covariance)[1]
    assert _Posterior(points, y, prior.theta).cost_and_gradient(prior.theta)[0] == pytest.approx(expected)


def test_a_prediction_is_the_formula() -> None:
    known, asked = some_points(10, num_trials=4), some_points(6, seed=3, num_trials=4)
    asked = asked + new_points(5)
    given, y = prior_of(3), np.random.default_rng(0).normal(size=10)
    inverse = np.linalg.inv(kernel(given, known, known) + (given.noise + _JITTER) * np.eye(10))
    across = kernel(given, asked, known)
    variance = np.diag(kernel(given, asked, asked) - across @ inverse @ across.T)
    mean, deviation = CurveGP(given, known, y).predict(asked)
    np.testing.assert_allclose(mean, across @ inverse @ y, atol=1e-8)
    np.testing.assert_allclose(deviation**2, variance, atol=1e-8)


def test_without_noise_it_says_what_it_was_told() -> None:
    points, y = some_points(8), np.linspace(-1, 1, 8)
    mean, deviation = CurveGP(without_noise(prior_of(3)), points, y).predict(points)
    np.testing.assert_allclose(mean, y, atol=1e-3)
    assert deviation.max() < 0.01


def test_far_from_all_it_knows_nothing_about_the_configuration() -> None:
    """What remains is the mean curve."""
    given = Hyperparameters(np.concatenate([np.full(3, -4.0), prior_of(3).theta[3:]]))
    process = CurveGP(given, some_points(8), np.ones(8))
    near, far = process.predict(process.points), process.predict(new_points(8))
    assert near[1].max() < far[1].min()
    m, a, b, c, e = given.variances
    at_end = replace(new_points(4), s=np.ones(4))
    assert process.predict(at_end)[1].max() <= np.sqrt(m + a + b + c + e)
    assert process.predict(at_end)[1].min() >= np.sqrt(a + b + c + e)


def test_a_new_trial_is_less_certain_than_the_one_that_was_seen_there() -> None:
    points = some_points(8)
    process = CurveGP(prior_of(3), points, np.linspace(-1, 1, 8))
    ends = replace(points, s=np.ones(8))
    new = replace(ends, trial=np.full(8, -1))
    assert (process.predict(new)[1] > process.predict(ends)[1]).all()


def test_who_is_ahead_early_is_expected_further_ahead_at_the_end() -> None:
    """By the growing term, once the one that is stationary in time (`b`) is small."""
    theta = prior_of(2).theta.copy()
    theta[-5] = -9.0
    early = Points(np.array([[0.0, 0.0], [1.0, 1.0]]), np.full(2, 0.2), np.arange(2))
    process = CurveGP(Hyperparameters(theta), early, np.array([-1.0, 1.0]))
    at_start, at_end = (process.predict(replace(early, s=np.full(2, s)))[0] for s in (0.2, 1.0))
    assert at_end[0] < at_start[0] < 0 < at_start[1] < at_end[1]


def test_believing_moves_no_mean_and_takes_uncertainty() -> None:
    process = CurveGP(prior_of(3), some_points(8), np.linspace(-1, 1, 8))
    running, asked = new_points(4), new_points(20, seed=5)
    asked = asked + running
    before, after = process.predict(asked), process.believing(running).predict(asked)
    np.testing.assert_allclose(after[0], before[0], atol=1e-3)
    assert (after[1] <= before[1] + 1e-9).all()
    assert after[1][-4:].max() < 0.1 < before[1][-4:].min()


@pytest.mark.parametrize("num_axes", [0, 1, 8, 40])
def test_the_prior_has_a_length_for_every_axis(num_axes: int) -> None:
    given = prior_of(num_axes)
    assert given.lengths.shape == (num_axes,)
    assert given.variances.shape == (5,)
    assert given.noise < given.variances.min()
    assert given.time_length > 0
    assert given.growth > 0


def test_the_priors_lengths_grow_as_distances_do() -> None:
    lengths = [prior_of(num_axes).lengths[0] for num_axes in (8, 32, 128)]
    assert lengths[1] == pytest.approx(2 * lengths[0])
    assert lengths[2] == pytest.approx(4 * lengths[0])


def test_a_fit_is_likelier_than_the_prior_and_finds_the_axis_that_matters() -> None:
    rng = np.random.default_rng(0)
    points = replace(some_points(60, 3), s=np.ones(60))
    y = np.sin(6 * points.x[:, 1])
    y = (y - y.mean()) / y.std()
    given = fit(points, y, rng)
    posterior = _Posterior(points, y, prior_of(3).theta)
    assert posterior.cost_and_gradient(given.theta)[0] < posterior.cost_and_gradient(prior_of(3).theta)[0]
    assert given.lengths[1] < min(given.lengths[0], given.lengths[2])


@pytest.mark.parametrize("y", [np.zeros(300), np.full(300, 1e3), np.repeat([0.0, 1.0], 150)])
def test_a_fit_of_strange_values_is_finite(y: Array) -> None:
    points = some_points(300, num_trials=40)
    given = fit(points, y, np.random.default_rng(0))
    assert np.isfinite(given.theta).all()
    mean, deviation = CurveGP(given, points, y).predict(new_points(50))
    assert np.isfinite(mean).all()
    assert (deviation > 0).all()


def test_a_fit_is_the_same_twice_and_goes_on_from_a_start() -> None:
    points, y = some_points(150), np.random.default_rng(0).normal(size=150)
    one, other = (fit(points, y, np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(one.theta, other.theta)
    further = fit(points, y, np.random.default_rng(1), start=one)
    assert not np.array_equal(further.theta, fit(points, y, np.random.default_rng(1)).theta)


def test_a_trial_is_left_out_with_all_its_values() -> None:
    points = some_points(14, num_trials=5)
    y = np.random.default_rng(1).normal(size=14)
    process = CurveGP(prior_of(3), points, y)
    predicted, found = process.left_out()
    for place, trial in enumerate(np.unique(points.trial)):
        own = np.flatnonzero(points.trial == trial)
        last = own[np.argmax(points.s[own])]
        others = np.flatnonzero(points.trial != trial)
        mean, _ = CurveGP(prior_of(3), points[others], y[others]).predict(points[np.array([last])])
        assert found[place] == y[last]
        assert predicted[place] == pytest.approx(mean[0], abs=1e-6)
