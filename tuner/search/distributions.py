"""Domains in Optuna's terms, and the values of domains that have finitely many.

Every value that a searcher handles is a scalar (a choice's values are its labels), so values are the same
on both sides.
"""

import math
from decimal import Decimal
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from tuner.spec.domains import Choice, Domain, Float, Int
from tuner.spec.space import Parameter


def distribution(domain: Domain) -> BaseDistribution:
    """The domain in Optuna's terms."""
    if isinstance(domain, Choice):
        return CategoricalDistribution(domain.labels)
    if isinstance(domain, Float):
        return FloatDistribution(domain.low, domain.high, log=domain.log, step=domain.step)
    return IntDistribution(domain.low, domain.high, log=domain.log, step=domain.step or 1)


def suggest(trial: optuna.Trial, parameter: Parameter) -> Any:
    """The trial's value for a parameter, drawn by the study's sampler where it has none yet."""
    name, domain = parameter.name, parameter.domain
    if isinstance(domain, Choice):
        return trial.suggest_categorical(name, domain.labels)
    if isinstance(domain, Float):
        return trial.suggest_float(name, domain.low, domain.high, log=domain.log, step=domain.step)
    return trial.suggest_int(name, domain.low, domain.high, log=domain.log, step=domain.step or 1)


def num_values(domain: Float | Int) -> int:
    """How many values a domain with steps has; an integer without a step has step 1."""
    return round((domain.high - domain.low) / (domain.step or 1)) + 1


def step_value(domain: Float | Int, k: int) -> float | int:
    """The value k steps above the lowest, reckoned in decimals, so that 0.1 + 2 * 0.1 is 0.3."""
    value = Decimal(str(domain.low)) + k * Decimal(str(domain.step or 1))
    return min(domain.high, type(domain.low)(value))


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


def position_of(domain: Float | Int, value: float) -> float:
    """Where in a range a value stands, from 0 at its low to 1 at its high end, in the logarithm if log."""
    low, high = domain.low, domain.high
    if domain.log:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def middle(domain: Domain) -> Any:
    """The value in the middle of a range, or the first option."""
    return domain.labels[0] if isinstance(domain, Choice) else value_at(domain, 0.5)


def _log_between(low: float, high: float, u: float) -> float:
    return math.exp(math.log(low) + u * (math.log(high) - math.log(low)))
