"""`Columns`: rows of a table with numbers and texts apart, and with what is missing.

New rows come as one array [rows, columns], of float32 or, where a column is text, of objects: `columns_of`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuner.data.manifest import Column
from tuner.data.origins import Indices
from tuner.data.table import AnyArray, FloatArray, to_float32


@dataclass(frozen=True)
class Columns:
    names: tuple[str, ...]
    """All columns, in the order of the source."""
    text_names: tuple[str, ...]
    numbers: FloatArray
    """[rows, columns of numbers]; NaN where missing."""
    texts: AnyArray
    """Objects [rows, columns of text]; None where missing."""

    @property
    def number_names(self) -> tuple[str, ...]:
        texts = set(self.text_names)
        return tuple(name for name in self.names if name not in texts)

    def take(self, rows: Indices) -> Columns:
        return Columns(self.names, self.text_names, self.numbers[rows], self.texts[rows])


def no_texts(num_rows: int) -> AnyArray:
    return np.empty((num_rows, 0), dtype=object)


def columns_of(rows: AnyArray, columns: Sequence[Column]) -> Columns:
    """`rows` [rows, columns] as raw rows are kept outside a store."""
    names = tuple(column.name for column in columns)
    is_text = np.array([column.categories is not None for column in columns], dtype=bool)
    if not is_text.any():
        return Columns(names, (), to_float32(rows), no_texts(len(rows)))
    text_names = tuple(name for name, text in zip(names, is_text, strict=True) if text)
    return Columns(names, text_names, to_float32(rows[:, ~is_text]), rows[:, is_text])


def rows_of(columns: Columns) -> AnyArray:
    """The inverse of `columns_of`."""
    if not columns.text_names:
        return columns.numbers
    rows = np.empty((len(columns.numbers), len(columns.names)), dtype=object)
    is_text = np.isin(columns.names, columns.text_names)
    rows[:, ~is_text], rows[:, is_text] = columns.numbers, columns.texts
    return rows
