"""What is missing: found, and filled in with what was fitted on the training rows.

Columns of text take their most frequent value where numbers take their mean or median. Of equally frequent
values the smallest one counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tuner.data.columns import Columns, StoredColumns
from tuner.data.manifest import Column
from tuner.data.origins import Indices
from tuner.data.outliers import Bounds, clip_column
from tuner.data.table import AnyArray, FloatArray
from tuner.errors import DataError
from tuner.spec.sections import Constant, Missing

Fills = dict[str, float | str]


def is_missing(columns: Columns) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Of the numbers, and of the texts."""
    return np.isnan(columns.numbers), np.asarray(pd.isna(columns.texts))


def has_gaps(columns: StoredColumns) -> NDArray[np.bool_]:
    """[rows]: whether anything in the row is missing."""
    gaps = np.zeros(len(columns), dtype=bool)
    for _, missing in _missing_by_column(columns):
        gaps |= missing
    return gaps


def count_missing(columns: StoredColumns, rows: Mapping[str, Indices]) -> dict[str, dict[str, int]]:
    """Of each column in which something is missing, in how many rows of each split."""
    return {
        name: {split: int(np.count_nonzero(missing[index])) for split, index in rows.items()}
        for name, missing in _missing_by_column(columns)
        if missing.any()
    }


def _missing_by_column(columns: StoredColumns) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    for place, name in enumerate(columns.number_names):
        yield name, np.isnan(columns.number(place))
    for place, name in enumerate(columns.text_names):
        yield name, np.asarray(pd.isna(columns.text(place)))


def fit(train: StoredColumns, how: Missing, limits: Bounds | None) -> Fills:
    """What stands for a missing value in each column; nothing where rows are dropped or refused."""
    if how in ("error", "drop"):
        return {}
    numbers = {
        name: _of_numbers(clip_column(train.number(place), limits, place), how, name)
        for place, name in enumerate(train.number_names)
    }
    texts = {name: _of_texts(train.text(place), how, name) for place, name in enumerate(train.text_names)}
    return {**numbers, **texts}


def texts_of(train: StoredColumns, place: int, value: float | str | None) -> AnyArray:
    """A column of text, with `value` where it is missing."""
    texts = train.text(place)
    return texts if value is None else np.where(pd.isna(texts), np.array(value, dtype=object), texts)


def apply(columns: Columns, recipe: tuple[Column, ...]) -> Columns:
    """New columns in which nothing is missing that `recipe` has a value for."""
    fills = {column.name: column.fill for column in recipe}
    missing_numbers, missing_texts = is_missing(columns)
    numbers, texts = columns.numbers, columns.texts
    if missing_numbers.any():
        values = [np.nan if fills[name] is None else fills[name] for name in columns.number_names]
        numbers = np.where(missing_numbers, np.array(values, dtype=np.float32), numbers)
    if missing_texts.any():
        values = [fills[name] for name in columns.text_names]
        texts = np.where(missing_texts, np.array(values, dtype=object), texts)
    return Columns(columns.names, columns.text_names, numbers, texts)


def _of_numbers(values: FloatArray, how: Missing, name: str) -> float | str:
    if isinstance(how, Constant):
        return _constant_number(values, how, name)
    known = values[~np.isnan(values)].astype(np.float64)
    if not len(known):
        raise _nothing_known(name, how)
    if how == "most_frequent":
        return float(_most_frequent(known))
    return float(known.mean() if how == "mean" else np.median(known))


def _constant_number(values: FloatArray, how: Constant, name: str) -> float:
    if isinstance(how.constant, str):
        raise DataError(
            f"data.clean.missing.constant must be a number where a column of numbers is to be filled in, but "
            f"found {how.constant!r} with column '{name}'; give a number, or leave the column out with "
            "data.source.drop"
        )
    return float(how.constant)


def _of_texts(values: AnyArray, how: Missing, name: str) -> str:
    if isinstance(how, Constant):
        return str(how.constant)
    known = values[~pd.isna(values)]
    if not len(known):
        raise _nothing_known(name, str(how))
    return str(_most_frequent(known))


def _most_frequent(known: AnyArray) -> float | str:
    values, counts = np.unique(known, return_counts=True)
    found: float | str = values[np.argmax(counts)]
    return found


def _nothing_known(name: str, how: str) -> DataError:
    return DataError(
        f"data.clean.missing = {how} needs a value in each column of the training rows, but column '{name}' "
        "has none; leave it out with data.source.drop"
    )
