"""Domains in Optuna's terms, and the values of domains that have finitely many.

Every value that a searcher handles is a scalar (a choice's values are its labels), so values are the same
on both sides.
"""

from decimal import Decimal
from typing import Any

import optuna

from tuner.spec.domains import Choice, Float, Int
from tuner.spec.space import Parameter


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
