"""Distributions, and which rows are looked at for them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tuner.data.origins import Indices
from tuner.data.store import Features
from tuner.data.table import AnyArray
from tuner.data_report.report import QUANTILES, Numbers, Share

NUM_BINS = 24
MOST_ROWS = 100_000
MOST_VALUES = 20_000_000
"""Of the rows that are looked at; 500 columns leave 40,000 rows."""


def evenly(num_rows: int, most: int) -> Indices:
    """At most `most` of the rows, evenly spaced, the first one among them."""
    return np.arange(min(num_rows, most)) * num_rows // max(1, min(num_rows, most))


def rows_to_look_at(features: Features) -> Indices:
    values = max(1, features[:1].size)
    return evenly(len(features), min(MOST_ROWS, max(1, MOST_VALUES // values)))


def distribution(values: AnyArray) -> Numbers:
    """Of finite numbers, at least one."""
    ordered = np.sort(values, axis=None).astype(np.float64)
    low, high = ordered[0], ordered[-1]
    places = np.rint(np.array(QUANTILES) * (len(ordered) - 1)).astype(np.int64)
    return Numbers(
        mean=float(ordered.mean()),
        std=float(ordered.std()),
        quantiles=tuple(ordered[places].tolist()),
        counts=_counts(ordered, low, high),
    )


def unscaled(values: AnyArray, mean: float, std: float) -> NDArray[np.float64]:
    """Standardised values in raw units, rounded to what float32 has kept of each: a pixel of 0 is 0 again."""
    raw = values.astype(np.float64) * std + mean
    # The standardised value, its distance to the mean and itself were rounded to float32, one after another.
    known = np.maximum(_spacing(values) * std, np.maximum(_spacing(raw - mean), _spacing(raw)))
    digits = -np.ceil(np.log10(known))
    up, down = 10.0 ** np.maximum(digits, 0), 10.0 ** np.maximum(-digits, 0)
    rounded: NDArray[np.float64] = np.rint(raw * up / down) * down / up + 0.0
    return rounded


def _spacing(values: AnyArray) -> NDArray[np.float64]:
    """From each value to the next one that float32 has; around 0 a power of ten beyond float32 rounds it."""
    return np.spacing(np.abs(values).astype(np.float32)).astype(np.float64)


def are_the_same(low: AnyArray, high: AnyArray) -> NDArray[np.bool_]:
    """Whether the least and the greatest of some values differ by what float32 loses of them at most."""
    return np.asarray(high - low <= 1e-5 * np.maximum(np.abs(low), np.abs(high)))


def most_frequent(names: AnyArray, counts: NDArray[np.int64], most: int) -> tuple[Share, ...]:
    """The most frequent names that occur at all."""
    order = np.argsort(-counts, kind="stable")[:most]
    return tuple(Share(name=str(names[place]), count=int(counts[place])) for place in order if counts[place])


def _counts(ordered: NDArray[np.float64], low: float, high: float) -> tuple[int, ...]:
    if low == high:
        return (len(ordered),)
    edges = low + (high - low) * (np.arange(1, NUM_BINS) / NUM_BINS)
    ends = np.concatenate([[0], np.searchsorted(ordered, edges), [len(ordered)]])
    return tuple(np.diff(ends).tolist())
