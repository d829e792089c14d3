"""Numbers far from the others: bounds fitted on the training rows, within which numbers are kept.

    low, high = bounds(train.numbers, Outliers(method="zscore", limit=4))

quantile: the quantiles `limit` and 1 - `limit`. zscore: `limit` standard deviations around the mean. A column
of zeros and ones is a flag, of which the rarer value is no outlier: its bounds are 0 and 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tuner.data.columns import Columns
from tuner.data.manifest import Column
from tuner.data.table import FloatArray
from tuner.spec.sections import Outliers

Bounds = tuple[FloatArray, FloatArray]


def bounds(numbers: FloatArray, spec: Outliers) -> Bounds:
    """The lowest and highest usual number of each column of `numbers`, which may be missing."""
    pairs = [_column_bounds(column, spec) for column in numbers.T]
    low, high = np.array(pairs, dtype=np.float32).reshape(-1, 2).T
    return low, high


def are_outside(numbers: FloatArray, limits: Bounds) -> NDArray[np.bool_]:
    """[rows]: whether any number of the row is out of bounds."""
    low, high = limits
    return np.any((numbers < low) | (numbers > high), axis=1)  # type: ignore[no-any-return]


def clip(columns: Columns, recipe: tuple[Column, ...]) -> Columns:
    """New columns with the numbers within the bounds of `recipe`."""
    limits = {column.name: (column.low, column.high) for column in recipe}
    pairs = [limits[name] for name in columns.number_names]
    if not any(low is not None for low, _ in pairs):
        return columns
    low, high = np.array(pairs, dtype=np.float32).T
    return Columns(columns.names, columns.text_names, np.clip(columns.numbers, low, high), columns.texts)


def _column_bounds(column: FloatArray, spec: Outliers) -> tuple[float, float]:
    known = column[~np.isnan(column)].astype(np.float64)
    if np.isin(known, (0, 1)).all():
        return 0.0, 1.0
    if spec.method == "quantile":
        low, high = np.quantile(known, [spec.limit, 1 - spec.limit])
        return float(low), float(high)
    mean, spread = known.mean(), spec.limit * known.std()
    return float(mean - spread), float(mean + spread)
