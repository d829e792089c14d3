"""Tables in files, CSV, JSONL or Parquet: columns of numbers and of text, and one label column.

All files of a source have the same columns. A column is one of numbers where at least half of the values that
the training files know are numbers or booleans; a value of it that is none is a fault of its row. Where the
files are not those of a split, all of them decide.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tuner.data.origins import Origins
from tuner.data.sources import csv_file, jsonl_file, parquet_file
from tuner.data.sources.files import check_file, table_files
from tuner.data.table import AnyArray, Faults, FloatArray, Table, to_float32
from tuner.errors import DataError
from tuner.spec.domains import show
from tuner.spec.sections import CsvSource, JsonlSource, ParquetSource

_PLAIN = (str, bool, int, float, Decimal, np.generic)


@dataclass(frozen=True)
class TableFile:
    """One file of a table, read."""

    split: str | None
    path: Path
    frame: pd.DataFrame
    delimiter: str | None = None
    """Of CSV, where all is text, and text that is written as a number is one; None: no CSV."""


def read(source: CsvSource | JsonlSource | ParquetSource) -> Table:
    """All rows of the files; DataError where they are no table with the columns of `source`."""
    delimiter = source.delimiter if isinstance(source, CsvSource) else None
    files = [read_file(path, source.type, delimiter, split=split) for split, path in table_files(source)]
    return as_table(files, source.label, source.features, source.drop or [])


def as_table(
    files: Sequence[TableFile], label: str, features: Sequence[str] | None, drop: Sequence[str]
) -> Table:
    """All rows of `files`; DataError where they are no table with these columns.

    Args:
        features: names of columns; None: all but `label` and those of `drop`.
    """
    names = _features(files, label, features, drop)
    text_names = tuple(name for name in names if not _is_numbers(name, files))
    files = _as_written(files, _texts_in(files, [*text_names, label]))
    number_names = [name for name in names if name not in text_names]
    numbers, faults = _numbers(files, number_names)
    return Table(
        features=numbers,
        targets=_labels([file.frame[label] for file in files]),
        feature_names=tuple(names),
        parts=_parts(files),
        text_names=text_names,
        texts=_texts(files, text_names) if text_names else None,
        origins=Origins.of_files([str(file.path) for file in files], [len(file.frame) for file in files]),
        faults=tuple(faults),
    )


def read_file(
    path: Path, kind: str, delimiter: str | None, *, text: Collection[str] = (), split: str | None = None
) -> TableFile:
    """A file of the type of a source; in CSV the columns `text` stay as they are written."""
    check_file(path)
    if kind == "csv":
        delimiter = delimiter or ","
        return TableFile(split, path, csv_file.read_frame(path, delimiter, text), delimiter)
    module = jsonl_file if kind == "jsonl" else parquet_file
    return TableFile(split, path, module.read_frame(path))


def numbers_of(file: TableFile, name: str) -> tuple[FloatArray, NDArray[np.bool_]]:
    """A column as float32, NaN where it has no number; and where it has something else instead."""
    column = _column(file, name)
    if pd.api.types.is_numeric_dtype(column):  # booleans too
        return to_float32(column.to_numpy(dtype=np.float64, na_value=np.nan)), np.zeros(len(column), bool)
    written = column if file.delimiter else column.where(column.map(lambda value: not isinstance(value, str)))
    values = pd.to_numeric(written, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return to_float32(values), column.notna().to_numpy() & np.isnan(values)


def texts_of(file: TableFile, name: str) -> AnyArray:
    """A column as objects: text, or None where it is missing."""
    return _as_texts(_column(file, name))


def fault(file: TableFile, name: str, row: int) -> str:
    """What is wrong with a value that is no number, as an error says it."""
    found = show(file.frame[name].iloc[row])
    return (
        f"a column of numbers must hold numbers, but column '{name}' of {file.path} has {found} in row "
        f"{row + 1} (the first one is 1); correct it"
    )


def missing_column(path: Path, name: str, columns: Sequence[str]) -> DataError:
    """The error for a column that is not there, with the nearest name."""
    nearest = difflib.get_close_matches(name, columns, n=1)
    hint = f"did you mean '{nearest[0]}'?" if nearest else f"it has {', '.join(columns)}"
    if len(columns) == 1 and not nearest:
        hint = f"it has one column, {columns[0]}; check the delimiter"
    return DataError(f"the file must have the column '{name}', but {path} has none of that name; {hint}")


def _features(
    files: Sequence[TableFile], label: str, features: Sequence[str] | None, drop: Sequence[str]
) -> list[str]:
    first = files[0]
    columns = list(first.frame.columns)
    known = set(columns)
    for name in [label, *drop, *(features or [])]:
        if name not in known:
            raise missing_column(first.path, name, columns)
    for file in files[1:]:
        _check_columns(file, first)
    unused = {label, *drop}
    names = list(features or [name for name in columns if name not in unused])
    if not names:
        raise DataError(
            f"data must have features, but {first.path} has only the label column '{label}' beside "
            "what is dropped; add a feature column or correct the delimiter"
        )
    return names


def _check_columns(file: TableFile, first: TableFile) -> None:
    here, there = set(file.frame.columns), set(first.frame.columns)
    if here != there:
        name = min(here ^ there)
        found = "has" if name in here else "has no"
        raise DataError(
            f"the files of a table must have the same columns, but {file.path} {found} '{name}' unlike "
            f"{first.path}; correct one of them"
        )


def _is_numbers(name: str, files: Sequence[TableFile]) -> bool:
    num_numbers = num_others = 0
    for file in files:
        if file.split in (None, "train"):
            values, others = numbers_of(file, name)
            num_numbers += int(np.count_nonzero(~np.isnan(values)))
            num_others += int(np.count_nonzero(others))
    return num_numbers >= num_others


def _texts_in(files: Sequence[TableFile], names: Sequence[str]) -> set[str]:
    """Those of `names` that hold text in some file."""
    return {
        name for name in names for file in files if not pd.api.types.is_numeric_dtype(_column(file, name))
    }


def _as_written(files: Sequence[TableFile], names: set[str]) -> Sequence[TableFile]:
    """CSV files in which a column of text holds numbers only are read again: 007 is no 7 there."""
    return [
        read_file(file.path, "csv", file.delimiter, text=names, split=file.split)
        if file.delimiter and any(not pd.api.types.is_string_dtype(file.frame[name]) for name in names)
        else file
        for file in files
    ]


def _numbers(files: Sequence[TableFile], names: Sequence[str]) -> tuple[FloatArray, list[Faults]]:
    matrix = np.empty((sum(len(file.frame) for file in files), len(names)), dtype=np.float32)
    faults = []
    start = 0
    for file in files:
        end = start + len(file.frame)
        for place, name in enumerate(names):
            matrix[start:end, place], others = numbers_of(file, name)
            if others.any():
                rows = np.flatnonzero(others)
                message = f"{fault(file, name, int(rows[0]))}, or drop such rows with data.clean.invalid"
                faults.append(Faults("value_invalid", start + rows, message))
        start = end
    return matrix, faults


def _texts(files: Sequence[TableFile], names: Sequence[str]) -> AnyArray:
    columns = [np.concatenate([texts_of(file, name) for file in files]) for name in names]
    return np.stack(columns, axis=1)


def _labels(columns: Sequence[pd.Series]) -> AnyArray:
    """Numbers with NaN where all are numbers, booleans where all are; else text with None."""
    kinds = {pd.api.types.is_bool_dtype(column) for column in columns}
    if len(kinds) == 1 and all(pd.api.types.is_numeric_dtype(column) for column in columns):
        return np.concatenate([column.to_numpy() for column in columns])
    return np.concatenate([_as_texts(column) for column in columns])


def _parts(files: Sequence[TableFile]) -> AnyArray | None:
    if files[0].split is None:
        return None
    return np.repeat([str(file.split) for file in files], [len(file.frame) for file in files])


def _column(file: TableFile, name: str) -> pd.Series:
    """DataError where it holds lists, times, or the like."""
    if name not in file.frame:
        raise missing_column(file.path, name, list(file.frame.columns))
    column: pd.Series = file.frame[name]
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)
    if pd.api.types.is_numeric_dtype(column) or isinstance(column.dtype, pd.StringDtype):
        return column
    for row, value in enumerate(column):
        if not isinstance(value, _PLAIN) and value is not None:
            raise DataError(
                f"a column must hold numbers, text or booleans, but column '{name}' of {file.path} has "
                f"a {type(value).__name__} in row {row + 1} (the first one is 1); convert it, or leave the "
                "column out with data.source.drop"
            )
    return column


def _as_texts(column: pd.Series) -> AnyArray:
    values = column.to_numpy(dtype=object)
    missing = column.isna().to_numpy()
    texts = [None if absent else _as_text(value) for value, absent in zip(values, missing, strict=True)]
    return np.array(texts, dtype=object)


def _as_text(value: Any) -> str:
    """Whole numbers lose their decimal point."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
