"""Domains: the sets that a searched value is drawn from.

    Float(1e-5, 1e-1, log=True)     {float: [1e-5, 1e-1], log: true}
    Int(1, 9, step=2)               {int: [1, 9], step: 2}
    Choice(["relu", "gelu"])        {choice: [relu, gelu]}

The left form is Python, the right one stands in an experiment file; `from_plain` and `to_plain` turn
one into the other. A choice among mappings is a conditional space: the domains inside an option exist
only while that option is chosen. All ends are inclusive. A wrong domain is an `ExperimentError` when it
is made, never later.
"""

import difflib
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeGuard

from tuner.errors import ExperimentError

KINDS = ("float", "int", "choice")
MAX_OPTIONS = 1000
MAX_DEPTH = 50
"""Levels of mappings and lists."""


def show(value: Any) -> str:
    """`value` as an experiment file would write it, shortened; for messages."""
    words = {None: "null", True: "true", False: "false"}
    try:
        text = words[value] if value is None or isinstance(value, bool) else repr(value)
    except ValueError:
        text = "a number of thousands of digits"
    return text if len(text) <= 80 else text[:77] + "..."


def nearest(name: object, allowed: Iterable[object]) -> str:
    """`"; did you mean 'x'?"` for the closest of `allowed`, or nothing if none is close."""
    close = difflib.get_close_matches(str(name), [str(other) for other in allowed], n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def known(name: object, allowed: Iterable[object]) -> str:
    """The end of a message about an unknown name: `"; did you mean 'x'? allowed: x, y"`."""
    names = [str(other) for other in allowed]
    return f"{nearest(name, names) or ';'} allowed: {', '.join(names) or 'none'}"


def is_number(value: object) -> TypeGuard[float]:
    return is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def is_whole(value: object) -> TypeGuard[int]:
    """Whether it is a whole number that fits into 64 bits."""
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def is_path(text: str) -> bool:
    """Whether a file may be called so."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


@dataclass(frozen=True)
class Float:
    """Real numbers from `low` to `high`, even or (`log`) even in the logarithm, or a grid of `step`."""

    low: float
    high: float
    log: bool = field(default=False, kw_only=True)
    step: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        _check_range("float", "finite numbers", is_number, self)
        object.__setattr__(self, "low", float(self.low))
        object.__setattr__(self, "high", float(self.high))
        if self.step is not None and not _is_multiple(self.high - self.low, self.step):
            _refuse_end(self)

    def contains(self, value: object) -> bool:
        return is_number(value) and self.low <= value <= self.high and self._on_grid(value)

    def _on_grid(self, value: float) -> bool:
        return self.step is None or _is_multiple(value - self.low, self.step)


@dataclass(frozen=True)
class Int:
    """Whole numbers from `low` to `high`, even or (`log`) even in the logarithm, or every `step`-th."""

    low: int
    high: int
    log: bool = field(default=False, kw_only=True)
    step: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        _check_range("int", "whole numbers", is_whole, self)
        if (self.high - self.low) % (self.step or 1):
            _refuse_end(self)

    def contains(self, value: object) -> bool:
        if not is_whole(value):
            return False
        return self.low <= value <= self.high and (value - self.low) % (self.step or 1) == 0


@dataclass(frozen=True)
class Choice:
    """One of `options`: text, numbers, booleans, None, lists of such, or mappings (a conditional space).

    A trial's parameters name the chosen option by its label: a scalar is its own label, a list's is its
    text, a mapping's is its `type` (else its position as text).
    """

    options: tuple[Any, ...]

    def __init__(self, options: Iterable[Any]) -> None:
        if not isinstance(options, list | tuple) or not options:
            raise ExperimentError(
                f"a choice needs a list of at least one option; found {show(options)}; list the options"
            )
        if len(options) > MAX_OPTIONS:
            raise ExperimentError(
                f"a choice may have {MAX_OPTIONS} options; found {len(options)}; use a range, or fewer"
            )
        object.__setattr__(self, "options", tuple(_plain_option(option) for option in options))
        for position, label in enumerate(self.labels):
            if label in self.labels[:position]:
                raise ExperimentError(
                    f"the options of a choice must differ; found {show(label)} twice; "
                    "drop one, or merge the two into one option that holds domains"
                )

    @cached_property
    def labels(self) -> tuple[Any, ...]:
        return tuple(option_label(option, position) for position, option in enumerate(self.options))

    def contains(self, label: object) -> bool:
        return label in self.labels

    def option(self, label: object) -> Any:
        """The option that `label` names."""
        return self.options[self.labels.index(label)]


Domain = Float | Int | Choice


def option_label(option: Any, position: int) -> Any:
    if isinstance(option, Mapping):
        kind = option.get("type")
        return kind if isinstance(kind, str) else str(position)
    return str(list(option)) if isinstance(option, list | tuple) else option


def is_plain_domain(node: object) -> bool:
    """Whether `node` is meant as a domain in the form of an experiment file."""
    return isinstance(node, Mapping) and any(kind in node for kind in KINDS)


def from_plain(mapping: Mapping[str, Any]) -> Domain:
    """The domain that `{float: [lo, hi]}`, `{int: ...}` or `{choice: [...]}` describes.

    Raises:
        ExperimentError: more than one kind, unknown keys, or what the domain itself refuses.
    """
    kinds = [kind for kind in KINDS if kind in mapping]
    if len(kinds) != 1:
        raise ExperimentError(f"a domain has exactly one of float, int, choice; found {' and '.join(kinds)}")
    kind = kinds[0]
    allowed = ("choice",) if kind == "choice" else (kind, "log", "step")
    for key in mapping:
        if key not in allowed:
            raise ExperimentError(f"{show(key)} is not a known key of a domain {kind}{known(key, allowed)}")
    if kind == "choice":
        return Choice(mapping["choice"])
    low, high = _bounds(kind, mapping[kind])
    cls = Float if kind == "float" else Int
    return cls(low, high, log=mapping.get("log", False), step=mapping.get("step"))


def to_plain(node: Any, depth: int = 1) -> Any:
    """`node` with every domain in the form of an experiment file, as fresh dicts and lists.

    Raises:
        ExperimentError: it is nested too deep, or holds itself, or a number that no file could hold.
    """
    if depth > MAX_DEPTH:
        raise ExperimentError(
            f"an experiment may have {MAX_DEPTH} levels; found more, or a mapping or list that holds itself; "
            "flatten it"
        )
    if isinstance(node, Float | Int):
        return _plain_range(node)
    if isinstance(node, Choice):
        return {"choice": to_plain(node.options, depth + 1)}
    if isinstance(node, Mapping):
        return {key: to_plain(value, depth + 1) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [to_plain(value, depth + 1) for value in node]
    if isinstance(node, int) and not isinstance(node, bool) and not is_whole(node):
        raise ExperimentError(
            f"a whole number must fit into 64 bits; found {show(node)}; write a smaller one"
        )
    return float(node) if isinstance(node, float) else node


def _plain_range(domain: Float | Int) -> dict[str, Any]:
    plain: dict[str, Any] = {"float" if isinstance(domain, Float) else "int": [domain.low, domain.high]}
    if domain.log:
        plain["log"] = True
    if domain.step is not None:
        plain["step"] = domain.step
    return plain


def _bounds(kind: str, bounds: Any) -> tuple[Any, Any]:
    if not isinstance(bounds, list | tuple) or len(bounds) != 2:
        raise ExperimentError(f"{kind} needs a list of its two ends, [low, high]; found {show(bounds)}")
    return bounds[0], bounds[1]


def _check_range(kind: str, what: str, is_valid: Any, domain: Float | Int) -> None:
    low, high, step = domain.low, domain.high, domain.step
    if not is_valid(low) or not is_valid(high):
        raise ExperimentError(f"the ends of {kind} must be {what}; found [{show(low)}, {show(high)}]")
    if not math.isfinite(high - low):
        raise ExperimentError(f"the range of {kind} must be finite; found [{low}, {high}]; narrow it")
    if low >= high:
        raise ExperimentError(
            f"the range of {kind} is empty, low must be below high; found [{low}, {high}]; "
            "write the value itself where there is only one"
        )
    if not isinstance(domain.log, bool):
        raise ExperimentError(f"log of {kind} must be true or false; found {show(domain.log)}")
    if step is not None and (not is_valid(step) or step <= 0):
        raise ExperimentError(f"step of {kind} must be positive {what}; found {show(step)}")
    if domain.log and step is not None:
        raise ExperimentError(f"log and step of {kind} exclude each other; found both; drop one")
    if domain.log and low <= 0:
        raise ExperimentError(f"{kind} with log needs low > 0; found {low}; raise low or drop log")


def _is_multiple(distance: float, step: float) -> bool:
    count = distance / step
    return math.isfinite(count) and math.isclose(count, round(count), rel_tol=1e-9, abs_tol=1e-9)


def _refuse_end(domain: Float | Int) -> None:
    assert domain.step is not None
    if not math.isfinite((domain.high - domain.low) / domain.step):
        raise ExperimentError(
            f"the range must be a countable number of steps; found [{domain.low}, {domain.high}] "
            f"with step {domain.step}; use a larger step"
        )
    last = domain.low + math.floor((domain.high - domain.low) / domain.step) * domain.step
    raise ExperimentError(
        f"high must be low plus a whole number of steps; found [{domain.low}, {domain.high}] "
        f"with step {domain.step}; use {last:.12g} or {last + domain.step:.12g}"
    )


def _plain_option(option: Any) -> Any:
    if isinstance(option, Float | Int | Choice) or is_plain_domain(option):
        raise ExperimentError(
            f"an option of a choice cannot be a domain itself; found {show(to_plain(option))}; "
            "put it into a mapping"
        )
    if isinstance(option, Mapping):
        return dict(option)
    if isinstance(option, list | tuple):
        return list(option)
    if option is None or isinstance(option, str | int | float) and option == option:
        return option
    raise ExperimentError(
        "an option of a choice must be text, a number (not nan), true, false, null, a list or a mapping; "
        f"found {show(option)}; choose among names and look the objects up in your function"
    )
