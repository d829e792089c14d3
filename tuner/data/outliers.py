"""Numbers far from the others: bounds fitted on the training rows, within which numbers are kept.

    low, high = bounds(train, Outliers(method="zscore", limit=4))

quantile: the quantiles `limit` and 1 - `limit`. zscore: `limit` standard deviations around the mean. A column
of zeros and ones is a flag, of which the rarer value is no outlier: its bounds are 0 and 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tuner.data.columns import Columns, StoredColumns
from tuner.data.manifest import Column
from tuner.data.table import FloatArray
from tuner.spec.sections import Outliers

Bounds = tuple[FloatArray, FloatArray]


def bounds(train: StoredColumns, spec: Outliers) -> Bounds:
    """The lowest and highest usual number of each column of numbers, which may be missing."""
    pairs = [_column_bounds(train.number(place), spec) for place in range(len(train.number_names))]
    low, high = np.array(pairs, dtype=np.float32).reshape(-1, 2).T
    return low, high


def are_outside(columns: StoredColumns, limits: Bounds) -> NDArray[np.bool_]:
    """[rows]: whether any number of the row is out of bounds."""
    outside = np.zeros(len(columns), dtype=bool)
    for place, (low, high) in enumerate(zip(*limits, strict=True)):
        numbers = columns.number(place)
        outside |= (numbers < low) | (numbers > high)
    return outside


def clip_column(numbers: FloatArray, limits: Bounds | None, place: int) -> FloatArray:
    """The column of numbers at `place` within its bounds, where there are any."""
    return numbers if limits is None else np.clip(numbers, limits[0][place], limits[1][place])


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
