"""What all reports so far say about where a better value would come from.

    surrogate = Surrogate(space, mode="min", max_reports=27, seed=0)
    belief = surrogate.learn(trials)
    belief.gain_of_new(vectors)            # expected improvement at the end of training, one a configuration
    belief.gain_of_known(positions)        # the same of trials that have reported

Used twice: the sampler `curve_gp` proposes the configuration with the largest gain, and the scheduler
`freeze_thaw` gives a free gang to whatever gains most, a new configuration or a paused trial.

A trial's curve is the best value that it had reached by each report. Values become scores before the Gaussian
process sees them (`scores`), small when good:

- for the larger part on a linear scale, on which 0 is the best value so far and 1 the third quartile of what
  trials have reached; what is worse is squeezed below 1.5, so that losses of 1e16, trials that diverged, and
  those that broke a constraint are bad and nothing more;
- for the rest (`LINEAR_SHARE`) the normal score of the value's rank, which tells values apart where the scale
  is wide: on a plateau, and near the best one.

**Flat places.** Where several trials near each other have the same first value to the last bit, the metric
does not depend on the configuration there (or only on its rounding). Only the furthest of these goes on,
and no new configuration is proposed as near. On the tables of TaskSet, where a proposal gets the curve of its
nearest neighbour, a Gaussian process otherwise proposed one of 1000 rows in 233 of 279 trials.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from tuner.search.curve_gp import Array, CurveGP, Hyperparameters, Points, fit, squared_distances
from tuner.search.encoding import Encoding, nearby
from tuner.spec.space import Space

MAX_POINTS = 250
"""Values that the process is conditioned on: the last one of each trial first."""
NUM_RANDOM, NUM_NEARBY = 200, 16
"""Candidates: drawn at random, and near each of the best trials at each spread."""
NUM_BEST = 6
SPREADS = (0.2, 0.06)
NUM_REFINED, NUM_CLOSER = 8, 12
REFINE_SPREADS = (0.1, 0.05, 0.02)
"""The best candidates are refined: so many more near each, at one spread after the other."""
LINEAR_SHARE = 0.75
"""Of the linear scale in a score; the rest is by rank."""
_WORST_QUANTILE = 0.75
_SQUEEZE = 0.5
_FLAT_SHARE = 0.6
"""A flat place is smaller than this share of the median distance between configurations."""
_SURE = 0.999
"""A rank correlation of 1 is taken as this."""
_REFIT = 1.2
"""The hyperparameters are fitted anew when there are so many times as many values."""


@dataclass(frozen=True)
class Seen:
    """What is known of one trial."""

    params: Mapping[str, Any]
    curve: Mapping[int, float]
    """report (from 1) -> finite value, in order"""
    is_bad: bool = False
    """it diverged, or cannot run"""
    is_running: bool = False


@dataclass(frozen=True)
class Flat:
    """A place where the metric does not change."""

    members: NDArray[np.int64]
    """positions of its trials"""
    radius: float


class Surrogate:
    """Learns from trials; remembers only its hyperparameters from one time to the next.

    `max_reports`: reports of a full training.
    """

    def __init__(self, space: Space, *, mode: Literal["min", "max"], max_reports: int, seed: int) -> None:
        self.encoding = Encoding(space)
        self.steps = landmarks(max_reports)
        self._sign = 1.0 if mode == "min" else -1.0
        self._max_reports = max_reports
        self._seed = seed
        self._fitted: Hyperparameters | None = None
        self._num_fitted = 0

    def learn(self, trials: Sequence[Seen], *, remembers: bool = True) -> "Belief":
        """What `trials` say, of which at least one has reported or is bad.

        Without `remembers` nothing changes for the next time.
        """
        fractions = self.encoding.fractions([seen.params for seen in trials])
        vectors = self.encoding.vectors(fractions)
        curves = [_best_by_report(seen.curve, self._sign) for seen in trials]
        points, values = self._points(trials, vectors, curves)
        reached = np.array([_reached(seen, curve) for seen, curve in zip(trials, curves, strict=True)])
        scaled = _scaled(values, reached[~np.isnan(reached)])
        y = scores(values, scaled)
        rng = np.random.default_rng([self._seed, len(y)])
        given = self._fitted
        if given is None or (remembers and len(y) >= _REFIT * self._num_fitted + 2):
            given = fit(points, y, rng, self._fitted)
        if remembers and given is not self._fitted:
            self._fitted, self._num_fitted = given, len(y)
        known = process = CurveGP(given, *_thinned(points, y, rng))
        running = np.flatnonzero([seen.is_running for seen in trials])
        if len(running):
            process = process.believing(Points(vectors[running], np.ones(len(running)), running))
        flats = flat_places(vectors, curves)
        best, spread = float(y.min()), float(scaled.std())
        return Belief(known, process, self.encoding, fractions, vectors, reached, flats, best, spread)

    def _points(
        self, trials: Sequence[Seen], vectors: Array, curves: Sequence[Mapping[int, float]]
    ) -> tuple[Points, Array]:
        """The values at the landmarks and where trials stand still; of a bad one only that it ends badly."""
        rows: list[tuple[int, int, float]] = []
        for position, (seen, curve) in enumerate(zip(trials, curves, strict=True)):
            if seen.is_bad:
                rows.append((position, self._max_reports, np.inf))
                continue
            last = 0 if seen.is_running else max(curve, default=0)
            rows += [(position, step, curve[step]) for step in curve if step in self.steps or step == last]
        positions = np.array([row[0] for row in rows])
        times = np.log1p([min(row[1], self._max_reports) for row in rows]) / np.log1p(self._max_reports)
        return Points(vectors[positions], times, positions), np.array([row[2] for row in rows])


@dataclass(frozen=True)
class Belief:
    """What a surrogate believes after it has learnt."""

    known: CurveGP
    """conditioned on what was reported"""
    process: CurveGP
    """the same, if running trials end as it expects"""
    encoding: Encoding
    fractions: Array
    """[trials, parameters]"""
    vectors: Array
    """[trials, axes]"""
    reached: Array
    """[trials], the best value of each, smaller is better; inf: bad; NaN: has not reported"""
    flats: Sequence[Flat]
    best: float
    """the score of the best value so far"""
    spread: float
    """what a score of 1 is, as a share of the distance from the best value to the third quartile"""

    def skill(self) -> float:
        """Rank correlation of trials' last values with what the process says of them from all other trials.

        In [-1, 1], less one standard error (Fisher's z), so that a few lucky trials count for little; 0 with
        fewer than five. The correlation on LCBench, a smooth surrogate, is .86 or more; on TaskSet, whose
        tables answer with a neighbour's curve, .2 to .6.
        """
        predicted, found = self.known.left_out()
        if len(found) < 5 or np.ptp(found) == 0 or np.ptp(predicted) == 0:
            return 0.0
        correlation = np.clip(np.corrcoef(ranks(predicted), ranks(found))[0, 1], -_SURE, _SURE)
        return float(np.tanh(np.arctanh(correlation) - 1 / np.sqrt(len(found) - 3)))

    def gain_of_new(self, vectors: Array) -> Array:
        """float64[n]: expected improvement at the end of training; 0 in flat places."""
        gains = self._gain(Points(vectors, np.ones(len(vectors)), np.full(len(vectors), -1)))
        if self.flats:
            members = self.vectors[np.concatenate([flat.members for flat in self.flats])]
            radii = np.concatenate([np.full(len(flat.members), flat.radius) for flat in self.flats])
            gains[(squared_distances(vectors, members) <= radii**2).any(1)] = 0.0
        return gains

    def gain_of_known(self, positions: NDArray[np.int64]) -> Array:
        """float64[n]: the same of trials, by their positions; 0 where another one stands for it."""
        gains = self._gain(Points(self.vectors[positions], np.ones(len(positions)), positions))
        gains[np.isin(positions, self._stood_for())] = 0.0
        return gains

    def propose(self, rng: np.random.Generator) -> tuple[Array, float]:
        """The new configuration that gains most, as fractions, float64[parameters]; and what it gains.

        Without the refinement the regret on LCBench after 20 full trainings was .041 +- .017 higher.
        """
        drawn = self.candidates(rng)
        gains = self.gain_of_new(self.encoding.vectors(drawn))
        for spread in REFINE_SPREADS:
            best = drawn[np.argsort(-gains, kind="stable")[:NUM_REFINED]]
            near = nearby(np.repeat(best, NUM_CLOSER, axis=0), spread, rng)
            drawn = np.concatenate([drawn, near])
            gains = np.concatenate([gains, self.gain_of_new(self.encoding.vectors(near))])
        chosen = int(np.argmax(gains))
        return drawn[chosen], float(gains[chosen])

    def candidates(self, rng: np.random.Generator) -> Array:
        """Fractions of new configurations to choose from, [n, parameters]."""
        ranked = np.argsort(self.reached, kind="stable")
        ranked = ranked[np.isfinite(self.reached[ranked])]
        best = ranked[~np.isin(ranked, self._stood_for())][:NUM_BEST]
        return candidates(self.fractions[best], rng)

    def _gain(self, points: Points) -> Array:
        mean, deviation = self.process.predict(points)
        ahead = (self.best - mean) / deviation
        density = np.exp(-0.5 * ahead**2) / np.sqrt(2 * np.pi)
        gain: Array = deviation * (ahead * ndtr(ahead) + density)
        return np.maximum(gain, 0.0)

    def _stood_for(self) -> list[int]:
        return [int(position) for flat in self.flats for position in flat.members[1:]]


def landmarks(max_reports: int) -> tuple[int, ...]:
    """Reports at which curves are looked at, each about 1.6 times as late as the one before."""
    steps = [1]
    while steps[-1] < max_reports:
        steps.append(min(max_reports, max(steps[-1] + 1, round(1.6 * steps[-1]))))
    return tuple(steps)


def flat_places(vectors: Array, curves: Sequence[Mapping[int, float]]) -> list[Flat]:
    """Groups of near trials with the same first value; the one that has come furthest stands first."""
    groups: defaultdict[float, list[int]] = defaultdict(list)
    for position, curve in enumerate(curves):
        if curve:
            groups[next(iter(curve.values()))].append(position)
    flats = []
    limit = _FLAT_SHARE * _median_distance(vectors)
    for members in groups.values():
        radius = _diameter(vectors[members]) if len(members) > 1 else np.inf
        if radius < limit:
            ranked = sorted(members, key=lambda position: -len(curves[position]))
            flats.append(Flat(np.array(ranked), radius))
    return flats


def candidates(near: Array, rng: np.random.Generator) -> Array:
    """Fractions to choose from, [n, parameters]: random ones, and some near each row of `near`."""
    drawn = [rng.random((NUM_RANDOM, near.shape[1]))]
    drawn += [nearby(np.repeat(near, NUM_NEARBY, axis=0), spread, rng) for spread in SPREADS]
    return np.concatenate(drawn)


def scores(values: Array, scaled: Array) -> Array:
    """Scores of `values`, which are `scaled` on the linear scale: mean 0, spread about 1, small is good."""
    by_scale = (scaled - scaled.mean()) / (scaled.std() + 1e-9)
    by_rank = ndtri((ranks(values) - 0.5) / len(values))
    mean: Array = LINEAR_SHARE * by_scale + (1 - LINEAR_SHARE) * by_rank
    return mean


def ranks(values: Array) -> Array:
    """From 1; equal values share the mean of theirs. As scipy.stats has it, which takes .6 s to import."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    mean: Array = (ends - (counts - 1) / 2)[places]
    return mean


def _best_by_report(curve: Mapping[int, float], sign: float) -> dict[int, float]:
    """The least loss that was reached by each report."""
    losses = np.minimum.accumulate([sign * value for value in curve.values()])
    return dict(zip(curve, losses.tolist(), strict=True))


def _reached(seen: Seen, curve: Mapping[int, float]) -> float:
    if seen.is_bad:
        return np.inf
    return min(curve.values(), default=np.nan)


def _scaled(values: Array, reached: Array) -> Array:
    """`values` on a scale where the best is 0, the third quartile of `reached` 1, and nothing beyond 1.5."""
    finite = reached[np.isfinite(reached)]
    if not len(finite):
        return np.full(len(values), 1 + _SQUEEZE)
    best = finite.min()
    worst = np.sort(reached)[int(_WORST_QUANTILE * (len(reached) - 1))]
    if not (np.isfinite(worst) and worst > best):
        worst = finite.max()
    with np.errstate(over="ignore"):
        width = min(worst - best, np.finfo(np.float64).max) if worst > best else 1.0
        scaled = (values - best) / width
        squeezed = 1 + _SQUEEZE * (1 - np.exp(-np.maximum(scaled - 1, 0) / _SQUEEZE))
    return np.asarray(np.where(scaled > 1, squeezed, scaled))


def _thinned(points: Points, y: Array, rng: np.random.Generator) -> tuple[Points, Array]:
    if len(y) <= MAX_POINTS:
        return points, y
    is_last = np.append(points.trial[1:] != points.trial[:-1], True)
    lasts, others = np.flatnonzero(is_last), np.flatnonzero(~is_last)
    num_others = min(len(others), max(MAX_POINTS - len(lasts), MAX_POINTS // 5))
    kept = [_best_and_some(lasts, y, MAX_POINTS - num_others, rng)]
    kept.append(rng.choice(others, num_others, replace=False))
    chosen = np.sort(np.concatenate(kept))
    return points[chosen], y[chosen]


def _best_and_some(
    positions: NDArray[np.int64], y: Array, num: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Of so many positions the better half of `num` by value, and others at random."""
    if len(positions) <= num:
        return positions
    ranked = positions[np.argsort(y[positions], kind="stable")]
    others = rng.choice(ranked[num // 2 :], num - num // 2, replace=False)
    return np.concatenate([ranked[: num // 2], others])


def _median_distance(vectors: Array) -> float:
    some = vectors[:60]
    distances = [np.linalg.norm(one - other) for one, other in pairwise(some)]
    return float(np.median(distances)) if distances else 0.0


def _diameter(vectors: Array) -> float:
    return float(np.sqrt(((vectors[:, None] - vectors[None]) ** 2).sum(-1).max()))
