"""Extrapolates a learning curve, with an honest uncertainty, from its start and from the other curves.

    model = CurveModel()
    forecast = model.extrapolate(number=3, steps=[1, 2, 3, 4], losses=[.9, .8, .75, .74], last_step=27,
                                 target=.6, scale=.3)
    forecast.probability       # that one of the reports 5 ... 27 has a loss below .6

A curve is taken to be, in units of `scale`, with t the report,

    y(t) = c + a * shape(t) + walk(log t) + noise

where `shape` is one of 9 (constant, power laws, exponentials), `walk` is a Brownian motion in log t that
takes what no shape explains, and noise is independent from report to report. Drift and noise have 6 possible
standard deviations each, so that there are 324 models of a curve; under each, everything is Gaussian and
solved exactly. The models are averaged by their evidence (as the ensemble of Domhan et al., "Speeding up
Automatic Hyperparameter Optimization of Deep Neural Networks by Extrapolation of Learning Curves", IJCAI
2015, is by MCMC), times what share of the study's other curves they explain: one step of expectation
maximisation of the mixture's weights a report, with `PRIOR_TRIALS` trials' weight on equal shares. So each
curve that was seen tells the next one how much is still to come, how noisy reports are, and how far curves
leave their shapes.

The probability is an average over 256 draws of a future curve, of the exact chance that noise brings a report
below the target. The normal numbers behind the draws are fixed: the same inputs give the same answer.

Trade-off: on replayed curves small probabilities are right or a little too high, those in the middle too high
(see `tuner.search.extrapolation`), because a walk may fall as easily as it rises. About .5 ms a report.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

# Axes: H pairs of noise and drift, S shapes, T reports seen, F reports to come, N draws.
Array = NDArray[np.float64]

POWERS = (0.25, 0.5, 1.0, 2.0)
HALF_LIVES = (2.0, 6.0, 20.0, 60.0)
"""of the exponentials, in reports, but for a factor log 2"""
NOISES = (0.001, 0.004, 0.016, 0.06, 0.25, 1.0)
DRIFTS = (0.0, 0.004, 0.02, 0.1, 0.5, 2.0)
"""standard deviations in units of the scale; of the drift, per factor e in reports"""
PRIOR_TRIALS = 5.0
MOST_SEEN, MOST_TO_COME = 32, 24
"""longer curves are thinned to so many reports"""
NUM_DRAWS = 256
LARGEST = 1e4
"""scales beyond which a loss is taken to be no farther away"""

_NOISE_H = np.repeat(NOISES, len(DRIFTS))
_DRIFT_H = np.tile(DRIFTS, len(NOISES))
_NUM_SHAPES = 1 + len(POWERS) + len(HALF_LIVES)


class Forecast(NamedTuple):
    """What is to be expected of the rest of a trial."""

    probability: float
    """of a report below the target"""
    final: float
    """mean loss at the last report"""
    final_sd: float
    """its standard deviation, without the noise of a report"""


class CurveModel:
    """Extrapolates curves of one study, and learns from each what its curves are like."""

    def __init__(self) -> None:
        self._shares: dict[int, Array] = {}
        """trial -> posterior probability of each model, float64[H, S]"""
        self._sum_of_shares: Array = np.zeros((len(_NOISE_H), _NUM_SHAPES))

    def extrapolate(
        self,
        number: int,
        steps: Sequence[int],
        losses: Sequence[float],
        *,
        last_step: int,
        target: float,
        scale: float,
    ) -> Forecast:
        """The rest, up to report `last_step`, of trial `number` with `losses` at the reports `steps` so far.

        `steps` rise; `last_step` is above the last of them. `scale` > 0: a typical change of a curve of this
        study, in the metric's unit.
        """
        kept = _thinned(len(steps))
        seen = _seen(tuple(steps[position] for position in kept))
        last = losses[-1]
        units_T = np.clip([(losses[position] - last) / scale for position in kept], -LARGEST, LARGEST)
        fit = _fit(seen, units_T)
        share = self._learn(number, fit.log_evidence_HS)
        to_come = _to_come(steps[-1], last_step)
        distance = float(np.clip((target - last) / scale, -LARGEST, LARGEST))
        probability, final_N = _future(seen, fit, share, to_come, distance)
        return Forecast(probability, last + scale * float(final_N.mean()), scale * float(final_N.std()))

    def _learn(self, number: int, log_evidence_HS: Array) -> Array:
        """The posterior probability of each model, given this curve and the shares of the others."""
        others = self._sum_of_shares - self._shares.get(number, 0.0)
        share: Array = (others + PRIOR_TRIALS / others.size) * np.exp(log_evidence_HS - log_evidence_HS.max())
        share /= share.sum()
        self._shares[number] = share
        self._sum_of_shares = np.maximum(others, 0.0) + share
        return share


def _shapes(steps: Array) -> Array:
    """float64[S, len(steps)]: 1 at report 1 (but for the constant, 0), falling to 0."""
    powers = [steps**-power for power in POWERS]
    exponentials = [np.exp((1 - steps) / half_life) for half_life in HALF_LIVES]
    return np.stack([np.zeros_like(steps), *powers, *exponentials])


@lru_cache(maxsize=1024)
def _thinned(length: int) -> tuple[int, ...]:
    """Positions in a curve of this length: all, or half evenly and half evenly in log t, with both ends."""
    if length <= MOST_SEEN:
        return tuple(range(length))
    half = MOST_SEEN // 2
    at = np.concatenate([np.geomspace(1, length, half), np.linspace(1, length, half)])
    return tuple(int(position) - 1 for position in np.unique(np.round(at)))


class _Seen(NamedTuple):
    """All about the reports seen that does not depend on their losses, in the walk's eigenbasis."""

    last_step: int
    basis_TT: Array
    precision_HT: Array
    log_det_H: Array
    shapes_ST: Array
    ones_T: Array
    info_cc_H1: Array
    info_ca_HS: Array
    info_aa_HS: Array
    gain_HT: Array
    """the walk's mean at the last report is gain . (loss - c - a * shape)"""
    walk_sd_H: Array


@lru_cache(maxsize=1024)
def _seen(steps: tuple[int, ...]) -> _Seen:
    times = np.asarray(steps, dtype=np.float64)
    clock_T = np.log(times)
    eigenvalues, basis = np.linalg.eigh(np.minimum(clock_T[:, None], clock_T))
    variance_HT = _NOISE_H[:, None] ** 2 + _DRIFT_H[:, None] ** 2 * np.maximum(eigenvalues, 0.0)
    precision = 1 / variance_HT
    ones, shapes = basis.sum(axis=0), _shapes(times) @ basis
    covariance_HT = _DRIFT_H[:, None] ** 2 * (clock_T @ basis)
    gain = covariance_HT * precision
    walk_variance_H = _DRIFT_H**2 * clock_T[-1] - (gain * covariance_HT).sum(axis=1)
    return _Seen(
        last_step=steps[-1],
        basis_TT=basis,
        precision_HT=precision,
        log_det_H=np.log(variance_HT).sum(axis=1),
        shapes_ST=shapes,
        ones_T=ones,
        info_cc_H1=(precision @ ones**2)[:, None],
        info_ca_HS=precision @ (ones * shapes).T,
        info_aa_HS=precision @ (shapes**2).T,
        gain_HT=gain,
        walk_sd_H=np.sqrt(np.maximum(walk_variance_H, 0.0)),
    )


class _Fit(NamedTuple):
    """The Gaussian posterior of the level c and the amplitude a under each model, and its evidence."""

    losses_T: Array
    level_HS: Array
    amplitude_HS: Array
    info_cc_HS: Array
    info_ca_HS: Array
    amplitude_sd_HS: Array
    log_evidence_HS: Array


def _fit(seen: _Seen, units_T: Array) -> _Fit:
    """`units_T`: the losses minus the last one, in scales. Priors: c ~ N(0, 10^2), a ~ N(0, 2^2) ranges."""
    losses = units_T @ seen.basis_TT
    size = max(1.0, float(np.ptp(units_T)))
    prior_cc, prior_aa = (10 * size) ** -2, (2 * size) ** -2
    cc = np.broadcast_to(seen.info_cc_H1 + prior_cc, seen.info_ca_HS.shape)
    ca, aa = seen.info_ca_HS, seen.info_aa_HS + prior_aa
    c_of_data = (seen.precision_HT @ (seen.ones_T * losses))[:, None]
    a_of_data = seen.precision_HT @ (losses * seen.shapes_ST).T
    determinant = cc * aa - ca**2
    level = (aa * c_of_data - ca * a_of_data) / determinant
    amplitude = (cc * a_of_data - ca * c_of_data) / determinant
    misfit = (seen.precision_HT @ losses**2)[:, None] - level * c_of_data - amplitude * a_of_data
    log_evidence = -0.5 * (misfit + seen.log_det_H[:, None] + np.log(determinant))
    return _Fit(losses, level, amplitude, cc, ca, np.sqrt(cc / determinant), log_evidence)


class _ToCome(NamedTuple):
    """The reports to come, thinned: `num_F` of them stand behind each."""

    shapes_SF: Array
    num_F: Array
    clock_sd_F: Array
    """standard deviation of the walk's increments at drift 1"""


@lru_cache(maxsize=4096)
def _to_come(step: int, last_step: int) -> _ToCome:
    num = min(MOST_TO_COME, last_step - step)
    steps = np.unique(np.round(np.linspace(step, last_step, num + 1)))
    return _ToCome(_shapes(steps[1:]), np.diff(steps), np.sqrt(np.diff(np.log(steps))))


@lru_cache(maxsize=1)
def _normals() -> Array:
    """float64[N, 3 + F], always the same."""
    return np.random.default_rng(0).standard_normal((NUM_DRAWS, 3 + MOST_TO_COME))


def _future(
    seen: _Seen, fit: _Fit, share_HS: Array, to_come: _ToCome, distance: float
) -> tuple[float, Array]:
    """The probability that a report to come is below `distance`, and draws float64[N] of the last one."""
    quantiles_N = (np.arange(NUM_DRAWS) + 0.5) / NUM_DRAWS
    cells = np.searchsorted(np.cumsum(share_HS), quantiles_N).clip(max=share_HS.size - 1)
    h, s = np.divmod(cells, _NUM_SHAPES)
    normals = _normals()
    offset = fit.amplitude_sd_HS[h, s] * normals[:, 0]
    amplitude = fit.amplitude_HS[h, s] + offset
    info_cc = fit.info_cc_HS[h, s]
    level = fit.level_HS[h, s] - fit.info_ca_HS[h, s] / info_cc * offset + normals[:, 1] / np.sqrt(info_cc)
    unexplained_NT = fit.losses_T - level[:, None] * seen.ones_T - amplitude[:, None] * seen.shapes_ST[s]
    walk = (seen.gain_HT[h] * unexplained_NT).sum(axis=1) + seen.walk_sd_H[h] * normals[:, 2]
    steps_NF = to_come.clock_sd_F * normals[:, 3 : 3 + len(to_come.num_F)]
    drift_NF = walk[:, None] + _DRIFT_H[h][:, None] * np.cumsum(steps_NF, axis=1)
    mean_NF = level[:, None] + amplitude[:, None] * to_come.shapes_SF[s] + drift_NF
    none_below_NF = log_ndtr((mean_NF - distance) / _NOISE_H[h][:, None]) * to_come.num_F
    return float(1 - np.exp(none_below_NF.sum(axis=1)).mean()), mean_NF[:, -1]
