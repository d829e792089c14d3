"""Parquet files, as frames."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tuner.data.sources.files import reason
from tuner.data.sources.parts import Part
from tuner.errors import DataError


def parts_of(path: Path, part_bytes: int) -> list[Part]:
    """Row groups, as many as have so many bytes."""
    from pyarrow import parquet  # here: only this source needs it

    try:
        metadata = parquet.read_metadata(path)
        groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    except Exception as error:
        raise _unreadable(path, error) from error
    parts, start, row, size, num_rows = [], 0, 0, 0, 0
    for index, group in enumerate(groups, start=1):
        size, num_rows = size + group.total_byte_size, num_rows + group.num_rows
        if size >= part_bytes or index == len(groups):
            parts.append(Part(start, index, row))
            start, row, size, num_rows = index, row + num_rows, 0, 0
    return parts


def read_frame(path: Path, part: Part | None = None) -> pd.DataFrame:
    """A frame with at least one row and text as names."""
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
        table = file.read() if part is None else file.read_row_groups(range(part.start, part.end))
        frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    except Exception as error:
        # What pyarrow raises for a damaged file depends on the place of the damage.
        raise _unreadable(path, error) from error
    if frame.empty:
        raise DataError(f"data must have rows, but {path} has none; give a file with data")
    frame.columns = frame.columns.astype(str)
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise DataError(f"columns must have different names, but {path} has '{twice[0]}' twice; rename one")
    return frame


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(
        f"data must be readable as Parquet, but {path} is not: {reason(error)}; correct the file"
    )
