"""What the user believes of the optimum, and how long that is trusted.

A prior is a normal density around `at` on the parameter's (log) range, cut off at its ends, or a share for
each option of a choice. It works as in piBO (Hvarfner et al., 2022), whose weight decays as beta / n with
beta a tenth of the trials: with the weight beta / (beta + n) after n finished trials, a suggestion's believed
parameters are drawn from the prior, and the sampler draws the others. So a wrong belief costs a share of the
trials (a quarter over a whole search) and never the search; a right one is what the sampler first
learns from. A surrogate that has an acquisition function adds `log_density` times `weight` to its logarithm.
"""

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

import numpy as np

from tuner.search.distributions import position_of, value_at
from tuner.spec.domains import Choice, Domain
from tuner.spec.points import as_value
from tuner.spec.sections import Prior, SearchSpec
from tuner.spec.space import Space


def weight(search: SearchSpec, num_finished: int) -> float:
    """How far the priors are trusted, from 1 at the start towards 0."""
    beta = search.trials / 10
    return beta / (beta + num_finished)


def draw(space: Space, priors: Mapping[str, Prior], rng: np.random.Generator) -> dict[str, Any]:
    """A value from the prior for each parameter that has one, active or not."""
    return {
        parameter.name: _draw(parameter.domain, priors[parameter.name], rng.random())
        for parameter in space.parameters
        if parameter.name in priors
    }


def log_density(space: Space, priors: Mapping[str, Prior], params: Mapping[str, Any]) -> float:
    """The logarithm of the priors' joint density at `params`, up to a constant; what has no prior adds 0."""
    return sum(
        _log_density(parameter.domain, priors[parameter.name], params[parameter.name])
        for parameter in space.active(params)
        if parameter.name in priors
    )


def _draw(domain: Domain, prior: Prior, u: float) -> Any:
    if isinstance(domain, Choice):
        return _draw_option(domain, prior, u)
    normal = NormalDist(position_of(domain, float(prior.at)), prior.spread)
    below, above = normal.cdf(0.0), normal.cdf(1.0)
    position = normal.inv_cdf(below + (u * 0.999998 + 1e-6) * (above - below))
    return value_at(domain, min(max(position, 0.0), math.nextafter(1.0, 0.0)))


def _draw_option(domain: Choice, prior: Prior, u: float) -> Any:
    best = as_value(domain, prior.at)
    others = [label for label in domain.labels if label != best]
    if u >= prior.spread or not others:
        return best
    return others[int(u / prior.spread * len(others))]


def _log_density(domain: Domain, prior: Prior, value: Any) -> float:
    if isinstance(domain, Choice):
        is_best = value == as_value(domain, prior.at)
        return math.log(1 - prior.spread if is_best else prior.spread / (len(domain.labels) - 1))
    distance = position_of(domain, value) - position_of(domain, float(prior.at))
    return -0.5 * (distance / prior.spread) ** 2
