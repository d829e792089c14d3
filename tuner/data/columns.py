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


@dataclass(frozen=True)
class StoredColumns:
    """Rows of `Columns` that may lie on disk: taken column by column, or some rows at a time."""

    whole: Columns
    rows: Indices

    @property
    def number_names(self) -> tuple[str, ...]:
        return self.whole.number_names

    @property
    def text_names(self) -> tuple[str, ...]:
        return self.whole.text_names

    def number(self, place: int) -> FloatArray:
        """[rows] of a column of numbers."""
        return np.asarray(self.whole.numbers[self.rows, place])

    def text(self, place: int) -> AnyArray:
        return np.asarray(self.whole.texts[self.rows, place])

    def take(self, rows: Indices) -> StoredColumns:
        return StoredColumns(self.whole, self.rows[rows])

    def load(self) -> Columns:
        """All of the rows, in memory."""
        whole = self.whole
        numbers = np.ascontiguousarray(whole.numbers[self.rows])
        return Columns(whole.names, whole.text_names, numbers, whole.texts[self.rows])

    def __len__(self) -> int:
        return len(self.rows)


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
