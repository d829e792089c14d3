"""Points: configurations, perhaps incomplete, that a search is told to try first."""

from collections.abc import Mapping
from typing import Any

from tuner.errors import ExperimentError
from tuner.spec.domains import Choice, Domain, Float, is_number, known, option_label, show, to_plain
from tuner.spec.space import Parameter, Space


def complete_point(space: Space, point: Mapping[str, Any]) -> dict[str, Any]:
    """The point as a searcher's values, parents first, with the choices that its parameters stand in.

    `{"optimizer.sgd.momentum": 0.9}` also chooses sgd. An option that is a list or a mapping may stand
    for its label.

    Raises:
        ExperimentError: an unknown name, a value outside its domain, or two names that exclude each other.
    """
    parameters = {parameter.name: parameter for parameter in space.parameters}
    values: dict[str, Any] = {}
    for name, value in point.items():
        if name not in parameters:
            raise ExperimentError(f"{name!r} is not a parameter of the space{known(name, parameters)}")
        values[name] = as_value(parameters[name].domain, value)
        if not parameters[name].domain.contains(values[name]):
            domain = to_plain(parameters[name].domain)
            raise ExperimentError(f"{name} must lie in {domain}; found {show(value)}")
    for name in point:
        _choose_parents(parameters[name], values)
    return {name: values[name] for name in parameters if name in values}


def varied_point(space: Space, base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base`, a trial's parameters, with the changes, and without what exists no more with them."""
    changed = complete_point(space, changes)
    values: dict[str, Any] = {}
    for parameter in space.parameters:
        known = {**base, **changed}
        if parameter.name in known and parameter.is_active(values):
            values[parameter.name] = known[parameter.name]
    return values


def as_value(domain: Domain, value: Any) -> Any:
    """The value as a searcher handles it: a float in a float's domain, the label of a choice's option."""
    if isinstance(domain, Choice):
        return option_label(value, 0)
    return float(value) if isinstance(domain, Float) and is_number(value) else value


def _choose_parents(parameter: Parameter, values: dict[str, Any]) -> None:
    for choice, label in parameter.conditions:
        if values.setdefault(choice, label) != label:
            raise ExperimentError(
                f"{parameter.name} only exists where {choice} is {show(label)}; found {choice} as "
                f"{show(values[choice])}; leave one of them out"
            )
