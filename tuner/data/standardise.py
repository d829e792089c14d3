"""Zero mean and unit standard deviation, fitted on the training split only and applied to every row.

Tables are standardised per feature, images per channel. A constant feature keeps the standard deviation 1.
Robust: the median stands for the mean, and the range of the middle half / 1.349, which is the standard
deviation of a Gaussian, for the standard deviation; where that range is 0 the standard deviation stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from tuner.data.scratch import Rows
from tuner.data.table import AnyArray, FloatArray

Moments = tuple[tuple[float, ...], tuple[float, ...]]


_MIDDLE_HALF = 1.349
"""Range of the middle half of a Gaussian, in standard deviations."""


def fit(features: FloatArray, robust: bool = False) -> Moments:
    """Mean and standard deviation of each feature (of a table) or channel (of images)."""
    axes = (0, *range(2, features.ndim))
    mean = features.mean(axis=axes, dtype=np.float64)
    std = features.std(axis=axes, dtype=np.float64)
    constant = std <= np.abs(mean) * np.finfo(np.float32).eps
    std = np.where(constant, 1.0, std)
    if robust:
        low, mean, high = np.quantile(features.astype(np.float64), [0.25, 0.5, 0.75], axis=axes)
        std = np.where(constant, 1.0, robust_std(std, low, high))
    return rounded(mean), rounded(std)


def fit_rows(rows: Rows, robust: bool, on_disk: Callable[[], FloatArray]) -> Moments:
    """As `fit`, of the rows of a table; not all of them are in memory at once, but one column is.

    Args:
        on_disk: the same rows as an array, for the median needs columns; called where `robust`.
    """
    num_rows, num_features = rows.shape
    if num_features == 1:  # numpy adds up a lone column in another order
        return fit(np.concatenate([*rows.blocks()]), robust)
    mean = _sum(rows.blocks(), num_features) / num_rows
    squares = (np.square(block - mean) for block in rows.blocks())
    std = np.sqrt(_sum(squares, num_features) / num_rows)
    constant = std <= np.abs(mean) * np.finfo(np.float32).eps
    std = np.where(constant, 1.0, std)
    if robust:
        columns = on_disk().T
        quantiles = [np.quantile(column.astype(np.float64), [0.25, 0.5, 0.75]) for column in columns]
        low, mean, high = np.transpose(quantiles)
        std = np.where(constant, 1.0, robust_std(std, low, high))
    return rounded(mean), rounded(std)


def _sum(blocks: Iterable[AnyArray], num_features: int) -> NDArray[np.float64]:
    """Row after row, as numpy adds up the rows of one array."""
    total = np.zeros(num_features)
    for block in blocks:
        total = np.add.reduce(np.concatenate([total[None], block]), axis=0, dtype=np.float64)
    return total


def robust_std(std: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """From the ends of the middle half; `std` where they are the same."""
    return np.where(high <= low, std, (high - low) / _MIDDLE_HALF)


def apply(features: FloatArray, mean: Sequence[float], std: Sequence[float]) -> FloatArray:
    """`features` standardised by the moments of `fit`, as new float32 rows."""
    shape = (1, -1, *[1] * (features.ndim - 2))
    means, stds = (np.asarray(values, dtype=np.float32).reshape(shape) for values in (mean, std))
    return np.ascontiguousarray((features - means) / stds)


def rounded(values: np.ndarray) -> tuple[float, ...]:
    """Float32 values, so that what the manifest says is what was applied."""
    return tuple(float(value) for value in values.astype(np.float32))
