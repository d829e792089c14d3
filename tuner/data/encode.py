"""Text columns to numbers, by the categories of the training rows.

onehot: a feature a category, all zeros for one that training did not have. ordinal: the place of the category
in alphabetical order; one that training did not have is a category of its own, after the last.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tuner.data.columns import Columns
from tuner.data.manifest import Column
from tuner.data.table import AnyArray, FloatArray
from tuner.errors import DataError

MOST_FEATURES = 1000
"""Features of one column; beyond that it is most likely a name or a number of the row."""


def fit(texts: AnyArray, name: str, how: str) -> tuple[str, ...]:
    """The categories of a column of training rows, in alphabetical order."""
    categories = tuple(sorted(set(texts)))
    if how == "onehot" and len(categories) > MOST_FEATURES:
        raise DataError(
            f"data.encode.categories = onehot makes at most {MOST_FEATURES} features of a column, but column "
            f"'{name}' has {len(categories)} categories in the training rows; use ordinal, or leave the "
            "column out with data.source.drop"
        )
    return categories


def feature_names(recipe: Sequence[Column], how: str) -> tuple[str, ...]:
    """One name a feature: `colour=red` for a category."""
    return tuple(name for column in recipe for name in _names(column, how))


def are_scaled(recipe: Sequence[Column], how: str) -> NDArray[np.bool_]:
    """[features]: whether the feature is a number, and no category's 0 or 1."""
    scaled = [_is_one(column, how) for column in recipe for _ in _names(column, how)]
    return np.array(scaled, dtype=bool)


def apply(columns: Columns, recipe: Sequence[Column], how: str) -> FloatArray:
    """Float32 [rows, features]; nothing may be missing."""
    if not columns.text_names:
        return columns.numbers
    numbers = dict(zip(columns.number_names, columns.numbers.T, strict=True))
    texts = dict(zip(columns.text_names, columns.texts.T, strict=True))
    blocks = [
        numbers[column.name][:, None]
        if column.categories is None
        else _encoded(texts[column.name], column.categories, how)
        for column in recipe
    ]
    return np.ascontiguousarray(np.hstack(blocks), dtype=np.float32)


def _is_one(column: Column, how: str) -> bool:
    return column.categories is None or how == "ordinal"


def _names(column: Column, how: str) -> list[str]:
    if _is_one(column, how):
        return [column.name]
    return [f"{column.name}={category}" for category in column.categories or ()]


def _encoded(texts: AnyArray, categories: tuple[str, ...], how: str) -> FloatArray:
    places = pd.Index(categories, dtype=object).get_indexer(pd.Index(texts, dtype=object))
    places = np.where(places < 0, len(categories), places)
    if how == "ordinal":
        return places[:, None].astype(np.float32)
    return np.eye(len(categories) + 1, len(categories), dtype=np.float32)[places]
