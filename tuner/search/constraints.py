"""Bounds on what a trial reports, and what a sampler is told of them.

    reason = broken_bound(search.constraints, report.metrics)     # the trial ends INFEASIBLE with it
    violations(search.constraints, metrics)                       # {"model/parameters max": -0.4}

A violation is relative to the bound, so that bytes, seconds and counts can be added up, as TPE and NSGA-II
do: 0.5 is half again too much, and up to 0 is inside. A trial that could not run at all (out of memory, a
broken rule) violates `FITS` by 1.
"""

import math
from collections.abc import Iterator, Mapping

from tuner.spec.sections import Bound

FITS = "fits"
"""The constraint that every trial has: that it can run."""


def broken_bound(constraints: Mapping[str, Bound], metrics: Mapping[str, float]) -> str | None:
    """What is wrong with the first reported metric outside its bound, in words; None: all are inside.

    A metric that is not in `metrics` breaks nothing; one that is NaN does.
    """
    for metric, bound in constraints.items():
        if metric not in metrics:
            continue
        for end, limit, excess in _excesses(bound, metrics[metric]):
            if not excess <= 0:
                more = "at most" if end == "max" else "at least"
                return f"{metric} is {metrics[metric]:g}, but must be {more} {limit:g}"
    return None


def violations(constraints: Mapping[str, Bound], metrics: Mapping[str, float]) -> dict[str, float]:
    """Name ("model/parameters max") -> by how much it is broken, for the bounded metrics among `metrics`."""
    return {
        f"{metric} {end}": excess / (abs(limit) or 1.0) if math.isfinite(excess) else 1.0
        for metric, bound in constraints.items()
        if metric in metrics
        for end, limit, excess in _excesses(bound, metrics[metric])
    }


def _excesses(bound: Bound, value: float) -> Iterator[tuple[str, float, float]]:
    """(max or min, the limit, by how much `value` is beyond it)."""
    if bound.max is not None:
        yield "max", bound.max, value - bound.max
    if bound.min is not None:
        yield "min", bound.min, bound.min - value
