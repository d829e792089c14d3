"""Rows that stand in the table more than once: the same features and the same label.

A row that is in training too is measured too well, so of equal rows the test split keeps one before the
validation split, and that before the training split. All rows are in memory while they are compared.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tuner.data.columns import StoredColumns
from tuner.data.origins import Indices
from tuner.data.table import AnyArray

_KEEPS_FIRST = ("test", "val", "train")


def find(
    columns: StoredColumns, targets: AnyArray, rows: Mapping[str, Indices]
) -> tuple[dict[str, Indices], dict[str, Indices]]:
    """Of each split the rows that stand earlier in it, and those that stand in a split that keeps them."""
    order = np.concatenate([rows[name] for name in _KEEPS_FIRST])
    split = np.repeat(_KEEPS_FIRST, [len(rows[name]) for name in _KEEPS_FIRST])
    frame = _frame(columns, targets, order)
    repeated = frame.duplicated().to_numpy()
    within = frame.assign(split=split).duplicated().to_numpy()
    again = {name: order[within & (split == name)] for name in rows}
    elsewhere = {name: order[repeated & ~within & (split == name)] for name in rows}
    return again, elsewhere


def _frame(columns: StoredColumns, targets: AnyArray, order: Indices) -> pd.DataFrame:
    ordered = columns.take(order).load()
    parts = (ordered.numbers, ordered.texts, targets[order, None])
    frame: pd.DataFrame = pd.concat([pd.DataFrame(part) for part in parts], axis=1)
    frame.columns = pd.RangeIndex(frame.shape[1])
    return frame
