"""The space: what of an experiment is searched, as a flat list of named parameters.

A parameter's name is its path (`train.batch_size`). What lies inside an option of a choice among
mappings carries the option's label in its name (`train.optimizer.adamw.lr`) and the condition under
which it exists (`("train.optimizer", "adamw")`). A choice's own values are its labels, so every value
that a searcher handles is a scalar.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, islice
from typing import Any

from tuner.errors import ExperimentError
from tuner.spec.domains import Choice, Domain, Float, Int, known, show, to_plain

MAX_CORNERS = 10_000
"""Forty parameters of three to four values each have as many."""


@dataclass(frozen=True)
class Parameter:
    """One searched value: it exists in a trial only where all its `conditions` hold."""

    name: str
    domain: Domain
    conditions: tuple[tuple[str, Any], ...] = ()
    """(name of a choice, label of its option), outermost first"""

    def is_active(self, params: Mapping[str, Any]) -> bool:
        return all(name in params and params[name] == label for name, label in self.conditions)


@dataclass(frozen=True)
class Space:
    """All parameters, parents before children."""

    parameters: tuple[Parameter, ...]

    def __post_init__(self) -> None:
        for name, count in Counter(parameter.name for parameter in self.parameters).items():
            if count > 1:
                raise ExperimentError(f"names of parameters must differ; found {name!r} twice; rename a key")

    def active(self, params: Mapping[str, Any]) -> tuple[Parameter, ...]:
        """The parameters that exist, given the choices in `params`."""
        return tuple(parameter for parameter in self.parameters if parameter.is_active(params))

    def walk(self, draw: Callable[[Parameter], Any]) -> dict[str, Any]:
        """Draws every active parameter once, parents first, and returns name -> value."""
        params: dict[str, Any] = {}
        for parameter in self.parameters:
            if parameter.is_active(params):
                params[parameter.name] = draw(parameter)
        return params

    def check(self, params: Mapping[str, Any]) -> None:
        """Raises ExperimentError unless `params` are the active parameters, each inside its domain."""
        names = [parameter.name for parameter in self.parameters]
        for name in params:
            if name not in names:
                raise ExperimentError(f"{name!r} is not a parameter of the space{known(name, names)}")
        for parameter in self.parameters:
            _check_value(parameter, params)

    def corners(self) -> Iterator[dict[str, Any]]:
        """Configurations that pair every representative value with every other parameter's.

        Representatives are a range's ends (of whole numbers the first five values and the last, so that
        divisibility shows) and every option of a choice; what is not varied is at its first. So a rule about
        one or two values is tried with all their extremes; what lies between may still break it in a trial,
        and so may what comes after the first `MAX_CORNERS`.
        """
        yield from islice(self._all_corners(), MAX_CORNERS)

    def _all_corners(self) -> Iterator[dict[str, Any]]:
        yield self._corner({})
        for parameter in self.parameters:
            yield from self._corners_of(parameter)
        for one, other in combinations(self.parameters, 2):
            yield from self._corners_of(one, other)

    def _corners_of(self, *parameters: Parameter) -> Iterator[dict[str, Any]]:
        forced: list[dict[str, Any]] = [{}]
        for parameter in parameters:
            values = [
                {**dict(parameter.conditions), parameter.name: v} for v in _representatives(parameter.domain)
            ]
            forced = [{**old, **new} for old in forced for new in values if _agree(old, new)]
        for values_by_name in forced:
            yield self._corner(values_by_name)

    def _corner(self, forced: Mapping[str, Any]) -> dict[str, Any]:
        return self.walk(lambda parameter: forced.get(parameter.name, _representatives(parameter.domain)[0]))


def space_of(template: Mapping[str, Any]) -> Space:
    """The space of a tree in which domains stand for values."""
    return Space(tuple(_parameters(template, (), ())))


def _parameters(
    node: Any, path: tuple[str, ...], conditions: tuple[tuple[str, Any], ...]
) -> Iterator[Parameter]:
    name = ".".join(path)
    if isinstance(node, dict):
        for key, child in node.items():
            yield from _parameters(child, (*path, key), conditions)
    elif isinstance(node, Float | Int):
        yield Parameter(name, node, conditions)
    elif isinstance(node, Choice):
        yield Parameter(name, Choice(node.labels), conditions)
        for label, option in zip(node.labels, node.options, strict=True):
            yield from _parameters(option, (*path, str(label)), (*conditions, (name, label)))


def _check_value(parameter: Parameter, params: Mapping[str, Any]) -> None:
    name, given = parameter.name, parameter.name in params
    if not parameter.is_active(params):
        if given:
            when = " and ".join(f"{choice} is {show(label)}" for choice, label in parameter.conditions)
            raise ExperimentError(f"{name} only exists where {when}; found it elsewhere; leave it out")
    elif not given:
        raise ExperimentError(f"{name} needs a value in {to_plain(parameter.domain)}; found none")
    elif not parameter.domain.contains(params[name]):
        raise ExperimentError(f"{name} must lie in {to_plain(parameter.domain)}; found {show(params[name])}")


def _representatives(domain: Domain) -> tuple[Any, ...]:
    if isinstance(domain, Choice):
        return domain.options
    if isinstance(domain, Float):
        return domain.low, domain.high
    first = range(domain.low, domain.high + 1, domain.step or 1)[:5]
    return tuple(dict.fromkeys((*first, domain.high)))


def _agree(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one[name] == other[name] for name in one.keys() & other.keys())
