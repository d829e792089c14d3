"""A CSV file with a header: numeric feature columns and one label column (numbers or text)."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tuner.data.sources.files import reason
from tuner.data.table import AnyArray, FloatArray, Table, to_float32
from tuner.errors import DataError
from tuner.spec.sections import CsvSource


def read(source: CsvSource) -> Table:
    """Read the file; DataError without the label column, for a feature that is no number, or for no rows."""
    path = Path(source.path)
    frame = read_frame(path, source.delimiter)
    if source.label not in frame:
        raise missing_column(path, source.label, list(frame.columns))
    names = [name for name in frame.columns if name != source.label]
    if not names:
        raise DataError(
            f"data must have features, but {path} has only the label column '{source.label}'; "
            f"add a feature column or correct the delimiter '{source.delimiter}'"
        )
    return Table(feature_columns(frame, names, path), _labels(frame[source.label], path), tuple(names))


def read_frame(path: Path, delimiter: str) -> pd.DataFrame:
    """Read a CSV file with a header into a frame with text column names and at least one row."""
    try:
        frame: pd.DataFrame = pd.read_csv(path, sep=delimiter, low_memory=False)
    except (ValueError, OSError) as error:
        raise DataError(
            f"data must be readable as CSV, but {path} is not: {reason(error)}; correct the file"
        ) from error
    if frame.empty:
        raise DataError(f"data must have rows, but {path} has only a header; give a file with data")
    frame.columns = frame.columns.astype(str)
    return frame


def feature_columns(frame: pd.DataFrame, names: Sequence[str], path: Path) -> FloatArray:
    """The named columns as float32 [rows, names]; DataError for a missing column or one that is no number."""
    for name in names:
        if name not in frame:
            raise missing_column(path, name, list(frame.columns))
        if not pd.api.types.is_numeric_dtype(frame[name]):
            raise DataError(
                f"features must be numbers, but column '{name}' of {path} holds "
                f"{_first_text(frame[name])!r}; encode the column as numbers or remove it"
            )
    return to_float32(frame[list(names)].to_numpy(dtype=np.float64))


def missing_column(path: Path, name: str, columns: list[str]) -> DataError:
    """The error for a column that is not there, with the nearest name."""
    nearest = difflib.get_close_matches(name, columns, n=1)
    hint = f"did you mean '{nearest[0]}'" if nearest else f"it has {', '.join(columns)}"
    return DataError(f"the file must have the column '{name}', but {path} has none of that name; {hint}")


def _first_text(column: pd.Series) -> str:
    known = column.dropna()
    return str(known[pd.to_numeric(known, errors="coerce").isna()].iloc[0])


def _labels(column: pd.Series, path: Path) -> AnyArray:
    if column.isna().any():
        row = int(np.flatnonzero(column.isna())[0]) + 1
        raise DataError(
            f"every row must have a label, but column '{column.name}' of {path} has none in row {row} "
            "(the first one under the header is 1); fill it in or remove the row"
        )
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy()
    return np.array(column.astype(str), dtype=np.str_)
