"""How much of the target a column tells by itself, as a share from 0 to 1.

Numbers and numbers: r^2. Classes and numbers: epsilon^2, the correlation ratio adjusted for the number of
classes (T. L. Kelley, "An unbiased correlation ratio measure", 1935). Classes and classes: Cramer's V^2 with
the correction of W. Bergsma, "A bias-correction for Cramer's V and Tschuprow's T", 2013. Without the
corrections a column with another text in every row would seem to tell all.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tuner.data.table import AnyArray


def association(values: AnyArray, targets: AnyArray, *, is_text: bool, is_classes: bool) -> float:
    """Of `values` [rows], places of categories or numbers, and `targets` [rows], classes or numbers."""
    if values.min() == values.max() or targets.min() == targets.max():
        return 0.0
    if is_text and is_classes:
        return _between_classes(_dense(values), _dense(targets))
    if is_text:
        return _of_groups(targets.astype(np.float64), _dense(values))
    if is_classes:
        return _of_groups(values.astype(np.float64), _dense(targets))
    return _between_numbers(values.astype(np.float64), targets.astype(np.float64))


def _dense(classes: AnyArray) -> NDArray[np.int64]:
    """Only classes that are there, from 0 on."""
    _, codes = np.unique(classes, return_inverse=True)
    return codes.astype(np.int64)


def _between_numbers(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    x, y = x - x.mean(), y - y.mean()
    return _share(float(x @ y) ** 2, float(x @ x) * float(y @ y))


def _of_groups(x: NDArray[np.float64], groups: NDArray[np.int64]) -> float:
    x = x - x.mean()
    counts = np.bincount(groups)
    free = len(x) - len(counts)
    if free < 1:
        return 0.0
    means = np.bincount(groups, weights=x) / counts
    total = float(x @ x)
    within = total - float(counts @ means**2)
    return _share(total - within * (len(x) - 1) / free, total)


def _between_classes(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    num_rows, rows, columns = len(a), int(a.max()) + 1, int(b.max()) + 1
    cells, counts = np.unique(a * columns + b, return_counts=True)
    expected = np.bincount(a)[cells // columns] * np.bincount(b)[cells % columns]
    phi2 = float((counts**2 / expected).sum()) - 1
    phi2 = max(0.0, phi2 - (rows - 1) * (columns - 1) / (num_rows - 1))
    sizes = [size - (size - 1) ** 2 / (num_rows - 1) for size in (rows, columns)]
    # Where each row has a class of its own nothing is left to tell, up to rounding.
    return _share(phi2, max(0.0, min(sizes) - 1 - 1e-9))


def _share(part: float, whole: float) -> float:
    return float(np.clip(part / whole, 0, 1)) if whole > 0 else 0.0
