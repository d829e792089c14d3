"""Quasi-random search: a scrambled Sobol sequence over the whole space.

Covers the space more evenly than random search does and learns nothing. Trial `number` takes point `number`
of one sequence in which every parameter has its own axis, whether it is active or not; so the first trial,
conditional spaces and trials in parallel need no special case (Optuna's own sampler draws the first trial
and conditional parameters at random). Sobol (1967) with a random linear scramble and shift (Matousek 1998),
scipy's implementation.
"""

from typing import Any

from tuner.search.distributions import value_at
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
