"""How the values of trials depend on one parameter, or on two: partial dependence, by a forest.

    forest = fitted(space, tried)
    found = forest.dependence(["train.lr"])
    found.values, found.mean, found.spread

What the forest says when the parameters are set to a value and all others are those of the trials, one after
the other, is averaged (Friedman, 2001, https://doi.org/10.1214/aos/1013203451, equation 53). A parameter that
only some trials have is averaged over those, and an option on which other parameters depend over the trials
that took it: they alone have the others. Where a trial lacks a parameter, trees see that it is absent.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from tuner.search.distributions import position_of, value_at
from tuner.search.importance import MIN_TRIALS, Tried, inside
from tuner.spec import Choice, Domain, Float, Parameter, Space

NUM_TREES = 64
MIN_LEAF = 3
"""Trials that a leaf of a tree has at least: a single one is mostly noise."""
MOST_TRIALS = 2000
"""That a forest is fitted to; of more, evenly spaced ones."""
MOST_ROWS = 40_000
"""Configurations that a forest is asked about, for one answer."""
NUM_VALUES = {1: 24, 2: 16}
"""Of a parameter's range, where one or two parameters are asked for; also the most options of a choice."""
ABSENT = -1.0
"""Ranges and options are encoded in 0 to 1."""


@dataclass(frozen=True)
class Dependence:
    """Of one parameter or of two; `mean` and `spread` have an axis for each."""

    values: tuple[tuple[Any, ...], ...]
    """Of each parameter, in its order."""
    mean: np.ndarray
    """Over the trees and the trials' other parameters; NaN where no trial could have it so."""
    spread: np.ndarray
    """Standard deviation between the trees: wide where there are few trials."""
    num_trials: int
    """Those that have the parameters."""


def fitted(space: Space, tried: Sequence[Tried]) -> "Forest | None":
    """None where there are too few trials, or all values are equal, as for importances."""
    if len(tried) < MIN_TRIALS or len({value for _, value in tried}) < 2:
        return None
    return Forest(space, tried)


class Forest:
    """Trees that say what value a configuration would have."""

    def __init__(self, space: Space, tried: Sequence[Tried]) -> None:
        every = [inside(space, params) for params, _ in tried]
        kept = list(_evenly(len(tried), MOST_TRIALS))
        self._parameters = {parameter.name: parameter for parameter in space.parameters}
        self._parents = {name for parameter in space.parameters for name, _ in parameter.conditions}
        self._names = [frozenset(params) for params in every]
        self._params = [every[index] for index in kept]
        self._columns = _columns(space)
        self._rows = np.array([self._encoded(params) for params in self._params], dtype=np.float32)
        forest = RandomForestRegressor(n_estimators=NUM_TREES, min_samples_leaf=MIN_LEAF, random_state=0)
        self._trees = forest.fit(self._rows, [tried[index][1] for index in kept]).estimators_

    def dependence(self, names: Sequence[str]) -> Dependence | None:
        """None where no trial has all of the parameters, one or two."""
        having = [index for index, params in enumerate(self._params) if set(names) <= params.keys()]
        if not having:
            return None
        values = tuple(self._values(name, having, NUM_VALUES[len(names)]) for name in names)
        points = list(product(*values))
        most = max(1, MOST_ROWS // len(points))
        asked = [self._set(dict(zip(names, point, strict=True)), having, most) for point in points]
        shape = tuple(map(len, values))
        mean, spread = (each.reshape(shape) for each in self._ask(asked))
        return Dependence(values, mean, spread, sum(each.issuperset(names) for each in self._names))

    def _values(self, name: str, having: Sequence[int], most: int) -> tuple[Any, ...]:
        domain = self._parameters[name].domain
        if not isinstance(domain, Choice):
            return _spaced(domain, most)
        counts = Counter(self._params[index][name] for index in having)
        tried = {label for label, _ in counts.most_common(most)}
        return tuple(label for label in domain.labels if label in tried)

    def _set(self, point: Mapping[str, Any], having: Sequence[int], most: int) -> np.ndarray:
        """At most so many trials' configurations, with the point's values in place of theirs."""
        chosen = {name: value for name, value in point.items() if name in self._parents}
        fit = [index for index in having if chosen.items() <= self._params[index].items()]
        rows = self._rows[[fit[place] for place in _evenly(len(fit), most)]]
        for name, value in point.items():
            rows[:, self._columns[name]] = _code(self._parameters[name], value)
        return rows

    def _ask(self, asked: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation between trees, for each of the matrices of configurations."""
        lengths = np.array([len(rows) for rows in asked])
        told = np.flatnonzero(lengths)
        begins = np.cumsum(lengths)[told] - lengths[told]
        every = np.concatenate(asked)
        answers = [
            np.add.reduceat(tree.predict(every, check_input=False), begins) / lengths[told]
            for tree in self._trees
        ]
        mean, spread = np.full(len(asked), np.nan), np.full(len(asked), np.nan)
        mean[told], spread[told] = np.mean(answers, axis=0), np.std(answers, axis=0)
        return mean, spread

    def _encoded(self, params: Mapping[str, Any]) -> list[float]:
        return [
            number
            for name, parameter in self._parameters.items()
            for number in (
                _code(parameter, params[name]) if name in params else [ABSENT] * _width(parameter.domain)
            )
        ]


def _columns(space: Space) -> dict[str, slice]:
    """Where a parameter stands in an encoded configuration."""
    ends = np.cumsum([_width(parameter.domain) for parameter in space.parameters])
    return {
        parameter.name: slice(int(end) - _width(parameter.domain), int(end))
        for parameter, end in zip(space.parameters, ends, strict=True)
    }


def _width(domain: Domain) -> int:
    return len(domain.labels) if isinstance(domain, Choice) else 1


def _code(parameter: Parameter, value: Any) -> list[float]:
    """A place in a range, in the logarithm if log; of a choice one number an option."""
    domain = parameter.domain
    if isinstance(domain, Choice):
        return [float(label == value) for label in domain.labels]
    return [position_of(domain, value)]


def _spaced(domain: Domain, most: int) -> tuple[Any, ...]:
    """At most so many values from one end to the other, even on the range's scale."""
    is_even = isinstance(domain, Float) and domain.step is None
    last = 1.0 if is_even else math.nextafter(1.0, 0.0)
    return tuple(dict.fromkeys(value_at(domain, float(u)) for u in np.linspace(0.0, last, most)))


def _evenly(count: int, most: int) -> Iterator[int]:
    """Indices below `count`, all or so many evenly spaced ones."""
    if count <= most:
        return iter(range(count))
    return (int(index) for index in np.linspace(0, count - 1, most))
