"""Rows that stand in the table more than once: the same features and the same label.

A row that is in training too is measured too well, so of equal rows the test split keeps one before the
validation split, and that before the training split. As the source has them, rows are compared all in memory;
as the model sees them, some at a time.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tuner.data.columns import StoredColumns
from tuner.data.equal_rows import RowsAt, first_equal, first_of
from tuner.data.origins import Indices
from tuner.data.table import AnyArray

_KEEPS_FIRST = ("test", "val", "train")

Found = tuple[dict[str, Indices], dict[str, Indices]]
"""Of each split the rows that stand earlier in it, and those that stand in a split that keeps them."""


def find(columns: StoredColumns, targets: AnyArray, rows: Mapping[str, Indices]) -> Found:
    """As the source has them; what is missing equals what is missing."""
    order, split = _in_order(rows)
    frame = _frame(columns, targets, order)
    is_repeated = frame.duplicated().to_numpy()
    is_within = frame.assign(split=split).duplicated().to_numpy()
    return _by_split(order, split, is_repeated, is_within)


def find_encoded(rows_at: RowsAt, num_features: int, targets: AnyArray, rows: Mapping[str, Indices]) -> Found:
    """As the model sees them: `rows_at` gives their features, cleaned and encoded."""
    order, split = _in_order(rows)
    features = first_equal(len(order), (num_features,), lambda places: rows_at(order[places]))
    first = first_of(features, targets[order])
    places = np.arange(len(order))
    return _by_split(order, split, first != places, first_of(first, split) != places)


def _in_order(rows: Mapping[str, Indices]) -> tuple[Indices, NDArray[np.int64]]:
    """All rows, and of each the place of its split among those that keep first."""
    order = np.concatenate([rows[name] for name in _KEEPS_FIRST])
    return order, np.repeat(np.arange(len(_KEEPS_FIRST)), [len(rows[name]) for name in _KEEPS_FIRST])


def _by_split(
    order: Indices,
    split: NDArray[np.int64],
    is_repeated: NDArray[np.bool_],
    is_within: NDArray[np.bool_],
) -> Found:
    again, elsewhere = {}, {}
    for place, name in enumerate(_KEEPS_FIRST):
        again[name] = order[is_within & (split == place)]
        elsewhere[name] = order[is_repeated & ~is_within & (split == place)]
    return again, elsewhere


def _frame(columns: StoredColumns, targets: AnyArray, order: Indices) -> pd.DataFrame:
    ordered = columns.take(order).load()
    parts = (ordered.numbers, ordered.texts, targets[order, None])
    frame: pd.DataFrame = pd.concat([pd.DataFrame(part) for part in parts], axis=1)
    frame.columns = pd.RangeIndex(frame.shape[1])
    return frame
