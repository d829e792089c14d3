"""Quasi-random search: a scrambled Sobol sequence over the whole space.

Covers the space more evenly than random search does and learns nothing. Trial `number` takes point `number`
of one sequence in which every parameter has its own axis, whether it is active or not; so the first trial,
conditional spaces and trials in parallel need no special case (Optuna's own sampler draws the first trial
and conditional parameters at random). Sobol (1967) with a random linear scramble and shift (Matousek 1998),
scipy's implementation.
"""

import math
from typing import Any

from tuner.search.distributions import num_values, step_value
from tuner.spec.domains import Choice, Domain, Float, Int
from tuner.spec.space import Space


def qmc_point(space: Space, seed: int, number: int) -> dict[str, Any]:
    """The configuration of trial `number` in the sequence of `seed`."""
    unit = _sobol(len(space.parameters), seed, number)
    position = {parameter.name: u for parameter, u in zip(space.parameters, unit, strict=True)}
    return space.walk(lambda parameter: value_at(parameter.domain, position[parameter.name]))


def _sobol(num_axes: int, seed: int, number: int) -> list[float]:
    from scipy.stats import qmc  # takes 0.6 s to import, and only this sampler needs it

    sequence = qmc.Sobol(num_axes, scramble=True, seed=seed)
    if number:  # scipy refuses to go forward by 0
        sequence.fast_forward(number)
    point: list[float] = sequence.random(1)[0].tolist()
    return point


def value_at(domain: Domain, u: float) -> Any:
    """The value at the fraction `u` of a domain, 0 <= u < 1.

    Options, steps and integers have equal shares; on a log scale their shares of the logarithm, where an
    integer i reaches from i - 1/2 to i + 1/2.
    """
    if isinstance(domain, Choice):
        return domain.labels[int(u * len(domain.labels))]
    if isinstance(domain, Int) and domain.log:
        return min(domain.high, max(domain.low, round(_log_between(domain.low - 0.5, domain.high + 0.5, u))))
    if isinstance(domain, Float) and domain.log:
        return min(domain.high, max(domain.low, _log_between(domain.low, domain.high, u)))
    if isinstance(domain, Float) and domain.step is None:
        return domain.low + u * (domain.high - domain.low)
    return step_value(domain, int(u * num_values(domain)))


def _log_between(low: float, high: float, u: float) -> float:
    return math.exp(math.log(low) + u * (math.log(high) - math.log(low)))
