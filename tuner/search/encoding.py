"""Configurations as points of the unit cube, for models that measure distances.

Two forms, both arrays, so that thousands of candidates cost no more than a few:

- *fractions*, float64[n, parameters]: where in its domain each value lies, as `distributions.value_at` reads
  it. A parameter that is not active has a fraction too, which means nothing.
- *vectors*, float64[n, width]: what distances are measured in. A range is one axis (on a log scale where the
  domain is), a choice one axis an option, at 0 or `OPTION`, so that two options are 1 apart. What is not
  active stands in the middle of its axes: it tells nothing about distances to others that lack it too.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.search.distributions import num_values, value_at
from tuner.spec.domains import Choice, Domain, Float, Int
from tuner.spec.space import Parameter, Space

Array = NDArray[np.float64]

OPTION = math.sqrt(0.5)
"""The coordinate of a chosen option."""
_BELOW_1 = float(np.nextafter(1.0, 0.0))


class Encoding:
    """The points of one space; vectors have `width` coordinates in [0, 1]."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.width = sum(_num_axes(parameter.domain) for parameter in space.parameters)
        self._columns = {parameter.name: column for column, parameter in enumerate(space.parameters)}

    def fractions(self, configurations: Sequence[Mapping[str, Any]]) -> Array:
        """Of configurations; what is not active stands at 0.5."""
        fractions = np.full((len(configurations), len(self.space.parameters)), 0.5)
        for column, parameter in enumerate(self.space.parameters):
            rows = [row for row, params in enumerate(configurations) if parameter.name in params]
            values = [configurations[row][parameter.name] for row in rows]
            fractions[rows, column] = fractions_of(parameter.domain, values)
        return fractions

    def configuration(self, fractions: Array) -> dict[str, Any]:
        """The configuration of one row of fractions."""
        row = dict(zip(self._columns, fractions, strict=True))
        return self.space.walk(lambda parameter: value_at(parameter.domain, float(row[parameter.name])))

    def vectors(self, fractions: Array) -> Array:
        """The vectors of rows of fractions."""
        parts = [np.empty((len(fractions), 0))]
        active: dict[str, NDArray[np.bool_]] = {}
        for parameter in self.space.parameters:
            active[parameter.name] = is_active = self._is_active(parameter, fractions, active)
            axes = _axes(parameter.domain, fractions[:, self._columns[parameter.name]])
            parts.append(np.where(is_active[:, None], axes, 0.5))
        return np.concatenate(parts, axis=1)

    def _is_active(
        self, parameter: Parameter, fractions: Array, active: Mapping[str, NDArray[np.bool_]]
    ) -> NDArray[np.bool_]:
        is_active = np.ones(len(fractions), dtype=np.bool_)
        for name, label in parameter.conditions:
            column = self._columns[name]
            domain = self.space.parameters[column].domain
            assert isinstance(domain, Choice)
            is_active &= active[name] & (_option(domain, fractions[:, column]) == domain.labels.index(label))
        return is_active


def nearby(fractions: Array, spread: float, rng: np.random.Generator) -> Array:
    """Rows that differ from `fractions` in at least one column and in three of ten, or two, on the average.

    A changed column moves by a normal step of `spread`.
    """
    num_rows, num_columns = fractions.shape
    if not num_columns:
        return fractions
    is_changed = rng.random(fractions.shape) < max(0.3, 2 / num_columns)
    is_changed[np.arange(num_rows), rng.integers(num_columns, size=num_rows)] = True
    moved: Array = fractions + is_changed * rng.normal(0, spread, fractions.shape)
    return moved.clip(0.0, _BELOW_1)


def fractions_of(domain: Domain, values: Sequence[Any]) -> Array:
    """The fractions at which `value_at` gives `values`: the middle of each value's share."""
    if isinstance(domain, Choice):
        return (np.array([domain.labels.index(value) for value in values]) + 0.5) / len(domain.labels)
    numbers = np.asarray(values, dtype=np.float64)
    if domain.log:
        low, high = _log_ends(domain)
        return np.minimum(_BELOW_1, (np.log(numbers) - low) / (high - low))
    if _is_stepped(domain):
        return ((numbers - domain.low) / (domain.step or 1) + 0.5) / num_values(domain)
    return np.minimum(_BELOW_1, (numbers - domain.low) / (domain.high - domain.low))


def _num_axes(domain: Domain) -> int:
    return len(domain.labels) if isinstance(domain, Choice) else 1


def _axes(domain: Domain, fractions: Array) -> Array:
    """float64[n, axes of the domain]; fractions that give the same value are at the same place."""
    if isinstance(domain, Choice):
        is_chosen = _option(domain, fractions)[:, None] == np.arange(len(domain.labels))
        axes: Array = OPTION * is_chosen.astype(np.float64)
        return axes
    if _is_stepped(domain) and not domain.log:
        size = num_values(domain)
        return ((np.floor(fractions * size) + 0.5) / size)[:, None]
    if isinstance(domain, Int):
        low, high = _log_ends(domain)
        whole = np.clip(np.round(np.exp(low + fractions * (high - low))), domain.low, domain.high)
        return ((np.log(whole) - low) / (high - low))[:, None]
    return fractions[:, None]


def _option(domain: Choice, fractions: Array) -> NDArray[np.int64]:
    option: NDArray[np.int64] = (fractions * len(domain.labels)).astype(np.int64)
    return option


def _is_stepped(domain: Float | Int) -> bool:
    return isinstance(domain, Int) or domain.step is not None


def _log_ends(domain: Float | Int) -> tuple[float, float]:
    """Of the logarithm; an integer i reaches from i - 1/2 to i + 1/2."""
    margin = 0.5 if isinstance(domain, Int) else 0.0
    return math.log(domain.low - margin), math.log(domain.high + margin)
