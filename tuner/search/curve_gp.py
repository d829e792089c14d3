"""A Gaussian process over learning curves: one value for each (configuration, time in training, trial).

With a configuration x in the unit cube, the time s in (0, 1] (1: trained in full; logarithmic in the reports)
and the trial i, since two trials of one configuration differ:

    k = m kt + kx (a u u' + b kt) + [i = i'] (c kt + e u u')

- kx: Matern 5/2 over x with a length for every axis; kt: Matern 3/2 over s; u(s) = exp(g (s - 1)).
- `m`: the mean curve. `a`: differences between configurations that grow in training: who is a little ahead
  early is far ahead late, on all 20 tasks of `benchmarks/search.py`, and no stationary kernel says so. `b`:
  what changes on the way. `c`, `e`: the same for what is a trial's own.

The idea is freeze-thaw Bayesian optimisation (Swersky, Snoek and Adams, 2014, arXiv:1406.3896); the growing
term stands where theirs has exponential decay. The hyperparameters are fitted to the maximum of the posterior
under log-normal priors whose centres were fitted to random configurations of those 20 tasks: a search
begins with a dozen reports of one epoch, which say nothing about how curves go on.

Cost, 8 axes: a fit to 100 values 20 ms, conditioning on 250 and predicting 400 points 5 ms.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

Array = NDArray[np.float64]

NUM_FITTED = 100
"""Values that a fit of the hyperparameters looks at."""
MAX_STEPS = 12
"""Steps of L-BFGS in a fit."""

# ln of: time's length, m, a, b, c, e, noise; and g as it is.
_CENTRES = np.array([*np.log([0.65, 0.06, 0.6, 0.45, 0.012, 0.02, 0.001]), 1.1])
_SPREADS = np.array([0.4, 0.6, 0.8, 0.6, 1.0, 0.6, 1.3, 0.7])
_BOUNDS = [(-4.0, 3.0)] + [(-9.0, 3.0)] * 5 + [(-9.0, 0.0), (-1.0, 5.0)]
_LENGTH, _LENGTH_SPREAD, _LENGTH_BOUNDS = 0.8, 1.2, (-4.0, 3.0)
_JITTER = 1e-6


@dataclass(frozen=True)
class Points:
    """Places on curves."""

    x: Array
    """[n, axes]"""
    s: Array
    """[n], in (0, 1]"""
    trial: NDArray[np.int64]
    """[n]; -1: a trial that there is not yet"""

    def __len__(self) -> int:
        return len(self.s)

    def __getitem__(self, chosen: NDArray[np.int64]) -> "Points":
        return Points(self.x[chosen], self.s[chosen], self.trial[chosen])

    def __add__(self, other: "Points") -> "Points":
        joined = (np.concatenate(pair) for pair in zip(self._parts(), other._parts(), strict=True))
        return Points(*joined)

    def _parts(self) -> tuple[Array, Array, NDArray[np.int64]]:
        return self.x, self.s, self.trial


@dataclass(frozen=True)
class Hyperparameters:
    """A point of the hyperparameters' space, by name."""

    theta: Array
    """the logarithms of the lengths, then as `_CENTRES`"""

    @property
    def lengths(self) -> Array:
        return np.exp(self.theta[:-8])

    @property
    def time_length(self) -> float:
        return float(np.exp(self.theta[-8]))

    @property
    def variances(self) -> Array:
        """m, a, b, c, e"""
        return np.exp(self.theta[-7:-2])

    @property
    def noise(self) -> float:
        return float(np.exp(self.theta[-2]))

    @property
    def growth(self) -> float:
        return float(self.theta[-1])


def prior_of(num_axes: int) -> Hyperparameters:
    """The centre of the prior. Lengths grow with the square root of the axes, as distances do."""
    length = np.log(_LENGTH) + 0.5 * np.log(max(num_axes, 8) / 8)
    return Hyperparameters(np.concatenate([np.full(num_axes, length), _CENTRES]))


def fit(
    points: Points, y: Array, rng: np.random.Generator, start: Hyperparameters | None = None
) -> Hyperparameters:
    """The likeliest hyperparameters for the values `y` (about 0, spread 1) at `points`."""
    prior = prior_of(points.x.shape[1])
    if len(y) > NUM_FITTED:
        chosen = np.sort(rng.choice(len(y), NUM_FITTED, replace=False))
        points, y = points[chosen], y[chosen]
    task = _Posterior(points, y, prior.theta)
    found = minimize(
        task.cost_and_gradient,
        (start or prior).theta,
        jac=True,
        method="L-BFGS-B",
        bounds=[_LENGTH_BOUNDS] * points.x.shape[1] + _BOUNDS,
        options={"maxiter": MAX_STEPS},
    )
    return Hyperparameters(found.x) if np.all(np.isfinite(found.x)) else prior


class _Posterior:
    """The negative log posterior of the hyperparameters, and its gradient."""

    def __init__(self, points: Points, y: Array, centre: Array) -> None:
        self._y, self._centre = y, centre
        self._spreads = np.concatenate([np.full(len(centre) - 8, _LENGTH_SPREAD), _SPREADS])
        self._squares = ((points.x[:, None] - points.x[None]) ** 2).transpose(2, 0, 1).copy()
        self._times = np.abs(points.s[:, None] - points.s[None])
        self._late = points.s[:, None] + points.s[None] - 2
        self._same = (points.trial[:, None] == points.trial[None]).astype(np.float64)

    def cost_and_gradient(self, theta: Array) -> tuple[float, Array]:
        given = Hyperparameters(theta)
        squared = np.tensordot(given.lengths**-2, self._squares, 1)
        kx, slope = _matern52(squared)
        ratio = np.sqrt(3) * self._times / given.time_length
        decay = np.exp(-ratio)
        kt, grown = (1 + ratio) * decay, np.exp(given.growth * self._late)
        m, a, b, c, e = given.variances
        parts = (m * kt, a * kx * grown, b * kx * kt, c * self._same * kt, e * self._same * grown)
        covariance: Array = sum(parts[1:], parts[0])
        covariance[np.diag_indices(len(self._y))] += given.noise + _JITTER
        lower = cholesky(covariance, lower=True, check_finite=False)
        weights = cho_solve((lower, True), self._y, check_finite=False)
        inverse = cho_solve((lower, True), np.eye(len(self._y)), check_finite=False)
        away = (theta - self._centre) / self._spreads
        cost = 0.5 * self._y @ weights + np.log(np.diag(lower)).sum() + 0.5 * away @ away
        pull = 0.5 * (inverse - np.outer(weights, weights))
        gradient = np.concatenate(
            [
                np.tensordot(self._squares, pull * (a * grown + b * kt) * slope, ((1, 2), (0, 1)))
                * given.lengths**-2,
                [(pull * (m + b * kx + c * self._same) * ratio**2 * decay).sum()],
                [(pull * part).sum() for part in parts],
                [given.noise * np.trace(pull), (pull * (parts[1] + parts[4]) * self._late).sum()],
            ]
        )
        return float(cost), gradient + away / self._spreads


class CurveGP:
    """The process with its hyperparameters, conditioned on values."""

    def __init__(self, given: Hyperparameters, points: Points, y: Array) -> None:
        self.given, self.points, self.y = given, points, y
        covariance = self._covariance(points, points)
        covariance[np.diag_indices(len(y))] += given.noise + _JITTER
        self._lower = cholesky(covariance, lower=True, check_finite=False)
        self._weights = cho_solve((self._lower, True), y, check_finite=False)

    def predict(self, points: Points) -> tuple[Array, Array]:
        """Mean and standard deviation, without noise, at `points`; each float64[n]."""
        covariance = self._covariance(points, self.points)
        explained = solve_triangular(self._lower, covariance.T, lower=True, check_finite=False)
        m, a, b, c, e = self.given.variances
        variance = m + b + c + (a + e) * np.exp(2 * self.given.growth * (points.s - 1))
        left = np.maximum(variance - (explained**2).sum(0), 1e-8)
        return covariance @ self._weights, np.sqrt(left)

    def left_out(self) -> tuple[Array, Array]:
        """The last value of each trial as the other trials predict it, and as it is; each float64[trials].

        In closed form, without conditioning anew: Rasmussen and Williams, "Gaussian processes for machine
        learning" (2006), section 5.4.2, by blocks.
        """
        inverse = cho_solve((self._lower, True), np.eye(len(self.y)), check_finite=False)
        found, predicted = [], []
        for trial in np.unique(self.points.trial):
            own = np.flatnonzero(self.points.trial == trial)
            errors = np.linalg.solve(inverse[np.ix_(own, own)], self._weights[own])
            last = int(np.argmax(self.points.s[own]))
            found.append(self.y[own][last])
            predicted.append(found[-1] - errors[last])
        return np.array(predicted), np.array(found)

    def believing(self, points: Points) -> "CurveGP":
        """The process if the values at `points` were what it expects there."""
        return CurveGP(self.given, self.points + points, np.concatenate([self.y, self.predict(points)[0]]))

    def _covariance(self, one: Points, other: Points) -> Array:
        given = self.given
        kx, _ = _matern52(squared_distances(one.x / given.lengths, other.x / given.lengths))
        kt = _by_times(one.s, other.s, given.time_length)
        grown = np.outer(np.exp(given.growth * (one.s - 1)), np.exp(given.growth * (other.s - 1)))
        m, a, b, c, e = given.variances
        own = (one.trial[:, None] == other.trial[None]) * (c * kt + e * grown)
        covariance: Array = m * kt + kx * (a * grown + b * kt) + own
        return covariance


def _by_times(one: Array, other: Array, length: float) -> Array:
    """The kernel over time; there are few different times."""
    (rows, to_row), (columns, to_column) = (np.unique(s, return_inverse=True) for s in (one, other))
    ratio = np.sqrt(3) * np.abs(rows[:, None] - columns[None]) / length
    kernel: Array = ((1 + ratio) * np.exp(-ratio))[to_row[:, None], to_column[None]]
    return kernel


def _matern52(squared: Array) -> tuple[Array, Array]:
    """The kernel at squared distances; its derivative by ln(length), over that axis's share of the square."""
    distance = np.sqrt(5 * squared + 1e-12)
    decay = np.exp(-distance)
    return (1 + distance + 5 / 3 * squared) * decay, 5 / 3 * (1 + distance) * decay


def squared_distances(one: Array, other: Array) -> Array:
    """float64[len(one), len(other)], of the rows."""
    squares: Array = (one**2).sum(1)[:, None] + (other**2).sum(1)[None] - 2 * one @ other.T
    return squares.clip(min=0.0)
