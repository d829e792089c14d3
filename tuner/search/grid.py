"""Every point of a space, once, in a fixed order: the last parameter changes fastest.

The points are found by walking the space again and again with a counter whose digits are the choices made
on the way, so that a conditional space yields only the parameters that are active. Point `number` belongs
to trial `number`, hence no point comes twice, however many trials run at once or whatever became of them.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from tuner.search.distributions import num_values, step_value
from tuner.spec.domains import Choice, Int
from tuner.spec.space import Parameter, Space


def grid_point(space: Space, number: int) -> dict[str, Any] | None:
    """The point of trial `number`; None when the grid has fewer points. Takes time linear in `number`."""
    return next(islice(grid_points(space), number, None), None)


def grid_points(space: Space) -> Iterator[dict[str, Any]]:
    """All points of a space of domains with finitely many values."""
    digits: list[int] = []
    while True:
        walk = _CountedWalk(digits)
        yield space.walk(walk.draw)
        digits = _next(digits=walk.digits, sizes=walk.sizes)
        if not digits:
            return


class _CountedWalk:
    """One walk through the space: the given digits first, then the first value of whatever comes after."""

    def __init__(self, digits: list[int]) -> None:
        self._given = digits
        self.digits: list[int] = []
        self.sizes: list[int] = []

    def draw(self, parameter: Parameter) -> Any:
        position = len(self.digits)
        digit = self._given[position] if position < len(self._given) else 0
        values = grid_values(parameter)
        self.digits.append(digit)
        self.sizes.append(len(values))
        return values[digit]


def _next(digits: list[int], sizes: list[int]) -> list[int]:
    """Count on by one; digits that overflow are dropped, so an empty list is the end."""
    while digits and digits[-1] + 1 == sizes[len(digits) - 1]:
        digits = digits[:-1]
    return [*digits[:-1], digits[-1] + 1] if digits else []


def grid_values(parameter: Parameter) -> list[Any]:
    """The values of a parameter in a grid, in order."""
    domain = parameter.domain
    if isinstance(domain, Choice):
        return list(domain.labels)
    is_finite = isinstance(domain, Int) or domain.step is not None
    assert is_finite, f"the experiment was checked: {parameter.name} has finitely many values"
    return [step_value(domain, k) for k in range(num_values(domain))]
